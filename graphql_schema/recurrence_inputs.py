"""The inputs of rules of recurrence, and what can be wrong with them."""

import json
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any, Protocol

import strawberry
from strawberry import UNSET

from graphql_schema.issues import InputIssue, InputIssueCode, beneath, broken
from graphql_schema.recurrences import (
    EVERY,
    REMAINING,
    UNTIL,
    RecurrenceFrom,
    RecurrenceUnit,
    Weekday,
)
from graphql_schema.values import given
from models.database import Rule
from models.recurrence import EVERY_MAX, ORDINALS, REMAINING_MAX
from models.rrule import RRULE_MAX_LENGTH, RuleRefused, read

_OF_MONTHS = (RecurrenceUnit.MONTH, RecurrenceUnit.YEAR)


@strawberry.input(description="A rule by which a task comes again.")
class RecurrenceRule:
    every: int = strawberry.field(default=1, description=EVERY)
    unit: RecurrenceUnit = strawberry.field(description="What `every` counts.")
    weekdays: list[Weekday] | None = strawberry.field(
        default=UNSET,
        description="Of WEEK, with DUE: these days in it. Of MONTH and YEAR, with `ordinal`: the "
        "days that are counted. Null or left out: the day on which the task is due.",
    )
    ordinal: int | None = strawberry.field(
        default=UNSET, description="1 to 4, or -1 for the last, of the weekdays in the month."
    )
    month_day: int | None = strawberry.field(
        default=UNSET,
        description="1 to 31, of MONTH and YEAR: where a month has fewer days, its last.",
    )
    month: int | None = strawberry.field(default=UNSET, description="1 to 12, of YEAR only.")
    from_: RecurrenceFrom = strawberry.field(
        name="from",
        default=RecurrenceFrom.DUE,
        description="What the next day is counted from.",
    )
    until: date | None = strawberry.field(default=UNSET, description=UNTIL)
    remaining: int | None = strawberry.field(default=UNSET, description=REMAINING)

    def issues(self) -> Iterator[InputIssue]:
        """Yield everything that is wrong with the values, apart from the task's own."""
        ordinal, remaining = given(self.ordinal), given(self.remaining)
        month_day, month = given(self.month_day), given(self.month)
        is_of_months = self.unit in _OF_MONTHS
        is_counted = given(self.weekdays) is not None and is_of_months
        checks = (
            ("every", 1 <= self.every <= EVERY_MAX, f"It must be between 1 and {EVERY_MAX}."),
            (
                "weekdays",
                self._weekdays_fit(),
                "They go with WEEK and DUE, or with MONTH, YEAR and `ordinal`: one at least.",
            ),
            (
                "ordinal",
                ordinal is None or (ordinal in ORDINALS and is_counted),
                "It must be between 1 and 4, or -1, and goes with `weekdays` of MONTH or YEAR.",
            ),
            (
                "monthDay",
                month_day is None or (1 <= month_day <= 31 and is_of_months and ordinal is None),
                "It must be between 1 and 31, and goes with MONTH or YEAR without `ordinal`.",
            ),
            (
                "month",
                month is None or (1 <= month <= 12 and self.unit is RecurrenceUnit.YEAR),
                "It must be between 1 and 12, and goes with YEAR.",
            ),
            (
                "remaining",
                remaining is None or 1 <= remaining <= REMAINING_MAX,
                f"It must be between 1 and {REMAINING_MAX}.",
            ),
        )
        for name, fits, message in checks:
            if not fits:
                yield InputIssue(path=[name], code=InputIssueCode.INVALID, message=message)

    def _weekdays_fit(self) -> bool:
        days = given(self.weekdays)
        if days is None:
            return True
        if self.unit is RecurrenceUnit.WEEK:
            return bool(days) and self.from_ is RecurrenceFrom.DUE
        return bool(days) and self.unit in _OF_MONTHS and given(self.ordinal) is not None

    def rule(self) -> dict[str, Any]:
        """Return the rule as it is stored, without its beginning."""
        days, until = given(self.weekdays), given(self.until)
        values = {
            "every": self.every,
            "unit": self.unit.value,
            "weekdays": days and sorted(int(day.value) for day in {*days}),
            "ordinal": given(self.ordinal),
            "monthDay": given(self.month_day),
            "month": given(self.month),
            "from": self.from_.value,
            "until": until and until.isoformat(),
            "remaining": given(self.remaining),
        }
        return {name: value for name, value in values.items() if value is not None}


