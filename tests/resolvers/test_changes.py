"""The feed of changes: who applies its pages in order has what the server has, whatever happens."""

import base64
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from graphql_schema.changes import ChangeCursor
from models.task import TaskRow
from models.user import UserId
from resolvers import changes
from resolvers.statements.pages import FeedRow
from tests.api import Caller, Server
from tests.counts import Count
from tests.databases import Database, without_triggers

PAGES_MAX = 100
"""More pages than any reading in these tests can take: whoever needs more goes round in circles."""


def purge(database: Database, *ids: str) -> None:
    """Let tasks in the trash have been there for long, and purge them."""
    with without_triggers(database) as connection:
        connection.execute(
            "UPDATE tasks SET deleted_at = now() - interval '40 days' "
            "WHERE id = ANY (%s) AND deleted_at IS NOT NULL",
            [[int(id) for id in ids]],
        )
    with psycopg.connect(database.server_url) as connection:
        connection.execute("SELECT purge_trash(30, 1000)")


class Copy:
    """What a client has of somebody's tasks, kept in step by the feed alone."""

    def __init__(self, user: Caller) -> None:
        self.user = user
        self.tasks: dict[str, Any] = {}
        self.cursor: str | None = None
        self.resets = 0

    def read_page(self, size: int) -> bool:
        """Read and apply one page; return whether that was the last one."""
        page = self.user.changes(after=self.cursor, first=size)
        if page["reset"]:
            self.resets += 1
            self.tasks.clear()
        versions = [change["version"] for change in page["nodes"]]
        assert versions == sorted(set(versions))
        for change in page["nodes"]:
            if change["task"] is None:
                self.tasks.pop(change["taskId"], None)
            else:
                assert change["task"]["id"] == change["taskId"]
                assert change["task"]["version"] == change["version"]
                self.tasks[change["taskId"]] = change["task"]
        self.cursor = page["pageInfo"]["endCursor"]
        return not page["pageInfo"]["hasNextPage"]

    def catch_up(self, size: int = 100) -> None:
        for _ in range(PAGES_MAX):
            if self.read_page(size):
                return
        pytest.fail("the feed never ends")

    def is_true(self) -> bool:
        return self.tasks == {task["id"]: task for task in self.user.page(first=100)["nodes"]}


class Sync(RuleBasedStateMachine):
    """A user who writes, a trash that is emptied, and clients that read now and then."""

    server: Server
    database: Database
    comparisons = 0
    resets = 0

    def __init__(self) -> None:
        super().__init__()
        self.user = self.server.user()
        self.ids: list[str] = []
        self.copies = [Copy(self.user)]

    def id(self, data: st.DataObject) -> str:
        return data.draw(st.sampled_from(self.ids or [str(2**63 - 1)]))

    @rule(count=st.integers(1, 4))
    def create(self, count: int) -> None:
        self.ids += [self.user.create()["id"] for _ in range(count)]

    @rule(data=st.data(), title=st.sampled_from(["Milk", "Bread"]))
    def update(self, data: st.DataObject, title: str) -> None:
        self.user.update(id=self.id(data), title=title)

    @rule(data=st.data())
    def toggle(self, data: st.DataObject) -> None:
        self.user.toggle(id=self.id(data))

    @rule(data=st.data(), count=st.integers(1, 3))
    def delete(self, data: st.DataObject, count: int) -> None:
        for _ in range(count):
            self.user.delete(id=self.id(data))

    @rule(data=st.data(), completed=st.booleans(), delete=st.booleans())
    def change_many(self, data: st.DataObject, completed: bool, delete: bool) -> None:
        ids = [self.id(data) for _ in range(4)]
        if delete:
            self.user.delete_many(ids=ids)
        else:
            self.user.update_many(ids=ids, completed=completed)

    @rule(data=st.data())
    def restore(self, data: st.DataObject) -> None:
        self.user.restore(id=self.id(data))

    @rule(data=st.data(), everything=st.booleans())
    def purge(self, data: st.DataObject, everything: bool) -> None:
        purge(self.database, *(self.ids if everything else [self.id(data)]))

    @rule()
    def start_late(self) -> None:
        self.copies.append(Copy(self.user))

    @rule(data=st.data(), size=st.integers(1, 5), pages=st.integers(1, 4))
    def read(self, data: st.DataObject, size: int, pages: int) -> None:
        """Read a few pages, and go on another time."""
        copy = data.draw(st.sampled_from(self.copies))
        for _ in range(pages):
            if copy.read_page(size):
                self.compare(copy)
                return

    def compare(self, copy: Copy) -> None:
        type(self).comparisons += 1
        assert copy.is_true()

    def teardown(self) -> None:
        for copy in self.copies:
            copy.catch_up(size=2)
            self.compare(copy)
            type(self).resets += copy.resets


