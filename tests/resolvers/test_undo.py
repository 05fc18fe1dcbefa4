"""Undo: an action with an idempotency key is taken back as a whole, once, or not at all."""

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from models.metadata import metadata
from tests.api import Caller, Server, nonempty, running_server, settings_for
from tests.databases import Database
from tests.resolvers.undoing import DAILY, KEY, Home, Shelf


@pytest.fixture
def home(server: Server) -> Home:
    return Home(server)


Act = Callable[[Home, dict[str, str]], Any]
"""Does something with a key."""

ACTIONS: dict[str, Act] = {
    "create": lambda h, key: h.user.create("new", labels=["new"], **key),
    "create below": lambda h, key: h.user.create("new", parentId=h.parent, **key),
    "create first": lambda h, key: h.user.create("new", place={"first": True}, **key),
    "create many": lambda h, key: h.user.create_many(
        *({"title": f"new {n}", "labels": ["many"]} for n in range(100)), **key
    ),
    **{
        f"update {name} to {value}": lambda h, key, name=name, value=value: h.user.update(  # type: ignore[misc]
            id=h.inside, **{name: value}, **key
        )
        for name, value in (
            ("title", "other"),
            ("description", "some"),
            ("dueOn", "2028-02-29"),
            ("dueOn", None),
            ("dueTime", None),
            ("dueTime", "10:00"),
            ("priority", "LOW"),
            ("labels", ["Work", "new"]),
            ("completed", True),
            ("listId", None),
            ("recurrence", DAILY),
        )
    },
    "clear a description": lambda h, key: h.user.update(id=h.plain, description=None, **key),
    "take labels away": lambda h, key: h.user.update(id=h.plain, labels=[], **key),
    "end a series": lambda h, key: h.user.update(id=h.again, recurrence=None, dueOn=None, **key),
    "end a series that is over": lambda h, key: h.user.update(id=h.over, recurrence=None, **key),
    "reopen what recurs since": lambda h, key: h.user.toggle(id=h.late, **key),
    "toggle": lambda h, key: h.user.toggle(id=h.plain, today="2026-12-24", **key),
    "toggle back": lambda h, key: h.user.toggle(id=h.done, **key),
    "toggle a parent": lambda h, key: h.user.toggle(id=h.parent, today="2026-12-24", **key),
    "complete what recurs": lambda h, key: h.user.toggle(id=h.again, today="2026-12-04", **key),
    "delete": lambda h, key: h.user.delete(id=h.plain, **key),
    "delete a parent": lambda h, key: h.user.delete(id=h.parent, **key),
    "restore": lambda h, key: h.user.restore(id=h.trashed, **key),
    "restore what has lost its list": lambda h, key: h.user.restore(id=h.old_task, **key),
    "move": lambda h, key: h.user.move(id=h.plain, listId=h.lists[0], place={"first": True}, **key),
    "move a parent": lambda h, key: h.user.move(id=h.parent, listId=None, **key),
    "move below": lambda h, key: h.user.move(id=h.plain, parentId=h.parent, **key),
    "move to the top": lambda h, key: h.user.move(id=h.below[1], parentId=None, **key),
    "move among siblings": lambda h, key: h.user.move(
        id=h.below[2], place={"before": h.below[0]}, **key
    ),
    "rename a label": lambda h, key: h.user.rename_label(**{"from": "work", "to": "Job"}, **key),
    "spell a label": lambda h, key: h.user.rename_label(**{"from": "work", "to": "WORK"}, **key),
    "merge labels": lambda h, key: h.user.rename_label(**{"from": "fun", "to": "Work"}, **key),
    "update many": lambda h, key: h.user.update_many(
        ids=[h.parent, h.below[1], h.again, h.plain, h.inside],
        completed=True,
        priority="URGENT",
        addLabels=["both"],
        removeLabels=["work"],
        today="2026-12-05",
        **key,
    ),
    "delete many": lambda h, key: h.user.delete_many(ids=[h.below[0], h.parent, h.plain], **key),
    "restore many": lambda h, key: h.user.restore_many(ids=[h.trashed, h.old_task], **key),
    "create a list": lambda h, key: h.user.create_list("new", place={"first": True}, **key),
    "rename a list": lambda h, key: h.user.update_list(id=h.lists[0], name="House", **key),
    "move a list": lambda h, key: h.user.move_list(id=h.lists[1], place={"first": True}, **key),
    "delete a list": lambda h, key: h.user.delete_list(id=h.lists[0], **key),
    "restore a list": lambda h, key: h.user.restore_list(id=h.old_list, **key),
}


