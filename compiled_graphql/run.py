"""One execution of an operation, and what its resolvers may ask about their field."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from inspect import isawaitable
from typing import Any

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    GraphQLField,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLSchema,
    OperationDefinitionNode,
    ResponsePath,
    get_variable_values,
)

from compiled_graphql.irregular import Irregular
from compiled_graphql.selections import Selections


class Run:
    """What one execution is given, and what it still awaits."""

    __slots__ = ("arguments", "context", "pending", "root", "values")

    def __init__(
        self,
        context: object,
        root: object,
        values: Mapping[str, Any],
        arguments: Sequence[Mapping[str, Any]],
    ) -> None:
        self.context = context
        self.root = root
        self.values = values
        """The variables as they came, defaults filled in."""
        self.arguments = arguments
        """Those of each field that takes some."""
        self.pending: list[tuple[dict[str, Any], str, Any, Complete]] = []
        """Awaitables that resolvers returned, and where their completed values belong."""


Complete = Callable[[Any, Run], Any]
"""Makes the response of a value that a resolver has returned."""


def is_awaitable(value: object) -> bool:
    """Tell whether graphql-core would await a value."""
    return hasattr(value, "__await__") or isawaitable(value)


@dataclass(frozen=True, slots=True)
class Field:
    """What is known of a field before it is resolved."""

    selections: Selections
    parent: GraphQLObjectType
    definition: GraphQLField
    nodes: Sequence[FieldNode]
    root_key: str | None = None
    """The response key of a field of the root; None deeper down."""


class ResolveInfo:
    """Stands in for graphql-core's GraphQLResolveInfo; most resolvers ask for the context alone."""

    __slots__ = ("_field", "_run")
    is_awaitable = staticmethod(is_awaitable)
    abort_signal = None
    operation_extensions = None

    def __init__(self, run: Run, field: Field) -> None:
        self._run = run
        self._field = field

    @property
    def context(self) -> object:
        return self._run.context

    @property
    def root_value(self) -> object:
        return self._run.root

    @property
    def field_name(self) -> str:
        return self._field.nodes[0].name.value

    @property
    def field_nodes(self) -> list[FieldNode]:
        return list(self._field.nodes)

    @property
    def return_type(self) -> GraphQLOutputType:
        return self._field.definition.type

    @property
    def parent_type(self) -> GraphQLObjectType:
        return self._field.parent

    @property
    def path(self) -> ResponsePath:
        """Where the field stands in the response.

        Raises:
            Irregular: below the root this is not kept; graphql-core then resolves the field.
        """
        if self._field.root_key is None:
            raise Irregular("a path below the root")
        return ResponsePath(None, self._field.root_key, self._field.parent.name)

    @property
    def schema(self) -> GraphQLSchema:
        return self._field.selections.schema

    @property
    def fragments(self) -> dict[str, FragmentDefinitionNode]:
        return dict(self._field.selections.fragments)

    @property
    def operation(self) -> OperationDefinitionNode:
        return self._field.selections.operation

    @property
    def variable_values(self) -> dict[str, Any]:
        definitions = self.operation.variable_definitions or ()
        values = get_variable_values(self.schema, definitions, dict(self._run.values))
        if isinstance(values, list):
            raise Irregular(values)
        return values.coerced
