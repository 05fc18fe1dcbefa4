"""What is selected below a field, so that its resolver can read that along with the field."""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import strawberry
from graphql import (
    BooleanValueNode,
    DirectiveNode,
    FieldNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    VariableNode,
)
from strawberry.utils.str_converters import to_camel_case

from models.task import TaskRow

TOTAL_COUNT = "totalCount"
"""The field of a page that takes a statement of its own."""

_EVERY_COLUMN = frozenset(TaskRow._fields)

_COLUMNS: dict[str, frozenset[str]] = {
    **{to_camel_case(name): frozenset({name}) for name in TaskRow._fields},
    "__typename": frozenset(),
    "owner": frozenset(),
    "list": frozenset({"list_id"}),
    "parent": frozenset({"parent_id"}),
    "recurrence": frozenset({"id", "repeats"}),
    "successor": frozenset({"successor_id"}),
    "subtasks": frozenset({"id", "parent_id"}),
    "subtaskCount": frozenset({"id", "parent_id"}),
}
"""The columns that each field of a task is made of: where it is not here, every column."""


class SelectedOfPage(NamedTuple):
    """What is selected of a page of tasks."""

    has_count: bool
    """`totalCount` is."""
    columns: frozenset[str]
    """The columns that the selected fields of its tasks are made of."""


def selected_of_page(info: strawberry.Info[Any, Any]) -> SelectedOfPage:
    """Return what is selected of the page of tasks that is being resolved."""
    raw = info._raw_info  # noqa: SLF001 -- see `selects`
    # Compiled operations have a memory: it is the same each time.
    memory: dict[object, SelectedOfPage] = getattr(raw, "memory", {})
    selected = memory.get(SelectedOfPage)
    if selected is None:
        of_page = list(_below(raw.field_nodes, info))
        edges = _below(_called("edges", of_page), info)
        tasks = [*_called("nodes", of_page), *_called("node", edges)]
        columns = [_COLUMNS.get(node.name.value, _EVERY_COLUMN) for node in _below(tasks, info)]
        selected = memory[SelectedOfPage] = SelectedOfPage(
            bool(_called(TOTAL_COUNT, of_page)), frozenset[str]().union(*columns)
        )
    return selected


def selects(info: strawberry.Info[Any, Any], name: str) -> bool:
    """Return whether a field of this name is selected below the one that is being resolved.

    `Info.selected_fields` says it, too. But it converts all that is selected, with its arguments,
    which takes longer than to resolve it.
    """
    nodes = info._raw_info.field_nodes  # noqa: SLF001 -- see above
    return bool(_called(name, _below(nodes, info)))


def _called(name: str, nodes: Iterable[FieldNode]) -> list[FieldNode]:
    return [node for node in nodes if node.name.value == name]


def _below(parents: Iterable[FieldNode], info: strawberry.Info[Any, Any]) -> Iterator[FieldNode]:
    """Yield the fields that are selected below these, in fragments or not."""
    fragments = info._raw_info.fragments  # noqa: SLF001 -- see `selects`
    todo = [node.selection_set for node in parents if node.selection_set]
    spread = set[str]()
    for selection_set in todo:
        for selection in selection_set.selections:
            if selection.directives and not _is_included(selection.directives, info):
                continue
            match selection:
                case FieldNode():
                    yield selection
                case InlineFragmentNode():
                    todo.append(selection.selection_set)
                case FragmentSpreadNode() if selection.name.value not in spread:
                    spread.add(selection.name.value)
                    todo.append(fragments[selection.name.value].selection_set)


def _is_included(directives: tuple[DirectiveNode, ...], info: strawberry.Info[Any, Any]) -> bool:
    """Return what `@skip` and `@include` say, as the specification has it (October 2021, 3.13)."""
    for directive in directives:
        if directive.name.value not in ("skip", "include") or not directive.arguments:
            continue
        match directive.arguments[0].value:
            case BooleanValueNode(value=holds):
                pass
            case VariableNode(name=variable):
                holds = info.variable_values[variable.value]
        if holds is (directive.name.value == "skip"):
            return False
    return True
