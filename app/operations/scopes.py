"""Which scopes of a token an operation needs: what it selects tells, before anything runs."""

from graphql import (
    BREAK,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    TypeInfo,
    TypeInfoVisitor,
    Visitor,
    VisitorAction,
    visit,
)
from strawberry.utils.str_converters import to_camel_case

from app.operations.documents import Asked
from app.operations.selections import Selections
from auth.scopes import Scope
from models.task import TaskRow
from models.task_list import TaskListRow

OWN_FIELDS = {
    "Task": {"__typename", "recurrence", *map(to_camel_case, TaskRow._fields)},
    "TaskList": {"__typename", *map(to_camel_case, TaskListRow._fields)},
    "Storage": {"__typename"},
}
"""The fields of some types that show a row which a mutation names; their other fields show more."""

GIVES_ACCESS = {"createCalendarLink"}
"""The mutations whose answer lets whoever has it read, for longer than the token lives."""


class NeededScopes:
    """What operations on one schema need."""

    def __init__(self, schema: GraphQLSchema) -> None:
        self._schema = schema

    def of(self, asked: Asked) -> frozenset[Scope]:
        """Return the scopes that an operation needs, whatever its variables leave out.

        It is found when it is first asked for, so that tokens without the claim pay nothing.
        """
        if asked.scopes is None:
            asked.scopes = frozenset(self._found(asked))
        return asked.scopes

    def _found(self, asked: Asked) -> set[Scope]:
        roots = Selections(asked.document).merged([asked.node.selection_set]).values()
        names = {fields[0].name.value for fields in roots}
        # `__typename`, `__schema` and `__type` tell of the schema alone.
        if all(name.startswith("__") for name in names):
            return set()
        if asked.node.operation is not OperationType.MUTATION:
            return {Scope.READ}
        if names & GIVES_ACCESS or self._leads_further(asked):
            return {Scope.READ, Scope.WRITE}
        return {Scope.WRITE}

    def _leads_further(self, asked: Asked) -> bool:
        """Return whether a mutation's answer shows more than the rows that the mutation names."""
        fragments = {
            definition.name.value: definition
            for definition in asked.document.definitions
            if isinstance(definition, FragmentDefinitionNode)
        }
        todo: list[OperationDefinitionNode | FragmentDefinitionNode] = [asked.node]
        for node in todo:
            type_info = TypeInfo(self._schema)
            further = _Further(type_info)
            visit(node, TypeInfoVisitor(type_info, further))
            if further.is_found:
                return True
            todo += [fragments.pop(name) for name in further.spread if name in fragments]
        return False


class _Further(Visitor):
    """Looks for a field that leads further, and notes the fragments in which to look as well."""

    def __init__(self, type_info: TypeInfo) -> None:
        super().__init__()
        self._type_info = type_info
        self.spread: set[str] = set()
        self.is_found = False

    def enter_field(self, node: FieldNode, *_: object) -> VisitorAction:
        parent = self._type_info.get_parent_type()
        own = OWN_FIELDS.get(parent.name) if parent else None
        if own is None or node.name.value in own:
            return None
        self.is_found = True
        return BREAK

    def enter_fragment_spread(self, node: FragmentSpreadNode, *_: object) -> VisitorAction:
        self.spread.add(node.name.value)
        return None
