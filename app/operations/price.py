"""What an operation costs, in points: for each task that it may read or write, and each search.

A point pays for about a millisecond of PostgreSQL and the server together, and for at most 12 KiB
of the answer.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from graphql import (
    DocumentNode,
    FieldNode,
    GraphQLError,
    GraphQLInputType,
    GraphQLInt,
    GraphQLOutputType,
    GraphQLSchema,
    ListValueNode,
    ObjectValueNode,
    OperationDefinitionNode,
    OperationType,
    ValueNode,
    VariableNode,
    get_named_type,
    get_nullable_type,
    is_input_object_type,
    is_list_type,
    is_object_type,
    value_from_ast_untyped,
)

from app.operations.introspection import ROOTS, Introspection
from app.operations.selections import Groups, Selections
from graphql_schema.connections import PAGE_SIZE_DEFAULT
from graphql_schema.issues import BATCH_MAX
from graphql_schema.limits import (
    SUBTASKS_USUAL,
    Size,
    page_size_max,
    page_sizes,
    within_page_bounds,
)

WRITE_POINTS = 10
"""Points for a task that is written. PostgreSQL needs ten times as long for it as to read one."""

CREATE_POINTS = 5
"""Points for one of several new tasks: together they need half as long as one after the other."""

LOOKUP_POINTS = 12
"""Points for what looks up a thousand tasks at most, as a search, for a range, and for a count.

In another order than that of its field, all tasks may have to be looked at for a range.
"""

REMOVED_A_POINT = 100
"""Tasks that a point pays for where they are removed all at once: it is taken afterwards."""

RELATED_POINTS = {"list": 1, "parent": 1, "subtaskCount": 1, "subtasks": SUBTASKS_USUAL}
"""Points for what a task refers to, and for what refers to it. Each is read for all tasks at once.

A few subtasks are usual, and a hundred are possible.
"""

COUNT_FIELD, FILTER = "totalCount", "filter"

LOOKUP_FIELDS = ("search", "priorities")
"""The conditions of a filter, besides those with members, by which tasks are looked up."""

BATCH_FIELDS = {"ids": WRITE_POINTS, "tasks": CREATE_POINTS}
"""The lists in inputs of mutations, and the points for each task in them."""

Path = tuple[str, ...]
"""Where a value is given: a variable, and the members that lead from it to the value."""


class Part(Protocol):
    """A part of a price that depends on variables."""

    def cost(self, variables: Mapping[str, object]) -> int: ...


class PageRows(NamedTuple):
    """The rows of a page whose size is a variable."""

    sizes: Sequence[Size]
    points: int
    """Points for each row."""
    most: int
    """Rows that the page may hold."""

    def cost(self, variables: Mapping[str, object]) -> int:
        given = (variables.get(size) if isinstance(size, str) else size for size in self.sizes)
        return self.points * _page_size(given, self.most)


class Batch(NamedTuple):
    """The tasks that are written, of which there is a list in a variable."""

    tasks: Path
    points: int
    """Points for each task."""

    def cost(self, variables: Mapping[str, object]) -> int:
        tasks = _at(variables, self.tasks)
        return self.points * _batch_size(len(tasks) if isinstance(tasks, list) else 1)


class Lookup(NamedTuple):
    """A look-up by what a variable holds, or a range that it holds."""

    value: Path

    def cost(self, variables: Mapping[str, object]) -> int:
        return LOOKUP_POINTS if _at(variables, self.value) else 0


@dataclass(frozen=True, slots=True)
class Price:
    """What an operation costs."""

    points: int
    """All that does not depend on variables."""
    parts: Sequence[Part]
    """What depends on them."""
    defaults: Mapping[str, object]
    """The defaults of the operation's variables."""
    event: int
    """What each event costs further, if the operation is a subscription."""

    def cost(self, variables: Mapping[str, object] | None) -> int:
        """Return the points, at least one, for what the variables say."""
        if not self.parts:
            return self.points
        values = {**self.defaults, **(variables or {})}
        return self.points + sum(part.cost(values) for part in self.parts)


