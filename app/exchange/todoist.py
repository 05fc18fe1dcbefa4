"""Todoist's CSV of a project, and its backup: a ZIP with such a file for each project.

The columns are those of its help page on importing and exporting a project as a CSV file. Such a
file has only the tasks that are not completed, with their subtasks below them.
"""

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import count, takewhile
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from app.exchange import todoist_words
from app.exchange.archives import files_of, is_archive
from app.exchange.collecting import INBOX, Collected
from app.exchange.items import Contents, Item, Options, Unreadable
from app.exchange.texts import decoded

COLUMNS = (
    *("TYPE", "CONTENT", "DESCRIPTION", "PRIORITY", "INDENT", "AUTHOR", "RESPONSIBLE", "DATE"),
    *("DATE_LANG", "TIMEZONE", "DURATION", "DURATION_UNIT", "DEADLINE", "DEADLINE_LANG"),
)
"""The columns, as files have had them since deadlines came."""

_PRIORITIES = {"1": 4, "2": 3, "3": 2, "4": 0}
"""Of a cell ours. The file counts p1 as 1; Todoist's API counts the other way."""

_SAID_PRIORITIES = {4: "1", 3: "2", 2: "3"}
_FILE = re.compile(r"\[\[ ?file .{0,2000}?\]\]", re.DOTALL)
_ID_OF_PROJECT = re.compile(r"\[\w+\]$")
_NOT_IN_NAMES = re.compile(r'[/\\:*?"<>|\x00-\x1f]')
_FORMULAS = ("=", "+", "-", "@", "\t", "\r")
_SPACES = re.compile(r"\s+")
_LEVELS = tuple("123456789")
_NOT_KEPT = {"RESPONSIBLE": "assignees", "DURATION": "durations", "DEADLINE": "deadlines"}
_META = {"TYPE": "meta", "CONTENT": "view_style=list"}


class _Row:
    """A row by the names of its columns, in capitals. What it lacks is empty."""

    def __init__(self, cells: Mapping[str, str]) -> None:
        self.cells = cells

    def __getitem__(self, column: str) -> str:
        return self.cells.get(column, "").strip()


def read(data: bytes, options: Options) -> Contents:
    """Return the tasks of a CSV file, or of a ZIP with some.

    Raises:
        Unreadable: it is neither, or broken.
    """
    collected = Collected(options)
    if not is_archive(data):
        _Project(options.list_name, collected).read(decoded(data))
        return collected.contents()
    found = False
    for name, file in files_of(data, lambda name: name.lower().endswith(".csv")):
        found = True
        reader = _Project(list_named(name[: -len(".csv")]), collected)
        try:
            reader.read(decoded(file))
        except Unreadable as error:
            raise Unreadable(f"{name}: {error}") from None
    if not found:
        raise Unreadable("The ZIP file has no CSV file in it.")
    return collected.contents()


def list_named(stem: str) -> str | None:
    """Return the list that a file holds, by its name without the suffix; None: the inbox.

    In a backup an id stands behind it: "Home [2203306141]".
    """
    name = _ID_OF_PROJECT.sub("", stem).strip()
    return None if name in ("", INBOX) else name


def _rows(text: str) -> Iterator[_Row]:
    """Yield the rows below the header.

    Raises:
        Unreadable: there is no header, or a cell does not end.
    """
    # Spreadsheets of some languages save semicolons.
    delimiter = max(",;\t", key=text.partition("\n")[0].count)
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    names: Sequence[str] | None = None
    begins = 1
    try:
        for cells in lines:
            if names is None:
                names = [cell.strip().upper() for cell in cells]
                if not {"TYPE", "CONTENT"} <= {*names}:
                    raise Unreadable("The columns TYPE and CONTENT are missing.", 1)
            elif any(cells):
                yield _Row(dict(zip(names, cells, strict=False)))
            begins = lines.line_num + 1
    except csv.Error as error:
        raise Unreadable(
            f"The row that begins here is no CSV: {error}. A quote may not be closed.", begins
        ) from None
    if names is None:
        raise Unreadable("The file is empty.")


