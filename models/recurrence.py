"""How a task comes again: its rule, as `tasks.repeats` has it in JSON.

    {"every": 3, "unit": "MONTH", "monthDay": 31, "start": "2026-08-31", "from": "DUE"}

Weekdays are numbers of ISO 8601, from 1 for Monday. Which day comes next is computed by triggers;
see 0015_recurrence.sql.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeGuard

from models.day import Day, parse_day

EVERY_MAX = 999
"""Days, weeks, months or years between two."""

REMAINING_MAX = 9999
"""Tasks that are left of a series."""

ORDINALS = (1, 2, 3, 4, -1)
"""Which of the days of a month that are one of some weekdays: -1 is the last."""

NEXT_MAX = 100
"""Days that are shown at once of those to come."""

Rule = Mapping[str, Any]


class Recurrence(NamedTuple):
    """The rule of a task."""

    task_id: int
    rule: Rule

    @property
    def every(self) -> int:
        return int(self.rule["every"])

    @property
    def unit(self) -> str:
        return str(self.rule["unit"])

    @property
    def weekdays(self) -> Sequence[int]:
        return self.rule.get("weekdays") or []

    @property
    def ordinal(self) -> int | None:
        return self.rule.get("ordinal")

    @property
    def month_day(self) -> int | None:
        return self.rule.get("monthDay")

    @property
    def month(self) -> int | None:
        return self.rule.get("month")

    @property
    def from_(self) -> str:
        return str(self.rule["from"])

    @property
    def start(self) -> Day:
        return Day(self.rule["start"])

    @property
    def until(self) -> Day | None:
        return self.rule.get("until")

    @property
    def remaining(self) -> int | None:
        return self.rule.get("remaining")


def is_rule(value: object) -> TypeGuard[Rule]:
    """Return whether it is a rule that can be stored, with its first day or without."""
    if not isinstance(value, Mapping):
        return False
    rule = {"weekdays": None, "ordinal": None, "monthDay": None, "month": None, **value}
    unit, days, ordinal = rule.get("unit"), rule["weekdays"], rule["ordinal"]
    of_months = unit in ("MONTH", "YEAR")
    return (
        rule.keys() <= _PARTS
        and _is_number(rule.get("every"), 1, EVERY_MAX)
        and unit in ("DAY", "WEEK", "MONTH", "YEAR")
        and rule.get("from") in ("DUE", "COMPLETION")
        and (days is None or _are_weekdays(days))
        and (days is None or of_months or (unit == "WEEK" and rule["from"] == "DUE"))
        and (ordinal is None) == (days is None or not of_months)
        and (ordinal is None or (_is_number(ordinal, -1, 4) and ordinal in ORDINALS))
        and (rule["monthDay"] is None or (of_months and ordinal is None))
        and (rule["monthDay"] is None or _is_number(rule["monthDay"], 1, 31))
        and (rule["month"] is None or unit == "YEAR")
        and (rule["month"] is None or _is_number(rule["month"], 1, 12))
        and ("remaining" not in rule or _is_number(rule["remaining"], 1, REMAINING_MAX))
        and all(_is_day(rule[end]) for end in ("start", "until") if end in rule)
        and not any(rule[part] is None for part in value)
    )


_PARTS = {
    *("every", "unit", "weekdays", "ordinal", "monthDay", "month", "from", "start", "until"),
    "remaining",
}


def _is_number(value: object, least: int, most: int) -> bool:
    return type(value) is int and least <= value <= most


def _are_weekdays(value: object) -> bool:
    if not isinstance(value, list) or not value:
        return False
    return all(_is_number(day, 1, 7) for day in value) and value == sorted({*value})


def _is_day(value: object) -> bool:
    try:
        parse_day(value)
    except ValueError:
        return False
    return True
