"""Field Selection Merging (GraphQL, October 2021, 5.3.2), without comparing fields in pairs.

graphql-core compares each two fields of the same response name, which takes hundreds of
milliseconds for a document of 2 KB. Here all fields of a response name are one group, and each of
them is compared with the first one. This is the algorithm that XING published for Sangria.

Fragment arguments and `@stream`, which are no part of the specification yet, are not supported.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import NamedTuple

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLNamedType,
    GraphQLOutputType,
    GraphQLSchema,
    InlineFragmentNode,
    ListValueNode,
    NamedTypeNode,
    ObjectValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    StringValueNode,
    ValueNode,
    VariableNode,
    get_named_type,
    is_interface_type,
    is_leaf_type,
    is_object_type,
)

Key = object
"""Something hashable."""


class Field(NamedTuple):
    """A field that a selection set selects."""

    node: FieldNode
    parent: GraphQLNamedType | None
    """The type that it is selected on; None if that is unknown."""
    type: GraphQLOutputType | None
    """Its type; None if that is unknown, as it is of `__typename`, `__schema` and `__type`."""


class Selected(NamedTuple):
    """What a selection set selects, through its inline fragments."""

    fields: list[tuple[str, Field]]
    """The fields, each with its response name."""
    fragments: list[FragmentDefinitionNode]
    """The fragments that are spread."""


def merging_errors(schema: GraphQLSchema, document: DocumentNode, most: int) -> list[GraphQLError]:
    """Return at most `most` errors, one or more if fields of the document cannot be merged.

    The document is one that all other rules accept. It gets the verdict of graphql-core's
    `OverlappingFieldsCanBeMergedRule`.
    """
    merging = Merging(schema, document, most)
    with suppress(_Enough):
        merging.check()
    return merging.errors


class _Enough(Exception):
    """There are as many errors as were wanted."""


class Merging:
    """Finds the fields of one document that cannot be merged."""

    def __init__(self, schema: GraphQLSchema, document: DocumentNode, most: int) -> None:
        self.errors: list[GraphQLError] = []
        self._schema = schema
        self._definitions = document.definitions
        self._most = most
        self._fragments = {
            definition.name.value: definition
            for definition in self._definitions
            if isinstance(definition, FragmentDefinitionNode)
        }
        self._spread: set[str] = set()
        self._selected: dict[int, Selected] = {}
        self._shapes: dict[GraphQLOutputType, str] = {}
        self._checked: set[tuple[bool, frozenset[int]]] = set()

    def check(self) -> None:
        """Check what the operations select, and the fragments that none of them spreads."""
        for definition in self._definitions:
            if isinstance(definition, OperationDefinitionNode):
                type_ = self._schema.get_root_type(definition.operation)
                self._check(self._merged([(definition.selection_set, type_)]), (), apart=False)
        for name, fragment in self._fragments.items():
            if name not in self._spread:
                selected = [(fragment.selection_set, self._type(fragment.type_condition))]
                self._check(self._merged(selected), (), apart=False)

    def _check(self, groups: dict[str, list[Field]], path: tuple[str, ...], *, apart: bool) -> None:
        """Check the fields of one object, by response name.

        `apart`: they may differ in name and arguments, for none of them are selected together.
        """
        for name, fields in groups.items():
            if len(fields) == 1 and (apart or fields[0].node.selection_set is None):
                # It has nothing to differ from. What it selects is checked where it is not apart.
                continue
            if self._is_new(fields, apart=apart):
                self._check_group(fields, (*path, name), apart=apart)

    def _is_new(self, fields: list[Field], *, apart: bool) -> bool:
        key = apart, frozenset([id(field.node) for field in fields])
        if key in self._checked:
            return False
        self._checked.add(key)
        return True

    def _check_group(self, fields: list[Field], path: tuple[str, ...], *, apart: bool) -> None:
        if len(fields) > 1 and self._shapes_differ(fields, path):
            return
        if apart:
            self._check(self._below(fields), path, apart=True)
            return
        together = _together(fields)
        found = len(self.errors)
        for some in together:
            if not self._calls_differ(some, path):
                self._check(self._below(some), path, apart=False)
        if len(together) > 1 and len(self.errors) == found:
            self._check(self._below(fields), path, apart=True)

    def _shapes_differ(self, fields: list[Field], path: tuple[str, ...]) -> bool:
        """Report the first field whose answer has another shape than that of one before it."""
        first = None
        for field in fields:
            if field.type is None:
                continue
            if first is None or first.type is None:
                first = field
            elif field.type is not first.type and self._shape(field.type) != self._shape(
                first.type
            ):
                reason = f"they return conflicting types '{first.type}' and '{field.type}'"
                self._report(path, reason, first, field)
                return True
        return False

    def _calls_differ(self, fields: list[Field], path: tuple[str, ...]) -> bool:
        """Report the first field that has another name or other arguments than the first one."""
        first, *others = fields
        name = first.node.name.value
        for field in others:
            if field.node.name.value != name:
                reason = f"'{name}' and '{field.node.name.value}' are different fields"
                self._report(path, reason, first, field)
                return True
        if any(field.node.arguments for field in fields):
            arguments = _arguments(first.node)
            for field in others:
                if _arguments(field.node) != arguments:
                    self._report(path, "they have differing arguments", first, field)
                    return True
        return False

    def _report(self, path: tuple[str, ...], reason: str, *fields: Field) -> None:
        self.errors.append(
            GraphQLError(
                f"Fields '{'.'.join(path)}' conflict because {reason}. Use different aliases on "
                "the fields to fetch both if this was intentional.",
                [field.node for field in fields],
            )
        )
        if len(self.errors) >= self._most:
            raise _Enough

    def _below(self, fields: Iterable[Field]) -> dict[str, list[Field]]:
        """Return what the fields select, merged."""
        return self._merged(
            [
                (field.node.selection_set, get_named_type(field.type) if field.type else None)
                for field in fields
                if field.node.selection_set
            ]
        )

    def _merged(
        self, sets: Sequence[tuple[SelectionSetNode, GraphQLNamedType | None]]
    ) -> dict[str, list[Field]]:
        """Return the fields that selection sets select, through fragments, by response name."""
        groups: dict[str, list[Field]] = defaultdict(list)
        todo = [self._select(selection_set, type_) for selection_set, type_ in sets]
        spread: set[str] = set()
        for selected in todo:
            for name, field in selected.fields:
                groups[name].append(field)
            for fragment in selected.fragments:
                name = fragment.name.value
                if name not in spread:
                    spread.add(name)
                    type_ = self._type(fragment.type_condition)
                    todo.append(self._select(fragment.selection_set, type_))
        self._spread |= spread
        return groups

    def _select(self, selection_set: SelectionSetNode, type_: GraphQLNamedType | None) -> Selected:
        selected = self._selected.get(id(selection_set))
        if selected is None:
            selected = self._selected[id(selection_set)] = Selected([], [])
            self._collect(selection_set, type_, selected)
        return selected

    def _collect(
        self, selection_set: SelectionSetNode, type_: GraphQLNamedType | None, selected: Selected
    ) -> None:
        known = type_.fields if is_object_type(type_) or is_interface_type(type_) else {}
        for node in selection_set.selections:
            if isinstance(node, FieldNode):
                definition = known.get(node.name.value)
                field = Field(node, type_, definition.type if definition else None)
                selected.fields.append(((node.alias or node.name).value, field))
            elif isinstance(node, FragmentSpreadNode):
                if node.name.value in self._fragments:
                    selected.fragments.append(self._fragments[node.name.value])
            elif isinstance(node, InlineFragmentNode):
                condition = node.type_condition
                inner = self._type(condition) if condition else type_
                self._collect(node.selection_set, inner, selected)
            else:
                raise TypeError(node)

    def _type(self, condition: NamedTypeNode) -> GraphQLNamedType | None:
        return self._schema.get_type(condition.name.value)

    def _shape(self, type_: GraphQLOutputType) -> str:
        """Return what is the same for two types just if both fit one answer.

        Of types that have fields it does not matter which they are, for their fields are compared.
        """
        shape = self._shapes.get(type_)
        if shape is None:
            named = get_named_type(type_)
            shape = str(type_) if is_leaf_type(named) else str(type_).replace(named.name, "{}")
            self._shapes[type_] = shape
        return shape


def _together(fields: list[Field]) -> list[list[Field]]:
    """Return groups of fields: those that one object may be asked for together.

    Fields of two object types are never selected together. A field of any other type, or of an
    unknown one, may be selected together with each.
    """
    by_type: dict[GraphQLNamedType | None, list[Field]] = defaultdict(list)
    for field in fields:
        by_type[field.parent if is_object_type(field.parent) else None].append(field)
    if len(by_type) == 1:
        return [fields]
    others = by_type.pop(None, [])
    return [[*some, *others] for some in by_type.values()]


def _arguments(node: FieldNode) -> Key:
    return frozenset((each.name.value, _value(each.value)) for each in node.arguments or ())


def _value(node: ValueNode) -> Key:
    """Return what is equal for two values just if they are the same; fields have no order."""
    if isinstance(node, ObjectValueNode):
        return "{}", frozenset((field.name.value, _value(field.value)) for field in node.fields)
    if isinstance(node, ListValueNode):
        return "[]", tuple(_value(value) for value in node.values)
    if isinstance(node, StringValueNode):
        return node.kind, node.value, bool(node.block)
    if isinstance(node, VariableNode):
        return node.kind, node.name.value
    # Null is a kind without a value.
    return node.kind, getattr(node, "value", None)
