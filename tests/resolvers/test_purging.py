"""What is removed from the trash for good: the caller's own, nothing else, once."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from resolvers import batches
from tests.api import EMPTY, PURGE, Caller, Server, running_server, settings_for
from tests.databases import Database, act_as
from tests.locks import until_waiting

TRASH = {"trash": "ONLY"}


def in_trash(user: Caller, *titles: str) -> list[str]:
    """Return the ids of new tasks in the trash."""
    ids = [user.create(title)["id"] for title in titles]
    user.delete_many(ids=ids)
    return ids


def stored(user: Caller) -> int:
    tasks: int = user.data("{ storage { tasks } }")["storage"]["tasks"]
    return tasks


def test_what_is_purged_is_nowhere_any_more(server: Server) -> None:
    user = server.user()
    ids, alive = in_trash(user, "a", "b", "c"), user.create("alive")["id"]
    assert user.purge(ids=[ids[2], "none", ids[0], alive, ids[0]]) == {
        "__typename": "PurgeTasksSuccess",
        "purgedTaskIds": [ids[2], ids[0]],
        "missingIds": ["none", alive],
    }
    assert user.titles(filter=TRASH) == ["b"]
    assert user.titles() == ["alive"]
    assert user.restore(id=ids[0])["__typename"] == "TaskNotFound"
    assert user.purge(ids=[ids[0]])["missingIds"] == [ids[0]]


def test_more_than_a_batch_is_refused(server: Server) -> None:
    answer = server.user().purge(ids=[str(n) for n in range(101)])
    assert answer["__typename"] == "InvalidInput"
    assert [issue["code"] for issue in answer["issues"]] == ["TOO_LONG"]


def test_an_emptied_trash_is_empty_and_all_else_stays(server: Server) -> None:
    user = server.user()
    user.create("alive")
    in_trash(user, *"abcde")
    all_of_them = {"__typename": "EmptyTrashSuccess", "purgedCount": 5, "hasMore": False}
    assert user.empty_trash() == all_of_them
    assert user.empty_trash() == {**all_of_them, "purgedCount": 0}
    assert user.titles(filter=TRASH) == []
    assert user.titles() == ["alive"]


def test_a_long_trash_is_emptied_in_parts(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "EMPTIED_MAX", 2)
    user, key = server.user(), str(uuid4())
    in_trash(user, *"abc")
    first = {"__typename": "EmptyTrashSuccess", "purgedCount": 2, "hasMore": True}
    assert user.empty_trash(idempotencyKey=key) == first
    assert user.empty_trash(idempotencyKey=key) == first
    assert len(user.titles(filter=TRASH)) == 1
    assert user.empty_trash() == {**first, "purgedCount": 1, "hasMore": False}


def test_what_is_purged_makes_room(database: Database) -> None:
    with running_server(settings_for(database.server_url, tasks_max=2)) as server:
        user = server.user()
        (id, _) = in_trash(user, "a", "b")
        full = 'mutation { createTask(input: {title: "c"}) { __typename } }'
        assert user.data(full)["createTask"]["__typename"] == "QuotaExceeded"
        user.purge(ids=[id])
        assert user.data(full)["createTask"]["__typename"] == "Task"
        user.empty_trash()
        assert stored(user) == 1
        assert user.data(full)["createTask"]["__typename"] == "Task"


@pytest.mark.parametrize("everything", [False, True])
def test_followers_know_of_the_deletion_or_read_all_anew(server: Server, everything: bool) -> None:
    user = server.user()
    ids = [user.create(title)["id"] for title in "ab"]
    before = user.changes()["pageInfo"]["endCursor"]
    user.delete_many(ids=ids)
    after = user.changes(after=before)["pageInfo"]["endCursor"]
    user.create("c")
    if everything:
        user.empty_trash()
    else:
        user.purge(ids=ids)
    # Who has seen the deletion has nothing to learn.
    news = user.changes(after=after)
    assert (news["reset"], [node["task"]["title"] for node in news["nodes"]]) == (False, ["c"])
    anew = user.changes(after=before)
    assert (anew["reset"], [node["task"]["title"] for node in anew["nodes"]]) == (True, ["c"])


@pytest.mark.parametrize("everything", [False, True])
def test_a_removal_that_is_sent_again_names_what_it_removed(
    server: Server, everything: bool
) -> None:
    user, key = server.user(), str(uuid4())
    ids = in_trash(user, "a", "b")
    document = EMPTY if everything else PURGE
    input = {"idempotencyKey": key} if everything else {"ids": [*ids, "9"], "idempotencyKey": key}
    first: Any = user.data(document, input=input)
    in_trash(user, "later")
    with ThreadPoolExecutor(8) as pool:
        again = list(pool.map(lambda _: user.data(document, input=input), range(16)))
    assert again == [first] * 16
    assert user.titles(filter=TRASH) == ["later"]


@pytest.mark.parametrize("everything", [False, True])
def test_a_task_that_is_restored_meanwhile_stays(
    server: Server, database: Database, everything: bool
) -> None:
    user = server.user()
    (id,) = in_trash(user, "kept")
    purge = partial(user.empty_trash) if everything else partial(user.purge, ids=[id])
    with psycopg.connect(database.superuser_url) as connection, ThreadPoolExecutor() as pool:
        connection.execute(
            "UPDATE tasks SET deleted_at = NULL WHERE user_id = %s AND id = %s", [user.user_id, id]
        )
        purging = pool.submit(purge)
        until_waiting(database, connection)
        connection.commit()
    answer = purging.result()
    assert answer["purgedCount"] == 0 if everything else answer["missingIds"] == [id]
    assert user.titles() == ["kept"]


def test_purges_and_restorations_at_once_take_each_task_once(server: Server) -> None:
    user = server.user()
    ids = in_trash(user, *(f"{n}" for n in range(12)))

    def act(n: int) -> int:
        if n % 3 == 0:
            return len(user.purge(ids=ids[::-1])["purgedTaskIds"])
        if n % 3 == 1:
            return int(user.empty_trash()["purgedCount"])
        user.restore(id=ids[n % 12])
        return 0

    with ThreadPoolExecutor(8) as pool:
        purged = sum(pool.map(act, range(24)))
    assert user.titles(filter=TRASH) == []
    assert purged + len(user.titles()) == 12
    assert stored(user) == len(user.titles())


def test_statements_remove_nothing_but_trash_whatever_row_security_says(
    database: Database,
) -> None:
    settings = settings_for(database.superuser_url, require_row_security=False)
    with running_server(settings) as server:
        user = server.user()
        alive = user.create("alive")["id"]
        assert user.purge(ids=[alive])["missingIds"] == [alive]
        assert user.empty_trash()["purgedCount"] == 0
        assert user.titles() == ["alive"]


def test_the_servers_role_can_remove_nothing_but_trash(server: Server, database: Database) -> None:
    user = server.user()
    user.create("alive")
    in_trash(user, "old")
    with psycopg.connect(database.server_url) as connection:
        act_as(connection, user.user_id)
        removed = connection.execute(
            "DELETE FROM tasks WHERE user_id = %s RETURNING title", [user.user_id]
        ).fetchall()
    assert removed == [("old",)]
    assert user.titles() == ["alive"]
