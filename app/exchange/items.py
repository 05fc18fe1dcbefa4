"""What files of other programs and ours have in common: tasks and lists, as we could keep them.

Readers of formats make these of a file's bytes, writers make a file of them. Neither knows a
database.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, tzinfo

from models.recurrence import Rule

ITEMS_MAX = 100_000
"""Tasks in a file that is read."""


class Unreadable(Exception):
    """A file cannot be read: a sentence for its owner, with the place as far as that is known."""

    def __init__(self, sentence: str, line: int | None = None, column: int | None = None) -> None:
        """`line`, `column`: both from 1."""
        self.line, self.column = line, column
        place = "" if line is None else f"line {line}"
        if line is not None and column is not None:
            place += f", column {column}"
        super().__init__(f"{place}: {sentence}" if place else sentence)


@dataclass(frozen=True, slots=True)
class Options:
    """What who reads a file has said of it."""

    timezone: tzinfo
    """Where instants of the file become days and times."""
    today: date
    list_name: str | None = None
    """The list of tasks whose file names none; None: the inbox."""
    sections_as_labels: bool = False


@dataclass(frozen=True, slots=True)
class Item:
    """A task of a file. Its texts may be too long or blank: who stores them sees to that."""

    key: str
    """What the task is called in its source, for good: two tasks of a file have two."""
    title: str
    description: str | None = None
    completed_at: datetime | None = None
    """When it was completed, with a zone; None: it is pending."""
    completed_on: date | None = None
    """The day of that by its owner's calendar, where the file says so."""
    created_at: datetime | None = None
    """With a zone; None: it is not known."""
    updated_at: datetime | None = None
    deleted_at: datetime | None = None
    """Since when it is in the trash."""
    due_on: date | None = None
    due_time: time | None = None
    """Of a day in `due_on`, without a zone, to the minute."""
    priority: int = 0
    """0 NONE, 1 LOW, 2 MEDIUM, 3 HIGH, 4 URGENT."""
    labels: Sequence[str] = ()
    list_name: str | None = None
    """None: the inbox, or for a subtask its parent's."""
    list_key: str | None = None
    """The key of its list among `Contents.lists`, where two of them may have one name."""
    parent: str | None = None
    """The key of its parent, which may stand behind it in the file."""
    rule: Rule | None = None
    """How it comes again, as `models.recurrence` has it.

    A reader gives such a task `due_on`: where the file has none, the first day of the rule on or
    after `Options.today`."""
    successor: str | None = None
    """The key of the task that its completion made."""


@dataclass(frozen=True, slots=True)
class Loss:
    """Something of a file that is not kept, or not as it was."""

    kind: str
    """In a few words, in the plural, such as `comments` or `rules that cannot be said`."""
    title: str
    """Of the task that it belonged to."""


@dataclass(frozen=True, slots=True)
class ItemList:
    """A list of a file, also one without tasks."""

    key: str
    name: str
    created_at: datetime | None = None
    updated_at: datetime | None = None
    deleted_at: datetime | None = None


ANYWHERE = ""
"""The account of files whose keys are good in all files of their format, as UUIDs are."""


@dataclass(frozen=True, slots=True)
class Contents:
    """All of a file: lists and tasks, each in the order in which they shall stand."""

    lists: Sequence[ItemList] = ()
    """A list that only items name is made where the first of them stands."""
    items: Sequence[Item] = ()
    losses: Sequence[Loss] = field(default_factory=list)
    account: str | None = None
    """What the account is called that the file is from, where its keys are good in later files of
    it, too; None: keys are of this file alone."""
