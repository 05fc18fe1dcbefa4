"""Field collection: which fields of an object an operation selects, and in which order.

This is CollectFields of the GraphQL specification (October 2021, 6.3.2), with fragments, type
conditions, `@skip` and `@include`. An operation is compiled once for each combination of the
variables on which these directives depend. So their values are known here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from graphql import (
    BooleanValueNode,
    DirectiveNode,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    NamedTypeNode,
    OperationDefinitionNode,
    SelectionNode,
    SelectionSetNode,
    VariableNode,
)

from compiled_graphql.exceptions import NotCompiled


@dataclass(frozen=True, slots=True)
class Selections:
    """The selection sets of one operation, for one combination of conditions."""

    schema: GraphQLSchema
    operation: OperationDefinitionNode
    fragments: Mapping[str, FragmentDefinitionNode]
    conditions: Mapping[str, bool]
    """The variables on which `@skip` and `@include` depend, with their values."""

    def fields(
        self, type_: GraphQLObjectType, sets: Sequence[SelectionSetNode]
    ) -> dict[str, list[FieldNode]]:
        """Return the nodes of the fields of an object, by response key, in order.

        Raises:
            NotCompiled: there is a directive other than `@skip` and `@include`.
        """
        found: dict[str, list[FieldNode]] = {}
        visited: set[str] = set()
        for selection_set in sets:
            self._collect(type_, selection_set, found, visited)
        return found

    def _collect(
        self,
        type_: GraphQLObjectType,
        selection_set: SelectionSetNode,
        found: dict[str, list[FieldNode]],
        visited: set[str],
    ) -> None:
        for selection in selection_set.selections:
            if not self._included(selection):
                continue
            match selection:
                case FieldNode():
                    key = (selection.alias or selection.name).value
                    found.setdefault(key, []).append(selection)
                case InlineFragmentNode():
                    if self._applies(selection.type_condition, type_):
                        self._collect(type_, selection.selection_set, found, visited)
                case FragmentSpreadNode() if selection.name.value not in visited:
                    visited.add(selection.name.value)
                    fragment = self.fragments[selection.name.value]
                    if self._applies(fragment.type_condition, type_):
                        self._collect(type_, fragment.selection_set, found, visited)

    def _applies(self, condition: NamedTypeNode | None, type_: GraphQLObjectType) -> bool:
        if condition is None or condition.name.value == type_.name:
            return True
        named = self.schema.get_type(condition.name.value)
        return any(possible is named for possible in self._abstract_types_of(type_))

    def _abstract_types_of(self, type_: GraphQLObjectType) -> list[object]:
        unions = [
            named
            for named in self.schema.type_map.values()
            if hasattr(named, "types") and type_ in named.types
        ]
        return [*type_.interfaces, *unions]

    def _included(self, selection: SelectionNode) -> bool:
        included = True
        for directive in selection.directives or ():
            holds = self._holds(directive)
            included = included and (holds if directive.name.value == "include" else not holds)
        return included

    def _holds(self, directive: DirectiveNode) -> bool:
        match condition_of(directive):
            case BooleanValueNode(value=value):
                return value
            case VariableNode(name=name):
                return self.conditions[name.value]
            case _:
                raise NotCompiled(directive.name.value)


def condition_of(directive: DirectiveNode) -> object:
    """Return the node of the condition of `@skip` or `@include`.

    Raises:
        NotCompiled: it is another directive.
    """
    if directive.name.value not in ("skip", "include") or not directive.arguments:
        raise NotCompiled(directive.name.value)
    return directive.arguments[0].value


def fragments_of(document: DocumentNode) -> dict[str, FragmentDefinitionNode]:
    return {
        definition.name.value: definition
        for definition in document.definitions
        if isinstance(definition, FragmentDefinitionNode)
    }


def conditional_variables(
    operation: OperationDefinitionNode, fragments: Mapping[str, FragmentDefinitionNode]
) -> list[str]:
    """Return the variables on which `@skip` and `@include` depend, in order of appearance."""
    names: dict[str, None] = {}
    seen: set[str] = set()
    todo = [operation.selection_set]
    while todo:
        for selection in todo.pop().selections:
            for directive in selection.directives or ():
                condition = condition_of(directive)
                if isinstance(condition, VariableNode):
                    names[condition.name.value] = None
            if isinstance(selection, FragmentSpreadNode):
                if selection.name.value not in seen:
                    seen.add(selection.name.value)
                    todo.append(fragments[selection.name.value].selection_set)
            elif isinstance(selection, FieldNode | InlineFragmentNode) and selection.selection_set:
                todo.append(selection.selection_set)
    return list(names)
