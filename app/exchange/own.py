"""Our own format, which loses nothing: JSON (RFC 8259), one object a line.

    {"format": "todo-api", "version": 1, "exportedAt": "2026-01-31T12:00:00Z", "account": "…",
    "lists": [
    {"id": "L1", "name": "Home"}
    ],
    "tasks": [
    {"id": "2", "list": "L1", "title": "Milk", "priority": "HIGH", "dueOn": "2026-02-01"}
    ]}

Ids are links within the file, and by them a later file of the same account says what is the same. A
value that is null is left out. What stands first in the file stands first in its list.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from app.exchange.items import ITEMS_MAX, Contents, Item, ItemList, Options, Unreadable
from app.exchange.json_stream import Element, members
from models.day import parse_day, parse_time
from models.instant import parse_rfc_3339
from models.recurrence import is_rule

FORMAT = "todo-api"
VERSION = 1

BYTES_MAX = 64_000_000
"""Of a file that is read: it is in memory twice, as bytes and as text."""

PRIORITIES = ("NONE", "LOW", "MEDIUM", "HIGH", "URGENT")
"""By the number that is stored."""


def write(contents: Contents) -> bytes:
    """Return a file with all of it."""
    head = {
        "format": FORMAT,
        "version": VERSION,
        "exportedAt": _text_of(datetime.now(UTC)),
        "account": contents.account,
    }
    lists = ",\n".join(_line(_list_object(each)) for each in contents.lists)
    tasks = ",\n".join(_line(_task_object(each)) for each in contents.items)
    start = _line({name: value for name, value in head.items() if value is not None})
    text = f'{start[:-1]},\n"lists": [\n{lists}\n],\n"tasks": [\n{tasks}\n]}}\n'
    return text.encode()


def _line(value: Mapping[str, object]) -> str:
    return json.dumps(value, ensure_ascii=False)


def _list_object(each: ItemList) -> dict[str, object]:
    return _given({"id": each.key, "name": each.name, **_times(each)})


def _task_object(item: Item) -> dict[str, object]:
    return _given(
        {
            "id": item.key,
            "list": item.list_key,
            "parent": item.parent,
            "title": item.title,
            "description": item.description,
            "completedAt": item.completed_at and _text_of(item.completed_at),
            "completedOn": item.completed_on and item.completed_on.isoformat(),
            "dueOn": item.due_on and item.due_on.isoformat(),
            "dueTime": None if item.due_time is None else item.due_time.strftime("%H:%M"),
            "priority": PRIORITIES[item.priority] if item.priority else None,
            "labels": [*item.labels] or None,
            "recurrence": None if item.rule is None else {**item.rule},
            "successor": item.successor,
            **_times(item),
        }
    )


def _given(values: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in values.items() if value is not None}


def _times(thing: Item | ItemList) -> dict[str, object]:
    return {
        "createdAt": thing.created_at and _text_of(thing.created_at),
        "updatedAt": thing.updated_at and _text_of(thing.updated_at),
        "deletedAt": thing.deleted_at and _text_of(thing.deleted_at),
    }


def _text_of(instant: datetime) -> str:
    text = instant.astimezone(UTC).isoformat(timespec="microseconds")
    return text.removesuffix("+00:00") + "Z"


def read(data: bytes, options: Options) -> Contents:  # noqa: ARG001 -- as all readers
    """Return what a file has.

    Raises:
        Unreadable: it is no such file, or is cut, or has a value that cannot be; says where.
    """
    if len(data) > BYTES_MAX:
        raise Unreadable(f"It has more than {BYTES_MAX:,} bytes.")
    lists: list[ItemList] = []
    items: list[Item] = []
    head: dict[str, Any] = {}
    for name, element in members(data, {"lists", "tasks"}):
        if name == "lists":
            lists.append(_read_list(element))
        elif name == "tasks":
            items.append(_read_task(element))
            if len(items) > ITEMS_MAX:
                raise element.refused(f"There are more than {ITEMS_MAX:,} tasks.")
        else:
            head[name] = element.value
    if head.get("format") != FORMAT:
        raise Unreadable(f'It is none of our files: it has no "format" of "{FORMAT}".')
    if head.get("version") != VERSION:
        raise Unreadable(f"Its version is not {VERSION}, which is all that can be read here.")
    account = head.get("account")
    for things in (lists, items):
        _refuse_twice(thing.key for thing in things)
    return Contents(lists, items, account=account if isinstance(account, str) else None)


def _refuse_twice(keys: Iterable[str]) -> None:
    seen: set[str] = set()
    for key in keys:
        if key in seen:
            raise Unreadable(f"The id {key} is there twice.")
        seen.add(key)


def _read_list(element: Element) -> ItemList:
    value = _Object(element)
    created, updated, deleted = value.times()
    return ItemList(value.required("id"), value.required("name"), created, updated, deleted)


def _read_task(element: Element) -> Item:
    value = _Object(element)
    created, updated, deleted = value.times()
    return Item(
        key=value.required("id"),
        title=value.required("title"),
        description=value.text("description"),
        completed_at=value.instant("completedAt"),
        completed_on=value.of("completedOn", parse_day),
        due_on=value.of("dueOn", parse_day),
        due_time=value.of("dueTime", parse_time),
        priority=value.of("priority", PRIORITIES.index) or 0,
        labels=value.of("labels", _labels) or (),
        list_key=value.text("list"),
        parent=value.text("parent"),
        rule=value.of("recurrence", _rule),
        successor=value.text("successor"),
        created_at=created,
        updated_at=updated,
        deleted_at=deleted,
    )


class _Object:
    """An object of the file, which says where it stands in what it refuses."""

    def __init__(self, element: Element) -> None:
        if not isinstance(element.value, dict):
            raise element.refused("Here must be an object.")
        self._element = element
        self._values: dict[str, Any] = element.value

    def of(self, name: str, parse: Callable[[Any], Any]) -> Any:  # noqa: ANN401
        """Return a value, or None where there is none."""
        value = self._values.get(name)
        if value is None:
            return None
        try:
            return parse(value)
        except (ValueError, TypeError):
            raise self._element.refused(f'Of this object, "{name}" cannot be read.') from None

    def text(self, name: str) -> str | None:
        text: str | None = self.of(name, _text)
        return text

    def required(self, name: str) -> str:
        text = self.text(name)
        if text is None:
            raise self._element.refused(f'This object has no "{name}".')
        return text

    def instant(self, name: str) -> datetime | None:
        instant: datetime | None = self.of(name, parse_rfc_3339)
        return instant

    def times(self) -> tuple[datetime | None, datetime | None, datetime | None]:
        """Return when it was created, last changed, and deleted."""
        return self.instant("createdAt"), self.instant("updatedAt"), self.instant("deletedAt")


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _labels(value: object) -> list[str]:
    if not isinstance(value, list):
        raise TypeError
    return [_text(label) for label in value]


def _rule(value: object) -> Mapping[str, Any]:
    if not is_rule(value):
        raise ValueError
    return value
