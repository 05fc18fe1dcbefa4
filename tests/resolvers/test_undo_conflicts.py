"""Undo where something has changed since, or where there is nothing to undo."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.api import Server
from tests.resolvers.undoing import KEY, Home


@pytest.fixture
def home(server: Server) -> Home:
    return Home(server)


def test_one_of_many_that_has_changed_since_keeps_all_as_it_is(home: Home) -> None:
    user, shelf = home.user, home.shelf
    ids = [
        task["id"] for task in user.create_many(*({"title": f"{n}"} for n in range(100)))["tasks"]
    ]
    user.update_many(ids=ids, priority="HIGH", idempotencyKey=KEY)
    changed = user.update(id=ids[42], title="changed since")
    before, steps = shelf.snapshot(), shelf.steps(KEY)
    conflict = user.undo(KEY, idempotencyKey="undo")
    assert conflict["__typename"] == "UndoConflict"
    assert conflict["current"] == {"id": ids[42], **user.get(ids[42])}
    assert conflict["current"]["version"] == changed["version"]
    assert (shelf.snapshot(), shelf.steps(KEY)) == (before, steps)
    user.delete(id=ids[42])
    assert user.undo(KEY, idempotencyKey="undo")["current"] is None
    user.purge(ids=[ids[42]])
    assert user.undo(KEY)["__typename"] == "ActionNotFound"


def test_what_cannot_be_undone_is_no_action(server: Server, home: Home) -> None:
    user, shelf = home.user, home.shelf
    stranger = server.user()
    stranger.create("own", idempotencyKey="the stranger's")
    user.toggle(id=home.plain, expectedVersion=1, idempotencyKey="a conflict")
    user.update(id=home.inside, title="inside", idempotencyKey="no change")
    user.purge(ids=[home.trashed], idempotencyKey="a purge")
    user.create("x", idempotencyKey="too old")
    shelf.execute(
        "UPDATE idempotency_keys SET created_at = now() - interval '24 hours 1 second' "
        "WHERE user_id = %(user)s AND key = 'too old'"
    )
    before = shelf.snapshot()
    keys = ("none", "", "x" * 256, "\0", "\ud800", "the stranger's", "a conflict", "no change")
    answers = [user.undo(key) for key in (*keys, "a purge", "too old")]
    assert answers == [
        {"__typename": "ActionNotFound", "message": "There is no such action that can be undone."}
    ] * len(answers)
    assert shelf.snapshot() == before
    assert stranger.undo("the stranger's")["changedCount"] == 1


def test_a_change_without_a_key_in_between_is_a_conflict(home: Home) -> None:
    user = home.user
    user.update(id=home.plain, title="a", idempotencyKey="a")
    user.update(id=home.plain, title="b")
    user.update(id=home.plain, title="c", idempotencyKey="c")
    assert user.undo("c")["changed"][0]["title"] == "b"
    assert user.undo("a")["current"]["title"] == "b"


def _list_in_the_trash(home: Home) -> None:
    home.user.move(id=home.inside, listId=home.lists[1], idempotencyKey=KEY)
    home.user.delete_list(id=home.lists[0])


def _list_gone(home: Home) -> None:
    _list_in_the_trash(home)
    home.user.empty_trash()


def _parent_in_the_trash(home: Home) -> None:
    home.user.move(id=home.below[1], parentId=None, idempotencyKey=KEY)
    home.user.delete(id=home.parent)


def _parent_gone(home: Home) -> None:
    _parent_in_the_trash(home)
    home.user.purge(ids=[home.parent])


def _parent_full(home: Home) -> None:
    home.user.move(id=home.below[1], parentId=None, idempotencyKey=KEY)
    home.user.create_many(*({"title": "x", "parentId": home.parent} for _ in range(98)))


def _parent_elsewhere(home: Home) -> None:
    home.user.move(id=home.below[1], parentId=None, idempotencyKey=KEY)
    home.user.move(id=home.parent, listId=home.lists[1])


def _parent_below(home: Home) -> None:
    for id in (home.below[0], home.below[2]):
        home.user.move(id=id, parentId=None)
    home.user.move(id=home.below[1], parentId=None, idempotencyKey=KEY)
    assert home.user.move(id=home.parent, parentId=home.plain)["__typename"] == "Task"


def _restored_without_parent(home: Home) -> None:
    home.user.delete(id=home.below[1])
    home.user.delete(id=home.parent)
    home.user.restore(id=home.below[1], idempotencyKey=KEY)
    home.user.restore(id=home.parent)


def _parent_of_what_was_in_the_trash_below(home: Home) -> None:
    _restored_without_parent(home)
    for id in (home.below[0], home.below[2]):
        home.user.move(id=id, parentId=None)
    assert home.user.move(id=home.parent, parentId=home.plain)["__typename"] == "Task"


def _parent_of_what_was_in_the_trash_elsewhere(home: Home) -> None:
    _restored_without_parent(home)
    home.user.move(id=home.parent, listId=home.lists[1])


def _subtasks_since(home: Home) -> None:
    home.user.move(id=home.below[1], parentId=None, idempotencyKey=KEY)
    home.user.create("x", parentId=home.below[1])


def _subtasks_in_the_trash_since(home: Home) -> None:
    home.user.move(id=home.below[1], parentId=None, idempotencyKey=KEY)
    home.user.create("x", parentId=home.below[1], idempotencyKey="since")
    assert home.user.undo("since")["changedCount"] == 1


def _lists_full(home: Home) -> None:
    home.user.delete_list(id=home.lists[0], idempotencyKey=KEY)
    home.shelf.execute(
        "INSERT INTO task_lists (user_id, name) SELECT %(user)s, 'x' FROM generate_series(1, 999)"
    )


@pytest.mark.parametrize(
    ("change", "shown"),
    [
        (_list_in_the_trash, None),
        (_list_gone, None),
        (_parent_in_the_trash, None),
        (_parent_gone, None),
        (_parent_full, "parent"),
        (_parent_elsewhere, "parent"),
        (_parent_below, "parent"),
        (_parent_of_what_was_in_the_trash_below, "parent"),
        (_parent_of_what_was_in_the_trash_elsewhere, "parent"),
        (_subtasks_since, "below 1"),
        (_subtasks_in_the_trash_since, "below 1"),
        (_lists_full, None),
    ],
)
def test_what_has_no_place_to_go_back_to_is_a_conflict(
    home: Home, change: Callable[[Home], None], shown: str | None
) -> None:
    change(home)
    before = home.shelf.snapshot()
    answer = home.user.undo(KEY)
    assert answer["__typename"] == "UndoConflict", answer
    assert (answer["current"] or {}).get("title") == shown
    assert home.shelf.snapshot() == before
    home.shelf.is_sound()


def test_a_task_goes_below_a_parent_that_had_no_subtasks_for_a_while(home: Home) -> None:
    _parent_below(home)
    home.user.move(id=home.parent, parentId=None, listId=home.lists[0])
    assert home.user.undo(KEY)["changedCount"] == 1
    home.shelf.is_sound()
    assert home.user.toggle(id=home.parent)["completed"] is True
    assert home.user.get(home.below[1])["completed"] is True


def test_an_undo_beside_other_changes_is_done_or_not(home: Home) -> None:
    """Never half: whichever of the two comes first, the other sees all of it or nothing."""
    user, shelf = home.user, home.shelf
    ids = [home.plain, home.inside, *home.below]

    def undo(key: str) -> Any:
        return user.undo(key)["__typename"]

    def change(n: int) -> Any:
        return user.update(id=ids[n % 5], dueOn=f"2027-01-{n + 1:02}")

    for n in range(16):
        user.update_many(ids=ids, priority="NONE")
        before = shelf.snapshot()
        user.update_many(ids=ids, priority="URGENT", idempotencyKey=f"{n}")
        after = shelf.snapshot()
        with ThreadPoolExecutor(2) as pool:
            if n % 2:
                undone, changed = pool.submit(undo, f"{n}"), pool.submit(change, n)
            else:
                changed, undone = pool.submit(change, n), pool.submit(undo, f"{n}")
        was = {"UndoSuccess": before, "UndoConflict": after}[undone.result()]
        now = shelf.snapshot()
        for id in map(int, ids):
            assert now.things[id]["priority"] == was.things[id]["priority"], undone.result()
        assert changed.result()["dueOn"] == f"2027-01-{n + 1:02}"
        assert now.things[int(changed.result()["id"])]["due_on"] == f"2027-01-{n + 1:02}"
        shelf.is_sound()
