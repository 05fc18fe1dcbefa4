"""Vikunja's export of a user: `data.json`, or the ZIP that has it beside VERSION and attachments.

Its form is that of the types `ProjectWithTasksAndBuckets` and `TaskWithComments` in Vikunja's
source, written by `pkg/models/export.go`.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from app.exchange.archives import files_of, is_archive
from app.exchange.collecting import INBOX, Collected
from app.exchange.html_text import plain_text
from app.exchange.items import Contents, Item, ItemList, Options, Unreadable
from app.exchange.texts import decoded, parsed, text_of
from models.recurrence import EVERY_MAX, Rule

DATA = "data.json"

_PRIORITIES = {1: 1, 2: 2, 3: 3, 4: 4, 5: 4}
_LOST = {
    "comments": "comments",
    "attachments": "attachments",
    "assignees": "assignees",
    "reminders": "reminders",
    "percent_done": "progress",
    "is_favorite": "favourites",
}
"""What is reported where a task has it."""

_PROJECT_KEYS = (
    *("id", "title", "description", "parent_project_id", "child_projects", "is_archived"),
    *("position", "positions", "tasks", "buckets", "created", "updated"),
)
_TASK_KEYS = (
    *("id", "title", "description", "done", "done_at", "due_date", "repeat_after", "repeat_mode"),
    *("priority", "start_date", "end_date", "labels", "related_tasks", "created", "updated"),
    *("subtask", "parenttask", *_LOST),
)
_OTHER_RELATIONS = (
    *("related", "duplicateof", "duplicates", "blocking", "blocked", "precedes", "follows"),
    *("copiedfrom", "copiedto"),
)
_KEPT = {*_PROJECT_KEYS, *_TASK_KEYS, *_OTHER_RELATIONS, "task_id", "project_view_id"}
_INFINITE = (float("inf"), float("-inf"))
_DAY_SECONDS = 24 * 60 * 60
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII)

_Json = Mapping[str, Any]


def read(data: bytes, options: Options) -> Contents:
    """Return the projects and tasks of an export.

    Raises:
        Unreadable: it is none, or broken.
    """
    if is_archive(data):
        file = next(files_of(data, lambda name: name == DATA), None)
        if file is None:
            raise Unreadable(f"The ZIP file has no {DATA} in it.")
        data = file[1]
    text = decoded(data).strip()
    projects, end = parsed(text, _KEPT)
    if text[end:].strip() or not isinstance(projects, list):
        raise Unreadable("This is no export of Vikunja: it must be one JSON array of projects.")
    return _Export(projects, options).contents()


def _list(value: object) -> list[_Json]:
    """Return the objects of a JSON array; none where there is no array."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _number(value: object) -> float:
    return value if isinstance(value, int | float) and value not in _INFINITE else 0


def _instant(value: object) -> datetime | None:
    """Return the instant of a text; None for Go's zero, the year 1, and what is none."""
    if not isinstance(value, str) or not _INSTANT.fullmatch(value) or value.startswith("0001"):
        return None
    try:
        return datetime.fromisoformat(value)
    except ValueError:
        return None


def _flat(projects: list[_Json], parent: object = None) -> Iterator[tuple[_Json, object]]:
    """Yield each project, those inside others after them, and the id of its parent."""
    waiting = [(project, parent) for project in reversed(projects)]
    while waiting:
        project, parent = waiting.pop()
        yield project, project.get("parent_project_id") or parent
        children = _list(project.get("child_projects"))
        waiting += [(child, project.get("id")) for child in reversed(children)]