class _Project:
    """Reads the file of one project."""

    def __init__(self, list_name: str | None, collected: Collected) -> None:
        self._list_name = list_name
        self._collected = collected
        self._section = ""
        self._parents: dict[int, str] = {}
        self._task: dict[str, Any] | None = None
        """Of the task whose notes are read, the values of its `Item`."""
        self._paragraphs: list[str] = []

    def read(self, text: str) -> None:
        for row in _rows(text):
            match row["TYPE"].lower():
                case "task":
                    self._end_task()
                    self._begin_task(row)
                case "note":
                    self._note(row["CONTENT"])
                case "section":
                    self._end_task()
                    self._begin_section(row["CONTENT"])
                case "meta" | "":
                    pass
                case _:
                    self._collected.lose("rows of another type", row["CONTENT"])
        self._end_task()

    def _begin_section(self, name: str) -> None:
        self._section, self._parents = name, {}
        if name and not self._collected.options.sections_as_labels:
            self._collected.lose("sections", name)

    def _begin_task(self, row: _Row) -> None:
        title, labels = _title_and_labels(row["CONTENT"])
        if self._section and self._collected.options.sections_as_labels:
            labels.append(self._section)
        # Without the list: the file is the same, whatever it is called and wherever it goes.
        key = self._collected.key_of(*row.cells.values())
        for column, kind in _NOT_KEPT.items():
            if row[column] not in ("", "None"):
                self._collected.lose(kind, title)
        self._paragraphs = [row["DESCRIPTION"]]
        self._task = {
            "key": key,
            "title": title,
            "priority": _PRIORITIES.get(row["PRIORITY"], 0),
            "labels": labels,
            "list_name": self._list_name,
            "parent": self._parent_at(row["INDENT"], key),
            **self._date(row["DATE"], title),
        }

    def _date(self, words: str, title: str) -> Mapping[str, Any]:
        found = todoist_words.read(words, self._collected.options.today) if words else None
        if found is not None:
            return found._asdict()
        if words:
            self._collected.lose("dates in words that are not understood", title)
            self._paragraphs.append(words)
        return {}

    def _parent_at(self, indent: str, key: str) -> str | None:
        """Return the key of the last task further out, and note the one that is at this indent."""
        level = int(indent) if indent in _LEVELS else 1
        self._parents = {each: above for each, above in self._parents.items() if each < level}
        parent = self._parents[max(self._parents)] if self._parents else None
        self._parents[level] = key
        return parent

    def _note(self, text: str) -> None:
        if self._task is None:
            self._collected.lose("comments on lists", self._list_name or INBOX)
            return
        alone = _FILE.sub(" ", text).strip()
        if alone != text:
            self._collected.lose("attachments", self._task["title"])
        self._paragraphs.append(alone)

    def _end_task(self) -> None:
        """Take the task whose notes were read."""
        if self._task is not None:
            description = "\n\n".join(filter(None, self._paragraphs)) or None
            self._collected.add(Item(**self._task, description=description))
        self._task = None


def _title_and_labels(content: str) -> tuple[str, list[str]]:
    """Return a content without the labels behind it, and those."""
    words = content.split()[1:]
    labels = list(takewhile(lambda word: word[0] == "@" and word != "@", reversed(words)))
    title = content.rsplit(None, len(labels))[0] if labels else content
    return title, [label[1:] for label in reversed(labels)]


def write(contents: Contents, *, for_spreadsheet: bool = False) -> bytes:
    """Return a ZIP with a CSV file for each list, of the tasks that are not completed.

    With `for_spreadsheet`, an apostrophe stands before what a spreadsheet would take for a formula.
    """
    of_lists: dict[str | None, list[Item]] = {each.name: [] for each in contents.lists}
    lists = {item.key: item.list_name for item in contents.items}
    above = {item.key: item for item in contents.items if _is_open(item)}
    subtasks: dict[str, list[Item]] = {}
    for item in above.values():
        if item.parent in above:
            subtasks.setdefault(item.parent or "", []).append(item)
        else:
            name = item.list_name or lists.get(item.parent or "")
            of_lists.setdefault(name, []).append(item)
    archive, names = io.BytesIO(), set[str]()
    with ZipFile(archive, "w", ZIP_DEFLATED) as file:
        for name, items in (of_lists or {None: []}).items():
            rows = [_META, *(row for item in items for row in _rows_of(item, subtasks))]
            entry = ZipInfo(f"{_file_name(name or INBOX, names)}.csv")
            file.writestr(entry, _csv(rows, for_spreadsheet=for_spreadsheet), ZIP_DEFLATED)
    return archive.getvalue()


def _is_open(item: Item) -> bool:
    return item.completed_at is None and item.deleted_at is None


def _file_name(list_name: str, names: set[str]) -> str:
    """Return a name that any system can have, and that no other list has yet."""
    plain = _NOT_IN_NAMES.sub("_", list_name).strip(". ") or "_"
    numbered = (plain if number == 1 else f"{plain} ({number})" for number in count(1))
    name = next(each for each in numbered if each.casefold() not in names)
    names.add(name.casefold())
    return name


def _rows_of(item: Item, subtasks: Mapping[str, Sequence[Item]]) -> Iterator[Mapping[str, str]]:
    yield _row_of(item, "1")
    for subtask in subtasks.get(item.key, ()):
        yield _row_of(subtask, "2")


def _row_of(item: Item, indent: str) -> Mapping[str, str]:
    labels = "".join(f" @{_SPACES.sub('_', label)}" for label in item.labels)
    words = todoist_words.written(item.due_on, item.due_time, item.rule)
    return {
        "TYPE": "task",
        "CONTENT": item.title + labels,
        "DESCRIPTION": item.description or "",
        "PRIORITY": _SAID_PRIORITIES.get(item.priority, "4"),
        "INDENT": indent,
        "DATE": words,
        "DATE_LANG": "en" if words else "",
    }


def _csv(rows: Sequence[Mapping[str, str]], *, for_spreadsheet: bool) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for row in rows:
        cells = [row.get(column, "") for column in COLUMNS]
        if for_spreadsheet:
            cells = [f"'{cell}" if cell.startswith(_FORMULAS) else cell for cell in cells]
        writer.writerow(cells)
    return text.getvalue().encode()
