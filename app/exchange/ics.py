"""iCalendar's to-dos: the VTODO components of RFC 5545."""

import re
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from math import inf
from typing import NamedTuple

from icalendar import Calendar, Todo
from icalendar.prop import vDatetime, vDuration, vRecur

from app.exchange.collecting import Collected
from app.exchange.ics_lines import Component, Value, components
from app.exchange.items import ANYWHERE, Contents, Item, Options
from models import rrule
from models.recurrence import Rule

LIST = "X-TODO-API-LIST"
"""The list of a task in a file of ours, which has the tasks of all lists."""

_PRIORITIES = {1: 4, 2: 3, 3: 3, 4: 3, 5: 2, 6: 1, 7: 1, 8: 1, 9: 1}
_SAID_PRIORITIES = {4: 1, 3: 3, 2: 5, 1: 9}
_ORDER = "X-APPLE-SORT-ORDER"
_LOST = {
    "ATTACH": "attachments",
    "ATTENDEE": "assignees",
    "COMMENT": "comments",
    "EXDATE": "exceptions of rules",
    "RDATE": "exceptions of rules",
    "GEO": "places",
    "LOCATION": "places",
    "URL": "links",
}
"""What is reported where a task has it."""

_MOMENT = re.compile(r"(\d{4})(\d\d)(\d\d)(?:T(\d\d)(\d\d)(\d\d)(Z)?)?", re.ASCII)
_NUMBER = re.compile(r"-?\d{1,18}", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class _Moment(NamedTuple):
    """A DATE, a DATE-TIME of UTC with its zone, or another as it stands there."""

    at: datetime
    has_time: bool


def read(data: bytes, options: Options) -> Contents:
    """Return the to-dos of a file, in the order that they give themselves, else the file's.

    Raises:
        Unreadable: it is no iCalendar, or broken.
    """
    collected = Collected(options)
    for component in components(data):
        around = component.around
        if around is None or around.name != "VCALENDAR":
            continue
        if component.name == "VTODO":
            # RFC 5545, section 3.6: what a calendar says of itself stands before what is in it.
            name = around.text("X-WR-CALNAME") or around.text("NAME")
            _read(component, name.strip() or options.list_name, collected)
        elif component.name in ("VEVENT", "VJOURNAL"):
            collected.lose("events and journals", component.text("SUMMARY"))
    return replace(collected.contents(), account=ANYWHERE)


def _read(todo: Component, list_name: str | None, collected: Collected) -> None:
    title, status = todo.text("SUMMARY"), todo.text("STATUS").upper()
    if "RECURRENCE-ID" in todo.values:
        return collected.lose("changed occurrences", title)
    if status == "CANCELLED":
        return collected.lose("cancelled tasks", title)
    _report(todo, title, collected)
    due_on, due_time = _due(todo, title, collected)
    created, updated = _instant(todo, "CREATED"), _instant(todo, "LAST-MODIFIED")
    is_completed = status == "COMPLETED" or "COMPLETED" in todo.values
    completed_at = collected.some_instant(
        _instant(todo, "COMPLETED"), updated, _instant(todo, "DTSTAMP"), created
    )
    item = Item(
        key=todo.text("UID") or collected.key_of(*_texts(todo)),
        title=title,
        description=todo.text("DESCRIPTION") or None,
        completed_at=completed_at if is_completed and status != "NEEDS-ACTION" else None,
        created_at=created,
        updated_at=updated,
        due_on=due_on,
        due_time=due_time,
        priority=_PRIORITIES.get(_number(todo, "PRIORITY") or 0, 0),
        labels=[text for each in todo.values["CATEGORIES"] for text in each.texts if text],
        list_name=todo.text(LIST) or list_name,
        parent=_parent(todo, title, collected),
        rule=_rule(todo, title, collected),
    )
    order = _number(todo, _ORDER)
    collected.add(item, inf if order is None else order)
    return None


def _report(todo: Component, title: str, collected: Collected) -> None:
    lost = {kind: None for name, kind in _LOST.items() if todo.values[name]}
    lost |= {"reminders": None} if "VALARM" in todo.inside else {}
    lost |= {"lines that cannot be read": None} if todo.has_unread_lines else {}
    if _number(todo, "PERCENT-COMPLETE") not in (None, 0, 100):
        lost["progress"] = None
    for kind in lost:
        collected.lose(kind, title)


def _texts(todo: Component) -> list[str]:
    return [name + value.raw for name, values in todo.values.items() for value in values]


def _number(todo: Component, name: str) -> int | None:
    text = todo.text(name).strip()
    return int(text) if _NUMBER.fullmatch(text) else None


def _moment(value: Value | None) -> _Moment | None:
    found = None if value is None else _MOMENT.fullmatch(value.raw.strip())
    if found is None:
        return None
    numbers = [int(part or 0) for part in found.groups()[:6]]
    # A leap second is the one before: Python knows none.
    numbers[5] = min(numbers[5], 59)
    try:
        at = datetime(*numbers, tzinfo=UTC if found[7] else None)  # type: ignore[arg-type, misc]
    except ValueError:
        return None
    return _Moment(at, found[4] is not None)


def _instant(todo: Component, name: str) -> datetime | None:
    """Return an instant: RFC 5545 has these properties in UTC."""
    moment = _moment(todo.first(name))
    return None if moment is None else moment.at.replace(tzinfo=UTC)


def _due(
    todo: Component, title: str, collected: Collected
) -> tuple[date, time | None] | tuple[None, None]:
    """Return the day and time of DUE, or of DTSTART and DURATION, or of DTSTART alone."""
    start, due = _moment(todo.first("DTSTART")), _moment(todo.first("DUE"))
    if due is None and (todo.values["DUE"] or (todo.values["DTSTART"] and start is None)):
        collected.lose("dates that cannot be read", title)
    if due is not None and start is not None and start != due:
        collected.lose("start dates", title)
    if due is None and start is not None:
        due = _after(start, todo.text("DURATION"))
        collected.lose("start dates, which become due dates", title)
    if due is None:
        return None, None
    if due.at.tzinfo is None:
        at: tuple[date, time] | tuple[None, None] = (due.at.date(), due.at.time())
    else:
        at = collected.day_and_time(due.at)
    if at[0] is None or at[1] is None:
        return None, None
    return at[0], at[1].replace(second=0) if due.has_time else None


def _after(start: _Moment, duration: str) -> _Moment:
    try:
        length: timedelta = vDuration.from_ical(duration)  # type: ignore[no-untyped-call]
        return start._replace(at=start.at + length)
    except (ValueError, OverflowError):
        return start


def _parent(todo: Component, title: str, collected: Collected) -> str | None:
    """Return the UID of the parent: RELATED-TO names it where it does not say otherwise."""
    relations = todo.values["RELATED-TO"]
    kinds = [value.parameters.get("RELTYPE", "PARENT").upper() for value in relations]
    parents = [value.text for value, kind in zip(relations, kinds, strict=True) if kind == "PARENT"]
    if len(parents) > 1 or len(parents) < len(relations):
        collected.lose("relations", title)
    return parents[0] if parents else None


def _rule(todo: Component, title: str, collected: Collected) -> Rule | None:
    rules = todo.values["RRULE"]
    try:
        rule = rrule.read(rules[0].raw) if rules else None
    except rrule.RuleRefused:
        rule = None
    if len(rules) > (rule is not None):
        collected.lose("rules that cannot be said", title)
    return rule


def write(contents: Contents) -> bytes:
    """Return a VCALENDAR with a VTODO for each task that is not in the trash."""
    calendar = Calendar()
    calendar.add("PRODID", "-//Todo API//todo-api//EN")
    calendar.add("VERSION", "2.0")
    for item in contents.items:
        if item.deleted_at is None:
            calendar.add_component(_todo(item))
    text: bytes = calendar.to_ical(sorted=False)
    return text


def _todo(item: Item) -> Todo:
    todo = Todo()
    todo.add("UID", _uid(item.key))
    stamp = item.updated_at or item.created_at or item.completed_at or _EPOCH
    instants = {
        "DTSTAMP": stamp,
        "CREATED": item.created_at,
        "LAST-MODIFIED": item.updated_at,
        "COMPLETED": item.completed_at,
    }
    for name, instant in instants.items():
        if instant is not None:
            todo.add(name, vDatetime(instant.astimezone(UTC)))
    todo.add("SUMMARY", item.title)
    todo.add("STATUS", "COMPLETED" if item.completed_at else "NEEDS-ACTION")
    if item.description:
        todo.add("DESCRIPTION", item.description)
    if item.priority:
        todo.add("PRIORITY", _SAID_PRIORITIES[item.priority])
    if item.labels:
        todo.add("CATEGORIES", list(item.labels))
    if item.list_name:
        todo.add(LIST, item.list_name)
    if item.parent:
        todo.add("RELATED-TO", _uid(item.parent))
    if item.due_on:
        _add_due(todo, item, item.due_on)
    return todo


def _uid(key: str) -> str:
    return f"task-{key}@todo-api"


def _add_due(todo: Todo, item: Item, due_on: date) -> None:
    due = due_on if item.due_time is None else datetime.combine(due_on, item.due_time)
    todo.add("DUE", due)
    rule = None
    if item.rule is not None:
        rule = rrule.written(item.rule, has_time=item.due_time is not None)
    if rule is None:
        return
    # A rule counts from DTSTART. Reminders of Apple, too, writes the same there as in DUE.
    todo.add("DTSTART", due)
    todo.add("RRULE", vRecur.from_ical(rule))
