"""The code generator: it writes Python functions that resolve fields and complete their values.

The functions support only values that are valid for the type of their field. Any other value raises
an exception. graphql-core then completes the same values, and reports the errors.

The functions assume that the class of an object decides which GraphQL type it has.
"""

import keyword
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from graphql import (
    FieldNode,
    GraphQLBoolean,
    GraphQLFloat,
    GraphQLID,
    GraphQLInt,
    GraphQLInterfaceType,
    GraphQLLeafType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLString,
    GraphQLUnionType,
    SelectionSetNode,
    Undefined,
    is_leaf_type,
)

from compiled_graphql.exceptions import NotCompiled, Unexpected
from compiled_graphql.inputs import Inputs, Values
from compiled_graphql.run import Complete, Field, ResolveInfo, Run, is_awaitable
from compiled_graphql.selections import Selections
from compiled_graphql.strawberry_parts import StrawberryParts

LINES_MAX = 200
"""The number of lines that an operation may have. A line takes about a kilobyte of memory."""


class Source:
    """The source of the functions of an operation, and the values of the names in it."""

    def __init__(self, names: Mapping[str, object]) -> None:
        self.names = dict(names)
        self.lines: list[str] = []

    def name(self, prefix: str, value: object = None) -> str:
        """Return a new name, for a value or for a function that the source will define."""
        name = f"{prefix}_{len(self.names)}"
        self.names[name] = value
        return name

    def build(self) -> Mapping[str, Any]:
        """Define the functions, and return the values of all names.

        The source contains no text of a request but names that were checked, and literals.

        Raises:
            NotCompiled: the functions would take too much memory.
        """
        if len(self.lines) > LINES_MAX:
            raise NotCompiled("too many lines")
        exec("\n".join(self.lines), self.names)  # noqa: S102
        return self.names


