"""Days and times without a zone: as rows hold them, and as clients read and write them."""

import re
from datetime import date, time
from typing import NewType

Day = NewType("Day", str)
"""A date as PostgreSQL writes it in its ISO style, and clients read it: `2026-01-31`."""

TimeOfDay = NewType("TimeOfDay", str)
"""A time as PostgreSQL writes it: `09:00:00`. The seconds are always zero."""

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_TIME = re.compile(r"(?:[01]\d|2[0-3]):[0-5]\d(?::00)?", re.ASCII)

FORM = "A day must look like 2026-01-31"


def as_it_is(day: Day) -> str:
    return day


def hours_and_minutes(time: TimeOfDay) -> str:
    """Return a time without its seconds: `09:00`."""
    return time[:5]


def parse_day(text: object) -> date:
    """Return the day of a text such as `2026-01-31`.

    Raises:
        ValueError: it has another form, or the day does not exist.
    """
    if not isinstance(text, str) or not _DAY.fullmatch(text):
        raise ValueError(f"{FORM}, with four, two and two digits.")
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{FORM}, and this day is not in the calendar.") from None


def parse_time(text: object) -> time:
    """Return the time of a text such as `09:00` or `09:00:00`.

    Raises:
        ValueError: it has another form, or the time does not exist.
    """
    if not isinstance(text, str) or not _TIME.fullmatch(text):
        raise ValueError("A time must look like 09:00, from 00:00 to 23:59, without an offset.")
    return time.fromisoformat(text)
