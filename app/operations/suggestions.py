"""A suggestion that graphql-core does not make: the nodes of a connection."""

from typing import Any

from graphql import (
    FieldNode,
    FieldsOnCorrectTypeRule,
    GraphQLError,
    GraphQLObjectType,
    get_named_type,
)


class SuggestingNodesRule(FieldsOnCorrectTypeRule):
    """graphql-core's rule, which suggests as well that a field is one of a connection's nodes."""

    def enter_field(self, node: FieldNode, *rest: Any) -> None:  # noqa: ANN401 -- as graphql-core's
        """Report a field that its parent does not have."""
        parent, name = self.context.get_parent_type(), node.name.value
        is_missing = self.context.get_field_def() is None
        suggests = is_missing and not self.context.hide_suggestions
        if suggests and name in _fields_of_nodes(parent):
            message = (
                f"Cannot query field '{name}' on type '{parent}'. "
                f"Did you mean 'nodes {{ {name} }}'?"
            )
            self.report_error(GraphQLError(message, node))
        else:
            super().enter_field(node, *rest)


def _fields_of_nodes(parent: object) -> set[str]:
    """Return the names of the fields that the nodes of a type have; none where it has no nodes."""
    nodes = parent.fields.get("nodes") if isinstance(parent, GraphQLObjectType) else None
    type_ = get_named_type(nodes.type) if nodes else None
    return set(type_.fields) if isinstance(type_, GraphQLObjectType) else set()
