"""What is imported is there once, as it was, whatever happens meanwhile; nothing of others is."""

import asyncio
import json
import random
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from app.commands.for_user import servers_database
from app.exchange import own, storing
from app.exchange.items import Contents, Item, ItemList, Options
from app.exchange.storing import source_of
from app.failure import Failure
from models.database import DatabaseUnavailable
from models.quota import Quota
from tests.api import SECRET, Server, nonempty
from tests.counts import Count
from tests.databases import AS_THE_SERVER, Database, act_as
from tests.exchange.importing import (
    compared,
    contents_of,
    database_at,
    imported,
    new_user,
    with_all_there_is,
)
from tests.repository import ROOT
from tests.sockets import signed_in

OPTIONS = Options(UTC, date(2026, 11, 30))
THEN = datetime(2020, 1, 2, 3, 4, 5, 678901, UTC)

WIDE = "\uff21\uff22"

RULE = {"every": 1, "unit": "DAY", "from": "DUE"}


async def test_an_export_is_the_same_for_whom_it_is_imported(
    server: Server, database: Database
) -> None:
    ada = with_all_there_is(server)
    async with database_at(database) as connected:
        wanted = await contents_of(connected, ada.user_id)
        back = own.read(own.write(wanted), OPTIONS)
        bob = await new_user(connected)
        plan = await imported(connected, bob.user_id, back)
        got = await contents_of(connected, bob.user_id)
    assert plan.losses == []
    assert compared(got) == compared(wanted)
    assert any(item.successor for item in wanted.items)
    assert {each.name for each in wanted.lists if each.deleted_at} == {"Gone"}
    caller = server.user(bob.user_id)
    for arguments in (
        {"orderBy": {"field": "CREATED_AT", "direction": "ASC"}},
        {"filter": {"trash": "ONLY"}},
        {"filter": {"search": "boxes"}},
        {"filter": {"labels": {"all": ["soon"]}}, "orderBy": {"field": "UPDATED_AT"}},
        {"filter": {"inbox": True}, "orderBy": {"field": "POSITION", "direction": "ASC"}},
    ):
        titles = nonempty(ada.titles(**arguments))
        assert sorted(caller.titles(**arguments)) == sorted(titles), arguments
    # What was in the trash together comes back together.
    (gone,) = caller.lists(trash="ONLY")["nodes"]
    caller.restore_list(id=gone["id"])
    back_again = caller.titles(filter={"listId": gone["id"]})
    assert sorted(back_again) == ["with its list", "with its parent"]


