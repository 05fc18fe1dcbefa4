"""How tasks come again: the type, and the enumerations of its rule."""

from collections.abc import Awaitable, Sequence
from datetime import date
from enum import Enum
from typing import Annotated, Protocol

import strawberry
from strawberry import UNSET

from graphql_schema.errors import BadUserInput
from models.day import Day
from models.recurrence import EVERY_MAX, NEXT_MAX, REMAINING_MAX, Recurrence, Rule
from models.rrule import written
from models.task import TaskRow


class RelatedDays(Protocol):
    """Reads the days on which tasks are due again: of all that are asked for at once."""

    def next_days(self, key: int, after: date | None, count: int) -> Awaitable[Sequence[Day]]:
        """Return the days after one, or after the task's own, in their order."""
        ...


class DaysContext(Protocol):
    """The part of a request's context that a recurrence needs."""

    @property
    def related(self) -> RelatedDays: ...


@strawberry.enum(description="What a rule counts in.")
class RecurrenceUnit(Enum):
    DAY = strawberry.enum_value("DAY", description="Days.")
    WEEK = strawberry.enum_value("WEEK", description="Weeks, which begin on Mondays.")
    MONTH = strawberry.enum_value("MONTH", description="Months.")
    YEAR = strawberry.enum_value("YEAR", description="Years.")


@strawberry.enum(description="A day of the week.")
class Weekday(Enum):
    """The values are those of rows."""

    MONDAY = strawberry.enum_value(1, description="Monday.")
    TUESDAY = strawberry.enum_value(2, description="Tuesday.")
    WEDNESDAY = strawberry.enum_value(3, description="Wednesday.")
    THURSDAY = strawberry.enum_value(4, description="Thursday.")
    FRIDAY = strawberry.enum_value(5, description="Friday.")
    SATURDAY = strawberry.enum_value(6, description="Saturday.")
    SUNDAY = strawberry.enum_value(7, description="Sunday.")


@strawberry.enum(description="What the next day is counted from.")
class RecurrenceFrom(Enum):
    DUE = strawberry.enum_value(
        "DUE",
        description="By the calendar: the next day of the series after the later of the day it was "
        "due and the day it was done.",
    )
    COMPLETION = strawberry.enum_value(
        "COMPLETION", description="So long after it was done; a month or a year keeps the day."
    )


EVERY = f"Every so many days, weeks, months or years: 1 to {EVERY_MAX}."
UNTIL = "The last day that it may be due; null for no end."
REMAINING = f"How many are left, this one included: 1 to {REMAINING_MAX}; null for no end."


def _rrule(recurrence: strawberry.Parent[Recurrence]) -> str | None:
    return written(recurrence.rule)


def _next(
    recurrence: strawberry.Parent[Recurrence],
    info: strawberry.Info[DaysContext, None],
    after: Annotated[
        date | None, strawberry.argument(description="Null or left out: the task's own day.")
    ] = UNSET,
    first: Annotated[int, strawberry.argument(description=f"How many days: 1 to {NEXT_MAX}.")] = 1,
) -> Awaitable[Sequence[Day]]:
    if not 1 <= first <= NEXT_MAX:
        raise BadUserInput(f"`first` must be between 1 and {NEXT_MAX}, not {first}.")
    day = None if after is UNSET else after
    return info.context.related.next_days(recurrence.task_id, day, first)


@strawberry.type(name="Recurrence", description="How a task comes again once it is completed.")
class RecurrenceType:
    every: int = strawberry.field(description=EVERY)
    unit: RecurrenceUnit = strawberry.field(description="What `every` counts.")
    weekdays: list[Weekday] = strawberry.field(
        description="Of weeks, the days in them; empty for that of `start`. Of months and years, "
        "the days that `ordinal` counts."
    )
    ordinal: int | None = strawberry.field(
        description="Which of these weekdays in the month: 1 to 4, or -1 for the last; null where "
        "a day of the month is meant."
    )
    month_day: int | None = strawberry.field(
        description="The day of the month, or its last where it is shorter; null for that of "
        "`start`."
    )
    month: int | None = strawberry.field(
        description="The month of the year: 1 to 12; null for that of `start`."
    )
    from_: RecurrenceFrom = strawberry.field(
        name="from", description="What the next day is counted from."
    )
    start: date = strawberry.field(description="The series' first day: what `every` counts from.")
    until: date | None = strawberry.field(description=UNTIL)
    remaining: int | None = strawberry.field(description=REMAINING)
    rrule = strawberry.field(
        resolver=_rrule,
        graphql_type=str | None,
        description="The rule as RFC 5545 has it, without its beginning; null where that cannot "
        "say it: for COMPLETION, and for a rule with both `until` and `remaining`.",
    )
    next = strawberry.field(
        resolver=_next,
        graphql_type=list[date],
        description="The days after the task's own, or after the day given, if each is done when "
        "it is due.",
    )

    @classmethod
    def is_type_of(cls, value: object, _info: object) -> bool:
        return isinstance(value, Recurrence)


def recurrence_of(row: strawberry.Parent[TaskRow]) -> Recurrence | None:
    """Return the rule of a task, if it has one."""
    rule: Rule | None = row.repeats
    return None if rule is None else Recurrence(row.id, rule)