class _Export:
    """Reads the projects of an export."""

    def __init__(self, projects: list[Any], options: Options) -> None:
        flat = list(_flat(_list(projects)))
        self._projects = sorted((each for each, _ in flat), key=lambda each: _position(each))
        self._titles = {str(each.get("id")): text_of(each.get("title")) for each, _ in flat}
        self._parents = {str(each.get("id")): str(parent or "") for each, parent in flat}
        self._collected = Collected(options)
        self._parent_of: dict[str, str] = {}
        """The key of each subtask's parent, whichever of the two names the other."""

    def contents(self) -> Contents:
        for project in self._projects:
            for task in _list(project.get("tasks")):
                self._relate(task)
        for project in self._projects:
            self._read_project(project)
        return self._collected.contents()

    def _relate(self, task: _Json) -> None:
        relations = task.get("related_tasks")
        if not isinstance(relations, dict):
            return
        key = str(task.get("id"))
        for subtask in _list(relations.get("subtask")):
            self._parent_of.setdefault(str(subtask.get("id")), key)
        for parent in _list(relations.get("parenttask")):
            self._parent_of.setdefault(key, str(parent.get("id")))
        if any(_list(relations.get(kind)) for kind in _OTHER_RELATIONS):
            self._collected.lose("relations", text_of(task.get("title")))

    def _name(self, id: str) -> str:
        """Return the title of a project behind those of its parents."""
        way: list[str] = []
        seen: set[str] = set()
        while id in self._titles and id not in seen:
            seen.add(id)
            way.append(self._titles[id])
            id = self._parents[id]
        return " / ".join(reversed(way))

    def _read_project(self, project: _Json) -> None:
        id = str(project.get("id"))
        name = self._name(id)
        for key, kind in (("description", "descriptions of lists"), ("is_archived", "archiving")):
            if project.get(key):
                self._collected.lose(kind, name)
        for bucket in _list(project.get("buckets")):
            self._collected.lose("buckets", text_of(bucket.get("title")))
        if name != INBOX:
            created, updated = _instant(project.get("created")), _instant(project.get("updated"))
            self._collected.lists.append(ItemList(id, name, created, updated))
        places = _places(project)
        tasks = _list(project.get("tasks"))
        for task in sorted(
            tasks, key=lambda each: places.get(str(each.get("id")), _position(each))
        ):
            self._read_task(task, None if name == INBOX else name)

    def _read_task(self, task: _Json, list_name: str | None) -> None:
        title, key = text_of(task.get("title")), str(task.get("id"))
        for field, kind in _LOST.items():
            if task.get(field):
                self._collected.lose(kind, title)
        if _instant(task.get("start_date")) or _instant(task.get("end_date")):
            self._collected.lose("start and end dates", title)
        created, updated = _instant(task.get("created")), _instant(task.get("updated"))
        done_at = self._collected.some_instant(_instant(task.get("done_at")), updated, created)
        due = _instant(task.get("due_date"))
        due_on, due_time = (None, None) if due is None else self._collected.day_and_time(due)
        labels = (text_of(label.get("title")) for label in _list(task.get("labels")))
        self._collected.add(
            Item(
                key=key,
                title=title,
                description=plain_text(text_of(task.get("description"))) or None,
                completed_at=done_at if task.get("done") is True else None,
                created_at=created,
                updated_at=updated,
                due_on=due_on,
                due_time=due_time,
                priority=_PRIORITIES.get(int(_number(task.get("priority"))), 0),
                labels=list(filter(None, labels)),
                list_name=list_name,
                parent=self._parent_of.get(key),
                rule=self._rule(task, title),
            )
        )

    def _rule(self, task: _Json, title: str) -> Rule | None:
        seconds, mode = _number(task.get("repeat_after")), task.get("repeat_mode")
        if mode == 1:
            return {"every": 1, "unit": "MONTH", "from": "DUE"}
        if seconds <= 0:
            return None
        days, rest = divmod(seconds, _DAY_SECONDS)
        unit, every = ("WEEK", days // 7) if days % 7 == 0 else ("DAY", days)
        if rest or every > EVERY_MAX:
            self._collected.lose("rules that cannot be said", title)
            return None
        return {"every": int(every), "unit": unit, "from": "COMPLETION" if mode == 2 else "DUE"}


def _position(thing: _Json) -> float:
    return _number(thing.get("position"))


def _places(project: _Json) -> Mapping[str, float]:
    """Return where tasks stand in the first view that has places of them."""
    positions = _list(project.get("positions"))
    view = min((_number(each.get("project_view_id")) for each in positions), default=0)
    return {
        str(each.get("task_id")): _position(each)
        for each in positions
        if _number(each.get("project_view_id")) == view
    }