class Outputs:
    """Writes the functions of one operation, for one combination of conditions."""

    def __init__(self, parts: StrawberryParts, inputs: Inputs, selections: Selections) -> None:
        self._parts = parts
        self._inputs = inputs
        self._selections = selections
        self.source = Source(
            {"AWAITABLE": AWAITABLE, "Unexpected": Unexpected, "ResolveInfo": ResolveInfo}
        )
        self.arguments: list[Callable[[Values], Mapping[str, Any]]] = []
        """What makes the arguments of each field that takes any. All are made before execution."""

    def fields(
        self, type_: GraphQLObjectType, sets: Sequence[SelectionSetNode], *, root: bool = False
    ) -> dict[str, Field | None]:
        """Return the fields of an object by their response keys. None stands for `__typename`."""
        return {
            key: None
            if nodes[0].name.value == "__typename"
            else Field(
                self._selections,
                type_,
                _definition(type_, nodes[0]),
                nodes,
                key if root else None,
            )
            for key, nodes in self._selections.fields(type_, sets).items()
        }

    def resolve(self, field: Field) -> tuple[str, bool]:
        """Return an expression that resolves a field of `s`, and whether it is an attribute.

        Raises:
            NotCompiled: it takes more than to call the resolver, or to get an attribute.
        """
        resolver = self._parts.resolver(field.definition)
        if resolver.function is None:
            return f"s.{_name(resolver.attribute)}", True
        taken = ["s"] if resolver.takes_self else []
        taken += [f"{_name(name)}=s" for name in resolver.parent_names]
        if resolver.info_name is not None:
            make_info = self.source.name("make_info", resolver.make_info)
            asked = self.source.name("field", field)
            taken.append(f"{_name(resolver.info_name)}={make_info}(ResolveInfo(run, {asked}))")
        if resolver.takes_arguments:
            taken.append(f"**run.arguments[{len(self.arguments)}]")
            self.arguments.append(self._inputs.arguments(field.definition, field.nodes[0]))
        function = self.source.name("resolve", resolver.function)
        return f"{function}({', '.join(taken)})", False

    def complete(self, field: Field) -> str:
        """Write a function that completes a value of a field, and return its name."""
        expression = self._value(field.definition.type, field, "s")
        name = self.source.name("complete")
        self.source.lines += [f"def {name}(s, run):", f"    return {expression}"]
        return name

    def _value(self, type_: GraphQLOutputType, field: Field, value: str) -> str:
        """Return an expression that completes the value of the expression `value`."""
        inner, nullable = _inner(type_)
        if is_leaf_type(inner):
            return self._leaf(inner, value, nullable=nullable)
        if isinstance(inner, GraphQLList):
            function = self._list(inner.of_type, field)
        elif isinstance(inner, GraphQLObjectType):
            function = self._object(inner, field)
        else:
            function = self._abstract(inner, field)
        if nullable:
            return f"(None if (v := {value}) is None else {function}(v, run))"
        return f"{function}({value}, run)"

    def _object(self, type_: GraphQLObjectType, field: Field) -> str:
        statements, expression = self._members(type_, field)
        known, verify = self._known(type_, field)
        name = self.source.name("object")
        self.source.lines += [
            f"def {name}(s, run):",
            f"    if s.__class__ not in {known}: {verify}(s, run)",
            *(f"    {statement}" for statement in statements),
            f"    return {expression}",
        ]
        return name

    def _members(self, type_: GraphQLObjectType, field: Field) -> tuple[list[str], str]:
        """Return statements, and an expression that then makes the object of `s`."""
        entries: list[str] = []
        before: list[str] = []
        for key, member in self.fields(type_, selection_sets(field.nodes)).items():
            if member is None:
                entries.append(f"{key!r}: {type_.name!r}")
                continue
            value, is_attribute = self.resolve(member)
            if is_attribute:
                entries.append(f"{key!r}: {self._value(member.definition.type, member, value)}")
                continue
            local, complete = f"f{len(entries)}", self.complete(member)
            awaited = f"AWAITABLE[{local}.__class__]"
            # If another field fails, the awaitable must be known, so that it can be ended.
            before += [
                f"{local} = {value}",
                f"if {awaited}: run.pending.append((d, {key!r}, {local}, {complete}))",
            ]
            entries.append(f"{key!r}: None if {awaited} else {complete}({local}, run)")
        made = "{" + ", ".join(entries) + "}"
        return (["d = {}", *before, f"d.update({made})"], "d") if before else ([], made)

    def _list(self, type_: GraphQLOutputType, field: Field) -> str:
        inner, nullable = _inner(type_)
        check = []
        if not isinstance(inner, GraphQLObjectType):
            item = self._value(type_, field, "s")
        else:
            statements, item = self._members(inner, field)
            if statements:
                item = f"{self._object(inner, field)}(s, run)"
            else:
                # No function for each item: a call would take longer than to make the object.
                known, verify = self._known(inner, field)
                check = [f"    if s.__class__ not in {known}: {verify}(s, run)"]
            if nullable:
                item = f"None if s is None else {item}"
                check = [f"    if s is not None and{line[6:]}" for line in check]
        name = self.source.name("list")
        self.source.lines += [
            f"def {name}(items, run):",
            "    if items.__class__ is not list and items.__class__ is not tuple:",
            "        raise Unexpected('not a list')",
            "    made = []",
            "    add = made.append",
            "    for s in items:",
            *(f"    {line}" for line in check),
            f"        add({item})",
            "    return made",
        ]
        return name

    def _abstract(self, type_: GraphQLUnionType | GraphQLInterfaceType, field: Field) -> str:
        resolve_type = type_.resolve_type
        if resolve_type is None:
            raise NotCompiled(type_.name)
        possible = self._selections.schema.get_possible_types(type_)
        functions = {object_type.name: self._object(object_type, field) for object_type in possible}
        names = self.source.names
        by_class: dict[type, Complete] = {}

        def function_for(value: object, run: Run) -> Complete:
            _require_value(value)
            found = resolve_type(value, cast("Any", ResolveInfo(run, field)), type_)
            if not isinstance(found, str):
                raise Unexpected(found)
            function = by_class[value.__class__] = cast("Complete", names[functions[found]])
            return function

        types = self.source.name("types", by_class)
        find = self.source.name("find", function_for)
        name = self.source.name("abstract")
        self.source.lines += [
            f"def {name}(s, run):",
            f"    return ({types}.get(s.__class__) or {find}(s, run))(s, run)",
        ]
        return name

    def _known(self, type_: GraphQLObjectType, field: Field) -> tuple[str, str]:
        """Return the names of the set of classes that have a type, and of what adds a class."""
        known: set[type] = set()

        def verify(value: object, run: Run) -> None:
            _require_value(value)
            info = cast("Any", ResolveInfo(run, field))
            if type_.is_type_of is not None and type_.is_type_of(value, info) is not True:
                raise Unexpected(value)
            known.add(value.__class__)

        return self.source.name("known", known), self.source.name("verify", verify)

    def _leaf(self, type_: GraphQLLeafType, value: str, *, nullable: bool) -> str:
        coerce = type_.coerce_output_value

        def complete(value: object) -> object:
            if value is None and nullable:
                return None
            _require_value(value)
            coerced = coerce(value)
            if coerced is None or coerced is Undefined:
                raise Unexpected(value)
            return coerced

        leaf = self.source.name("leaf", complete)
        plain = _PLAIN.get(type_)
        if plain is None:
            # A text that the scalar turns into another text needs no further checks.
            write = self.source.name("write", coerce)
            return (
                f"(w if (v := {value}).__class__ is str and (w := {write}(v)).__class__ is str "
                f"else {leaf}(v))"
            )
        as_is = f"(v := {value}).__class__ is {plain.__name__}"
        if type_ is GraphQLID:
            return f"(v if {as_is} else str(v) if v.__class__ is int else {leaf}(v))"
        if type_ is GraphQLInt:
            return f"(v if {as_is} and -2147483648 <= v <= 2147483647 else {leaf}(v))"
        if type_ is GraphQLFloat:
            return f"(v if {as_is} and v - v == 0 else {leaf}(v))"
        return f"(v if {as_is}{' or v is None' if nullable else ''} else {leaf}(v))"