@strawberry.input(one_of=True, description="How a task comes again: a rule in either form.")
class RecurrenceInput:
    rule: RecurrenceRule | None = strawberry.field(default=UNSET, description="A rule.")
    rrule: str | None = strawberry.field(
        default=UNSET,
        description="A rule as RFC 5545 has it, such as `FREQ=MONTHLY;BYMONTHDAY=15`, with "
        f"`RRULE:` or without: at most {RRULE_MAX_LENGTH} characters. A part that cannot be taken "
        "is refused.",
    )

    def path(self) -> list[str]:
        """Return the path to what says when it ends."""
        return ["recurrence", "rrule"] if given(self.rule) is None else ["recurrence", "rule"]

    def issues(self, due_on: date | None) -> Iterator[InputIssue]:
        """Yield everything that is wrong with the rule; `due_on`: the task's day, if it is told."""
        found: list[InputIssue] = []
        rule = given(self.rule)
        if rule is not None:
            found += beneath(self.path(), rule.issues())
        else:
            try:
                read(self.rrule or "")
            except RuleRefused as refused:
                code = InputIssueCode.INVALID
                found.append(InputIssue(path=self.path(), code=code, message=str(refused)))
        yield from found
        if not found and due_on is not None and self.stored().get("until", "9") < str(due_on):
            yield self.ends_too_early()

    def ends_too_early(self) -> InputIssue:
        """Return that the rule ends before its task is due."""
        (issue,) = broken(Rule.RECURRENCE_ENDS_LATER)
        path = self.path() if given(self.rule) is None else [*self.path(), "until"]
        return InputIssue(path=path, code=issue.code, message=issue.message)

    def stored(self) -> dict[str, Any]:
        """Return the rule as it is stored, without its beginning.

        Raises:
            RuleRefused: the text is none that can be taken.
        """
        rule = given(self.rule)
        return read(self.rrule or "") if rule is None else rule.rule()


class Recurring(Protocol):
    """An input that may say how a task comes again."""

    recurrence: RecurrenceInput | None
    due_on: date | None


def new_recurrence_issues(input: Recurring, parent: strawberry.ID | None) -> Iterator[InputIssue]:
    """Yield everything that is wrong with the rule of a new task, if it has one."""
    recurrence, due_on = given(input.recurrence), given(input.due_on)
    if recurrence is None:
        return
    if due_on is None:
        yield from broken(Rule.RECURRENCE_HAS_DAY)
    if given(parent) is not None:
        yield from broken(Rule.SUBTASKS_DO_NOT_RECUR)
    yield from recurrence.issues(due_on)


def changed_recurrence_issues(input: Recurring) -> Iterator[InputIssue]:
    """Yield everything that is wrong with the rule that a task is given, if it is given one."""
    recurrence = given(input.recurrence)
    if recurrence is not None:
        if input.due_on is None:
            yield from broken(Rule.RECURRENCE_HAS_DAY)
        yield from recurrence.issues(given(input.due_on))


def recurring(input: Recurring) -> Mapping[str, str | None]:
    """Return the rule of a task as it is stored, where it is given."""
    if input.recurrence is UNSET:
        return {}
    recurrence = input.recurrence
    return {"repeats": None if recurrence is None else json.dumps(recurrence.stored())}


def created_recurrence() -> Any:  # noqa: ANN401 -- as strawberry.field
    """Return the field of an input for the rule of a new task."""
    return strawberry.field(
        default=UNSET,
        description="How it comes again once it is completed: then a new task is made, with the "
        "next day. It takes `dueOn`, and no `parentId`. Null or left out: not at all.",
    )


def updated_recurrence() -> Any:  # noqa: ANN401 -- as strawberry.field
    """Return the field of an input that gives a task another rule."""
    return strawberry.field(
        default=UNSET,
        description="How it comes again once it is completed, counted from the day on which it is "
        "due. Left out: unchanged. Null: it comes no more.",
    )
