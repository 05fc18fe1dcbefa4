"""Taskwarrior's JSON: what `task export` writes, and `task import` reads.

The fields are those of its document "Taskwarrior JSON Format".
"""

import json
import re
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from app.exchange.collecting import Collected
from app.exchange.first_days import first_day, moved
from app.exchange.items import ANYWHERE, Contents, Item, Options, Unreadable
from app.exchange.texts import decoded, parsed, text_of
from models.recurrence import EVERY_MAX, Rule

_PRIORITIES = {"H": 3, "M": 2, "L": 1}
_SAID_PRIORITIES = {4: "H", 3: "H", 2: "M", 1: "L"}
_LOST = {
    "depends": "dependencies",
    "wait": "waiting dates",
    "scheduled": "scheduled dates",
    "start": "work that was begun",
}
"""What is reported where a task has it."""

_KEPT = {
    *("uuid", "status", "description", "entry", "modified", "end", "due", "until", "recur", "mask"),
    *("parent", "project", "priority", "tags", "annotations", *_LOST),
}
_SAID_UNITS = {"DAY": "d", "WEEK": "w", "MONTH": "mo", "YEAR": "y"}
_LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
"""Instead of an instant that is not known: Taskwarrior takes none before 1980."""

_DATE = re.compile(r"(\d{4})-?(\d\d)-?(\d\d)(?:T(\d\d):?(\d\d):?(\d\d)(Z)?)?", re.ASCII)
_SPACES = re.compile(r"\s+")

_UNITS = {
    **dict.fromkeys(("d", "day", "days", "daily"), ("DAY", 1)),
    **dict.fromkeys(("w", "wk", "wks", "week", "weeks", "weekly"), ("WEEK", 1)),
    **dict.fromkeys(("biweekly", "fortnight"), ("WEEK", 2)),
    **dict.fromkeys(("m", "mo", "mos", "mth", "mths", "month", "months", "monthly"), ("MONTH", 1)),
    "bimonthly": ("MONTH", 2),
    **dict.fromkeys(("q", "qtr", "qtrs", "quarter", "quarters", "quarterly"), ("MONTH", 3)),
    "semiannual": ("MONTH", 6),
    **dict.fromkeys(("y", "yr", "yrs", "year", "years", "yearly", "annual"), ("YEAR", 1)),
    **dict.fromkeys(("biannual", "biyearly"), ("YEAR", 2)),
}
_PERIOD = re.compile(r"(\d{1,4})?([a-z]+)|p(\d{1,4})([dwmy])", re.ASCII)

_Json = Mapping[str, Any]


def read(data: bytes, options: Options) -> Contents:
    """Return the tasks of an export, as one array or an object a line.

    A template of recurring tasks becomes one task with the rule, due where the next of its tasks
    would be; the tasks that it has made stay as they are.

    Raises:
        Unreadable: it is none, or broken.
    """
    collected = Collected(options)
    for task in _tasks(decoded(data)):
        if not isinstance(task, dict) or not isinstance(task.get("uuid"), str):
            raise Unreadable("This is no export of Taskwarrior: each task must have a uuid.")
        _read(task, collected)
    return replace(collected.contents(), account=ANYWHERE)


def _tasks(text: str) -> Iterator[Any]:
    start = _beyond(text, 0, " \t\r\n")
    if text[start : start + 1] == "[":
        tasks, end = parsed(text, _KEPT, start)
        if text[end:].strip():
            raise Unreadable("This is not JSON: something follows the array.")
        yield from tasks
        return
    while start < len(text):
        task, end = parsed(text, _KEPT, start)
        yield task
        start = _beyond(text, end, " \t\r\n,")


def _beyond(text: str, start: int, passed: str) -> int:
    while start < len(text) and text[start] in passed:
        start += 1
    return start


def _moment(value: object) -> datetime | None:
    """Return the moment of a date, of UTC where it ends with Z, else without a zone."""
    found = _DATE.fullmatch(text_of(value))
    if found is None:
        return None
    year, month, day, hour, minute, second = (int(part or 0) for part in found.groups()[:6])
    try:
        return datetime(year, month, day, hour, minute, second, tzinfo=UTC if found[7] else None)
    except ValueError:
        return None


def _instant(value: object, collected: Collected) -> datetime | None:
    moment = _moment(value)
    if moment is None or moment.tzinfo is not None:
        return moment
    return moment.replace(tzinfo=collected.options.timezone)


def _day_and_time(value: object, collected: Collected) -> tuple[date, time] | tuple[None, None]:
    """Return the day and the time of a date, of UTC in the zone of the options."""
    moment = _moment(value)
    if moment is None:
        return None, None
    if moment.tzinfo is not None:
        return collected.day_and_time(moment)
    return moment.date(), moment.time().replace(second=0)


def _read(task: _Json, collected: Collected) -> None:
    title, status = text_of(task.get("description")), task.get("status")
    if status == "deleted":
        return collected.lose("deleted tasks", title)
    for field, kind in _LOST.items():
        if task.get(field):
            collected.lose(kind, title)
    due_on, due_time = _day_and_time(task.get("due"), collected)
    rule = _rule(task, title, collected)
    until, _ = _day_and_time(task.get("until"), collected)
    if rule is not None and due_on is not None:
        # The mask has a sign for each task that the template has made.
        rule, due_on = _beyond_made(rule, due_on, len(text_of(task.get("mask"))))
    if rule is not None and until is not None:
        rule = {**rule, "until": until.isoformat()}
    elif until is not None and not task.get("parent"):
        collected.lose("expiry dates", title)
    created, updated = (_instant(task.get(key), collected) for key in ("entry", "modified"))
    ended = collected.some_instant(_instant(task.get("end"), collected), updated, created)
    tags = task.get("tags")
    collected.add(
        Item(
            key=task["uuid"],
            title=title,
            description=_description(task.get("annotations")),
            completed_at=ended if status == "completed" else None,
            created_at=created,
            updated_at=updated,
            due_on=due_on,
            due_time=None if due_time == time() else due_time,
            priority=_PRIORITIES.get(text_of(task.get("priority")), 0),
            labels=list(filter(None, map(text_of, tags))) if isinstance(tags, list) else [],
            list_name=text_of(task.get("project")) or collected.options.list_name,
            rule=rule,
        )
    )
    return None


