"""How a task comes again: its rule, as `tasks.repeats` has it in JSON.

    {"every": 3, "unit": "MONTH", "monthDay": 31, "start": "2026-08-31", "from": "DUE"}

Weekdays are numbers of ISO 8601, from 1 for Monday. Which day comes next is computed by triggers;
see 0015_recurrence.sql.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from models.day import Day

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
