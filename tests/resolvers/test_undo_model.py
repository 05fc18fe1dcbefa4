"""Random histories of actions with keys: the last ones are undone, and all is as it was then."""

import random
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from tests.api import Caller, Server, nonempty
from tests.counts import Count
from tests.resolvers.undoing import Shelf, Snapshot

STEPS, STEPS_LONG, TASKS_MAX = 50, 4_000, 60

LABELS = ["Work", "work", "WORK", "Home", "fun"]
DAYS = ["2026-12-01", "2027-01-31", "2028-02-29"]
RULES = [None, {"rule": {"unit": "DAY"}}, {"rule": {"unit": "MONTH", "monthDay": 31}}]

IDS = """{
  live: tasks(first: 100) { nodes { id parent { id } } }
  trash: tasks(first: 100, filter: {trash: ONLY}) { nodes { id parent { id } } }
  lists(first: 100) { nodes { id } }
  old: lists(first: 100, trash: ONLY) { nodes { id } }
}"""


class Action(NamedTuple):
    """What was done, and all that there was before."""

    key: str
    before: Snapshot


class History:
    """Does things at random under keys, and remembers those that can be undone."""

    def __init__(self, server: Server, dice: random.Random) -> None:
        self.user: Caller = server.user()
        self.user.data("{ me { id } }")
        self.shelf = Shelf(server, self.user)
        self.dice = dice
        self.actions: list[Action] = []
        self.done = self.undone = 0

    def act(self) -> None:
        """Do one thing."""
        ids = self.user.data(IDS)
        found = {name: [node["id"] for node in of["nodes"]] for name, of in ids.items()}
        acts = list(self.acts(found))
        act = self.dice.choice(acts)
        self.done += 1
        action = Action(f"action {self.done}", self.shelf.snapshot())
        act(action.key)
        if self.shelf.steps(action.key):
            self.actions.append(action)
        elif self.shelf.snapshot() != action.before:
            # What is removed for good cannot be undone, nor what was done before.
            self.actions.clear()
        self.shelf.is_sound()

    def undo_some(self) -> None:
        """Undo the last actions, some of them again and again."""
        for _ in range(self.dice.randint(1, 6)):
            if not self.actions:
                return
            action = self.actions.pop()
            after = self.shelf.snapshot()
            self.undone += 1
            key = f"undo {self.undone}"
            if not self.undo(action.key, key):
                assert self.shelf.snapshot() == after
                self.actions.clear()
                return
            self.shelf.is_as(action.before)
            if self.dice.random() < 0.3:
                assert self.undo(key, f"redo {self.undone}")
                self.shelf.is_as(after)
                assert self.undo(f"redo {self.undone}", f"undo again {self.undone}")
                self.shelf.is_as(action.before)

    def undo(self, action: str, key: str) -> bool:
        """Undo an action, unless it would put a task below another whose subtasks are in the trash.

        Those were made since, and to undo that leaves them there.
        """
        count = self.shelf.steps(action)
        answer = self.user.undo(action, idempotencyKey=key)
        if answer["__typename"] == "UndoConflict":
            parent, things = int(answer["current"]["id"]), self.shelf.snapshot().things
            below = [task for task in things.values() if task.get("parent_id") == parent]
            assert all(task["deleted_at"] for task in nonempty(below)), (action, answer)
            return False
        assert answer["__typename"] == "UndoSuccess", (action, answer)
        assert 0 < answer["changedCount"] <= count
        return True

    def acts(self, found: dict[str, list[str]]) -> list[Callable[[str], Any]]:
        """Return what may be done."""
        user, dice = self.user, self.dice
        live, trash, lists, old = (found[name] for name in ("live", "trash", "lists", "old"))
        acts: list[Callable[[str], Any]] = []

        def may(number: int, do: Callable[..., Any], **values: Any) -> None:
            acts.extend([lambda key: do(**values, idempotencyKey=key)] * number)

        values: dict[str, Any] = {
            "labels": dice.sample(LABELS, dice.randint(0, 3)),
            "priority": dice.choice(["NONE", "HIGH"]),
            "dueOn": dice.choice(DAYS),
            "recurrence": dice.choice(RULES),
        }
        container = {"listId": dice.choice([None, *lists])}
        if len(live) + len(trash) < TASKS_MAX:
            may(4, user.create, title="task", **values, **container)
        if len(lists) + len(old) < 5:
            may(2, user.create_list, name="list")
        if len(live) + len(trash) > TASKS_MAX // 2:
            may(1, user.empty_trash)
        if live:
            id, other = dice.choice(live), dice.choice(live)
            some = dice.sample(live, min(len(live), 6))
            if len(live) + len(trash) < TASKS_MAX:
                may(3, lambda **input: user.data(BELOW, input=input), title="below", parentId=id)
            name, value = dice.choice([*values.items()])
            may(3, lambda **input: user.data(UPDATE, input=input), id=id, **{name: value})
            may(1, user.update, id=id, title=dice.choice(["x", "yy"]), description="more")
            may(2, user.update, id=id, **container)
            may(4, user.toggle, id=id, today=dice.choice(DAYS))
            may(2, user.delete, id=id)
            may(1, user.delete_many, ids=some)
            may(2, user.update_many, ids=some, completed=dice.random() < 0.5)
            may(1, user.update_many, ids=some, addLabels=values["labels"][:1], priority="LOW")
            may(1, user.update_many, ids=some, **container)
            may(2, user.move, id=id, parentId=other)
            may(2, user.move, id=id, parentId=None, **container, place={"first": True})
            may(2, user.move, id=id, place={"after": other})
            labels = dice.sample(LABELS, 2)
            may(1, user.rename_label, **{"from": labels[0], "to": labels[1]})
        if trash:
            may(3, user.restore, id=dice.choice(trash))
            may(2, user.restore_many, ids=dice.sample(trash, min(len(trash), 6)))
        if lists:
            id = dice.choice(lists)
            may(1, user.delete_list, id=id)
            may(1, user.update_list, id=id, name=dice.choice("ab"))
            may(1, user.move_list, id=id, place={"first": True})
        if old:
            may(2, user.restore_list, id=dice.choice(old))
        return acts


BELOW = """
mutation ($input: CreateTaskInput!) { createTask(input: $input) { __typename } }"""
UPDATE = """
mutation ($input: UpdateTaskInput!) { updateTask(input: $input) { __typename } }"""


@pytest.mark.parametrize("seed", range(2))
def test_what_is_undone_is_as_it_was(
    server: Server, count: Count, request: pytest.FixtureRequest, seed: int
) -> None:
    steps = STEPS_LONG if request.config.getoption("--long") else STEPS
    history = History(server, random.Random(seed))
    renewed = 0
    while history.done < steps:
        if history.done >= renewed:
            # Its token lives for minutes.
            history.user = server.user(history.user.user_id)
            renewed += 300
        for _ in range(history.dice.randint(1, 8)):
            history.act()
        history.undo_some()
    count("actions with a key, at random", history.done)
    count("actions that were undone at random", history.undone)
    assert history.undone > history.done / 4
