"""Dates as Todoist writes them: days, times, and English words that begin with "every".

Its help page on recurring dates lists the words. Other words, and other languages, are not
understood.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import date, time
from typing import Any, NamedTuple

from app.exchange.first_days import first_day
from models.recurrence import EVERY_MAX, ORDINALS, Rule

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_FULL_MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_UNITS = {
    "day": ("DAY", 1),
    "week": ("WEEK", 1),
    "month": ("MONTH", 1),
    "quarter": ("MONTH", 3),
    "year": ("YEAR", 1),
}
_ADVERBS = {
    "daily": "every day",
    "weekly": "every week",
    "monthly": "every month",
    "quarterly": "every quarter",
    "yearly": "every year",
}
_NAMED_ORDINALS = {"first": 1, "1st": 1, "second": 2, "2nd": 2, "third": 3, "3rd": 3}
_NAMED_ORDINALS |= {"fourth": 4, "4th": 4, "last": -1}
_SAID_ORDINALS = dict(zip(ORDINALS, ("1st", "2nd", "3rd", "4th", "last"), strict=True))
_MOST_CHARACTERS = 200
_WORKDAYS = [1, 2, 3, 4, 5]
_WORKDAY_NAMES = ("weekday", "workday", "working day")

_MONTH = rf"(?:{'|'.join((*_FULL_MONTHS, *_MONTHS, 'sept'))})\.?"
_NUMBER = r"\d{1,2}(?:st|nd|rd|th)?"
_DAY = rf"(?:\d{{4}}-\d\d-\d\d|(?:{_NUMBER} {_MONTH}|{_MONTH} {_NUMBER})(?:,? \d{{4}})?)"
_DAY_PARTS = re.compile(
    rf"(?:({_NUMBER}) ({_MONTH})|({_MONTH}) ({_NUMBER}))(?:,? (\d{{4}}))?", re.ASCII
)
_WEEKDAY = r"(?:mon(?:day)?|tue(?:s(?:day)?)?|wed(?:nesday)?|thu(?:r(?:s(?:day)?)?)?|fri(?:day)?|"
_WEEKDAY += r"sat(?:urday)?|sun(?:day)?)"
_TIME = re.compile(
    r" ?(?:\bat |@ ?|\b)(?:(\d{1,2}):(\d\d)(?::\d\d)? ?(am|pm)?|(\d{1,2}) ?(am|pm))(?![\w:+-])",
    re.ASCII,
)
_EVERY = re.compile(
    rf"(?:every|ev)(!)? ?(.+?)(?: (?:starting|from) ({_DAY}))?(?: (?:until|ending) ({_DAY}))?",
    re.ASCII,
)
_INTERVAL = re.compile(r"(?:(other|\d{1,3}) )?(day|week|month|quarter|year)s?", re.ASCII)
_OF_WEEK = re.compile(
    rf"(?:(other|\d{{1,3}} weeks)(?: on)? )?({_WEEKDAY}(?:(?:, ?and |, ?| and |,){_WEEKDAY})*)",
    re.ASCII,
)
_OF_MONTH = re.compile(
    rf"({'|'.join(_NAMED_ORDINALS)}) ({_WEEKDAY}|weekday|workday|working day)", re.ASCII
)


class Found(NamedTuple):
    """What words say; a rule may come without a day."""

    due_on: date | None
    due_time: time | None
    rule: Rule | None


def read(words: str, today: date) -> Found | None:
    """Return what the words of a date say; None where they are not understood.

    A day without a year is the first on or after today.
    """
    if len(words) > _MOST_CHARACTERS:
        return None
    text = re.sub(r"(\d)t(?=\d)", r"\1 ", " ".join(words.lower().split()))
    due_time = None
    if found := _TIME.search(text):
        due_time = _time(*found.groups())
        text = (text[: found.start()] + text[found.end() :]).strip()
        if due_time is None:
            return None
    first, space, rest = text.partition(" ")
    text = _ADVERBS.get(first, first) + space + rest
    if every := _EVERY.fullmatch(text):
        return _recurring(every, due_time, today)
    due_on = _day(text, today)
    return None if due_on is None else Found(due_on, due_time, None)


def _recurring(every: re.Match[str], due_time: time | None, today: date) -> Found | None:
    rule = _rule(every[2], today)
    if rule is None:
        return None
    rule["from"] = "COMPLETION" if every[1] else "DUE"
    if every[1] and "weekdays" in rule and rule["unit"] == "WEEK":
        return None
    due_on = None
    if every[3]:
        start = _day(every[3], today)
        due_on = start and first_day(rule, start)
        if due_on is None:
            return None
    if every[4]:
        until = _day(every[4], today)
        if until is None:
            return None
        rule["until"] = until.isoformat()
    return Found(due_on, due_time, rule)


def _time(*parts: str | None) -> time | None:
    hours, minutes, half, hours_alone, half_alone = parts
    hour, half = int(hours or hours_alone or 0), half or half_alone
    if half and not 1 <= hour <= 12:
        return None
    if half:
        hour = hour % 12 + (12 if half == "pm" else 0)
    try:
        return time(hour, int(minutes or 0))
    except ValueError:
        return None


def _day(text: str, today: date) -> date | None:
    try:
        if re.fullmatch(r"\d{4}-\d\d-\d\d", text, re.ASCII):
            return date.fromisoformat(text)
        if not (found := _DAY_PARTS.fullmatch(text)):
            return None
        number, month = _number(found[1] or found[4]), _month(found[2] or found[3])
        if found[5]:
            return date(int(found[5]), month, number)
        rule = {"unit": "YEAR", "from": "DUE", "month": month, "monthDay": number}
        # Says whether the day exists, in a leap year.
        date(2000, month, number)
        day = first_day(rule, today)
    except ValueError:
        return None
    return day if day is not None and day.day == number else None


def _number(text: str) -> int:
    return int(text.rstrip("stndrh"))


def _month(text: str) -> int:
    return _MONTHS.index(text[:3]) + 1


def _weekdays(text: str) -> list[int]:
    return sorted({[day[:3] for day in _WEEKDAYS].index(each[:3]) + 1 for each in _split(text)})


def _split(text: str) -> list[str]:
    return [each for each in re.split(r",| and |and | ", text) if each]


def _rule(text: str, today: date) -> dict[str, Any] | None:
    """Return the rule of what comes after "every", but for what it counts from."""
    if found := _INTERVAL.fullmatch(text):
        unit, times = _UNITS[found[2]]
        every = _interval(found[1]) * times
        return {"every": every, "unit": unit} if 1 <= every <= EVERY_MAX else None
    if text in _WORKDAY_NAMES:
        return {"every": 1, "unit": "WEEK", "weekdays": _WORKDAYS}
    if found := _OF_WEEK.fullmatch(text):
        every = _interval(found[1] and found[1].removesuffix(" weeks"))
        rule = {"every": every, "unit": "WEEK", "weekdays": _weekdays(found[2])}
        return rule if every else None
    rule = {"every": 1, "unit": "MONTH"}
    if text.removesuffix(" of the month") == "last day":
        return {**rule, "monthDay": 31}
    if re.fullmatch(r"\d{1,2}(?:st|nd|rd|th)", text, re.ASCII):
        return {**rule, "monthDay": _number(text)} if 1 <= _number(text) <= 31 else None
    if found := _OF_MONTH.fullmatch(text):
        days = _WORKDAYS if found[2] in _WORKDAY_NAMES else _weekdays(found[2])
        return {**rule, "ordinal": _NAMED_ORDINALS[found[1]], "weekdays": days}
    if (found := _DAY_PARTS.fullmatch(text)) and not found[5] and _day(text, today):
        number, month = _number(found[1] or found[4]), _month(found[2] or found[3])
        return {"every": 1, "unit": "YEAR", "month": month, "monthDay": number}
    return None


def _interval(text: str | None) -> int:
    return 2 if text == "other" else int(text or 1)


def written(due_on: date | None, due_time: time | None, rule: Rule | None) -> str:
    """Return the words of a date; of a rule that they cannot say, only its next day.

    They can say no number of times, and no day of a month or week when it is not each one.
    """
    if due_on is None:
        return ""
    at = "" if due_time is None else f" {due_time:%H:%M}"
    said = None if rule is None or "remaining" in rule else _said(rule, due_on)
    if rule is None or said is None or first_day(rule, due_on) != due_on:
        return f"{due_on}{at}"
    bang = "!" if rule["from"] == "COMPLETION" else ""
    at = at and f" at{at}"
    until = f" until {_said_day(date.fromisoformat(rule['until']))}" if "until" in rule else ""
    return f"every{bang} {said}{at} starting {_said_day(due_on)}{until}"


def _said_day(day: date) -> str:
    return f"{day.day} {_MONTHS[day.month - 1].title()} {day.year:04}"


def _said(rule: Mapping[str, Any], due_on: date) -> str | None:
    unit, every = rule["unit"], rule["every"]
    weekdays, start = rule.get("weekdays"), date.fromisoformat(rule["start"])
    if "ordinal" in rule:
        days = "workday" if weekdays == _WORKDAYS else _said_weekdays(weekdays or ())
        is_said = unit == "MONTH" and every == 1 and "," not in days
        return f"{_SAID_ORDINALS[rule['ordinal']]} {days}" if is_said else None
    if unit == "WEEK" and weekdays:
        return _said_weekdays(weekdays) if every == 1 else None
    if unit in ("DAY", "WEEK"):
        is_said = unit == "DAY" or start.isoweekday() == due_on.isoweekday()
        return _said_interval(every, unit) if is_said else None
    day = rule.get("monthDay", start.day)
    if unit == "MONTH" and every == 1:
        return "last day" if day == 31 else f"{day}{_ending(day)}"
    if day != due_on.day or (unit == "YEAR" and rule.get("month", start.month) != due_on.month):
        return None
    return _said_interval(every, unit)


def _said_interval(every: int, unit: str) -> str:
    return unit.lower() if every == 1 else f"{every} {unit.lower()}s"


def _said_weekdays(weekdays: Sequence[int]) -> str:
    return ", ".join(_WEEKDAYS[number - 1][:3] for number in weekdays)


def _ending(number: int) -> str:
    return "th" if 11 <= number <= 13 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
