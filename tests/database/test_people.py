"""All that is one person's: exported, or deleted with nothing left, and tokens from before."""

import asyncio
import json
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import jwt
import psycopg
import pytest

from app.cli import main
from app.database import deletions, people
from app.database.listener import Intervals
from app.database.migration import upgrade
from app.database.people import UnknownUser, delete, exported
from app.database.purge import purge
from app.database.roles import ensure_server_role
from app.exchange.items import Contents, Item
from app.failure import Failure
from app.lifespan import make_database
from models.metadata import OWNED_TABLES
from tests.api import SECRET, Caller, Server, nonempty, running_server, settings_for
from tests.databases import AS_THE_SERVER, Database
from tests.exchange.importing import imported
from tests.sockets import signed_in, socket_to

DAY = timedelta(days=1)
ME = "{ me { id } }"


class Place(NamedTuple):
    """A server, and the owner of its tables, whom row security binds."""

    server: Server
    owner_url: str
    superuser_url: str

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.superuser_url, options=AS_THE_SERVER) as connection:
            found = connection.execute(query, values or None)
            return found.fetchall() if found.description else []

    def delete(self, user: Caller) -> people.Deleted:
        return delete(self.owner_url, str(user.user_id), DAY)


@pytest.fixture(scope="module")
def bound_owner(postgres: Any) -> Iterator[Database]:
    """A migrated database whose tables belong to a role with no special rights."""
    role, name = f"owner_{uuid4().hex}", f"test_{uuid4().hex}"
    postgres.create_database(name)
    database = Database(postgres, name)
    with psycopg.connect(database.superuser_url) as connection:
        connection.execute(
            f"CREATE ROLE {role} LOGIN CREATEROLE; ALTER DATABASE {name} OWNER TO {role};"
            f"DO $$ BEGIN CREATE ROLE todo_api LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; "
            f"END $$; GRANT todo_api TO {role} WITH ADMIN OPTION, INHERIT FALSE"
        )
    upgrade(database.url_of(role))
    ensure_server_role(database.url_of(role), None)
    yield database
    with psycopg.connect(database.superuser_url) as connection:
        connection.execute(
            f"REASSIGN OWNED BY {role} TO postgres; DROP OWNED BY {role}; DROP ROLE {role}"
        )


@pytest.fixture(scope="module")
def place(bound_owner: Database) -> Iterator[Place]:
    with psycopg.connect(bound_owner.superuser_url) as connection:
        ((owner,),) = connection.execute(
            "SELECT pg_get_userbyid(relowner) FROM pg_class WHERE relname = 'tasks'"
        ).fetchall()
    settings = settings_for(bound_owner.server_url)
    with running_server(settings, Intervals(sweep=1e6)) as server:
        yield Place(server, bound_owner.url_of(owner), bound_owner.superuser_url)


@pytest.fixture(autouse=True)
def looked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let servers look only at their first request who was deleted: what else refuses is seen."""
    monkeypatch.setattr(deletions, "LOOK_EACH", 1e9)
    monkeypatch.setattr(deletions, "COUNTS_FOR", 1e9)


def with_things(server: Server) -> Caller:
    """Return a user who has something in every table."""
    user = server.user(name="Ada")
    home = user.create_list("Home")["id"]
    parent = user.create("Milk", labels=["shop", "soon"], listId=home)["id"]
    user.create("two litres", parentId=parent, idempotencyKey=str(uuid4()))
    user.delete(id=user.create("gone")["id"])
    user.create_link()
    for n in range(4):
        user.create(str(n))
    asyncio.run(_import_one(server, str(user.user_id)))
    return user


async def _import_one(server: Server, user: str) -> None:
    database = make_database(server.settings)
    await database.open()
    try:
        await imported(database, user, Contents(items=[Item("4", "4")]))
    finally:
        await database.close()


def of(table: str) -> str:
    return "id" if table == "users" else "user_id"


def everything(place: Place, user: Caller) -> dict[str, list[Any]]:
    """Return every row of the user's, by its table, as the superuser sees them."""
    return {
        table: sorted(
            (row for (row,) in place.rows(
                f"SELECT to_jsonb(t) FROM {table} t WHERE {of(table)} = %s", user.user_id
            )),
            key=json.dumps,
        )
        for table in OWNED_TABLES
    }  # fmt: skip


def tables_that_name(place: Place, user: Caller) -> set[str]:
    """Scan every table of the database for the user's id."""
    tables = place.rows("SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'")
    pattern = f"%{user.user_id}%"
    return {
        table
        for (table,) in nonempty(tables)
        if place.rows(f"SELECT 1 FROM {table} AS t WHERE t::text LIKE %s", pattern)
    }


