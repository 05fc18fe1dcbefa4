"""Input coercion: variables and arguments in a request become the arguments of resolvers.

A reader is made once for each input type. It takes only values that need no conversion between
types of JSON. Any other value raises Unexpected: graphql-core converts it, or reports an error.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from graphql import (
    FieldNode,
    GraphQLArgument,
    GraphQLBoolean,
    GraphQLEnumType,
    GraphQLError,
    GraphQLField,
    GraphQLFloat,
    GraphQLID,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLInt,
    GraphQLList,
    GraphQLNonNull,
    GraphQLScalarType,
    GraphQLString,
    NullValueNode,
    ObjectValueNode,
    OperationDefinitionNode,
    Undefined,
    ValueNode,
    VariableNode,
    Visitor,
    coerce_input_literal,
    value_from_ast_untyped,
    visit,
)

from compiled_graphql.exceptions import NotCompiled, Unexpected
from compiled_graphql.strawberry_parts import Input, StrawberryParts, is_one_of

Read = Callable[[Any], Any]
"""Coerces a value that JSON has."""

Values = Mapping[str, Any]
"""The variables as JSON has them. A reader has accepted each of them."""

Build = Callable[[Values], Any]
"""Makes an argument of the variables, or returns `Undefined` if it is left out."""

_INT_MAX = 2**31 - 1


class Inputs:
    """Makes the readers of one schema's input types, and what makes arguments."""

    def __init__(self, parts: StrawberryParts) -> None:
        self._parts = parts
        self._readers: dict[str, Read] = {}

    def variable_reader(self, operation: OperationDefinitionNode) -> Callable[[Values], Values]:
        """Return a function that checks the variables and adds the defaults of those left out."""
        readers: dict[str, Read] = {}
        defaults: dict[str, Any] = {}
        required: list[str] = []
        for definition in operation.variable_definitions or ():
            name = definition.variable.name.value
            type_ = self._input_type(definition.type)
            if definition.directives:
                raise NotCompiled("a directive on a variable")
            readers[name] = self.reader(type_)
            if definition.default_value is not None:
                defaults[name] = value_from_ast_untyped(definition.default_value)
                readers[name](defaults[name])
            elif isinstance(type_, GraphQLNonNull):
                required.append(name)

        def read(given: Values) -> Values:
            values = {**defaults, **given} if defaults else given
            for name in required:
                if name not in values:
                    raise Unexpected(name)
            for name, read_one in readers.items():
                if name in values:
                    read_one(values[name])
            return values

        return read

    def arguments(self, field: GraphQLField, node: FieldNode) -> Callable[[Values], dict[str, Any]]:
        """Return a function that makes the arguments of a field, by their names in Python."""
        given = {argument.name.value: argument.value for argument in node.arguments or ()}
        builders: list[tuple[str, Build]] = []
        for argument in self._parts.arguments(field):
            name = argument.name
            build = self._build(field.args[name], argument.type_, given.get(name))
            builders.append((argument.python_name, build))

        def make(values: Values) -> dict[str, Any]:
            made = {}
            for name, build in builders:
                value = build(values)
                if value is not Undefined:
                    made[name] = value
            return made

        return make

    def reader(self, type_: GraphQLInputType) -> Read:
        """Return the reader of a type."""
        if isinstance(type_, GraphQLNonNull):
            return self._non_null(type_.of_type)
        inner = self._non_null(type_)
        return lambda value: None if value is None else inner(value)

    def _input_type(self, node: Any) -> GraphQLInputType:  # noqa: ANN401 -- any type's node
        match node.kind:
            case "non_null_type":
                return cast("GraphQLInputType", GraphQLNonNull(self._input_type(node.type)))
            case "list_type":
                return GraphQLList(self._input_type(node.type))
        return cast("GraphQLInputType", self._parts.graphql_schema.type_map[node.name.value])

    def _non_null(self, type_: GraphQLInputType) -> Read:
        if isinstance(type_, GraphQLList):
            item = self.reader(type_.of_type)

            def read_list(value: Any) -> list[Any]:  # noqa: ANN401 -- JSON is anything
                if value.__class__ is not list:
                    raise Unexpected(value)
                return [item(each) for each in value]

            return read_list
        assert not isinstance(type_, GraphQLNonNull)
        read = self._readers.get(type_.name)
        if read is None:
            # An input type may have fields of its own type.
            self._readers[type_.name] = lambda value: self._readers[type_.name](value)
            read = self._readers[type_.name] = self._named(type_)
        return read

    def _named(self, type_: GraphQLInputType) -> Read:
        match type_:
            case GraphQLInputObjectType():
                return self._object(type_)
            case GraphQLEnumType():
                return {name: type_.coerce_input_value(name) for name in type_.values}.__getitem__
            case GraphQLScalarType():
                return _PLAIN.get(type_) or _custom(type_)
        raise NotCompiled(str(type_))

    def _object(self, type_: GraphQLInputObjectType) -> Read:
        members = self._parts.input_fields(type_)
        make = self._parts.constructor(type_)
        names = {member.name: member.python_name for member in members}
        readers = {name: self.reader(field.type) for name, field in type_.fields.items()}
        required, defaults = self._required_and_defaults(type_, members)
        one_of = is_one_of(type_)

        def read_object(value: Any) -> Any:  # noqa: ANN401 -- JSON is anything
            if value.__class__ is not dict:
                raise Unexpected(value)
            if one_of and (len(value) != 1 or None in value.values()):
                raise Unexpected(value)
            for name in required:
                if name not in value:
                    raise Unexpected(name)
            made = {names[name]: readers[name](given) for name, given in value.items()}
            for name, default in defaults.items():
                if name not in value:
                    made[names[name]] = default()
            return make(made)

        return read_object

    def _required_and_defaults(
        self, type_: GraphQLInputObjectType, members: Sequence[Input]
    ) -> tuple[list[str], dict[str, Callable[[], Any]]]:
        required: list[str] = []
        defaults: dict[str, Callable[[], Any]] = {}
        for member in members:
            input_ = type_.fields[member.name]
            default = self._default(input_, member.type_)
            if default is not None:
                defaults[member.name] = default
            elif isinstance(input_.type, GraphQLNonNull):
                required.append(member.name)
        return required, defaults

    def _default(
        self, input_: GraphQLArgument | GraphQLInputField, type_: object
    ) -> Callable[[], Any] | None:
        if input_.default is not None:
            raise NotCompiled("a default that graphql-core has not coerced")
        default = input_.default_value
        if default is Undefined:
            return None
        if isinstance(default, dict | list):
            # Made anew each time, for whoever gets it may change it.
            return lambda: self._parts.convert(default, type_)
        made = self._parts.convert(default, type_)
        return lambda: made

    def _build(
        self, input_: GraphQLArgument | GraphQLInputField, type_: object, node: ValueNode | None
    ) -> Build:
        """Return what makes an argument, or a field of an input object in the document."""
        default = self._default(input_, type_)
        non_null = isinstance(input_.type, GraphQLNonNull)
        if node is None:
            if default is not None:
                made = default
                return lambda _: made()
            if non_null:
                raise NotCompiled("a required argument is missing")
            return lambda _: Undefined
        if isinstance(node, VariableNode):
            return self._build_from_variable(node.name.value, input_, default)
        return self._literal(input_.type, type_, node)

    def _build_from_variable(
        self,
        name: str,
        input_: GraphQLArgument | GraphQLInputField,
        default: Callable[[], Any] | None,
    ) -> Build:
        read = self.reader(input_.type)

        def build(values: Values) -> Any:  # noqa: ANN401 -- an argument
            if name in values:
                return read(values[name])
            if default is not None:
                return default()
            if isinstance(input_.type, GraphQLNonNull):
                raise Unexpected(name)
            return Undefined

        return build

    def _literal(self, graphql_type: GraphQLInputType, type_: object, node: ValueNode) -> Build:
        if isinstance(graphql_type, GraphQLNonNull):
            if isinstance(node, NullValueNode):
                raise NotCompiled("null for a non-null type")
            return self._literal(graphql_type.of_type, type_, node)
        if not _has_variables(node):
            try:
                value = coerce_input_literal(node, graphql_type)
            except GraphQLError as error:
                # Strawberry's one-of inputs do so.
                raise NotCompiled("a literal that its type refuses") from error
            if value is Undefined:
                raise NotCompiled("a literal of the wrong type")
            if not isinstance(value, dict | list):
                return lambda _: value
            return lambda _: self._parts.convert(value, type_)
        if isinstance(graphql_type, GraphQLInputObjectType) and isinstance(node, ObjectValueNode):
            return self._object_literal(graphql_type, node)
        raise NotCompiled("variables in a list")

    def _object_literal(self, type_: GraphQLInputObjectType, node: ObjectValueNode) -> Build:
        if is_one_of(type_):
            raise NotCompiled("a variable in a one-of input")
        make = self._parts.constructor(type_)
        given = {field.name.value: field.value for field in node.fields}
        builders = {
            member.python_name: self._build(
                type_.fields[member.name], member.type_, given.get(member.name)
            )
            for member in self._parts.input_fields(type_)
        }

        def build(values: Values) -> Any:  # noqa: ANN401 -- an instance of the class
            members = {}
            for name, member in builders.items():
                value = member(values)
                if value is not Undefined:
                    members[name] = value
            return make(members)

        return build


