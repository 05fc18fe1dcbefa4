"""The first day of a rule whose file gives no date."""

from calendar import monthrange
from collections.abc import Sequence
from datetime import date, timedelta

from models.recurrence import Rule


def first_day(rule: Rule, today: date) -> date | None:
    """Return the first day on or after today that the rule could begin on; None past 9999."""
    if rule["from"] == "COMPLETION" and rule["unit"] in ("DAY", "WEEK"):
        return today
    last = min(today.toordinal() + 366, date.max.toordinal())
    days = map(date.fromordinal, range(today.toordinal(), last + 1))
    return next((day for day in days if _is_of(rule, day)), None)


def _is_of(rule: Rule, day: date) -> bool:
    unit: str = rule["unit"]
    weekdays: Sequence[int] | None = rule.get("weekdays")
    if unit == "WEEK":
        return weekdays is None or day.isoweekday() in weekdays
    if unit == "DAY" or (unit == "YEAR" and day.month != rule.get("month", day.month)):
        return unit == "DAY"
    if "ordinal" in rule:
        return day == _day_by_weekdays(day, rule["ordinal"], weekdays or ())
    last = monthrange(day.year, day.month)[1]
    return "monthDay" not in rule or day.day == min(int(rule["monthDay"]), last)


def _day_by_weekdays(month: date, ordinal: int, weekdays: Sequence[int]) -> date | None:
    """Return the n-th, or the last, of the days of a month that are one of the weekdays."""
    days = [
        day
        for number in range(monthrange(month.year, month.month)[1])
        if (day := month.replace(day=number + 1)).isoweekday() in weekdays
    ]
    index = ordinal if ordinal < 0 else ordinal - 1
    return days[index] if len(days) > max(index, 0) else None


def moved(day: date, unit: str, number: int) -> date | None:
    """Return the day so many days, weeks, months or years later; None past 9999.

    Where a month lacks the day, it is the month's last.
    """
    try:
        if unit in ("DAY", "WEEK"):
            return day + timedelta(days=number * (7 if unit == "WEEK" else 1))
        months = day.year * 12 + day.month - 1 + number * (12 if unit == "YEAR" else 1)
        year, month = divmod(months, 12)
        return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))
    except (ValueError, OverflowError):
        return None