@pytest.mark.parametrize("name", ACTIONS)
def test_all_is_as_before_and_the_feed_tells_of_it(home: Home, name: str) -> None:
    user, shelf = home.user, home.shelf
    before = shelf.snapshot()
    ACTIONS[name](home, {"idempotencyKey": KEY})
    after = shelf.snapshot()
    touched = shelf.steps(KEY)
    assert after != before
    end = user.all_changes()["pageInfo"]["endCursor"]
    undone = user.undo(KEY, idempotencyKey="undo")
    assert undone["__typename"] == "UndoSuccess", undone
    shelf.is_as(before)
    assert undone["changedCount"] == touched > 0
    told = user.all_changes(after=end, first=500)["nodes"]
    assert {each["id"] for each in undone["changed"]} <= {each["id"] for each in told}
    assert len(told) == touched
    assert user.undo(KEY)["__typename"] == "ActionNotFound"

    # Undoing that is to do it again.
    assert user.undo("undo", idempotencyKey="redo")["__typename"] == "UndoSuccess"
    shelf.is_as(after)
    assert user.undo("redo")["changedCount"] == touched
    shelf.is_as(before)


def test_a_move_that_gave_siblings_other_places_is_undone_with_them(home: Home) -> None:
    user, shelf = home.user, home.shelf
    first, second, moved = (user.create(f"task {n}")["id"] for n in range(3))
    touched, n = 1, 0
    while touched == 1:
        # Two of them come between the others again and again, until their keys are too long.
        n, before = n + 1, shelf.snapshot()
        user.move(id=moved, place={"after": first}, idempotencyKey=f"{n}")
        touched = shelf.steps(f"{n}")
        second, moved = moved, second
        assert n < 1000
    assert user.undo(f"{n}")["changedCount"] == touched > 2
    shelf.is_as(before)


def test_completing_what_recurs_is_undone_with_its_successor(home: Home) -> None:
    user, id = home.user, home.again
    user.toggle(id=id, today="2026-12-04", idempotencyKey=KEY)
    (made,) = (each for each in user.page()["nodes"] if each["dueOn"] == "2026-12-05")
    undone = user.undo(KEY, idempotencyKey="undo")
    assert undone["changed"][0] == {"id": id, **user.get(id)}
    assert undone["changed"][0]["completed"] is False
    assert user.get(made["id"]) is None
    # It can be completed again, and has another then.
    user.undo("undo")
    assert user.get(id)["completed"] is True
    assert user.get(made["id"])["dueOn"] == "2026-12-05"


def test_an_action_of_almost_a_day_ago_can_be_undone(home: Home) -> None:
    home.user.create("x", idempotencyKey=KEY)
    home.shelf.execute(
        "UPDATE idempotency_keys SET created_at = now() - interval '23 hours 59 minutes' "
        "WHERE user_id = %(user)s"
    )
    assert home.user.undo(KEY)["changedCount"] == 1


