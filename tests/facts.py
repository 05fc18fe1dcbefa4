"""Values for the fields that clients write, made from what the model says of each field."""

from datetime import UTC, date, datetime, time

from sqlalchemy import (
    ARRAY,
    Boolean,
    Date,
    DateTime,
    Integer,
    SmallInteger,
    String,
    Text,
    Time,
)

from graphql_schema.types import TaskPriority
from models.fact import Fact, May
from models.task import TASK_FACTS

VALUES: dict[type, tuple[object, object]] = {
    ARRAY: (["stolen", "two words"], ["stolen as well"]),
    Boolean: (True, False),
    Date: (date(2026, 1, 31), date(2026, 2, 28)),
    DateTime: (datetime(2026, 1, 31, 12, tzinfo=UTC), datetime(2026, 2, 28, 12, tzinfo=UTC)),
    Integer: (7, 8),
    SmallInteger: (3, 1),
    String: ("stolen", "stolen as well"),
    Text: ("stolen", "stolen as well"),
    Time: (time(9), time(23, 59)),
}
"""Two values of each type of column."""


def facts_with(may: May) -> list[Fact]:
    return [fact for fact in TASK_FACTS.values() if may in fact.may]


def values_of(fact: Fact) -> tuple[object, object]:
    """Return two values that the column takes."""
    return VALUES[type(fact.column.type)]


def sent_values_of(fact: Fact) -> list[object]:
    """Return two values of the column as JSON has them."""
    return [_sent(fact, value) for value in values_of(fact)]


def _sent(fact: Fact, value: object) -> object:
    match value:
        case date():
            return value.isoformat()
        case time():
            return f"{value:%H:%M}"
        case int() if isinstance(fact.column.type, SmallInteger):
            return TaskPriority(value).name
    return value