async def test_what_is_imported_twice_is_there_once(
    server: Server, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = with_all_there_is(server)
    async with database_at(database) as connected:
        contents = await contents_of(connected, ada.user_id)
        bob = await new_user(connected)
        monkeypatch.setattr(storing, "BATCH", 4)
        first = await imported(connected, bob.user_id, contents, limit=5)
        assert len(first.items) == 5
        # Both at once: whoever comes second to a task leaves it.
        await asyncio.gather(*(imported(connected, bob.user_id, contents) for _ in range(3)))
        assert compared(await contents_of(connected, bob.user_id)) == compared(contents)
        caller = server.user(bob.user_id)
        changed = caller.page(filter={"search": "Last"})["nodes"][0]["id"]
        caller.update(id=changed, title="Renamed")
        trashed = caller.page(filter={"search": "done"})["nodes"][0]["id"]
        caller.delete(id=trashed)
        caller.purge(ids=[trashed])
        plan = await imported(connected, bob.user_id, contents)
    assert (plan.lists, plan.items, len(plan.present)) == (
        [], [], len(contents.items) + len(contents.lists)
    )  # fmt: skip
    assert caller.titles(filter={"search": "Last"}) == []
    assert (
        len(caller.page(first=100)["nodes"])
        == len([item for item in contents.items if item.deleted_at is None]) - 1
    )


@pytest.mark.timeout(300)
def test_an_import_that_is_killed_goes_on_where_it_was(
    server: Server, database: Database, tmp_path: Path, long: bool, count: Count
) -> None:
    chance = random.Random(None if long else 5)
    contents = many(chance, 700)
    file = tmp_path / "many.json"
    file.write_bytes(own.write(contents))
    users = [f"user-{uuid4().hex}" for _ in range(21 if long else 4)]
    done = subprocess.run(
        [sys.executable, "-m", "tests.exchange.killed", str(file), "7", *users],
        cwd=ROOT,
        env={"DATABASE_URL": database.server_url, "BETTER_AUTH_SECRET": SECRET, "PATH": ""},
        capture_output=True,
        text=True,
        timeout=3000,
    )
    assert done.returncode == 0, done.stderr
    kills = json.loads(done.stdout)
    count("imports that were killed and went on", sum(kills))
    assert sum(kills) >= len(users) - 1

    async def found(user: str) -> Any:
        async with database_at(database) as connected:
            return compared(await contents_of(connected, user))

    wanted = asyncio.run(found(users[0]))
    assert len(wanted[1]) == len(contents.items)
    for user in nonempty(users[1:]):
        assert asyncio.run(found(user)) == wanted


def many(chance: random.Random, count: int) -> Contents:
    """Return lists and tasks that refer to each other in every way."""
    lists = [
        ItemList(f"L{n}", f"List {n}", THEN, THEN, THEN if n % 7 == 6 else None) for n in range(9)
    ]
    items: list[Item] = []
    for n in range(count):
        place = chance.randrange(9)
        above = [item for item in items[-30:] if item.parent is None and item.rule is None]
        parent = chance.choice(above) if above and chance.random() < 0.4 else None
        trash = place == 6 if parent is None else parent.deleted_at is not None
        repeats = parent is None and chance.random() < 0.2
        items.append(
            Item(
                key=f"key {n}",
                title=f"Task {n}",
                created_at=THEN.replace(microsecond=n),
                updated_at=THEN,
                completed_at=THEN if chance.random() < 0.3 else None,
                deleted_at=THEN if trash or chance.random() < 0.1 else None,
                labels=chance.sample(["a", "B", "c"], 2),
                due_on=date(2026, 1, 1) if repeats else None,
                rule={**RULE, "start": "2025-12-31"} if repeats else None,
                list_key=f"L{place}" if parent is None else parent.list_key,
                parent=None if parent is None else parent.key,
                # Behind it in the file, or before it.
                successor=f"key {(n + 50) % count}" if repeats else None,
            )
        )
    return Contents(lists, items)


async def test_tasks_may_come_in_any_order(database: Database) -> None:
    chance = random.Random(3)
    contents = many(chance, 150)
    children = [item for item in contents.items if item.parent is not None]
    others = [item for item in contents.items if item.parent is None]
    turned = replace(contents, items=[*children, *others])
    async with database_at(database) as connected:
        found = []
        for each in (replace(contents, items=[*others, *children]), turned):
            user = await new_user(connected)
            assert (await imported(connected, user.user_id, each)).losses == []
            found.append(compared(await contents_of(connected, user.user_id)))
    (lists, items), (other_lists, other_items) = found

    def by_title(rows: Any) -> list[Any]:
        return sorted(rows, key=lambda item: item.title)

    assert (lists, by_title(items)) == (other_lists, by_title(other_items))
    # Those with one parent, or in one list, keep the order of the file.
    for key in (None, *(f"List {n}" for n in range(9))):
        for rows in (items, other_items):
            live = [
                item.title
                for item in rows
                if item.deleted_at is None and item.parent == "None" and item.list_name == key
            ]
            order = [item.title for item in contents.items]
            assert live == sorted(live, key=order.index)


async def test_what_does_not_fit_is_cut_or_left_out_and_told(
    server: Server, database: Database
) -> None:
    items = [
        Item("1", "x" * 250, description="more"),
        Item("2", " \0 "),
        Item("3", "long", description="y" * 1001),
        Item("4", "labels", labels=["a", "A", WIDE, "b" * 51, "\0", *map(str, range(30))]),
        Item("5", "up", parent="6"),
        Item("6", "deep", parent="7"),
        Item("7", "top", rule=RULE),
        Item("8", "a", parent="9"),
        Item("9", "circle", parent="8"),
        Item("10", "its rule", parent="7", rule=RULE, due_on=date(2026, 1, 1)),
        Item("11", "half \ud800", due_time=time(9)),
        Item("12", "old", created_at=datetime.min.replace(tzinfo=UTC), list_name=" "),
        Item("k" * 5000, "\x1b[2J key"),
        *(Item(f"s{n}", f"sub {n}", parent="7") for n in range(100)),
    ]
    async with database_at(database) as connected:
        user = await new_user(connected)
        plan = await imported(connected, user.user_id, Contents([], items))
    assert Counter(loss.kind for loss in plan.losses) == {
        "deeper levels": 1,
        "rules that cannot be said": 1,
        "rules of subtasks": 1,
        "subtasks beyond 100": 3,
        "titles that go on in the description": 1,
        "characters that cannot be stored": 3,
        "blank titles": 1,
        "descriptions that were cut": 1,
        "labels that were cut": 1,
        "labels that cannot be kept": 1,
        "labels beyond 20": 13,
        "blank names of lists": 1,
    }
    caller = server.user(user.user_id)
    page = caller.page(first=100, filter={"level": "TOP"})
    tasks = {task["title"]: task for task in page["nodes"]}
    assert tasks["x" * 200]["description"] == "x" * 50 + "\n\nmore"
    assert "(untitled)" in tasks
    assert len(tasks["long"]["description"]) == 1000
    assert tasks["labels"]["labels"][:3] == ["a", WIDE, "b" * 50]
    assert len(tasks["labels"]["labels"]) == 20
    assert {"a", "circle", "top", "half", "old", "[2J key", "sub 99"} <= set(tasks)
    assert tasks["half"]["dueTime"] is None
    assert caller.lists()["nodes"][0]["name"] == "(untitled)"


async def test_the_quota_is_kept_to_and_the_rest_told(database: Database, server: Server) -> None:
    contents = Contents(
        [ItemList("L", "List")],
        [Item(str(n), f"Täsk {n}", list_key="L", labels=["ab"]) for n in range(9)],
    )
    async with database_at(database) as connected:
        for quota, left in ((Quota(6, None), 5), (Quota(None, 4 + 3 * 9), 3), (Quota(1, 1), 0)):
            user = await new_user(connected)
            plan = await imported(connected, user.user_id, contents, quota)
            assert [loss.title for loss in plan.losses][-9 + left :] == [
                f"Täsk {n}" for n in range(left, 9)
            ]
            assert len(server.user(user.user_id).titles()) == left
            # There is room for them later.
            await imported(connected, user.user_id, contents)
            assert len(server.user(user.user_id).titles()) == 9


async def test_lists_that_are_only_named_are_those_that_are_there(
    server: Server, database: Database
) -> None:
    ada = server.user()
    home = ada.create_list("Home")["id"]
    items = [Item("1", "a", list_name="Home"), Item("2", "b", list_name="New")]
    async with database_at(database) as connected:
        for _ in range(2):
            await imported(connected, str(ada.user_id), Contents([], items))
            assert [each["name"] for each in ada.lists()["nodes"]] == ["Home", "New"]
        # A list of the file itself is another, and a thousand are the most.
        lists = [ItemList(f"L{n}", "Home") for n in range(1000)]
        more = [Item(f"in {n}", f"in {n}", list_key=f"L{n}") for n in (0, 997, 998, 999)]
        plan = await imported(connected, str(ada.user_id), Contents(lists, more), source="other")
    assert [(each.kind, each.title) for each in plan.losses] == [("lists beyond 1000", "Home")] * 2
    assert ada.titles(filter={"listId": home}) == ["a"]
    assert ada.titles(filter={"inbox": True}) == ["in 999", "in 998"]


async def test_what_others_change_meanwhile_is_made_the_best_of(
    server: Server, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The parent of what comes next goes into the trash, and its list for good."""
    monkeypatch.setattr(storing, "BATCH", 1)
    contents = Contents(
        [ItemList("L", "List")],
        [
            Item("1", "parent", list_key="L"),
            Item("2", "sub", parent="1"),
            Item("3", "in", list_key="L"),
        ],
    )
    async with database_at(database) as connected:
        user = await new_user(connected)
        caller = server.user(user.user_id)

        class Meddling:
            async def fetch(self, statement: Any) -> Any:
                rows = await connected.fetch(statement)
                if statement.sql.name == "import_tasks" and caller.lists()["nodes"]:
                    caller.delete_list(id=caller.lists()["nodes"][0]["id"])
                    caller.empty_trash()
                return rows

        plan = await imported(Meddling(), user.user_id, contents)
    assert caller.titles(filter={"inbox": True}) == ["in", "sub"]
    assert [item.title for item in plan.items] == ["sub", "in"]
    assert len(plan.present) == 2


def test_open_windows_see_all_that_is_imported(server: Server) -> None:
    ada = server.user()
    ada.create("before")
    seen: list[Any] = []
    contents = many(random.Random(9), 400)

    async def run() -> None:
        async with servers_database(server.settings) as connected:
            await imported(connected, str(ada.user_id), contents)

    cursor = ada.all_changes()["pageInfo"]["endCursor"]
    query = "subscription ($after: String) { changes(after: $after) { node { kind id version } } }"
    with signed_in(server, ada.token) as socket:
        socket.subscribe(query, {"after": cursor})
        thread = threading.Thread(target=lambda: asyncio.run(run()))
        thread.start()
        # Of those whose successor was made, and of parents, the latest change counts.
        while len(seen) < len(contents.items) + len(contents.lists):
            seen.append(socket.hear()["payload"]["data"]["changes"]["node"])
        thread.join()
    versions = [change["version"] for change in seen]
    assert versions == sorted(set(versions))
    assert len({change["id"] for change in seen}) == len(seen)
    page = ada.all_changes(after=cursor, first=500)
    assert page["reset"] is False
    assert [change["version"] for change in page["nodes"]] == versions


OF_ONE = """
SELECT (SELECT jsonb_agg(t) FROM (SELECT * FROM tasks WHERE user_id = %(user)s ORDER BY id) t),
       (SELECT jsonb_agg(t) FROM (SELECT * FROM task_lists WHERE user_id = %(user)s ORDER BY id) t),
       (SELECT jsonb_agg(t) FROM (SELECT * FROM task_labels WHERE user_id = %(user)s) t),
       (SELECT jsonb_agg(t) FROM (SELECT * FROM task_counters WHERE user_id = %(user)s) t),
       (SELECT jsonb_agg(t) FROM (SELECT * FROM imports WHERE user_id = %(user)s ORDER BY key) t)
"""


@pytest.fixture
def superuser(database: Database) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(
        database.superuser_url, autocommit=True, options=AS_THE_SERVER
    ) as connection:
        yield connection


async def test_an_import_touches_nothing_of_others(
    server: Server, database: Database, superuser: psycopg.Connection[Any]
) -> None:
    """The ids of another's tasks and lists, and the keys of their imports, mean nothing."""
    ada = with_all_there_is(server)

    def of_ada() -> Any:
        return superuser.execute(OF_ONE, {"user": ada.user_id}).fetchall()

    async with database_at(database) as connected:
        contents = await contents_of(connected, ada.user_id)
        source = source_of("json", contents, b"")
        await imported(connected, str(ada.user_id), contents, source=source)
        before = of_ada()
        eve = await new_user(connected)
        plan = await imported(connected, eve.user_id, contents, source=source)
        assert (len(plan.items), len(plan.present)) == (len(contents.items), 0)
        stolen = [
            Item("x", "stolen", list_key=key, parent=item.key, successor=item.key)
            for item in nonempty(contents.items)
            for key in [contents.lists[0].key]
        ]
        planted = [replace(item, key=f"{item.key} x") for item in stolen]
        await imported(connected, eve.user_id, Contents([], planted[:1]), source="another")
    assert of_ada() == before
    links = (
        "SELECT list_id, parent_id, successor_id FROM tasks WHERE user_id = %s AND title = 'stolen'"
    )
    assert superuser.execute(links, [eve.user_id]).fetchall() == [(None, None, None)]
    ids = (
        "SELECT id FROM tasks WHERE user_id = %(user)s "
        "UNION SELECT id FROM task_lists WHERE user_id = %(user)s"
    )
    of_eve = {id for (id,) in superuser.execute(ids, {"user": eve.user_id}).fetchall()}
    assert len(of_eve) > len(contents.items)
    named = superuser.execute(
        "SELECT unnest(ARRAY[list_id, parent_id, successor_id]) FROM tasks WHERE user_id = %s",
        [eve.user_id],
    ).fetchall()
    assert {id for (id,) in named if id is not None} <= of_eve


TIMES = ("created_at", "updated_at", "deleted_at", "completed_at", "successor_id")


WRITTEN_BY_TRIGGERS = ("created_at", "updated_at")
"""Those that are now's, whatever is given."""


@pytest.mark.parametrize("name", TIMES)
def test_only_an_import_writes_times_of_the_past(
    server: Server, database: Database, name: str
) -> None:
    ada = server.user()
    ada.create()
    value = "7" if name == "successor_id" else "'2020-01-01'"
    statement = (
        f"INSERT INTO tasks (user_id, id, title, completed, {name}) "
        f"VALUES ('{ada.user_id}', NULL, 'x', {name == 'completed_at'}, {value})"
    )
    with psycopg.connect(database.server_url) as connection:
        act_as(connection, ada.user_id)
        with connection.transaction(force_rollback=True):
            connection.execute("SET LOCAL app.import = 'live'")
            connection.execute(statement)
        if name in WRITTEN_BY_TRIGGERS:
            is_past = f"{statement} RETURNING {name} < '2021-01-01'::timestamptz"
            assert connection.execute(is_past).fetchone() == (False,)
        else:
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level security"):
                connection.execute(statement)


async def test_a_database_that_goes_away_is_told_with_what_is_in(
    server: Server, database: Database
) -> None:
    contents = many(random.Random(1), 150)
    async with database_at(database) as connected:
        user = await new_user(connected)
        sent: Counter[str] = Counter()

        class Leaving:
            async def fetch(self, statement: Any) -> Any:
                sent[statement.sql.name] += 1
                if sent["import_tasks"] == 2:
                    raise DatabaseUnavailable("It is gone.")
                return await connected.fetch(statement)

        with pytest.raises(Failure, match=r"It is gone\. 100 tasks are in\. Run the command again"):
            await imported(Leaving(), user.user_id, contents)
        plan = await imported(connected, user.user_id, contents)
    assert len(plan.items) == 50


async def test_an_id_that_a_client_takes_meanwhile_is_no_hindrance(
    server: Server, database: Database
) -> None:
    """Ids are set aside, but clients make ids of their own."""
    contents = many(random.Random(1), 20)
    async with database_at(database) as connected:
        user = await new_user(connected)
        caller = server.user(user.user_id)

        class Taking:
            async def fetch(self, statement: Any) -> Any:
                rows = await connected.fetch(statement)
                if statement.sql.name == "reserve_ids" and not caller.titles():
                    caller.create("taken", id=str(rows[0].last))
                return rows

        await imported(Taking(), user.user_id, contents)
        got = await contents_of(connected, user.user_id)
    assert {item.title for item in got.items} == {
        "taken", *(item.title for item in contents.items)
    }  # fmt: skip
