"""Values for the fields that clients write, made from what the model says of each field."""

from datetime import UTC, date, datetime

from sqlalchemy import Boolean, Date, DateTime, Integer, String, Text

from models.fact import Fact, May
from models.task import TASK_FACTS

VALUES: dict[type, tuple[object, object]] = {
    Boolean: (True, False),
    Date: (date(2026, 1, 31), date(2026, 2, 28)),
    DateTime: (datetime(2026, 1, 31, 12, tzinfo=UTC), datetime(2026, 2, 28, 12, tzinfo=UTC)),
    Integer: (7, 8),
    String: ("stolen", "stolen as well"),
    Text: ("stolen", "stolen as well"),
}
"""Two values of each type of column."""


def facts_with(may: May) -> list[Fact]:
    return [fact for fact in TASK_FACTS.values() if may in fact.may]


def values_of(fact: Fact) -> tuple[object, object]:
    """Return two values that the column takes."""
    return VALUES[type(fact.column.type)]


def sent(value: object) -> object:
    """Return a value as JSON has it."""
    return value.isoformat() if isinstance(value, date) else value