def _has_variables(node: ValueNode) -> bool:
    found = False

    class Finder(Visitor):
        def enter_variable(self, *_: object) -> None:
            nonlocal found
            found = True

    visit(node, Finder())
    return found


def _read_int(value: Any) -> int:  # noqa: ANN401 -- JSON is anything
    if value.__class__ is int and -_INT_MAX - 1 <= value <= _INT_MAX:
        return value
    raise Unexpected(value)


def _read_float(value: Any) -> float:  # noqa: ANN401 -- JSON is anything
    if value.__class__ is float and value - value == 0:
        return value
    raise Unexpected(value)


def _read_text(value: Any) -> str:  # noqa: ANN401 -- JSON is anything
    if value.__class__ is str:
        return value
    raise Unexpected(value)


def _read_bool(value: Any) -> bool:  # noqa: ANN401 -- JSON is anything
    if value.__class__ is bool:
        return value
    raise Unexpected(value)


_PLAIN: dict[GraphQLScalarType, Read] = {
    GraphQLInt: _read_int,
    GraphQLFloat: _read_float,
    GraphQLString: _read_text,
    GraphQLID: _read_text,
    GraphQLBoolean: _read_bool,
}


def _custom(type_: GraphQLScalarType) -> Read:
    def read(value: Any) -> Any:  # noqa: ANN401 -- JSON is anything
        parsed = type_.coerce_input_value(value)
        if parsed is Undefined:
            raise Unexpected(value)
        return parsed

    return read
