"""The plan of an import: what is to be made of a file, in which order, and what is lost.

A dry run and a real one make the same plan of the same file and the same rows. It knows no ids: an
item is called by its key.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import NamedTuple

from app.exchange import fitting
from app.exchange.items import Contents, Item, ItemList, Loss
from models.imported import LIST, TASK
from models.quota import Quota, Stored
from models.recurrence import is_rule
from models.task import SUBTASKS_MAX
from models.task_list import LISTS_MAX, TaskListRow
from models.text import is_plain
from resolvers.statements.imports import Known

KEY_MAX_LENGTH = 200
"""Characters of a key that is stored as it is; of others a hash is."""


@dataclass(frozen=True)
class Present:
    """What the owner has before the import."""

    known: Sequence[Known]
    """What of the file is in already."""
    lists: Sequence[TaskListRow]
    """The lists outside the trash, in their order."""
    stored: Stored
    quota: Quota

    @cached_property
    def known_tasks(self) -> Mapping[str, Known]:
        """Those that are in, by their keys."""
        return {each.key: each for each in self.known if each.kind == TASK}

    @cached_property
    def known_lists(self) -> Mapping[str, Known]:
        """Those that are in, by their keys."""
        return {each.key: each for each in self.known if each.kind == LIST}

    @cached_property
    def list_of_name(self) -> Mapping[str, int]:
        """The ids of the first lists of each name."""
        return {each.name: each.id for each in reversed(self.lists)}


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be made: lists first, then tasks, each parent before its subtasks."""

    lists: Sequence[ItemList]
    items: Sequence[Item]
    """`list_key` and `parent` name what is in already, or comes before; `list_name` is not used."""
    present: Sequence[Known]
    """What is in already, of these lists and tasks."""
    losses: Sequence[Loss]
    list_ids: Mapping[str, int]
    """Lists that are there already, by the keys by which items name them."""

    def counts(self) -> Mapping[str, int]:
        """Return how many there are of what is to be made, by its name, and how many are in."""
        labels = {label for item in self.items for label in item.labels}
        return {
            "lists": len(self.lists),
            "tasks": len(self.items),
            "subtasks": sum(item.parent is not None for item in self.items),
            "labels": len(labels),
            "completed": sum(item.completed_at is not None for item in self.items),
            "recurring": sum(item.rule is not None for item in self.items),
            "in the trash": sum(item.deleted_at is not None for item in self.items),
            "already there": sum(each.kind == TASK for each in self.present),
        }


def with_plain_keys(contents: Contents) -> Contents:
    """Return the contents with keys that can be stored, whatever the file calls its things."""
    return replace(
        contents,
        lists=[replace(each, key=_plain(each.key)) for each in contents.lists],
        items=[
            replace(
                item,
                key=_plain(item.key),
                list_key=item.list_key and _plain(item.list_key),
                parent=item.parent and _plain(item.parent),
                successor=item.successor and _plain(item.successor),
            )
            for item in contents.items
        ],
    )


def _plain(key: str) -> str:
    if is_plain(key, KEY_MAX_LENGTH):
        return key
    return f"sha256 {hashlib.sha256(key.encode('utf-8', 'surrogatepass')).hexdigest()}"


def things_of(contents: Contents) -> Sequence[tuple[str, str]]:
    """Return the kind and key of all that may be made of a file, in the order of the file.

    That is the order in which the things stand, in whatever order they are made.
    """
    lists = {each.key: None for each in contents.lists}
    named = {_named(item.list_name): None for item in contents.items if item.list_name is not None}
    items = {item.key: None for item in contents.items}
    return [*((LIST, key) for key in lists | named), *((TASK, key) for key in items)]


def _named(list_name: str) -> str:
    """Return the key of a list that items of a file name alone."""
    return _plain(f"named {list_name}")


def plan_of(contents: Contents, present: Present, limit: int | None = None) -> Plan:
    """Return what is to be made of a file; `limit`: of so many tasks at most, for a trial."""
    losses = list(contents.losses)
    lists, items, list_ids = _with_lists(contents, present)
    items = _limited(_in_order(_placed(items, lists, present, losses)), present, limit)
    # Also of what is in: an import that was interrupted has told nothing.
    items = [_fitting(item, losses) for item in items]
    new = [item for item in items if item.key not in present.known_tasks]
    used = {item.list_key for item in new}
    of_file = {each.key for each in contents.lists} if limit is None else set()
    lists = [each for each in lists if each.key in used | of_file | present.known_lists.keys()]
    lists = [_fitting_list(each, losses) for each in lists]
    new_lists, new_items = _within(
        present,
        [each for each in lists if each.key not in present.known_lists],
        new,
        losses,
    )
    keys = {(LIST, each.key) for each in lists} | {(TASK, item.key) for item in items}
    in_already = [each for each in present.known if (each.kind, each.key) in keys]
    return Plan(new_lists, new_items, in_already, losses, list_ids)


def _with_lists(
    contents: Contents, present: Present
) -> tuple[list[ItemList], list[Item], dict[str, int]]:
    """Return the lists to be, the items with their keys, and the ids of lists that are there.

    A list that items name, and the file has not, is the owner's of that name, or else a new one.
    """
    lists = list(contents.lists)
    keys = {each.key for each in lists}
    by_name = {each.name: each.key for each in reversed(lists)}
    there: dict[str, int] = {}
    items = []
    for item in contents.items:
        key = item.list_key if item.list_key in keys else None
        if key is None and item.list_name is not None:
            if item.list_name not in by_name:
                key = by_name[item.list_name] = _named(item.list_name)
                name = fitting.name(item.list_name, lambda _: None)
                if name in present.list_of_name and key not in present.known_lists:
                    there[key] = present.list_of_name[name]
                else:
                    lists.append(ItemList(key, item.list_name))
            key = by_name[item.list_name]
        items.append(replace(item, list_key=key))
    return lists, items, there