def test_an_undo_with_a_key_is_done_once(home: Home) -> None:
    user, shelf = home.user, home.shelf
    before = shelf.snapshot()
    user.toggle(id=home.again, idempotencyKey=KEY)
    touched = shelf.steps(KEY)
    with ThreadPoolExecutor(5) as pool:
        answers = list(pool.map(lambda _: user.undo(KEY, idempotencyKey="undo"), range(20)))
    assert answers == [answers[0]] * 20
    assert answers[0]["__typename"] == "UndoSuccess"
    assert touched > 3
    assert answers[0]["changedCount"] == len(answers[0]["changed"]) == touched
    shelf.is_as(before)
    numbers = [each["version"] for each in answers[0]["changed"]]
    assert [user.undo(KEY, idempotencyKey="undo")["changed"][0]["version"]] == numbers[:1]


def test_the_key_of_an_undo_is_for_one_action(home: Home) -> None:
    for key in ("a", "b"):
        home.user.create(key, idempotencyKey=key)
    home.user.undo("a", idempotencyKey="undo")
    query = 'mutation { undo(input: {actionKey: "b", idempotencyKey: "undo"}) { __typename } }'
    (error,) = home.user.execute(query)["errors"]
    assert error["extensions"]["code"] == "IDEMPOTENCY_KEY_PARAMETER_MISMATCH"
    assert home.user.undo("b")["changedCount"] == 1


def test_without_a_key_nothing_is_noted(home: Home) -> None:
    for act in ACTIONS.values():
        act(home, {})
    home.user.create("x", idempotencyKey=KEY)
    counted = "SELECT 1 / (count(*) - %(count)s) FROM action_steps WHERE user_id = %(user)s"
    home.shelf.execute(counted, count=2)
    with pytest.raises(Exception, match="division by zero"):
        home.shelf.execute(counted, count=1)


def test_the_last_actions_are_undone_one_after_the_other(home: Home) -> None:
    user, shelf = home.user, home.shelf
    before = []
    for n, title in enumerate(("a", "b", "c")):
        before.append(shelf.snapshot())
        user.update(id=home.plain, title=title, idempotencyKey=f"{n}")
    assert user.undo("1")["__typename"] == "UndoConflict"
    for n in (2, 1, 0):
        assert user.undo(f"{n}", idempotencyKey=f"undo {n}")["changedCount"] == 1
        shelf.is_as(before[n])
    for n, title in enumerate(("a", "b", "c")):
        assert user.undo(f"undo {n}")["changedCount"] == 1
        assert user.get(home.plain)["title"] == title


@pytest.mark.parametrize("restored", [False, True])
def test_what_came_since_goes_into_the_trash_along(home: Home, restored: bool) -> None:
    user = home.user
    if restored:
        list_id = home.old_list
        user.restore_list(id=list_id, idempotencyKey=KEY)
    else:
        list_id = user.create_list("new", idempotencyKey=KEY)["id"]
    since = user.create("since", listId=list_id)["id"]
    below = user.create("below", parentId=since)["id"]
    assert user.undo(KEY, idempotencyKey="undo")["__typename"] == "UndoSuccess"
    assert user.get(since) is user.get(below) is None
    home.shelf.is_sound()
    assert user.undo("undo")["__typename"] == "UndoSuccess"
    assert user.get(since)["title"] == "since"
    assert user.get(below)["title"] == "below"


def test_a_label_that_others_spell_otherwise_by_now_is_spelled_as_theirs(home: Home) -> None:
    user = home.user
    user.update(id=home.plain, labels=["fun"], idempotencyKey="a")
    user.update(id=home.parent, labels=[], idempotencyKey="b")
    user.update(id=home.inside, labels=["WORK"])
    assert user.undo("a")["changed"][0]["labels"] == ["WORK", "fun"]
    home.shelf.is_sound()
    assert user.undo("b")["changed"][0]["labels"] == ["WORK"]
    home.shelf.is_sound()
    assert user.titles(filter={"search": "work"}) != []