def test_an_export_is_all_that_is_a_users_and_nothing_else(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(people, "ROWS_AT_ONCE", 3)
    ada, eve = with_things(place.server), with_things(place.server)
    lines = list(exported(place.owner_url, str(ada.user_id)))
    assert json.loads(lines[0])["table"] == "users"
    found = defaultdict(list)
    for line in nonempty(lines):
        assert str(eve.user_id) not in line
        one = json.loads(line)
        found[one["table"]].append(one["row"])
    wanted = everything(place, ada)
    assert all(wanted.values())
    assert {table: sorted(rows, key=json.dumps) for table, rows in found.items()} == wanted
    shown = [
        task for trash in ("EXCLUDE", "ONLY") for task in ada.page(filter={"trash": trash})["nodes"]
    ]
    assert {(str(row["id"]), row["title"], row["version"]) for row in found["tasks"]} == {
        (task["id"], task["title"], task["version"]) for task in nonempty(shown)
    }


def test_of_a_deleted_user_nothing_is_left_and_open_sockets_end(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(people, "DELETED_AT_ONCE_MAX", 4)
    monkeypatch.setattr(people, "ROWS_AT_ONCE", 3)
    ada, eve = with_things(place.server), with_things(place.server)
    before = everything(place, eve)
    assert tables_that_name(place, ada) == set(OWNED_TABLES)
    with (
        signed_in(place.server, ada.token) as follower,
        signed_in(place.server, ada.token) as idle,
        signed_in(place.server, eve.token) as others,
    ):
        follower.follow()
        assert place.delete(ada).tasks == 8
        assert follower.closed()[0] == idle.closed()[0] == 4403
        others.say({"type": "ping"})
        assert others.hear() == {"type": "pong"}
    assert tables_that_name(place, ada) == set()
    assert everything(place, eve) == before
    with pytest.raises(UnknownUser):
        place.delete(ada)
    with pytest.raises(UnknownUser):
        next(exported(place.owner_url, str(ada.user_id)))


def refusal(user: Caller, query: str) -> tuple[int, str, str]:
    """Return the status of a refused request, its challenge, and the reason."""
    response = user.post(query)
    (error,) = response.json()["errors"]
    assert error["extensions"]["code"] == "UNAUTHENTICATED"
    return response.status_code, response.headers["www-authenticate"], error["extensions"]["reason"]


def test_a_token_from_before_makes_no_row_anew(place: Place) -> None:
    ada = with_things(place.server)
    cursor = ada.changes()["pageInfo"]["endCursor"]
    place.delete(ada)
    for query in (
        ME,
        'mutation { createTask(input: {title: "back"}) { __typename } }',
        f'{{ changes(after: "{cursor}") {{ reset }} }}',
    ):
        assert refusal(ada, query) == (401, 'Bearer error="invalid_token"', "DELETED")
    assert ada.page()["nodes"] == []
    assert tables_that_name(place, ada) == set()
    with socket_to(place.server.url) as socket:
        socket.initiate(ada.token)
        socket.subscribe(ME)
        assert socket.closed()[0] == 4403


def test_who_signs_in_after_it_begins_anew(place: Place) -> None:
    ada = with_things(place.server)
    cursor = ada.changes()["pageInfo"]["endCursor"]
    place.delete(ada)
    place.rows("UPDATE deleted_users SET deleted_at = now() - interval '1 minute'")
    again = place.server.user(ada.user_id)
    assert again.create("new")["version"] == 1
    assert again.changes(after=cursor)["reset"] is True


def later(server: Server, user: Caller, seconds: float) -> Caller:
    """Return the user with a token that is issued so many seconds from now."""
    claims = jwt.decode(str(user.token), options={"verify_signature": False})
    token = jwt.encode(claims | {"iat": time.time() + seconds}, SECRET, "HS256")
    return server.bearer(token, user.user_id)


def test_a_token_from_before_stays_refused_once_the_row_is_made_anew(
    bound_owner: Database, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada, eve = with_things(place.server), place.server.user()
    place.delete(ada)
    place.rows("UPDATE deleted_users SET deleted_at = now() - interval '20 seconds'")
    with running_server(settings_for(bound_owner.server_url), Intervals(sweep=1e6)) as server:
        before, again = server.bearer(ada.token, ada.user_id), later(server, ada, 20)
        task = again.create("anew")
        queries = (
            ME,
            "{ tasks { nodes { title } } }",
            f'{{ task(id: "{task["id"]}") {{ title }} }}',
            'mutation { createTask(input: {title: "back"}) { __typename } }',
            f'mutation {{ toggleTask(input: {{id: "{task["id"]}"}}) {{ __typename }} }}',
        )
        for query in nonempty(queries):
            assert refusal(before, query) == (401, 'Bearer error="invalid_token"', "DELETED")
        assert again.titles() == ["anew"]
        assert server.bearer(eve.token, eve.user_id).titles() == []
        with socket_to(server.url) as socket:
            socket.initiate(before.token)
            socket.subscribe("{ tasks { nodes { title } } }")
            assert socket.closed()[0] == 4403
        # A worker that has looked already looks again, also where nobody is heard.
        monkeypatch.setattr(deletions, "LOOK_EACH", 0.0)
        monkeypatch.setattr(deletions, "COUNTS_FOR", 0.0)
        place.delete(again)
        place.rows("UPDATE deleted_users SET deleted_at = now() - interval '10 seconds'")
        assert later(server, ada, 25).create("once more")["title"] == "once more"
        for user in nonempty((before, again)):
            assert refusal(user, queries[1])[2] == "DELETED"


def test_a_row_that_is_made_while_its_user_is_deleted_is_not_there_afterwards(place: Place) -> None:
    ada = place.server.user()
    with ThreadPoolExecutor() as pool, psycopg.connect(place.superuser_url) as connection:
        connection.execute(people.TAKE_TURN, [ada.user_id])
        connection.execute(people.REMEMBER, [ada.user_id, DAY])
        answer = pool.submit(ada.post, ME)
        waits = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        while not (answer.done() or place.rows(waits)):
            pass
        connection.commit()
        assert answer.result().status_code == 401
    assert tables_that_name(place, ada) == set()


def test_a_follower_who_is_not_notified_finds_out(bound_owner: Database, place: Place) -> None:
    settings = settings_for(bound_owner.server_url)
    with running_server(settings, Intervals(sweep=0.2)) as server:
        ada = with_things(server)
        with signed_in(server, ada.token) as socket:
            socket.follow(ada.changes()["pageInfo"]["endCursor"])
            with psycopg.connect(place.superuser_url) as connection:
                connection.execute(people.REMEMBER, [ada.user_id, DAY])
                connection.execute(people.DELETE_USER, [ada.user_id])
            assert socket.closed()[0] == 4403


async def test_who_was_deleted_is_remembered_as_long_as_tokens_live(
    bound_owner: Database, place: Place
) -> None:
    ids = [f"user-{uuid4().hex}" for _ in range(3)]
    for user in nonempty(ids):
        place.rows("INSERT INTO users (id, name) VALUES (%s, '')", user)
    days = [
        (delete(place.owner_url, user, timedelta(days=n)).remembered_until, n)
        for user, n in zip(ids[:2], (1, 60), strict=True)
    ]
    ((now,),) = place.rows("SELECT now()")
    assert [round((until - now) / DAY) for until, _ in days] == [30, 60]
    place.rows("UPDATE deleted_users SET expires_at = now() WHERE expires_at < now() + '31 days'")
    await purge(bound_owner.server_url, settings_for(bound_owner.server_url))
    left = place.rows("SELECT id_hash = sha256(convert_to(%s, 'UTF8')) FROM deleted_users", ids[1])
    assert left == [(True,)]


def test_a_role_that_would_not_see_all_is_refused(place: Place, bound_owner: Database) -> None:
    ada = with_things(place.server)
    user = str(ada.user_id)
    with pytest.raises(Failure, match="MIGRATION_DATABASE_URL"):
        list(exported(bound_owner.server_url, user))
    with pytest.raises(Failure, match="MIGRATION_DATABASE_URL"):
        delete(bound_owner.server_url, user, DAY)


def test_what_others_keep_of_a_user_stops_the_deletion(place: Place) -> None:
    ada = with_things(place.server)
    place.rows("CREATE TABLE bills (of_user text REFERENCES users (id))")
    place.rows("INSERT INTO bills VALUES (%s)", ada.user_id)
    try:
        with pytest.raises(Failure, match="bills"):
            place.delete(ada)
        assert len(ada.page()["nodes"]) == 7
    finally:
        place.rows("DROP TABLE bills")


def test_the_commands_say_in_a_sentence_what_they_did(
    place: Place,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("MIGRATION_DATABASE_URL", place.owner_url)
    monkeypatch.chdir(tmp_path)
    ada, file = with_things(place.server), tmp_path / "ada.jsonl"

    def run(*words: str) -> object:
        monkeypatch.setattr("sys.argv", ["todo-api", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        return ended.value.code

    assert run("export-user", str(ada.user_id), "--out", str(file)) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["ada.jsonl"]
    assert file.stat().st_mode & 0o777 == 0o600
    assert run("export-user", str(ada.user_id)) == 0
    assert capsys.readouterr().out == file.read_text()
    assert run("delete-user", str(ada.user_id), "--yes") == 0
    said = capsys.readouterr().out
    assert said.startswith(f"Deleted: the user {ada.user_id}, with 8 tasks. Until ")
    assert "Backups keep all of it until they expire" in said
    for words in (["export-user", str(ada.user_id)], ["delete-user", str(ada.user_id), "--yes"]):
        assert run(*words) == f"todo-api: There is no user {ada.user_id}."
    assert run("export-user", str(ada.user_id), "--out", str(tmp_path / "none")) != 0
    assert [path.name for path in tmp_path.iterdir()] == ["ada.jsonl"]
