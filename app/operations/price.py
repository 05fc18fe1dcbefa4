"""What an operation costs, in points: for each task that it may read or write, and each search.

A point pays for about a millisecond of PostgreSQL and the server together, and for at most 12 KiB
of the answer.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from graphql import (
    DocumentNode,
    FieldNode,
    GraphQLInputType,
    GraphQLOutputType,
    GraphQLSchema,
    ListValueNode,
    OperationDefinitionNode,
    OperationType,
    get_named_type,
    get_nullable_type,
    is_input_object_type,
    is_list_type,
    is_object_type,
    value_from_ast_untyped,
)

from app.operations.introspection import ROOTS, Introspection
from app.operations.price_parts import (
    LOOKUP_POINTS,
    Batch,
    Cost,
    Lookup,
    PageRows,
    Part,
    Times,
    batch_size,
    given_in,
)
from app.operations.selections import Groups, Selections
from graphql_schema.limits import LIST_USUAL, LISTS, page_size_max, page_sizes

WRITE_POINTS = 10
"""Points for a task that is written. PostgreSQL needs ten times as long for it as to read one."""

CREATE_POINTS = 5
"""Points for one of several new tasks: together they need half as long as one after the other."""

REMOVED_A_POINT = 100
"""Tasks that a point pays for where they are removed all at once: it is taken afterwards."""

RELATED_POINTS = {
    **dict.fromkeys(("list", "parent", "subtaskCount", "pendingCount", "successor"), 1),
    **dict.fromkeys(LISTS, LIST_USUAL),
}
"""Points for what a task or a list refers to, for what refers to it, and for what is undone, all of
a page at once.

A few subtasks are usual, and a hundred are possible.
"""

DAYS_TO_COME = "next"
"""The field of the days on which a task is due again, which PostgreSQL computes one by one."""

DAYS_A_POINT = 12
"""Such days that a point pays for: the last working day of months takes the longest."""

COUNTED_AT_ONCE = "pendingCount"
"""What is counted by one statement for all lists that are read together.

Its work grows with the tasks in them, as that of a `totalCount` does: it looks at each one's entry
in an index.
"""

COUNT_FIELD, FILTER = "totalCount", "filter"

LOOKUP_FIELDS = ("search", "priorities")
"""The conditions of a filter, besides those with members, by which tasks are looked up."""

BATCH_FIELDS = {"ids": WRITE_POINTS, "tasks": CREATE_POINTS}
"""The lists in inputs of mutations, and the points for each task in them."""


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
        cost, event = Cost(), 0
        for fields in selections.merged([operation.selection_set]).values():
            field, below = fields[0], selections.below(fields)
            weight = selections.weight(below)
            if operation.operation is OperationType.MUTATION:
                cost.add(self._writing(field, below, selections))
            elif operation.operation is OperationType.SUBSCRIPTION:
                cost.points += 1
                event += weight + self._related(below, selections).of(None)
            elif field.name.value in self._lists:
                cost.add(self._page(field, below, selections))
            elif field.name.value in ROOTS:
                cost.points += self._introspection.points(below, selections)
            else:
                cost.points += weight
                cost.add(self._related(below, selections))
        defaults = {
            definition.variable.name.value: value_from_ast_untyped(definition.default_value)
            for definition in operation.variable_definitions or ()
            if definition.default_value
        }
        cost.points += cost.take_once()
        # A document need not have a root field: `{ ... {} }` has none.
        return Price(max(cost.points, 0 if cost.parts else 1), cost.parts, defaults, event)

    def _writing(self, field: FieldNode, below: Groups, selections: Selections) -> Cost:
        member = self._batches.get(field.name.value)
        # What a batch returns as `tasks` is a list of those that are paid for, and no page.
        each = self._related(below, selections, has_pages=member is None)
        each.points += selections.weight(below) - 1
        if member is None:
            each.points += WRITE_POINTS
            return each
        each.points += BATCH_FIELDS[member]
        tasks = given_in(field, "input", member)
        if isinstance(tasks, tuple):
            once = each.take_once()
            return Cost(parts=[Batch(tasks, each)], once=once)
        count = batch_size(len(tasks.values) if isinstance(tasks, ListValueNode) else 1)
        return _times(count, each)

    def _page(self, field: FieldNode, below: Groups, selections: Selections) -> Cost:
        lists = self._lists[field.name.value]
        cost, row, weight, others = Cost(), Cost(), 0, dict[str, Sequence[FieldNode]]()
        for response_name, fields in below.items():
            name = fields[0].name.value
            if name in lists:
                of_rows = selections.below(fields)
                weight += selections.weight(of_rows)
                row.add(self._related(of_rows, selections))
            elif name == COUNT_FIELD:
                cost.points += LOOKUP_POINTS
            else:
                others[response_name] = fields
        cost.points += selections.weight(others)
        row.points += max(weight, 1)
        cost.points += row.take_once()
        for member in self._lookups[field.name.value]:
            asked = given_in(field, FILTER, member)
            if isinstance(asked, tuple):
                cost.parts.append(Lookup(asked))
            elif asked and value_from_ast_untyped(asked):
                cost.points += LOOKUP_POINTS
        page = PageRows(tuple(page_sizes(field)), row, page_size_max(field.name.value))
        if page.is_known:
            cost.points += page.cost({})
        else:
            cost.parts.append(page)
        return cost

    def _related(self, groups: Groups, selections: Selections, *, has_pages: bool = True) -> Cost:
        """Return what is read besides an object: what it refers to, and pages of what it has."""
        cost = Cost()
        for fields in groups.values():
            name, below = fields[0].name.value, selections.below(fields)
            # The labels of a task have the name of a page, and no fields.
            if name in self._lists and below and has_pages:
                cost.add(self._page(fields[0], below, selections))
                continue
            if name.startswith("__"):
                continue
            if name == DAYS_TO_COME:
                cost.points += _of_days(fields[0])
                continue
            each = self._related(below, selections)
            if name in RELATED_POINTS:
                each.points += selections.weight(below)
            if name == COUNTED_AT_ONCE:
                each.once += LOOKUP_POINTS
            cost.add(_times(RELATED_POINTS.get(name, 1), each))
        return cost


def _of_days(field: FieldNode) -> int:
    most = page_size_max(DAYS_TO_COME)
    sizes = (most if isinstance(size, str) else size for size in page_sizes(field))
    return 1 + max(sizes, default=1) // DAYS_A_POINT


def _times(count: int, each: Cost) -> Cost:
    once = each.take_once()
    if count > 1 and each.parts:
        return Cost(parts=[Times(count, each)], once=once)
    return Cost(count * each.points, each.parts, once)


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
