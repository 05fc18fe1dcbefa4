"""Which format a file has, by its content."""

import re
from typing import Literal

from app.exchange.archives import is_archive, names_of
from app.exchange.items import Unreadable
from app.exchange.vikunja import DATA

Format = Literal["json", "todoist", "vikunja", "ics", "taskwarrior"]
"""`json` is our own."""

_BEGINNING = 100_000
"""Bytes that are looked at."""

# A quote inside a JSON text has a backslash before it, so these are found as keys only.
_KEYS: tuple[tuple[Format, re.Pattern[bytes]], ...] = (
    ("json", re.compile(rb'"format"\s*:\s*"todo-api"')),
    ("taskwarrior", re.compile(rb'"uuid"\s*:')),
    ("vikunja", re.compile(rb'"(?:tasks|parent_project_id|child_projects)"\s*:')),
)
_EMPTY = re.compile(rb"\[\s*\]")


def format_of(data: bytes) -> Format:
    """Return the format of a file.

    Raises:
        Unreadable: it has none of those that are known, or is a broken ZIP.
    """
    if is_archive(data):
        return _format_of_archive(data)
    if not data.strip():
        raise Unreadable("It is empty.")
    beginning = data[:_BEGINNING].removeprefix(b"\xef\xbb\xbf").lstrip()
    if beginning[:15].upper() == b"BEGIN:VCALENDAR":
        return "ics"
    if beginning[:1] in (b"{", b"["):
        for name, key in _KEYS:
            if key.search(beginning):
                return name
        if _EMPTY.match(beginning):
            return "taskwarrior"
    columns = re.split(rb"[,;\t]", beginning.partition(b"\n")[0].upper())
    if {b"TYPE", b"CONTENT"} <= {column.strip(b' \r"') for column in columns}:
        return "todoist"
    raise Unreadable(
        "The format of the file is not known. Say it by --format: json, todoist, vikunja, ics or "
        "taskwarrior."
    )


def _format_of_archive(data: bytes) -> Format:
    names = names_of(data)
    if DATA in names:
        return "vikunja"
    if any(name.lower().endswith(".csv") for name in names):
        return "todoist"
    raise Unreadable(
        f"The ZIP file has neither {DATA}, as those of Vikunja, nor CSV files, as those of Todoist."
    )
