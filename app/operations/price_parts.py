"""The parts of a price that depend on variables: sizes of pages, batches, and look-ups."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from graphql import FieldNode, GraphQLError, GraphQLInt, ObjectValueNode, ValueNode, VariableNode

from graphql_schema.connections import PAGE_SIZE_DEFAULT
from graphql_schema.issues import BATCH_MAX
from graphql_schema.limits import Size, within_page_bounds

LOOKUP_POINTS = 12
"""Points for what looks up a thousand tasks at most, as a search, for a range, and for a count.

In another order than that of its field, all tasks may have to be looked at for a range.
"""

Path = tuple[str, ...]
"""Where a value is given: a variable, and the members that lead from it to the value."""


Variables = Mapping[str, object] | None
"""The variables of an operation; None: whatever makes it dearest."""


class Part(Protocol):
    """A part of a price that depends on variables."""

    def cost(self, variables: Variables) -> int: ...


@dataclass(slots=True)
class Cost:
    """What a part of an operation costs."""

    points: int = 0
    """All that does not depend on variables."""
    parts: list[Part] = field(default_factory=list)
    """What depends on them."""
    once: int = 0
    """Points for what one statement reads for all objects together, however many there are."""

    def add(self, other: "Cost") -> None:
        self.points += other.points
        self.parts += other.parts
        self.once += other.once

    def take_once(self) -> int:
        """Return the points of what is read once, which are no part of it any more."""
        once, self.once = self.once, 0
        return once

    def of(self, variables: Variables) -> int:
        return self.points + self.once + sum(part.cost(variables) for part in self.parts)


class PageRows(NamedTuple):
    """The rows of a page."""

    sizes: Sequence[Size]
    row: Cost
    """What each row costs."""
    most: int
    """Rows that the page may hold."""

    @property
    def is_known(self) -> bool:
        """Whether nothing of it depends on variables."""
        return not self.row.parts and not any(isinstance(size, str) for size in self.sizes)

    def cost(self, variables: Variables) -> int:
        if variables is None:
            sizes = (self.most if isinstance(size, str) else size for size in self.sizes)
            return self.row.of(None) * max(sizes, default=PAGE_SIZE_DEFAULT)
        given = (variables.get(size) if isinstance(size, str) else size for size in self.sizes)
        return self.row.of(variables) * _page_size(given, self.most)


class Times(NamedTuple):
    """What costs the same several times."""

    times: int
    each: Cost

    def cost(self, variables: Variables) -> int:
        return self.times * self.each.of(variables)


class Batch(NamedTuple):
    """The tasks that are written, of which there is a list in a variable."""

    tasks: Path
    each: Cost
    """What each task costs."""

    def cost(self, variables: Variables) -> int:
        tasks = None if variables is None else _at(variables, self.tasks)
        return self.each.of(variables) * batch_size(len(tasks) if isinstance(tasks, list) else 1)


class Lookup(NamedTuple):
    """A look-up by what a variable holds, or a range that it holds."""

    value: Path

    def cost(self, variables: Variables) -> int:
        return LOOKUP_POINTS if variables is None or _at(variables, self.value) else 0


def given_in(field: FieldNode, argument: str, member: str) -> ValueNode | Path | None:
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


def batch_size(given: int) -> int:
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
