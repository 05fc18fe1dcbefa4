"""What is selected below a field, so that its resolver can read that along with the field."""

from typing import Any

import strawberry
from graphql import (
    BooleanValueNode,
    DirectiveNode,
    FieldNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    VariableNode,
)

TOTAL_COUNT = "totalCount"
"""The field of a page that takes a statement of its own."""


def selects(info: strawberry.Info[Any, Any], name: str) -> bool:
    """Return whether a field of this name is selected below the one that is being resolved.

    `Info.selected_fields` says it, too. But it converts all that is selected, with its arguments,
    which takes longer than to resolve it.
    """
    raw = info._raw_info  # noqa: SLF001 -- see above
    todo = [node.selection_set for node in raw.field_nodes if node.selection_set]
    spread = set[str]()
    for selection_set in todo:
        for selection in selection_set.selections:
            if selection.directives and not _is_included(selection.directives, info):
                continue
            match selection:
                case FieldNode():
                    if selection.name.value == name:
                        return True
                case InlineFragmentNode():
                    todo.append(selection.selection_set)
                case FragmentSpreadNode() if selection.name.value not in spread:
                    spread.add(selection.name.value)
                    todo.append(raw.fragments[selection.name.value].selection_set)
    return False


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
