"""Random histories of lists, subtasks and moves: all is as a plain model in Python says."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.api import Caller, Server
from tests.containers import Lists, make
from tests.counts import Count

STEPS, STEPS_LONG, TASKS_MAX = 120, 5_000, 60

EVERYTHING = """{
  tasks(first: 100) { nodes { id completed position list { id } parent { id } } }
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

    def toggle(self, id: str) -> None:
        task = self.tasks[id]
        old = task.completed
        task.completed = self.step if old is None else None
        for below in map(self.tasks.__getitem__, self.subtasks(id)):
            if below.trashed is None and below.completed == old:
                below.completed = task.completed

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
        self._insert(id, {})
        self.unplaced.add(id)
        for below in [*self.subtasks(id)]:
            if self.tasks[below].trashed == when:
                self.restore(below)

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
        live = {id for id, task in self.tasks.items() if task.trashed is None}
        assert shown.keys() == live
        assert {task["id"] for task in data["trash"]["nodes"]} == self.tasks.keys() - live
        found: dict[Container, list[str]] = {}
        for task in sorted(shown.values(), key=lambda task: (task["position"], int(task["id"]))):
            known = self.tasks[task["id"]]
            assert task["list"] == (known.list and {"id": known.list})
            assert task["parent"] == (known.parent and {"id": known.parent})
            assert task["completed"] is (known.completed is not None)
            found.setdefault(known.container, []).append(task["id"])
        orders = {container: ids for container, ids in self.orders.items() if ids}
        assert {c: self._placed(ids) for c, ids in found.items()} == {
            c: self._placed(ids) for c, ids in orders.items()
        }
        self.orders, self.unplaced = found, set()

    def _placed(self, ids: list[str]) -> list[str]:
        return [id for id in ids if id not in self.unplaced]


class History:
    """Does things at random, and to the model alike."""

    def __init__(self, user: Caller, lists: Lists, dice: random.Random) -> None:
        self.user, self.lists, self.dice, self.model = user, lists, dice, Model()

    def run(self) -> None:
        """Do one thing."""
        model = self.model
        model.step += 1
        live = [id for id, task in model.tasks.items() if task.trashed is None]
        trashed = [id for id, task in model.tasks.items() if task.trashed is not None]
        acts = ["create"] * (3 if len(model.tasks) < TASKS_MAX else 0)
        acts += ["move"] * 6 + ["update", "toggle", "toggle", "delete"] if live else []
        acts += ["restore", "restore", "purge"] if trashed else []
        acts += ["make list"] if len(model.lists) < 4 else ["trash list", "restore list"]
        act = self.dice.choice(acts)
        match act:
            case "create":
                self.create()
            case "move" | "update":
                (self.move if act == "move" else self.update)(self.dice.choice(live))
            case "toggle" | "delete":
                self.toggle_or_delete(self.dice.choice(live), toggle=act == "toggle")
            case "restore" | "purge":
                self.restore_or_purge(self.dice.choice(trashed), restore=act == "restore")
            case "make list":
                model.lists[self.lists.make()] = None
            case _:
                self.trash_or_restore_list(trash=act == "trash list")
        model.compare(self.user)

    def toggle_or_delete(self, id: str, *, toggle: bool) -> None:
        if toggle:
            self.user.toggle(id=id)
            self.model.toggle(id)
        else:
            self.user.delete(id=id)
            self.model.trash(id)

    def restore_or_purge(self, id: str, *, restore: bool) -> None:
        if restore:
            self.user.restore(id=id)
            self.model.restore(id)
        else:
            self.user.purge(ids=[id])
            self.model.purge(id)

    def trash_or_restore_list(self, *, trash: bool) -> None:
        found = [id for id, when in self.model.lists.items() if (when is None) is trash]
        if found:
            id = self.dice.choice(found)
            if trash:
                self.lists.trash(id)
                self.model.trash_list(id)
            else:
                self.lists.restore(id)
                self.model.restore_list(id)

    def place_in(self, container: Container, moved: str | None) -> dict[str, Any]:
        """Return a place there, or none."""
        ids = [id for id in self.model.orders.get(container, []) if id != moved]
        kind = self.dice.choice(["first", "last", "before", "after", "", ""])
        if kind in ("first", "last"):
            return {kind: True}
        return {kind: self.dice.choice(ids)} if ids and kind else {}

    def create(self) -> None:
        model, dice = self.model, self.dice
        list_id = dice.choice([None, *model.lists])
        parent = dice.choice([None, None, *model.tasks])
        if parent is not None and model.can_be_parent(parent):
            list_id = dice.choice([None, model.tasks[parent].list])
            task = Task(model.tasks[parent].list, parent)
        else:
            task = Task(list_id)
        place = self.place_in(task.container, None)
        given: dict[str, Any] = {"parentId": parent, "listId": list_id, "place": place or None}
        made = make(self.user, **given)
        if parent is not None and not model.can_be_parent(parent):
            assert made["__typename"] == "InvalidInput"
        elif parent is None and list_id is not None and model.lists[list_id] is not None:
            assert made["__typename"] == "ListNotFound"
        else:
            assert made["__typename"] == "Task", (made, given)
            model.add(made["id"], task, place)

    def update(self, id: str) -> None:
        model = self.model
        list_id, task = self.dice.choice([None, *model.lists]), model.tasks[id]
        answer = self.user.update(id=id, listId=list_id)
        if list_id == task.list:
            assert answer["__typename"] == "Task"
        elif task.parent is not None:
            assert answer["__typename"] == "InvalidInput"
        elif list_id is not None and model.lists[list_id] is not None:
            assert answer["__typename"] == "ListNotFound"
        else:
            assert answer["__typename"] == "Task"
            model.move(id, list_id, None, {})

    def move(self, id: str) -> None:
        model, dice, task = self.model, self.dice, self.model.tasks[id]
        given: dict[str, Any] = {}
        list_id, parent = task.list, task.parent
        if dice.random() < 0.4:
            parent = given["parentId"] = dice.choice([None, *model.tasks])
        wrong = None
        if parent is not None and parent != task.parent:
            can = model.can_be_parent(parent) and parent != id and not any(model.subtasks(id))
            wrong = None if can else "InvalidInput"
            list_id = model.tasks[parent].list
        elif parent is None and dice.random() < 0.4:
            list_id = given["listId"] = dice.choice([None, *model.lists])
            if list_id is not None and model.lists[list_id] is not None:
                wrong = "ListNotFound"
        place = {} if wrong else self.place_in(Task(list_id, parent).container, id)
        if place:
            given["place"] = place
        answer = self.user.move(id=id, **given)
        assert answer["__typename"] == (wrong or "Task"), (answer, given)
        if not wrong:
            model.move(id, list_id, parent, place)


@pytest.mark.parametrize("seed", range(2))
def test_histories_are_those_of_a_plain_model(
    server: Server, count: Count, long: bool, seed: int
) -> None:
    user = server.user()
    history = History(user, Lists(server, user), random.Random(seed))
    steps = STEPS_LONG if long else STEPS
    for _ in range(steps):
        history.run()
    count("steps compared with those of a model", steps)
