"""What one user's lists and tasks are after each change, as a plain model in Python has it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from tests.api import Caller

EVERYTHING = """{
  tasks(first: 100) {
    nodes {
      id completed position dueOn createdAt updatedAt
      list { id } parent { id } successor { id }
    }
  }
  trash: tasks(first: 100, filter: {trash: ONLY}) { nodes { id } }
}"""

Container = tuple[str, str | None]


@dataclass
class Task:
    """A task as the model has it. Equal numbers of steps say what happened together."""

    list: str | None = None
    parent: str | None = None
    completed: int | None = None
    trashed: int | None = None
    due: date | None = None
    """The day of a task that recurs daily; no other has one."""
    successor: str | None = None
    is_touched: bool = False
    """Whether it was changed since it was made, as the API shows it."""
    is_copied: bool = False
    """Whether it was made with the task that it is below."""

    @property
    def container(self) -> Container:
        return ("list", self.list) if self.parent is None else ("parent", self.parent)


@dataclass
class Model:
    """What one user has."""

    tasks: dict[str, Task] = field(default_factory=dict)
    lists: dict[str, int | None] = field(default_factory=dict)
    """When each was moved into the trash."""
    orders: dict[Container, list[str]] = field(default_factory=dict)
    """What stands where, the trash left out."""
    unplaced: set[str] = field(default_factory=set)
    """What has just come back from the trash: where it stands among others, the database knows."""
    followed: list[str] = field(default_factory=list)
    """Those that were completed just now and have a successor, which the database has made."""
    step: int = 0

    def subtasks(self, id: str) -> Iterator[str]:
        return (other for other, task in self.tasks.items() if task.parent == id)

    def add(self, id: str, task: Task, place: dict[str, Any]) -> None:
        self.tasks[id] = task
        self._insert(id, place)

    def can_be_parent(self, id: str) -> bool:
        return self.tasks[id].parent is None and self.tasks[id].trashed is None

    def move(self, id: str, list_id: str | None, parent: str | None, place: dict[str, Any]) -> None:
        """Put a task elsewhere, or at a place where it is."""
        task, before = self.tasks[id], self.tasks[id].container
        old = self.orders[before]
        at = old.index(id)
        old.remove(id)
        task.list, task.parent = list_id, parent
        for below in self.subtasks(id):
            self.tasks[below].list = list_id
        if not place and task.container == before:
            old.insert(at, id)
        else:
            self._insert(id, place)

    def toggle(self, id: str, together: Sequence[str] = ()) -> None:
        """Complete a task or reopen it. `together`: those that are at the same time."""
        task = self.tasks[id]
        old = task.completed
        task.completed = self.step if old is None else None
        if old is not None:
            self._take_back(task, together)
        elif task.due is not None and task.successor is None:
            self.followed.append(id)
        for below in map(self.tasks.__getitem__, self.subtasks(id)):
            if below.trashed is None and below.completed == old:
                below.completed = task.completed

    def _take_back(self, task: Task, together: Sequence[str]) -> None:
        successor = None if task.successor is None else self.tasks.get(task.successor)
        if successor is None or successor.trashed is not None:
            task.successor = None
        elif not self._is_touched(str(task.successor)) and not self._changes(
            str(task.successor), together
        ):
            self.trash(str(task.successor))
            task.successor = None

    def _is_touched(self, id: str) -> bool:
        """Whether somebody has changed it, or what is below it, since it was made."""
        below = [self.tasks[each] for each in self.subtasks(id)]
        return self.tasks[id].is_touched or any(
            each.trashed is None and (each.is_touched or not each.is_copied) for each in below
        )

    def _changes(self, id: str, together: Sequence[str]) -> bool:
        return id in together or any(each in together for each in self.subtasks(id))

    def trash(self, id: str) -> None:
        task = self.tasks[id]
        if task.trashed is None:
            task.trashed = self.step
            self.orders[task.container].remove(id)
            for below in [*self.subtasks(id)]:
                self.trash(below)

    def restore(self, id: str) -> None:
        task = self.tasks[id]
        when, task.trashed = task.trashed, None
        if when is None:
            return
        if task.parent is not None and self.tasks[task.parent].trashed is None:
            task.list = self.tasks[task.parent].list
        else:
            task.parent = None
            if task.list is not None and self.lists[task.list] is not None:
                task.list = None
        for below in self.subtasks(id):
            # Those that stay in the trash follow it, too.
            self.tasks[below].list = task.list
        self._insert(id, {})
        self.unplaced.add(id)
        for below in [*self.subtasks(id)]:
            if self.tasks[below].trashed == when:
                self.restore(below)

    def restore_many(self, ids: Sequence[str]) -> None:
        """Restore tasks at once: parents come back before their subtasks."""
        for id in sorted(ids, key=lambda id: self.tasks[id].parent is not None):
            self.restore(id)

    def complete_many(self, ids: Sequence[str], *, completed: bool) -> None:
        for id in ids:
            if (self.tasks[id].completed is not None) is not completed:
                self.toggle(id, ids)

    def purge(self, id: str) -> None:
        for below in [*self.subtasks(id)]:
            self.purge(below)
        del self.tasks[id]

    def trash_list(self, id: str) -> None:
        self.lists[id] = self.step
        for member, task in [*self.tasks.items()]:
            if task.list == id and task.parent is None:
                self.trash(member)

    def restore_list(self, id: str) -> None:
        when, self.lists[id] = self.lists[id], None
        for member, task in [*self.tasks.items()]:
            if task.list == id and task.parent is None and task.trashed == when:
                self.restore(member)

    def _insert(self, id: str, place: dict[str, Any]) -> None:
        ids = self.orders.setdefault(self.tasks[id].container, [])
        match place:
            case {"first": True}:
                ids.insert(0, id)
            case {"before": other}:
                ids.insert(ids.index(other), id)
            case {"after": other}:
                ids.insert(ids.index(other) + 1, id)
            case _:
                ids.append(id)

    def compare(self, user: Caller) -> None:
        """Compare it with what the API shows, and learn where tasks from the trash stand."""
        data = user.data(EVERYTHING)
        shown = {task["id"]: task for task in data["tasks"]["nodes"]}
        self._learn_successors(shown)
        live = {id for id, task in self.tasks.items() if task.trashed is None}
        assert shown.keys() == live
        assert {task["id"] for task in data["trash"]["nodes"]} == self.tasks.keys() - live
        found: dict[Container, list[str]] = {}
        for task in sorted(shown.values(), key=lambda task: (task["position"], int(task["id"]))):
            known = self.tasks[task["id"]]
            assert task["list"] == (known.list and {"id": known.list})
            assert task["parent"] == (known.parent and {"id": known.parent})
            assert task["completed"] is (known.completed is not None)
            assert task["dueOn"] == (known.due and known.due.isoformat())
            assert task["successor"] == (self._is_live(known.successor) or None)
            known.is_touched = task["updatedAt"] != task["createdAt"]
            found.setdefault(known.container, []).append(task["id"])
        orders = {container: ids for container, ids in self.orders.items() if ids}
        assert {c: self._placed(ids) for c, ids in found.items()} == {
            c: self._placed(ids) for c, ids in orders.items()
        }
        self.orders, self.unplaced = found, set()

    def _is_live(self, id: str | None) -> dict[str, str] | None:
        task = None if id is None else self.tasks.get(id)
        return None if task is None or task.trashed is not None else {"id": str(id)}

    def _learn_successors(self, shown: dict[str, Any]) -> None:
        """Add what comes next to those that were completed, by the ids that it was given."""
        for id in self.followed:
            done, made = self.tasks[id], str(shown[id]["successor"]["id"])
            assert made not in self.tasks
            assert done.due is not None
            done.successor = made
            self.tasks[made] = Task(done.list, due=done.due + timedelta(days=1))
            ids, place = self.orders[done.container], shown[id]["position"]
            # It has the same place: what is newer comes later.
            equal = [other for other in ids if shown[other]["position"] == place]
            ids.insert(ids.index(equal[-1]) + 1, made)
            below = [task for task in shown.values() if task["parent"] == {"id": made}]
            below.sort(key=lambda task: (task["position"], int(task["id"])))
            copied = self.orders.get(("parent", id), [])
            assert len(below) == len(copied)
            for task in below:
                self.tasks[task["id"]] = Task(done.list, made, is_copied=True)
                self._insert(task["id"], {})
        self.followed = []

    def _placed(self, ids: list[str]) -> list[str]:
        return [id for id in ids if id not in self.unplaced]