def test_whoever_has_caught_up_has_what_the_server_has(
    server: Server, database: Database, count: Count, request: pytest.FixtureRequest
) -> None:
    Sync.server, Sync.database = server, database
    run_state_machine_as_test(
        Sync,
        settings=settings(
            max_examples=200 if request.config.getoption("--long") else 20,
            stateful_step_count=30,
            suppress_health_check=list(HealthCheck),
            # Making a failure smaller takes longer than a test may.
            phases=[Phase.generate],
        ),
    )
    count("copies compared with what the server has", Sync.comparisons)
    assert Sync.resets > Sync.comparisons / 20


def test_a_client_that_reads_while_others_write_misses_nothing(server: Server) -> None:
    user = server.user()
    copy, writing = Copy(user), threading.Event()
    writing.set()

    def write(_: int) -> None:
        for n in range(15):
            id = user.create()["id"]
            (user.toggle, user.delete, user.get)[n % 3](id=id)

    def read() -> None:
        while writing.is_set():
            copy.read_page(3)

    with ThreadPoolExecutor(5) as pool:
        reading = pool.submit(read)
        list(pool.map(write, range(4)))
        writing.clear()
        reading.result()
    copy.catch_up()
    assert copy.is_true()
    assert copy.resets == 1


def test_a_task_that_changed_often_is_told_of_once(server: Server) -> None:
    user = server.user()
    one, two = user.create("one")["id"], user.create("two")["id"]
    for _ in range(3):
        task = user.toggle(id=one)
    deletion = user.delete(id=two)["version"]
    page = user.changes()
    del task["__typename"]
    assert page["nodes"] == [
        {"taskId": one, "version": task["version"], "task": task},
        {"taskId": two, "version": deletion, "task": None},
    ]
    assert page["pageInfo"] == {
        "hasNextPage": False,
        "hasPreviousPage": False,
        "startCursor": page["edges"][0]["cursor"],
        "endCursor": page["edges"][1]["cursor"],
    }
    rest = user.changes(after=page["edges"][0]["cursor"])
    assert (rest["nodes"], rest["reset"]) == (page["nodes"][1:], False)


def test_where_nothing_is_new_the_cursor_stays_good(server: Server) -> None:
    user = server.user()
    copy = Copy(user)
    for _ in range(2):
        copy.catch_up()
        assert copy.cursor is not None
    assert copy.resets == 1
    before = copy.cursor
    user.create()
    copy.catch_up()
    assert copy.is_true()
    assert copy.resets == 1
    assert user.changes(first=0, after=before)["pageInfo"]["hasNextPage"] is True


def test_who_asks_for_no_change_is_told_where_they_end(server: Server) -> None:
    user = server.user()
    assert user.changes(first=0)["pageInfo"]["endCursor"] is not None
    user.create()
    page = user.changes(first=0)
    assert (page["nodes"], page["pageInfo"]["hasNextPage"]) == ([], False)
    new = user.create("new")
    told = user.changes(after=page["pageInfo"]["endCursor"])
    assert [change["taskId"] for change in told["nodes"]] == [new["id"]]
    assert told["reset"] is False


def test_a_task_deleted_while_the_whole_set_is_read_is_told_of(server: Server) -> None:
    user = server.user()
    ids = [user.create()["id"] for _ in range(4)]
    copy = Copy(user)
    assert copy.read_page(2) is False
    user.delete(id=ids[0])
    assert ids[0] in copy.tasks
    copy.catch_up(size=2)
    assert list(copy.tasks) == ids[1:]


def test_who_has_missed_a_deletion_that_is_forgotten_starts_anew(
    server: Server, database: Database
) -> None:
    user = server.user()
    ids = [user.create()["id"] for _ in range(4)]
    knows, knows_not = Copy(user), Copy(user)
    knows_not.catch_up()
    user.delete(id=ids[0])
    knows.catch_up()
    purge(database, ids[0])
    for copy, resets in ((knows, 1), (knows_not, 2)):
        # One task a page: the versions on the first pages are older than what is purged.
        copy.catch_up(size=1)
        assert copy.is_true()
        assert copy.resets == resets


