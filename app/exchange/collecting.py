"""What a reader collects of a file, brought into the form that we can keep."""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, time
from math import inf

from app.exchange.first_days import first_day
from app.exchange.items import (
    ITEMS_MAX,
    Contents,
    Item,
    ItemList,
    Loss,
    Options,
    Unreadable,
)
from models.task import LABELS_MAX, SUBTASKS_MAX

INBOX = "Inbox"
"""What programs call what is in no list; their list of this name is our inbox."""


class Collected:
    """Tasks and losses of a file, in its order. `contents` settles what we keep otherwise."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.lists: list[ItemList] = []
        self._items: dict[str, Item] = {}
        self._places: dict[str, float] = {}
        self._losses: list[Loss] = []
        self._subtasks: Counter[str] = Counter()
        self._equals: Counter[str] = Counter()

    def add(self, item: Item, place: float = inf) -> None:
        """Take a task; the second of a key is left out. Those with a place come first, by it.

        Raises:
            Unreadable: there are too many.
        """
        if item.key in self._items:
            return self.lose("tasks whose id is in the file twice", item.title)
        if len(self._items) >= ITEMS_MAX:
            raise Unreadable(f"The file has more than {ITEMS_MAX:,} tasks.")
        self._items[item.key] = item
        self._places[item.key] = place
        return None

    def lose(self, kind: str, title: str) -> None:
        self._losses.append(Loss(kind, title))

    def key_of(self, *parts: str) -> str:
        """Return a key of what has no id: of its texts, and its place among equals."""
        text = json.dumps(parts)
        self._equals[text] += 1
        return hashlib.sha256(f"{self._equals[text]} {text}".encode()).hexdigest()

    def day_and_time(self, instant: datetime) -> tuple[date, time] | tuple[None, None]:
        """Return the day and the time, to the minute, of an instant in the zone of the options.

        Both are None where it is beyond the calendar.
        """
        try:
            there = instant.astimezone(self.options.timezone)
        except (OverflowError, ValueError):
            return None, None
        return there.date(), there.time().replace(second=0, microsecond=0)

    def some_instant(self, *instants: datetime | None) -> datetime:
        """Return the first that is known; else today's midnight by UTC."""
        midnight = datetime.combine(self.options.today, time(), UTC)
        return next((instant for instant in instants if instant is not None), midnight)

    def contents(self) -> Contents:
        if any(place != inf for place in self._places.values()):
            self._items = dict(sorted(self._items.items(), key=lambda each: self._places[each[0]]))
        roots = _roots({key: item.parent for key, item in self._items.items()})
        items = [self._settled(item, roots[key]) for key, item in self._items.items()]
        return Contents(self.lists, items, self._losses)

    def _settled(self, item: Item, root: str) -> Item:
        item = self._with_one_level(item, root)
        labels = list(dict.fromkeys(item.labels))
        if len(labels) > LABELS_MAX:
            self.lose(f"labels beyond {LABELS_MAX} of a task", item.title)
        return self._with_rule(replace(item, labels=tuple(labels[:LABELS_MAX])))

    def _with_one_level(self, item: Item, root: str) -> Item:
        if item.parent is None:
            return item
        if item.parent not in self._items or root == item.key:
            self.lose("parents that are not in the file", item.title)
            return replace(item, parent=None)
        self._subtasks[root] += 1
        above = self._items[root]
        if self._subtasks[root] > SUBTASKS_MAX:
            self.lose(f"subtasks beyond {SUBTASKS_MAX} of a task, which become tasks", item.title)
            return replace(item, parent=None, list_name=above.list_name)
        if item.parent != root:
            self.lose("deeper levels", item.title)
        if item.list_name not in (None, above.list_name):
            self.lose("lists of subtasks, which are in their parents' lists", item.title)
        if item.rule is not None:
            self.lose("rules of subtasks", item.title)
        return replace(item, parent=root, list_name=None, rule=None)

    def _with_rule(self, item: Item) -> Item:
        if item.rule is None:
            return item
        due_on = item.due_on
        if due_on is None:
            due_on = first_day(item.rule, self.options.today)
            self.lose("rules without a date, which begin on their first day", item.title)
        if due_on is None or item.rule.get("until", "9999-12-31") < due_on.isoformat():
            self.lose("rules that have ended", item.title)
            return replace(item, rule=None)
        return replace(item, due_on=due_on, rule={"start": due_on.isoformat(), **item.rule})


def _roots(parents: Mapping[str, str | None]) -> dict[str, str]:
    """Return the topmost above each, itself for those at the top.

    Where they go in a circle, it is the one of the circle that is met first.
    """
    roots: dict[str, str] = {}
    for key in parents:
        way: dict[str, None] = {}
        at = key
        while at not in roots and at not in way:
            way[at] = None
            above = parents[at]
            if above is None or above not in parents:
                break
            at = above
        roots |= dict.fromkeys(way, roots.get(at, at))
    return roots