class Prices:
    """What the operations on one schema cost."""

    def __init__(self, schema: GraphQLSchema) -> None:
        query, mutation = schema.query_type, schema.mutation_type
        self._introspection = Introspection(schema)
        self._lists = {
            name: _lists_of(field.type)
            for name, field in (query.fields if query else {}).items()
            if "first" in field.args
        }
        """The fields of a page that are lists of its rows, by the name of the paged field."""
        self._lookups = {
            name: _lookups_of(field.args[FILTER].type) if FILTER in field.args else ()
            for name, field in (query.fields if query else {}).items()
        }
        """The members of a page's filter that are searches or ranges, by its field's name."""
        self._batches = {
            name: member
            for name, field in (mutation.fields if mutation else {}).items()
            for argument in field.args.values()
            if is_input_object_type(type_ := get_named_type(argument.type))
            for member in BATCH_FIELDS.keys() & type_.fields.keys()
        }
        """The mutations of many tasks, and the list in the input of each."""

    def price(self, document: DocumentNode, operation: OperationDefinitionNode) -> Price:
        """Return the price of an operation that is valid and within the limits."""
        selections = Selections(document)
        points, event, parts = 0, 0, list[Part]()
        for fields in selections.merged([operation.selection_set]).values():
            field, below = fields[0], selections.below(fields)
            weight = _points(selections, below)
            if operation.operation is OperationType.MUTATION:
                points += self._writing(field, weight, parts)
            elif operation.operation is OperationType.SUBSCRIPTION:
                points, event = points + 1, event + weight
            elif field.name.value in self._lists:
                points += self._page(field, below, selections, parts)
            elif field.name.value in ROOTS:
                points += self._introspection.points(below, selections)
            else:
                points += weight
        defaults = {
            definition.variable.name.value: value_from_ast_untyped(definition.default_value)
            for definition in operation.variable_definitions or ()
            if definition.default_value
        }
        # A document need not have a root field: `{ ... {} }` has none.
        return Price(max(points, 0 if parts else 1), parts, defaults, event)

    def _writing(self, field: FieldNode, weight: int, parts: list[Part]) -> int:
        member = self._batches.get(field.name.value)
        if member is None:
            return WRITE_POINTS + weight - 1
        points = BATCH_FIELDS[member] + weight - 1
        tasks = _given(field, "input", member)
        if isinstance(tasks, tuple):
            parts.append(Batch(tasks, points))
            return 0
        return points * _batch_size(len(tasks.values) if isinstance(tasks, ListValueNode) else 1)

    def _page(
        self, field: FieldNode, below: Groups, selections: Selections, parts: list[Part]
    ) -> int:
        lists = self._lists[field.name.value]
        rows, counts, others = 0, 0, dict[str, Sequence[FieldNode]]()
        for response_name, fields in below.items():
            name = fields[0].name.value
            if name in lists:
                rows += _points(selections, selections.below(fields))
            elif name == COUNT_FIELD:
                counts += 1
            else:
                others[response_name] = fields
        points = selections.weight(others) + LOOKUP_POINTS * counts
        for member in self._lookups[field.name.value]:
            asked = _given(field, FILTER, member)
            if isinstance(asked, tuple):
                parts.append(Lookup(asked))
            elif asked and value_from_ast_untyped(asked):
                points += LOOKUP_POINTS
        sizes = tuple(page_sizes(field))
        page = PageRows(sizes, max(rows, 1), page_size_max(field.name.value))
        if any(isinstance(size, str) for size in sizes):
            parts.append(page)
            return points
        return points + page.cost({})


def _points(selections: Selections, groups: Groups) -> int:
    """Return the points for a thing of which this is selected."""
    return selections.weight(groups) + _related(selections, groups)


def _related(selections: Selections, groups: Groups) -> int:
    """Return the points for what is selected of other things, for each thing."""
    points = 0
    for fields in groups.values():
        name, below = fields[0].name.value, selections.below(fields)
        if name in RELATED_POINTS:
            points += RELATED_POINTS[name] * _points(selections, below)
        elif not name.startswith("__"):
            points += _related(selections, below)
    return points


def _lists_of(type_: GraphQLOutputType) -> frozenset[str]:
    named = get_named_type(type_)
    assert is_object_type(named)
    return frozenset(
        name for name, field in named.fields.items() if is_list_type(get_nullable_type(field.type))
    )


def _lookups_of(filter: GraphQLInputType) -> Sequence[str]:
    named = get_named_type(filter)
    assert is_input_object_type(named)
    return [
        name
        for name, field in named.fields.items()
        if name in LOOKUP_FIELDS or is_input_object_type(get_named_type(field.type))
    ]


def _given(field: FieldNode, argument: str, member: str) -> ValueNode | Path | None:
    """Return the value of a member of an argument, or where it is given by a variable."""
    nodes = {each.name.value: each.value for each in field.arguments or ()}
    node = nodes.get(argument)
    if isinstance(node, VariableNode):
        return node.name.value, member
    if not isinstance(node, ObjectValueNode):
        return None
    inner = next((each.value for each in node.fields if each.name.value == member), None)
    return (inner.name.value,) if isinstance(inner, VariableNode) else inner


def _at(variables: Mapping[str, object], path: Path) -> object:
    value: object = variables
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _batch_size(given: int) -> int:
    """Return how many tasks may be written. More than may be given are refused."""
    return min(max(given, 1), BATCH_MAX)


def _page_size(sizes: Iterable[object], most: int) -> int:
    """Return how many rows a page may hold, by the values of `first` and `last`."""
    given = (_coerced(size, most) for size in sizes if size is not None)
    return max(given, default=PAGE_SIZE_DEFAULT)


def _coerced(value: object, most: int) -> int:
    try:
        return within_page_bounds(GraphQLInt.coerce_input_value(value), most)
    except GraphQLError:
        # The request will be refused.
        return most
