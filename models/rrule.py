"""Rules of recurrence as RFC 5545 writes them (section 3.3.10), for what a rule of ours can say.

Understood: FREQ of DAILY, WEEKLY, MONTHLY and YEARLY, INTERVAL, COUNT, UNTIL (of a time its date),
BYDAY, one BYMONTHDAY, one BYMONTH of a year, BYSETPOS of weekdays in a month, and WKST where it
changes nothing. A day that a month lacks is its last here, where other programs pass over the
month: so what is written says so by BYSETPOS. All else is refused, by the name of its part.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from models.recurrence import EVERY_MAX, ORDINALS, REMAINING_MAX, Rule

RRULE_MAX_LENGTH = 500
"""Characters of a rule that is read."""

_UNITS = {"DAILY": "DAY", "WEEKLY": "WEEK", "MONTHLY": "MONTH", "YEARLY": "YEAR"}
_FREQUENCIES = {unit: frequency for frequency, unit in _UNITS.items()}
_WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_PARTS = (
    *("FREQ", "INTERVAL", "COUNT", "UNTIL", "WKST", "BYDAY", "BYMONTHDAY", "BYMONTH", "BYSETPOS"),
)
_ENDS = {"28,29": 29, "28,29,30": 30}
"""The days that mean, with BYSETPOS=-1, the last of them that a month has."""

_DAY = re.compile(rf"([+-]?\d{{1,2}})?({'|'.join(_WEEKDAYS)})", re.ASCII)
_UNTIL = re.compile(r"(\d{4})(\d\d)(\d\d)(?:T\d{6}Z?)?", re.ASCII)
_NUMBER = re.compile(r"[+-]?\d{1,4}", re.ASCII)


class RuleRefused(ValueError):
    """A text is no rule that can be taken: a sentence that names the part."""


def written(rule: Rule, *, has_time: bool = False) -> str | None:
    """Return a rule without its beginning; None where RFC 5545 cannot say it.

    That is what counts from the completion, and what has both a number and a day as its end.
    `has_time`: whether it stands beside a beginning with a time, so that UNTIL must have one, too.
    """
    if rule["from"] != "DUE" or ("until" in rule and "remaining" in rule):
        return None
    unit, parts = rule["unit"], [f"FREQ={_FREQUENCIES[rule['unit']]}"]
    start = date.fromisoformat(rule["start"])
    if rule["every"] != 1:
        parts.append(f"INTERVAL={rule['every']}")
    if unit == "YEAR":
        parts.append(f"BYMONTH={rule.get('month', start.month)}")
    if unit == "WEEK":
        parts.append(f"BYDAY={_names(rule.get('weekdays', [start.isoweekday()]))}")
    elif unit in ("MONTH", "YEAR"):
        parts += _day_of_month(rule, start)
    if "remaining" in rule:
        parts.append(f"COUNT={rule['remaining']}")
    if "until" in rule:
        end = "T235959" if has_time else ""
        parts.append(f"UNTIL={rule['until'].replace('-', '')}{end}")
    return ";".join(parts)


def _day_of_month(rule: Rule, start: date) -> list[str]:
    if "ordinal" in rule:
        ordinal, days = rule["ordinal"], rule["weekdays"]
        if len(days) == 1:
            return [f"BYDAY={ordinal}{_names(days)}"]
        return [f"BYDAY={_names(days)}", f"BYSETPOS={ordinal}"]
    day = rule.get("monthDay", start.day)
    for days_in_text, end in _ENDS.items():
        if day == end:
            return [f"BYMONTHDAY={days_in_text}", "BYSETPOS=-1"]
    return [f"BYMONTHDAY={-1 if day == 31 else day}"]


def _names(weekdays: Sequence[int]) -> str:
    return ",".join(_WEEKDAYS[number - 1] for number in weekdays)


def read(text: str) -> dict[str, Any]:
    """Return the rule of a text, without its beginning.

    Raises:
        RuleRefused: it is none, or has a part that cannot be taken.
    """
    parts = _parts(text)
    unit = _UNITS.get(parts.pop("FREQ", ""))
    if unit is None:
        raise RuleRefused("FREQ must be one of DAILY, WEEKLY, MONTHLY and YEARLY.")
    rule: dict[str, Any] = {
        "every": _number(parts, "INTERVAL", range(1, EVERY_MAX + 1), 1),
        "unit": unit,
        "from": "DUE",
    }
    week_begins = parts.pop("WKST", "MO")
    matters = unit == "WEEK" and rule["every"] > 1 and "BYDAY" in parts
    if week_begins not in _WEEKDAYS or (matters and week_begins != "MO"):
        raise RuleRefused("WKST must be MO: weeks begin on Mondays.")
    if "COUNT" in parts and "UNTIL" in parts:
        raise RuleRefused("COUNT and UNTIL cannot both be given.")
    remaining = _number(parts, "COUNT", range(1, REMAINING_MAX + 1), None)
    if remaining is not None:
        rule["remaining"] = remaining
    if "UNTIL" in parts:
        rule["until"] = _until(parts.pop("UNTIL"))
    if unit == "YEAR":
        month = _number(parts, "BYMONTH", range(1, 13), None)
        if month is not None:
            rule["month"] = month
        elif parts:
            raise RuleRefused(f"{next(iter(parts))} in a year needs BYMONTH.")
    rule |= _of_month(parts) if unit in ("MONTH", "YEAR") else _of_week(parts, rule)
    if parts:
        raise RuleRefused(f"{next(iter(parts))} cannot be taken with this FREQ.")
    return rule


def _parts(text: str) -> dict[str, str]:
    """Return the parts of a rule by their names, in capitals."""
    if len(text) > RRULE_MAX_LENGTH:
        raise RuleRefused(f"A rule must have at most {RRULE_MAX_LENGTH} characters.")
    parts: dict[str, str] = {}
    for part in text.strip().upper().removeprefix("RRULE:").split(";"):
        name, equals, value = part.partition("=")
        if name not in _PARTS or not equals:
            raise RuleRefused(f"{re.split('[^A-Z-]', name)[0] or 'The rule'} cannot be taken.")
        if name in parts:
            raise RuleRefused(f"{name} is given twice.")
        parts[name] = value
    return parts


def _number(
    parts: dict[str, str], name: str, among: Sequence[int], default: int | None
) -> int | None:
    text = parts.pop(name, None)
    if text is None:
        return default
    if not _NUMBER.fullmatch(text) or int(text) not in among:
        raise RuleRefused(f"{name} must be one number, and one that can be taken.")
    return int(text)


def _until(text: str) -> str:
    found = _UNTIL.fullmatch(text)
    try:
        return date(*map(int, found.groups() if found else ())).isoformat()
    except (TypeError, ValueError):
        raise RuleRefused("UNTIL must be a day that exists, as 20261231.") from None


def _weekdays(parts: dict[str, str]) -> tuple[list[int], int | None]:
    """Return the weekdays of BYDAY, and the number that stands before the only one."""
    found = [_DAY.fullmatch(each) for each in parts.pop("BYDAY").split(",")]
    days = {_WEEKDAYS.index(each[2]) + 1 for each in found if each}
    numbers = [int(each[1]) for each in found if each and each[1]]
    if None in found or (numbers and len(found) > 1) or not {*numbers} <= {*ORDINALS}:
        raise RuleRefused("BYDAY must have weekdays, or one with a number of 1 to 4 or -1.")
    return sorted(days), numbers[0] if numbers else None


def _of_week(parts: dict[str, str], rule: Rule) -> Mapping[str, Any]:
    if "BYDAY" not in parts:
        return {}
    days, ordinal = _weekdays(parts)
    if ordinal is not None or (rule["unit"] == "DAY" and rule["every"] > 1):
        raise RuleRefused("BYDAY cannot be taken with this FREQ and INTERVAL.")
    return {"unit": "WEEK", "weekdays": days}


def _of_month(parts: dict[str, str]) -> Mapping[str, Any]:
    if "BYDAY" in parts:
        days, ordinal = _weekdays(parts)
        if ordinal is None:
            ordinal = _number(parts, "BYSETPOS", ORDINALS, None)
        if ordinal is None:
            raise RuleRefused("BYDAY in a month needs a number or BYSETPOS.")
        return {"weekdays": days, "ordinal": ordinal}
    ends = _ENDS.get(parts.get("BYMONTHDAY", ""))
    if ends is not None and parts.get("BYSETPOS") == "-1":
        del parts["BYMONTHDAY"], parts["BYSETPOS"]
        return {"monthDay": ends}
    day = _number(parts, "BYMONTHDAY", (*range(1, 32), -1), None)
    return {} if day is None else {"monthDay": 31 if day == -1 else day}
