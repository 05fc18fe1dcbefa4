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
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLUnionType,
    SelectionSetNode,
    is_leaf_type,
)

from compiled_graphql.columns import columns_of
from compiled_graphql.exceptions import NotCompiled, Unexpected
from compiled_graphql.inputs import Inputs, Values
from compiled_graphql.leaves import all_values, leaf, named, require_value
from compiled_graphql.run import Complete, Field, ResolveInfo, Run
from compiled_graphql.selections import Selections
from compiled_graphql.source import Source
from compiled_graphql.strawberry_parts import StrawberryParts


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
        return self._function("s", self._value(field.definition.type, field, "s"))

    def _function(self, parameter: str, expression: str) -> str:
        name = self.source.name("complete")
        self.source.lines += [f"def {name}({parameter}, run):", f"    return {expression}"]
        return name

    def _value(self, type_: GraphQLOutputType, field: Field, value: str) -> str:
        """Return an expression that completes the value of the expression `value`."""
        inner, nullable = _inner(type_)
        if is_leaf_type(inner):
            return leaf(self.source, inner, value, nullable=nullable)
        if isinstance(inner, GraphQLList):
            function = self._list(inner.of_type, field)
        elif isinstance(inner, GraphQLObjectType):
            function = self._object(inner, field)
        else:
            function = self._abstract(inner, field)
        if nullable:
            v, first = named(value)
            return f"(None if {first} is None else {function}({v}, run))"
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
            local, is_awaited = f"f{len(entries)}", f"a{len(entries)}"
            completed = self._value(member.definition.type, member, local)
            complete = self._function(local, completed)
            # If another field fails, the awaitable must be known, so that it can be ended.
            before += [
                f"{local} = {value}",
                f"if {is_awaited} := AWAITABLE[{local}.__class__]: "
                f"run.pending.append((d, {key!r}, {local}, {complete}))",
            ]
            entries.append(f"{key!r}: None if {is_awaited} else {completed}")
        made = "{" + ", ".join(entries) + "}"
        return (["d = {}", *before, f"d.update({made})"], "d") if before else ([], made)

    def _list(self, type_: GraphQLOutputType, field: Field) -> str:
        statements = self._columns(type_, field) or [
            f"return [{self._value(type_, field, 's')} for s in items]"
        ]
        name = self.source.name("list")
        self.source.lines += [
            f"def {name}(items, run):",
            "    if items.__class__ is not list and items.__class__ is not tuple:",
            "        raise Unexpected('not a list')",
            *(f"    {statement}" for statement in statements),
        ]
        return name

    def _columns(self, type_: GraphQLOutputType, field: Field) -> list[str]:
        """Return statements that make the objects of `items` column by column.

        Return none where a field of these objects has a resolver, or none is selected.
        """
        inner, nullable = _inner(type_)
        if nullable or not isinstance(inner, GraphQLObjectType):
            return []
        members = self.fields(inner, selection_sets(field.nodes))
        resolvers = [self._parts.resolver(each.definition) for each in members.values() if each]
        if not resolvers or any(resolver.function is not None for resolver in resolvers):
            return []
        columns: list[str] = []
        entries: list[str] = []
        for key, member in members.items():
            if member is None:
                entries.append(f"{key!r}: {inner.name!r}")
                continue
            column, value = self._column(member, len(columns))
            columns.append(column)
            entries.append(f"{key!r}: {value}")
        read = self.source.name("read", columns_of([each.attribute for each in resolvers]))
        known, verify = self._known(inner, field)
        names = "".join(f"c{number}, " for number in range(len(columns)))
        values = names.replace("c", "v")
        return [
            "if not items: return []",
            "kinds = {*map(type, items)}",
            f"if not {known} >= kinds:",
            f"    for s in items: {verify}(s, run)",
            f"{names}= {read}(items, kinds)",
            f"return [{{{', '.join(entries)}}} "
            f"for {values}in zip({', '.join(columns)}, strict=True)]",
        ]

    def _column(self, member: Field, number: int) -> tuple[str, str]:
        """Return an expression for a column, and one that completes a value `v` of it."""
        column, value = f"c{number}", f"v{number}"
        type_ = member.definition.type
        inner, nullable = _inner(type_)
        serialize_all = self._parts.serialize_all(inner)
        if serialize_all is None:
            return column, self._value(type_, member, value)
        write = self.source.name("write_all", all_values(serialize_all, nullable=nullable))
        return f"{write}({column})", value

    def _abstract(self, type_: GraphQLUnionType | GraphQLInterfaceType, field: Field) -> str:
        resolve_type = type_.resolve_type
        if resolve_type is None:
            raise NotCompiled(type_.name)
        possible = self._selections.schema.get_possible_types(type_)
        functions = {object_type.name: self._object(object_type, field) for object_type in possible}
        names = self.source.names
        by_class: dict[type, Complete] = {}

        def function_for(value: object, run: Run) -> Complete:
            require_value(value)
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
            require_value(value)
            info = cast("Any", ResolveInfo(run, field))
            if type_.is_type_of is not None and type_.is_type_of(value, info) is not True:
                raise Unexpected(value)
            known.add(value.__class__)

        return self.source.name("known", known), self.source.name("verify", verify)


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


def _name(name: str) -> str:
    """Return a name that the source may contain.

    Raises:
        NotCompiled: it is not an ASCII identifier of Python.
    """
    if not name.isascii() or not name.isidentifier() or keyword.iskeyword(name):
        raise NotCompiled(name)
    return name
