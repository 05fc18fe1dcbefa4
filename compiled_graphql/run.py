"""One execution of an operation, and the info that its resolvers can ask for."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
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

from compiled_graphql.exceptions import Unexpected
from compiled_graphql.selections import Selections


class Run:
    """One execution: what it is given, and the awaitables that are left to complete."""

    __slots__ = ("arguments", "coerced", "context", "pending", "root", "values")

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
        """The variables as JSON has them, with defaults."""
        self.arguments = arguments
        """The arguments of each field that takes any."""
        self.coerced: dict[str, Any] | None = None
        """The variables as graphql-core coerces them, once a resolver has asked for them."""
        self.pending: list[Pending] = []
        """The awaitables that resolvers below the root have returned."""


Complete = Callable[[Any, Run], Any]
"""Completes a value that a resolver has returned. (CompleteValue in the specification, 6.4.3.)"""

Pending = tuple[dict[str, Any], str, Any, Complete]
"""An object of the data, a key of it, the awaitable of its value, and what completes the value."""


def is_awaitable(value: object) -> bool:
    """Tell whether graphql-core would await a value."""
    return hasattr(value, "__await__") or isawaitable(value)


@dataclass(frozen=True, slots=True)
class Field:
    """A field of the operation."""

    selections: Selections
    parent: GraphQLObjectType
    definition: GraphQLField
    nodes: Sequence[FieldNode]
    root_key: str | None = None
    """The response key of a root field; None below the root."""
    memory: dict[object, Any] = field(default_factory=dict, compare=False)
    """What resolvers have found out of the selections, which stay what they are."""


class ResolveInfo:
    """Has the attributes of graphql-core's GraphQLResolveInfo, each made when it is asked for.

    Most resolvers ask for the context alone.
    """

    __slots__ = ("_field", "_run")
    is_awaitable = staticmethod(is_awaitable)
    abort_signal = None
    operation_extensions = None

    def __init__(self, run: Run, field: Field) -> None:
        self._run = run
        self._field = field

    @property
    def memory(self) -> dict[object, Any]:
        """What resolvers keep of what follows from the selections alone.

        It lives as long as the compiled code, in which `@skip` and `@include` are decided.
        """
        return self._field.memory

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
        """The path of the field in the response.

        Raises:
            Unexpected: the field is below the root, where compiled code does not know the path.
        """
        if self._field.root_key is None:
            raise Unexpected("a path below the root")
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
        run = self._run
        if run.coerced is None:
            # Once for all resolvers: they may be thousands, and the variables large.
            definitions = self.operation.variable_definitions or ()
            values = get_variable_values(self.schema, definitions, dict(run.values))
            if isinstance(values, list):
                raise Unexpected(values)
            run.coerced = values.coerced
        return run.coerced
