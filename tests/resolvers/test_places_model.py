"""Random histories of lists, subtasks, moves and recurrence: all is as a plain model says."""

import random
from datetime import date
from typing import Any

import pytest

from tests.api import Caller, Server
from tests.containers import Lists, make
from tests.counts import Count
from tests.resolvers.places_model import Container, Model, Task

STEPS, STEPS_LONG, TASKS_MAX = 120, 5_000, 60

FIRST_DAY = date(2026, 12, 4)
DAILY = {"rule": {"unit": "DAY"}}


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
        has_room = len(model.tasks) < TASKS_MAX
        acts = ["create"] * 3 if has_room else []
        acts += ["move"] * 6 + ["update", "delete"] if live else []
        acts += ["toggle"] * 4 + ["batch"] if live and has_room else []
        acts += ["restore", "restore", "restore many", "purge"] if trashed else []
        acts += ["purge"] * 8 if trashed and not has_room else []
        acts += ["make list"] if len(model.lists) < 4 else ["trash list", "restore list"]
        act = self.dice.choice(acts)
        match act:
            case "create":
                self.create()
            case "move" | "update":
                (self.move if act == "move" else self.update)(self.dice.choice(live))
            case "toggle":
                recurring = [id for id in live if model.tasks[id].due is not None]
                self.toggle_or_delete(self.dice.choice(self.dice.choice([live, recurring or live])))
            case "delete":
                self.toggle_or_delete(self.dice.choice(live), toggle=False)
            case "batch":
                self.change_many(self.some_of(live))
            case "restore many":
                ids = self.some_of([*model.tasks])
                assert len(self.user.restore_many(ids=ids)["tasks"]) == len(ids)
                model.restore_many(ids)
            case "restore" | "purge":
                self.restore_or_purge(self.dice.choice(trashed), restore=act == "restore")
            case "make list":
                model.lists[self.lists.make()] = None
            case _:
                self.trash_or_restore_list(trash=act == "trash list")
        model.compare(self.user)

    def some_of(self, ids: list[str]) -> list[str]:
        """Return a few of the ids in any order, and often a parent with a subtask."""
        some = self.dice.sample(ids, min(len(ids), self.dice.randint(1, 5)))
        parents = (self.model.tasks[id].parent for id in some)
        family = [*dict.fromkeys([*some, *(id for id in parents if id in ids)])]
        return self.dice.sample(family, len(family))

    def change_many(self, ids: list[str]) -> None:
        user, model, dice = self.user, self.model, self.dice
        match dice.choice(["delete", "complete", "list", "list"]):
            case "delete":
                user.delete_many(ids=ids)
                for id in ids:
                    model.trash(id)
            case "complete":
                completed = dice.random() < 0.5
                user.update_many(ids=ids, completed=completed)
                model.complete_many(ids, completed=completed)
            case _:
                self.update_lists(ids, dice.choice([None, *model.lists]))

    def update_lists(self, ids: list[str], list_id: str | None) -> None:
        model = self.model
        answer = self.user.update_many(ids=ids, listId=list_id)
        moved = [id for id in ids if model.tasks[id].list != list_id]
        tops = [id for id in moved if model.tasks[id].parent is None]
        wrong = set[str]()
        if any(model.tasks[id].parent not in (None, *ids) for id in moved):
            wrong.add("InvalidInput")
        if moved and list_id is not None and model.lists[list_id] is not None:
            wrong.add("ListNotFound")
        assert answer["__typename"] in (wrong or {"UpdateTasksSuccess"}), (answer, ids)
        if not wrong:
            # Which of them stands first in the list is not said.
            for id in tops:
                model.move(id, list_id, None, {})
            model.unplaced.update(tops)

    def toggle_or_delete(self, id: str, *, toggle: bool = True) -> None:
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
        if parent is None and dice.random() < 0.4:
            task.due = FIRST_DAY
            given |= {"dueOn": FIRST_DAY.isoformat(), "recurrence": DAILY}
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
            wrong = None if can and task.due is None else "InvalidInput"
            list_id = model.tasks[parent].list
            if dice.random() < 0.3:
                asked = given["listId"] = dice.choice([None, task.list, list_id, *model.lists])
                if asked != list_id:
                    wrong = wrong or "InvalidInput"
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
    for step in range(steps):
        if step % 500 == 0:
            # Its token lasts for minutes.
            history.user = server.user(user.user_id)
        history.run()
    count("steps compared with those of a model", steps)