def _beyond_made(rule: Rule, due_on: date, made: int) -> tuple[Rule | None, date | None]:
    """Return the rule of a template, and the day of the next task after so many; None past 9999."""
    day: date | None = due_on
    if "weekdays" in rule:
        for _ in range(made):
            day = day and moved(day, "DAY", 1)
            day = day and first_day(rule, day)
    else:
        day = moved(due_on, rule["unit"], rule["every"] * made)
    if day is None:
        return None, None
    if rule["unit"] in ("MONTH", "YEAR") and day.day != due_on.day:
        rule = {**rule, "monthDay": due_on.day}
    return rule, day


def _description(annotations: object) -> str | None:
    if not isinstance(annotations, list):
        return None
    lines = [text_of(each.get("description")) for each in annotations if isinstance(each, dict)]
    return "\n".join(filter(None, lines)) or None


def _rule(task: _Json, title: str, collected: Collected) -> Rule | None:
    """Return the rule of a template; what a template has made has its words, but is none."""
    words = text_of(task.get("recur")).lower()
    if not words or task.get("parent"):
        return None
    if words in ("weekdays", "weekday"):
        return {"every": 1, "unit": "WEEK", "weekdays": [1, 2, 3, 4, 5], "from": "DUE"}
    found = _PERIOD.fullmatch(words)
    unit, times = _UNITS.get(found[2] or found[4], ("", 0)) if found else ("", 0)
    every = times * int((found and (found[1] or found[3])) or 1)
    if not 1 <= every <= EVERY_MAX:
        collected.lose("rules that cannot be said", title)
        return None
    return {"every": every, "unit": unit, "from": "DUE"}


def write(contents: Contents) -> bytes:
    """Return an array with a task a line, of all that are not in the trash.

    What is due has no zone, which Taskwarrior takes for the time where it runs. It knows no
    subtasks: those are tasks in the list of their parents.
    """
    lists = {item.key: item.list_name for item in contents.items}
    tasks = [_said(item, lists) for item in contents.items if item.deleted_at is None]
    lines = ",\n".join(json.dumps(task, ensure_ascii=False) for task in tasks)
    return f"[\n{lines}\n]\n".encode()


def _said(item: Item, lists: Mapping[str, str | None]) -> _Json:
    created = item.created_at or item.updated_at or item.completed_at
    recur = None if item.completed_at else _said_recur(item)
    status = "completed" if item.completed_at else "recurring" if recur else "pending"
    due = None
    if item.due_on is not None:
        due = _basic(datetime.combine(item.due_on, item.due_time or time()))
    values = {
        "uuid": str(uuid.uuid5(uuid.NAMESPACE_URL, f"task-{item.key}@todo-api")),
        "description": item.title,
        "status": status,
        "entry": created and _said_instant(created),
        "modified": item.updated_at and _said_instant(item.updated_at),
        "end": item.completed_at and _said_instant(item.completed_at),
        "due": due,
        "recur": recur,
        "until": _said_until(item) if recur else None,
        "priority": _SAID_PRIORITIES.get(item.priority),
        "project": item.list_name or lists.get(item.parent or ""),
        "tags": [_SPACES.sub("_", label) for label in item.labels],
        "annotations": _annotations(item.description or "", created or _LONG_AGO),
    }
    return {name: value for name, value in values.items() if value}


def _said_instant(instant: datetime) -> str:
    return f"{_basic(instant.astimezone(UTC).replace(tzinfo=None))}Z"


def _basic(moment: datetime) -> str:
    """Return a moment in the basic form of ISO 8601, without a zone."""
    return re.sub("[:-]", "", moment.isoformat(timespec="seconds"))


def _annotations(description: str, created: datetime) -> list[_Json]:
    """Return one for each line, a second apart: Taskwarrior keeps one for each second."""
    lines = [line for line in description.splitlines() if line.strip()]
    return [
        {"entry": _said_instant(created + timedelta(seconds=number)), "description": line}
        for number, line in enumerate(lines)
    ]


def _said_until(item: Item) -> str | None:
    until = (item.rule or {}).get("until")
    return until and f"{until.replace('-', '')}T235959"


def _said_recur(item: Item) -> str | None:
    """Return the period of a rule; None where it has none, or is more than a period."""
    rule, due_on = item.rule, item.due_on
    if rule is None or due_on is None or rule["from"] != "DUE" or "remaining" in rule:
        return None
    unit, every, weekdays = rule["unit"], rule["every"], rule.get("weekdays")
    start = date.fromisoformat(rule["start"])
    day, month = rule.get("monthDay", start.day), rule.get("month", start.month)
    if unit == "WEEK" and every == 1 and weekdays == [1, 2, 3, 4, 5]:
        return "weekdays"
    is_period = {
        "DAY": True,
        "WEEK": (weekdays or [start.isoweekday()]) == [due_on.isoweekday()],
        "MONTH": weekdays is None and day == due_on.day,
        "YEAR": weekdays is None and (month, day) == (due_on.month, due_on.day),
    }
    return f"{every}{_SAID_UNITS[unit]}" if is_period[unit] else None