def selection_sets(nodes: Sequence[FieldNode]) -> list[SelectionSetNode]:
    return [node.selection_set for node in nodes if node.selection_set]


def _definition(type_: GraphQLObjectType, node: FieldNode) -> Any:  # noqa: ANN401 -- a GraphQLField
    definition = type_.fields.get(node.name.value)
    if definition is None:
        raise NotCompiled(node.name.value)  # `__schema` or `__type`
    return definition


def _inner(type_: GraphQLOutputType) -> tuple[Any, bool]:
    """Return a type without Non-Null, and whether it allows null."""
    return (type_.of_type, False) if isinstance(type_, GraphQLNonNull) else (type_, True)


class _Awaitable(dict[type, bool]):
    """Tells whether the instances of a class are awaitable."""

    def __missing__(self, kind: type) -> bool:
        answer = self[kind] = hasattr(kind, "__await__")
        return answer


AWAITABLE = _Awaitable()

_PLAIN: dict[GraphQLLeafType, type] = {
    GraphQLString: str,
    GraphQLID: str,
    GraphQLInt: int,
    GraphQLFloat: float,
    GraphQLBoolean: bool,
}


def _require_value(value: object) -> None:
    """Refuse a value to which graphql-core gives a meaning of its own.

    Raises:
        Unexpected: it is None, undefined, an exception or an awaitable.
    """
    if value is None or value is Undefined or isinstance(value, Exception) or is_awaitable(value):
        raise Unexpected(value)


def _name(name: str) -> str:
    """Return a name that the source may contain.

    Raises:
        NotCompiled: it is not an ASCII identifier of Python.
    """
    if not name.isascii() or not name.isidentifier() or keyword.iskeyword(name):
        raise NotCompiled(name)
    return name