def test_texts_come_back_within_the_quota_alone(database: Database) -> None:
    settings = settings_for(
        database.server_url, migration_database_url=database.superuser_url, text_max_bytes=100
    )
    with running_server(settings) as server:
        user = server.user()
        id = user.create("x" * 90)["id"]
        user.update(id=id, title="x", idempotencyKey=KEY)
        other = user.create("y" * 50)["id"]
        assert user.undo(KEY)["__typename"] == "QuotaExceeded"
        assert user.get(id)["title"] == "x"
        user.delete(id=other)
        user.purge(ids=[other])
        assert user.undo(KEY)["changed"][0]["title"] == "x" * 90


def _delete_list_of(server: Server, user: Caller, count: int) -> str:
    """Move a list into the trash with so many tasks, by the action, and return its id."""
    shelf = Shelf(server, user)
    list_id: str = user.create_list()["id"]
    shelf.execute(
        "INSERT INTO tasks (user_id, list_id, title) SELECT %(user)s, %(list)s, 'Milk' "
        "FROM generate_series(1, %(count)s)",
        list=int(list_id[1:]),
        count=count,
    )
    deleted = user.delete_list(id=list_id, idempotencyKey=KEY)
    assert deleted["deletedTaskCount"] == count
    assert shelf.steps(KEY) == count + 1
    return list_id


def test_of_many_a_hundred_are_shown_and_first_what_was_asked_for(server: Server) -> None:
    user = server.user()
    list_id = _delete_list_of(server, user, 120)
    for key, again, live in ((KEY, "undo", 120), ("undo", "redo", 0), ("redo", "", 120)):
        undone = user.undo(key, **({"idempotencyKey": again} if again else {}))
        assert (undone["changedCount"], len(undone["changed"])) == (121, 100)
        assert undone["changed"][0] == {"id": list_id, "name": "Home"}
        assert user.page()["totalCount"] == live


def test_of_more_than_five_thousand_nothing_is_undone(
    database: Database, request: pytest.FixtureRequest
) -> None:
    settings = settings_for(
        database.server_url,
        migration_database_url=database.superuser_url,
        database_statement_timeout=60,
        request_timeout=60,
    )
    counts = (4_999, 5_000) if request.config.getoption("--long") else (5_000,)
    with running_server(settings) as server:
        for count in nonempty(counts):
            user = server.user()
            _delete_list_of(server, user, count)
            undone = user.undo(KEY, idempotencyKey="undo")
            assert undone.get("changedCount", 0) == (0 if count == 5_000 else 5_000)
            assert user.page()["totalCount"] == (0 if count == 5_000 else count)


MADE_OF_OTHERS = {
    *("id", "user_id", "created_at", "updated_at", "version", "has_subtasks"),
    *("due_at", "title_order", "words"),
}
"""What undo does not put back: who and when, and what triggers make of the rest."""


@pytest.mark.parametrize(
    ("table", "function"),
    [("tasks", "overwritten_of_task"), ("task_lists", "overwritten_of_list")],
)
def test_every_column_is_put_back_or_made_of_others(
    database: Database, table: str, function: str
) -> None:
    with psycopg.connect(database.superuser_url) as connection:
        row = connection.execute("SELECT prosrc FROM pg_proc WHERE proname = %s", [function])
        ((source,),) = row.fetchall()
    put_back = set(re.findall(r"is_now\.(\w+) IS DISTINCT FROM was\.\1\s", source))
    assert put_back == set(metadata.tables[table].columns.keys()) - MADE_OF_OTHERS


def test_steps_go_with_their_key(home: Home) -> None:
    home.user.toggle(id=home.parent, idempotencyKey=KEY)
    home.user.create("x", idempotencyKey="kept")
    home.shelf.execute(
        "UPDATE idempotency_keys SET created_at = now() - interval '7 days 1 second' "
        "WHERE user_id = %(user)s AND key = 'the action'"
    )
    assert home.shelf.steps(KEY) == 3
    home.shelf.execute("SELECT purge_idempotency_keys(1000)")
    assert (home.shelf.steps(KEY), home.shelf.steps("kept")) == (0, 1)