class _Place(NamedTuple):
    """Where something stands that may have subtasks."""

    is_top: bool
    is_in_trash: bool


def _placed(
    items: Sequence[Item], lists: Sequence[ItemList], present: Present, losses: list[Loss]
) -> Iterator[Item]:
    """Yield the items with a parent and a list that they can have, as far as there are."""
    given = {item.key: item for item in items}
    known = present.known_lists.values()
    gone = {each.key for each in known if not each.is_there}
    closed = {each.key for each in lists if each.deleted_at is not None}
    closed = closed - present.known_lists.keys() | {each.key for each in known if each.is_in_trash}
    subtasks: Counter[str] = Counter()
    for item in items:
        is_trash = item.deleted_at is not None
        top = _top_of(item, given)
        if top is not item and top.key != item.parent:
            losses.append(Loss("deeper levels", item.title))
        place = None if top is item else _place_of(top, present)
        parent = None
        if place is not None and place.is_top and (is_trash or not place.is_in_trash):
            subtasks[top.key] += not is_trash
            if is_trash or subtasks[top.key] <= SUBTASKS_MAX:
                parent = top.key
            else:
                losses.append(Loss(f"subtasks beyond {SUBTASKS_MAX}", item.title))
        list_key = top.list_key if parent or item.list_key is None else item.list_key
        if list_key in gone or (list_key in closed and not is_trash):
            list_key = None
        rule = item.rule
        if rule is not None and (parent or item.due_on is None or not is_rule(rule)):
            kind = "rules of subtasks" if parent else "rules that cannot be said"
            losses.append(Loss(kind, item.title))
            rule = None
        yield replace(item, parent=parent, list_key=list_key, rule=rule)


def _top_of(item: Item, given: Mapping[str, Item]) -> Item:
    """Return what an item is below in the end; itself where that is nothing, or a circle."""
    above, seen = item, {item.key}
    while above.parent is not None and above.parent in given:
        above = given[above.parent]
        if above.key in seen:
            return item
        seen.add(above.key)
    return above


def _place_of(item: Item, present: Present) -> _Place | None:
    """Return where what may have subtasks stands; None: it is gone."""
    known = present.known_tasks.get(item.key)
    if known is None:
        return _Place(True, item.deleted_at is not None)
    return _Place(not known.is_subtask, known.is_in_trash) if known.is_there else None


def _in_order(items: Iterable[Item]) -> list[Item]:
    """Return what is in no trash first, then the rest; each parent before its subtasks."""
    all_items = list(items)
    given = {item.key: item for item in all_items}
    ordered: dict[str, Item] = {}
    for is_trash in (False, True):
        for item in all_items:
            if (item.deleted_at is not None) == is_trash:
                if item.parent is not None:
                    ordered.setdefault(item.parent, given[item.parent])
                ordered.setdefault(item.key, item)
    return [*ordered.values()]


def _limited(items: list[Item], present: Present, limit: int | None) -> list[Item]:
    if limit is None:
        return items
    known = present.known_tasks
    new = (item.key for item in items if item.key not in known)
    chosen = {key for key, _ in zip(new, range(limit), strict=False)}
    return [item for item in items if item.key in chosen or item.key in known]


def _fitting_list(each: ItemList, losses: list[Loss]) -> ItemList:
    return replace(each, name=fitting.name(each.name, partial(_lose, losses, each.name)))


def _fitting(item: Item, losses: list[Loss]) -> Item:
    lose = partial(_lose, losses, item.title)
    title, description = fitting.texts(item.title, item.description, lose)
    labels = fitting.labels(item.labels, lose)
    time = item.due_time if item.due_on is not None else None
    return replace(item, title=title, description=description, labels=labels, due_time=time)


def _lose(losses: list[Loss], title: str, kind: str) -> None:
    losses.append(Loss(kind, title))


def _within(
    present: Present, lists: list[ItemList], items: list[Item], losses: list[Loss]
) -> tuple[list[ItemList], list[Item]]:
    """Return what there is room for: all up to the first that there is none for."""
    room = max(LISTS_MAX - len(present.lists), 0)
    live = [each for each in lists if each.deleted_at is None]
    losses += [Loss(f"lists beyond {LISTS_MAX}", each.name) for each in live[room:]]
    left_out = {each.key for each in live[room:]}
    lists = [each for each in lists if each.key not in left_out]
    items = [replace(item, list_key=None) if item.list_key in left_out else item for item in items]
    (tasks_max, bytes_max), (count, size) = present.quota, present.stored
    sizes = [len(each.name.encode()) for each in lists] + [_bytes_of(item) for item in items]
    fits = 0
    for more in sizes:
        count, size = count + 1, size + more
        if tasks_max is not None and count > tasks_max:
            break
        if bytes_max is not None and size > bytes_max:
            break
        fits += 1
    titles = [each.name for each in lists] + [item.title for item in items]
    losses += [Loss("tasks and lists beyond the user's quota", each) for each in titles[fits:]]
    return lists[:fits], items[: max(fits - len(lists), 0)]


def _bytes_of(item: Item) -> int:
    """Return the bytes that count for the quota."""
    texts = [item.title, item.description or "", *item.labels]
    return sum(len(text.encode()) for text in texts)
