"""Tasks as iCalendar (RFC 5545) writes them: events, since calendar programs show no others.

A task is an event (VEVENT) and no to-do (VTODO), which programs leave out of calendars that are
subscribed to. It is transparent: nobody is busy by it. Days and times have no zone, so it stays at
nine o'clock wherever its owner is. The library icalendar needs 14 times as long for an event (215
microseconds, not 15), all on the event loop, and a fifth of a second of a core to be imported.
"""

import re
from collections.abc import Iterable, Iterator
from hashlib import sha256

from models.instant import Instant, rfc_3339
from models.rrule import written
from models.task import TaskRow

MEDIA_TYPE = "text/calendar; charset=utf-8"

_LINE_MAX = 75
"""Octets of a line without its break (RFC 5545, 3.1)."""

_PRIORITIES = (None, 9, 5, 3, 1)
"""PRIORITY of RFC 5545 (3.8.1.9), where 1 is the highest, by a task's priority from NONE on."""

_BREAKS = "\n\v\f\r\x85\u2028\u2029"
_SPECIAL = re.compile(r"[\\;,\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]")
"""What of a text is written otherwise (3.3.11). Control characters may stand nowhere."""


def lines_of_head(name: str) -> Iterator[str]:
    """Yield how a calendar begins; the last line of it is `END`."""
    yield "BEGIN:VCALENDAR"
    yield "VERSION:2.0"
    yield "PRODID:-//Todo API//Calendar//EN"
    yield "CALSCALE:GREGORIAN"
    # RFC 7986, and what programs read that do not know it.
    yield f"NAME:{escaped(name)}"
    yield f"X-WR-CALNAME:{escaped(name)}"
    yield "REFRESH-INTERVAL;VALUE=DURATION:PT1H"
    yield "X-PUBLISHED-TTL:PT1H"


END = "END:VCALENDAR"


def lines_of_task(task: TaskRow, owner_hash: str) -> Iterator[str]:
    """Yield the lines of a task that is due on a day. `owner_hash`: as `hash_of_owner` makes it."""
    assert task.due_on is not None
    day = task.due_on.replace("-", "")
    changed = _utc(task.updated_at)
    yield "BEGIN:VEVENT"
    # Ids of tasks are their owner's alone; a program may have calendars of several people.
    yield f"UID:task-{task.id}-{owner_hash}"
    # Where no METHOD is given, both say when it was last changed (3.8.7.2).
    yield f"DTSTAMP:{changed}"
    yield f"LAST-MODIFIED:{changed}"
    yield f"CREATED:{_utc(task.created_at)}"
    if task.due_time is None:
        yield f"DTSTART;VALUE=DATE:{day}"
    else:
        yield f"DTSTART:{day}T{task.due_time.replace(':', '')[:6]}"
    rule = None
    if task.repeats is not None:
        rule = written(task.repeats, has_time=task.due_time is not None)
    if rule is not None:
        yield f"RRULE:{rule}"
    yield f"SUMMARY:{escaped(task.title)}"
    if task.description is not None:
        yield f"DESCRIPTION:{escaped(task.description)}"
    if task.labels:
        yield f"CATEGORIES:{','.join(map(escaped, task.labels))}"
    priority = _PRIORITIES[task.priority]
    if priority is not None:
        yield f"PRIORITY:{priority}"
    yield "TRANSP:TRANSPARENT"
    yield "END:VEVENT"


def hash_of_owner(owner: str) -> str:
    """Return what distinguishes the tasks of one user from those of others, and names nobody."""
    # Not the hash by which the log tells who it was.
    return sha256(f"calendar {owner}".encode()).hexdigest()[:16]


def escaped(text: str) -> str:
    """Return a text as a value: each break of a line as `\\n`, without control characters."""
    return _SPECIAL.sub(_escape, text.replace("\r\n", "\n"))


def _escape(found: re.Match[str]) -> str:
    sign = found[0]
    if sign in _BREAKS:
        return "\\n"
    return f"\\{sign}" if sign in "\\;," else ""


def octets(lines: Iterable[str]) -> bytes:
    """Return lines in UTF-8, each with its break, and folded where it is too long."""
    return b"".join(folded(line.encode()) + b"\r\n" for line in lines)


def folded(line: bytes) -> bytes:
    """Return a line in parts of at most 75 octets (3.1), between characters."""
    if len(line) <= _LINE_MAX:
        return line
    parts, start, end = [], 0, _LINE_MAX
    while end < len(line):
        while line[end] & 0xC0 == 0x80:
            # In the middle of a character of UTF-8.
            end -= 1
        parts.append(line[start:end])
        # The space in front of the next part counts.
        start, end = end, end + _LINE_MAX - 1
    parts.append(line[start:])
    return b"\r\n ".join(parts)


def _utc(instant: Instant) -> str:
    day, _, time = rfc_3339(instant).partition("T")
    return f"{day.replace('-', '')}T{time[:8].replace(':', '')}Z"