def test_others_purged_tasks_reset_nobody_else(server: Server, database: Database) -> None:
    alice, bob = server.user(), server.user()
    copy = Copy(alice)
    alice.create()
    copy.catch_up()
    id = bob.create()["id"]
    bob.delete(id=id)
    purge(database, id)
    copy.catch_up()
    assert copy.resets == 1


@pytest.mark.parametrize("had_read_all", [True, False])
def test_who_knows_more_than_a_restored_database_starts_anew(
    server: Server, database: Database, had_read_all: bool
) -> None:
    user = server.user()
    kept = user.create("kept")["id"]
    user.delete(id=user.create()["id"])
    lost = user.create("lost")["id"]
    purge(database, kept)
    copy = Copy(user)
    copy.read_page(100 if had_read_all else 1)
    with psycopg.connect(database.superuser_url) as connection:
        connection.execute("DELETE FROM tasks WHERE id = %s", [int(lost)])
        connection.execute(
            "UPDATE task_counters SET version = 3, purged_version = 0 WHERE user_id = %s",
            [user.user_id],
        )
        connection.execute("UPDATE tasks SET version = 1 WHERE id = %s", [int(kept)])
    copy.catch_up()
    assert copy.is_true()
    assert copy.resets == (2 if had_read_all else 1)


def test_a_task_removed_by_hand_is_told_of_by_starting_anew(
    server: Server, database: Database
) -> None:
    user = server.user()
    user.create()
    id = user.create()["id"]
    copy = Copy(user)
    copy.catch_up()
    with psycopg.connect(database.superuser_url) as connection:
        connection.execute("DELETE FROM tasks WHERE id = %s", [int(id)])
    copy.catch_up()
    assert copy.is_true()
    assert copy.resets == 2


def encoded(*parts: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "x",
        "é",
        encoded(),
        encoded("CHANGES"),
        encoded("CHANGES", 1),
        encoded("CHANGES", 1, 1, 1, 1),
        encoded("CHANGES", -1, 0),
        encoded("CHANGES", 0, 2**31),
        encoded("CHANGES", 10**30, 0),
        encoded("CHANGES", True, 0),
        encoded("CHANGES", 1.0, 0),
        encoded("CHANGES", None, 0),
        encoded("TITLE", 1, 0),
        encoded("TITLE", "Milk", 7),
        encoded(["CHANGES"], 1, 0),
        encoded("CHANGES", *[0] * 2000),
    ],
)
def test_a_cursor_that_is_none_is_refused(server: Server, cursor: str) -> None:
    result = server.user().execute(
        "query ($c: String) { taskChanges(after: $c) { reset } }", {"c": cursor}
    )
    (error,) = result["errors"]
    assert error["message"] == "`after` is not a cursor of the changes."
    assert error["extensions"] == {"code": "BAD_USER_INPUT"}


def test_a_cursor_of_the_changes_is_none_of_a_list(server: Server) -> None:
    cursor = ChangeCursor(1, 0, None).encode()
    result = server.user().execute(
        "query ($c: String) { tasks(after: $c) { totalCount } }", {"c": cursor}
    )
    assert result["errors"][0]["extensions"] == {"code": "BAD_USER_INPUT"}


def test_any_cursor_of_the_right_form_shows_the_callers_own(server: Server) -> None:
    user = server.user()
    id = user.create()["id"]
    for version, purged in ((0, 0), (1, 1), (2**31 - 1, 0), (0, 2**31 - 1)):
        page = user.changes(after=ChangeCursor(version, purged, 7).encode())
        assert [change["taskId"] for change in page["nodes"]] == [id]


def test_a_page_computes_the_number_of_the_account_once(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = server.user()
    user.create()
    cursor = user.changes()["pageInfo"]["endCursor"]
    number, computed = changes._origin, list[UserId]()

    def counted(owner: UserId, rows: list[FeedRow[TaskRow]]) -> int:
        computed.append(owner)
        return number(owner, rows)

    monkeypatch.setattr(changes, "_origin", counted)
    assert user.changes(after=cursor)["reset"] is False
    assert computed == [user.user_id]
