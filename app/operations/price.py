"""What an operation costs: a point for each root field, and for each task that it may return."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLInt,
    IntValueNode,
    OperationDefinitionNode,
)

from graphql_schema.connections import PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX
from graphql_schema.limits import Measuring, Size, within_page_bounds


@dataclass(frozen=True, slots=True)
class Price:
    """What an operation costs: a point for each root field and for each task its pages may hold."""

    points: int
    """All but the pages whose size is a variable."""
    pages: Mapping[tuple[Size, ...], int]
    """How many of these pages there are, by their sizes, as in `Measure`."""
    defaults: Mapping[str, int]
    """The defaults of the operation's variables."""

    def cost(self, variables: Mapping[str, object] | None) -> int:
        """Return the points, at least one, with the sizes that the variables give."""
        if not self.pages:
            return self.points
        values = {**self.defaults, **(variables or {})}
        points = self.points
        for sizes, times in self.pages.items():
            given = (values.get(size) if isinstance(size, str) else size for size in sizes)
            points += times * _page_size(given)
        return points


def price_of(
    document: DocumentNode, operation: OperationDefinitionNode, paged: frozenset[str]
) -> Price:
    """Return the price of an operation that is valid and within the limits."""
    measure = Measuring(document, paged).selections(operation.selection_set)
    points, pages = measure.root_fields, {}
    for sizes, times in measure.pages.items():
        if any(isinstance(size, str) for size in sizes):
            pages[sizes] = times
        else:
            points += times * _page_size(sizes)
    defaults = {
        definition.variable.name.value: int(definition.default_value.value)
        for definition in operation.variable_definitions or ()
        if isinstance(definition.default_value, IntValueNode)
    }
    # A document need not have a root field: `{ ... {} }` has none.
    return Price(max(points, 1), pages, defaults)


def _page_size(sizes: Iterable[object]) -> int:
    """Return how many tasks a page may hold, by the values of `first` and `last`."""
    given = (_coerced(size) for size in sizes if size is not None)
    return max(given, default=PAGE_SIZE_DEFAULT)


def _coerced(value: object) -> int:
    try:
        return within_page_bounds(GraphQLInt.coerce_input_value(value))
    except GraphQLError:
        # The request will be refused.
        return PAGE_SIZE_MAX
