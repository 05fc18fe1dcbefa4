"""Sent once or many times, a mutation with a key happens once, and gets the same answer."""

import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import partial
from itertools import permutations
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import psutil
import psycopg
import pytest
import strawberry
from graphql import (
    GraphQLInputField,
    GraphQLInputObjectType,
    build_schema,
    get_named_type,
    is_required_input_field,
)
from strawberry import ID, UNSET

from app.database.purge import purge
from app.database.roles import SERVER_ROLE
from auth.tokens import make_token
from graphql_schema.errors import ErrorCode
from graphql_schema.inputs import (
    CreateTaskInput,
    DeleteTaskInput,
    DeleteTasksInput,
    MutationInput,
    RestoreTaskInput,
    ToggleTaskInput,
    UpdateTaskInput,
    UpdateTasksInput,
)
from graphql_schema.schema import build_schema as schema_of_the_code
from resolvers.idempotency import _digest
from resolvers.statements import tasks
from tests.api import (
    CREATE,
    DELETE,
    DELETE_MANY,
    RESTORE,
    SECRET,
    TOGGLE,
    UPDATE,
    UPDATE_MANY,
    Caller,
    Server,
    nonempty,
    running_server,
    settings_for,
)
from tests.counts import Count
from tests.database.test_faults import Victim, kill_a_backend, kill_the_postmaster, victim
from tests.databases import Database
from tests.http.test_serving import Process, started
from tests.proxy import proxy_before

__all__ = ["victim"]

AT_ONCE = 50
LOST = 200
"""Answers to lose on the way, every second one."""

AGAIN = {"SERVICE_UNAVAILABLE", "TIMEOUT", "IDEMPOTENCY_CONCURRENT_REQUEST"}
"""The codes of what is to be sent again."""

TAKEN = ("Task", "DeleteTaskSuccess", "UpdateTasksSuccess", "DeleteTasksSuccess")


@dataclass(frozen=True)
class Mutation:
    """A mutation of a task that is there, and what its answer is like however often it is sent."""

    document: str
    input: dict[str, Any]
    in_trash: bool = False


MUTATIONS = {
    "createTask": Mutation(CREATE, {"title": "new"}),
    "updateTask": Mutation(UPDATE, {"title": "changed"}),
    "toggleTask": Mutation(TOGGLE, {}),
    "deleteTask": Mutation(DELETE, {}),
    "restoreTask": Mutation(RESTORE, {}, in_trash=True),
    "updateTasks": Mutation(UPDATE_MANY, {"ids": [], "completed": True}),
    "deleteTasks": Mutation(DELETE_MANY, {"ids": []}),
}


DAY_OLD: list[tuple[MutationInput, str]] = [
    (
        CreateTaskInput(title="Milk"),
        "e714046787891a9aa17ca3c6761861ffd3c428ef7956afd76398c5d0df1776ab",
    ),
    (
        CreateTaskInput(title="Milk", idempotency_key="not part of it"),
        "e714046787891a9aa17ca3c6761861ffd3c428ef7956afd76398c5d0df1776ab",
    ),
    (
        CreateTaskInput(title="Milk", description=None),
        "041474ca153d03bb621a8e81b00abcb4b9fb5207df7a4f77ae61d9bf8c9536de",
    ),
    (
        CreateTaskInput(title="Milk", description="é 😀"),
        "6d062a64f65220913c78d1ba1336cccc26e4fd4352d87f6cae02248ddde4a0d6",
    ),
    (
        UpdateTaskInput(id=ID("7")),
        "bb9119f0ff70e4b9b4796ac4fa986e997f5f2f0672a06a157e18b39da3ebbe70",
    ),
    (
        UpdateTaskInput(
            id=ID("7"), title="Milk", description=None, completed=True, expected_version=3
        ),
        "8f91afac6c7446942a875c9a8b863041f31825a94c06e1197ea609c11e58b1fb",
    ),
    (
        ToggleTaskInput(id=ID("7")),
        "3bc9e07fff7b34de5f10959644b0308007e938a7cacef12791d12e8a4584a585",
    ),
    (
        ToggleTaskInput(id=ID("7"), expected_version=None),
        "8b2ec6ec6e3517b979dbaf381e300b6a28bc80a2edf13b63e860bf936e8c0d30",
    ),
    (
        DeleteTaskInput(id=ID("7"), expected_version=1),
        "515b3ac6e8657558786d9981b39d1b81de84ff436d1edc864cae955b568443d3",
    ),
    (
        RestoreTaskInput(id=ID("7")),
        "67adf09a316f8cbfaa58d5a18f1b46bb924e333e3cfbfae7102fc3b0df55c3ca",
    ),
    (
        UpdateTasksInput(ids=[ID("7"), ID("8")], completed=False),
        "01363a20934b2973edcf553671ddd190ca34a5fe9fef7871275f5196d81aabba",
    ),
    (
        DeleteTasksInput(ids=[]),
        "0037c5695c403be6facad297080f4e842fbd92e61dc244670ebaf1ca9b22aa46",
    ),
]
"""Inputs, and the hashes that stand in databases beside the keys of the last 24 hours."""


@pytest.mark.parametrize(("input", "digest"), DAY_OLD)
def test_the_hash_of_an_input_never_changes(input: MutationInput, digest: str) -> None:
    assert _digest(input) == digest


@strawberry.input
class WithNewFields(ToggleTaskInput):
    """What an input may become, with a field of each kind that can be added."""

    due_on: date | None = UNSET
    remind_at: datetime | None = UNSET
    urgent: bool = False
    tags: list[str] = strawberry.field(default_factory=list)


# The name is in the hash.
WithNewFields.__name__ = ToggleTaskInput.__name__


def test_a_new_field_that_is_left_out_changes_no_hash() -> None:
    assert _digest(WithNewFields(id=ID("7"))) == _digest(ToggleTaskInput(id=ID("7")))


def test_every_value_that_is_given_changes_the_hash() -> None:
    day, moment = date(2026, 1, 31), datetime(2026, 1, 31, tzinfo=UTC)
    inputs = [
        WithNewFields(id=ID("7")),
        WithNewFields(id=ID("8")),
        WithNewFields(id=ID("7"), due_on=None),
        WithNewFields(id=ID("7"), due_on=day),
        WithNewFields(id=ID("7"), due_on=day + timedelta(days=1)),
        WithNewFields(id=ID("7"), remind_at=moment),
        WithNewFields(id=ID("7"), remind_at=moment + timedelta(microseconds=1)),
        WithNewFields(id=ID("7"), urgent=True),
        WithNewFields(id=ID("7"), tags=["urgent"]),
    ]
    assert len({_digest(input) for input in inputs}) == len(inputs)


def changes_of(user: Caller) -> int:
    """Return the number of the user's latest change."""
    version: int = max(change["version"] for change in user.changes()["nodes"])
    return version


@pytest.fixture(params=MUTATIONS)
def mutation(request: pytest.FixtureRequest, server: Server) -> tuple[Caller, str, dict[str, Any]]:
    """A user, a document, and an input with a key, for each mutation in turn."""
    mutation, user = MUTATIONS[request.param], server.user()
    task = user.create()
    if mutation.in_trash:
        user.delete(id=task["id"])
    input = {**mutation.input, "idempotencyKey": str(uuid4())}
    if "ids" in input:
        input["ids"] = [task["id"]]
    elif mutation.document != CREATE:
        input["id"] = task["id"]
    return user, mutation.document, input


def input_fields() -> dict[str, dict[str, GraphQLInputField]]:
    """Return the fields of each mutation's input."""
    schema = build_schema(schema_of_the_code().as_str())
    assert schema.mutation_type is not None
    found = {}
    for name, mutation_field in schema.mutation_type.fields.items():
        input_type = get_named_type(mutation_field.args["input"].type)
        assert isinstance(input_type, GraphQLInputObjectType)
        found[name] = input_type.fields
    return found


INPUTS = input_fields()


def required(name: str) -> set[str]:
    return {n for n, each in INPUTS[name].items() if is_required_input_field(each)}


ALIKE = [
    (one, other)
    for one, other in permutations(INPUTS, 2)
    if required(one) <= INPUTS[other].keys() and required(other) <= INPUTS[one].keys()
]
"""Mutations that take the same values, in both orders."""


def test_every_mutation_takes_a_key() -> None:
    assert INPUTS.keys() == MUTATIONS.keys()
    for fields in INPUTS.values():
        assert "idempotencyKey" in fields


@pytest.mark.parametrize(("one", "other"), ALIKE)
def test_a_key_is_not_taken_for_another_mutation_with_the_same_values(
    server: Server, one: str, other: str
) -> None:
    user = server.user()
    id = user.create()["id"]
    values = {"id": id, "ids": [id], "title": "Milk", "completed": True}
    input = {name: values[name] for name in required(one) | required(other)}
    input["idempotencyKey"] = str(uuid4())
    assert user.data(MUTATIONS[one].document, input=input)[one]["__typename"] in TAKEN
    before = user.changes()
    result = user.execute(MUTATIONS[other].document, {"input": input})
    assert [error["extensions"]["code"] for error in result["errors"]] == [
        ErrorCode.IDEMPOTENCY_KEY_PARAMETER_MISMATCH
    ]
    assert user.changes() == before


def test_ticking_and_deleting_are_among_those_that_take_the_same_values() -> None:
    assert ("toggleTask", "deleteTask") in ALIKE


def test_what_is_sent_again_happens_once_and_gets_the_same_answer(
    mutation: tuple[Caller, str, dict[str, Any]],
) -> None:
    user, document, input = mutation
    first = user.data(document, input=input)
    assert next(iter(first.values()))["__typename"] in TAKEN
    before = user.changes()
    assert [user.data(document, input=input) for _ in range(3)] == [first] * 3
    assert user.changes() == before


def test_a_key_that_many_use_at_once_counts_once(
    mutation: tuple[Caller, str, dict[str, Any]],
) -> None:
    user, document, input = mutation
    before = changes_of(user)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = list(pool.map(lambda _: user.data(document, input=input), range(AT_ONCE)))
    assert answers == [answers[0]] * AT_ONCE
    assert changes_of(user) == before + 1


def test_another_input_under_the_same_key_is_refused(
    mutation: tuple[Caller, str, dict[str, Any]],
) -> None:
    user, document, input = mutation
    user.data(document, input=input)
    before = user.changes()
    others = [(CREATE, {"title": "another"}), (TOGGLE, {"id": "1"}), (DELETE, {"id": "1"})]
    for other_document, other in others:
        result = user.execute(
            other_document, {"input": {**other, "idempotencyKey": input["idempotencyKey"]}}
        )
        assert [error["extensions"]["code"] for error in result["errors"]] == [
            ErrorCode.IDEMPOTENCY_KEY_PARAMETER_MISMATCH
        ]
    assert user.changes() == before


def test_a_key_is_its_users_own(server: Server) -> None:
    key = str(uuid4())
    ada, bob = server.user(), server.user()
    mine = ada.create("mine", idempotencyKey=key)
    assert bob.create("his", idempotencyKey=key)["title"] == "his"
    assert ada.create("mine", idempotencyKey=key) == mine
    assert bob.titles() == ["his"]


def test_the_answer_shows_the_task_as_it_is_now(server: Server) -> None:
    user, key = server.user(), str(uuid4())
    task = user.create("before", idempotencyKey=key)
    now = user.update(id=task["id"], title="after")
    assert user.create("before", idempotencyKey=key) == {
        name: value for name, value in now.items() if name != "__typename"
    }


def test_a_deletion_keeps_its_version(server: Server) -> None:
    user, key = server.user(), str(uuid4())
    task = user.create()
    deleted = user.delete(id=task["id"], idempotencyKey=key)
    user.restore(id=task["id"])
    assert user.delete(id=task["id"], idempotencyKey=key) == deleted
    assert user.get(task["id"]) is not None


def test_a_key_that_is_removed_while_it_is_looked_up_is_free_again(
    server: Server, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    user, key = server.user(), str(uuid4())
    first = user.create("Milk", idempotencyKey=key)
    fetch = server.app.state.database.fetch

    async def remove_first(statement: Any) -> Any:
        if statement.sql is tasks.replay(statement.owner, key).sql:
            with psycopg.connect(database.superuser_url) as connection:
                connection.execute("DELETE FROM idempotency_keys WHERE key = %s", [key])
        return await fetch(statement)

    monkeypatch.setattr(server.app.state.database, "fetch", remove_first)
    again = user.create("Milk", idempotencyKey=key)
    assert (again["title"], again["version"]) == ("Milk", first["version"] + 1)


def test_a_key_that_is_there_and_is_not_has_an_end(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    user, key = server.user(), str(uuid4())
    user.create(idempotencyKey=key)
    fetch = server.app.state.database.fetch

    async def find_nothing(statement: Any) -> Any:
        rows = await fetch(statement)
        return [] if statement.sql is tasks.replay(statement.owner, key).sql else rows

    monkeypatch.setattr(server.app.state.database, "fetch", find_nothing)
    result = user.execute(CREATE, {"input": {"title": "Milk", "idempotencyKey": key}})
    assert [error["extensions"]["code"] for error in result["errors"]] == [
        ErrorCode.IDEMPOTENCY_CONCURRENT_REQUEST
    ]


def test_a_creation_whose_task_has_been_removed_is_not_answered_by_a_failure_of_ours(
    server: Server, database: Database
) -> None:
    user, key = server.user(), str(uuid4())
    id = user.create("Milk", idempotencyKey=key)["id"]
    with psycopg.connect(database.superuser_url) as connection:
        connection.execute("DELETE FROM tasks WHERE id = %s", [int(id)])
    result = user.execute(CREATE, {"input": {"title": "Milk", "idempotencyKey": key}})
    (error,) = result["errors"]
    assert error["extensions"] == {"code": "BAD_USER_INPUT"}
    assert user.titles() == []


def test_a_failure_stays_one(server: Server) -> None:
    user, not_found, conflict = server.user(), str(uuid4()), str(uuid4())
    task = user.create()
    outdated = {"id": task["id"], "expectedVersion": 7, "idempotencyKey": conflict}
    assert user.toggle(**outdated)["__typename"] == "VersionConflict"
    user.delete(id=task["id"])
    gone = {"id": task["id"], "idempotencyKey": not_found}
    assert user.toggle(**gone)["__typename"] == "TaskNotFound"
    now = user.restore(id=task["id"])
    assert user.toggle(**gone)["__typename"] == "TaskNotFound"
    again = user.toggle(**outdated)
    assert (again["__typename"], again["current"]["version"]) == ("VersionConflict", now["version"])


def test_an_input_that_was_refused_takes_no_key(server: Server) -> None:
    user, key = server.user(), str(uuid4())
    refused = user.data(CREATE, input={"title": " ", "idempotencyKey": key})["createTask"]
    assert refused["__typename"] == "InvalidInput"
    assert user.create("mended", idempotencyKey=key)["title"] == "mended"


@pytest.mark.parametrize("key", ["", "x" * 256, "a\0b", "half \ud800"])
def test_a_key_that_cannot_be_kept_is_refused(server: Server, key: str) -> None:
    user = server.user()
    result = user.execute(CREATE, {"input": {"title": "Milk", "idempotencyKey": key}})
    assert [error["extensions"]["code"] for error in result["errors"]] == ["BAD_USER_INPUT"]
    assert user.titles() == []


def test_who_waits_too_long_for_a_request_with_the_same_key_is_told_so(
    migrated_database: Database,
) -> None:
    settings = settings_for(migrated_database.server_url, database_statement_timeout=0.3)
    with (
        running_server(settings) as server,
        psycopg.connect(migrated_database.superuser_url) as connection,
    ):
        user, key = server.user(), str(uuid4())
        user.create()
        # As if another worker were at it, and did not get on.
        connection.execute(
            "INSERT INTO idempotency_keys (user_id, key, request, outcome) "
            "VALUES (%s, %s, '', '[]')",
            [user.user_id, key],
        )
        result = user.execute(CREATE, {"input": {"title": "again", "idempotencyKey": key}})
        assert [error["extensions"]["code"] for error in result["errors"]] == [
            ErrorCode.IDEMPOTENCY_CONCURRENT_REQUEST
        ]
        connection.rollback()
        assert user.create("again", idempotencyKey=key)["title"] == "again"


async def test_keys_are_forgotten_after_a_day_and_not_before(database: Database) -> None:
    user_id = f"user-{uuid4().hex}"
    async with await psycopg.AsyncConnection.connect(
        database.superuser_url, autocommit=True
    ) as connection:
        await connection.execute(
            "INSERT INTO users (id, name, email_verified, created_at, updated_at) "
            "VALUES (%s, '', false, now(), now())",
            [user_id],
        )
        await connection.execute(
            "INSERT INTO idempotency_keys SELECT %s, hours || ' hours', '', '[]', "
            "now() - make_interval(hours => hours) FROM unnest(ARRAY[1, 23, 25]) AS hours",
            [user_id],
        )
        await purge(database.server_url, settings_for(database.server_url))
        cursor = await connection.execute(
            "SELECT key FROM idempotency_keys WHERE user_id = %s ORDER BY created_at", [user_id]
        )
        assert await cursor.fetchall() == [("23 hours",), ("1 hours",)]


def send_until_answered(send: Callable[[], httpx2.Response]) -> dict[str, Any]:
    """Send as a client does that gives up on nothing; return the data that it gets in the end."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            result = send().json()
        except httpx2.TransportError:
            time.sleep(0.05)
            continue
        if "errors" not in result:
            data: dict[str, Any] = result["data"]
            return data
        codes = {error["extensions"]["code"] for error in result["errors"]}
        assert codes <= AGAIN, result
        time.sleep(0.05)
    raise AssertionError("nothing was answered for a minute")


def test_lost_answers_duplicate_nothing(migrated_database: Database, count: Count) -> None:
    titles: list[str] = []
    with proxy_before(migrated_database) as proxy:
        proxy.chance = 0.5
        settings = settings_for(proxy.url(SERVER_ROLE, migrated_database))
        with running_server(settings) as server:

            def create(user: Caller) -> None:
                while proxy.lost < LOST:
                    title = f"lose {uuid4().hex}"
                    variables = {"input": {"title": title, "idempotencyKey": title}}
                    send_until_answered(partial(user.post, CREATE, variables))
                    titles.append(title)

            users = [server.user() for _ in range(4)]
            for user in users:
                assert user.data("{ me { id } }")
            proxy.lose = b"lose "
            with ThreadPoolExecutor(len(users)) as pool:
                list(pool.map(create, users))
    with psycopg.connect(migrated_database.superuser_url) as connection:
        stored = [title for (title,) in connection.execute("SELECT title FROM tasks").fetchall()]
    count("answers lost to clients that sent again with a key", proxy.lost)
    count("writes with a key that were there twice", len(stored) - len(set(stored)))
    assert sorted(stored) == sorted(titles)


@pytest.mark.parametrize("has_key", [True, False])
def test_a_lost_answer_is_noticed_by_those_alone_who_sent_no_key(
    migrated_database: Database, has_key: bool
) -> None:
    with (
        proxy_before(migrated_database) as proxy,
        running_server(settings_for(proxy.url(SERVER_ROLE, migrated_database))) as server,
    ):
        user = server.user()
        assert user.data("{ me { id } }")
        proxy.losses_left, proxy.lose = 1, b"lose this"
        key = {"idempotencyKey": str(uuid4())} if has_key else {}
        result = user.execute(CREATE, {"input": {"title": "lose this", **key}})
        assert proxy.lost == 1
        # It was committed, which nobody could know.
        assert user.titles() == ["lose this"]
    if has_key:
        assert "errors" not in result
        assert result["data"]["createTask"]["title"] == "lose this"
    else:
        (error,) = result["errors"]
        assert error["extensions"]["code"] == "SERVICE_UNAVAILABLE"


@dataclass
class Actor:
    """A user whose client sends each change again and again, sometimes several times at once."""

    user: Caller
    random: random.Random
    done: threading.Event
    titles: list[str] = field(default_factory=list)
    toggles: dict[str, int] = field(default_factory=dict)
    """How often each task was toggled."""
    sent: int = 0

    def act(self) -> None:
        while not self.done.is_set():
            key = str(uuid4())
            if not self.toggles or self.random.random() < 0.4:
                title = f"{key} of mine"
                self.send(CREATE, {"title": title, "idempotencyKey": key}, self.created)
                self.titles.append(title)
            else:
                id = self.random.choice(list(self.toggles))
                self.send(TOGGLE, {"id": id, "idempotencyKey": key}, lambda _: None)
                self.toggles[id] += 1

    def created(self, data: dict[str, Any]) -> None:
        self.toggles.setdefault(data["createTask"]["id"], 0)

    def send(
        self, document: str, input: dict[str, Any], heed: Callable[[dict[str, Any]], None]
    ) -> None:
        def one(_: int) -> dict[str, Any]:
            return send_until_answered(lambda: self.user.post(document, {"input": input}))

        at_once, again = self.random.randint(1, 3), self.random.randint(0, 2)
        with ThreadPoolExecutor(at_once) as pool:
            for data in pool.map(one, range(at_once)):
                heed(data)
        for _ in range(again):
            heed(one(0))
        self.sent += at_once + again


def callers(url: str) -> Iterator[Caller]:
    for number in range(4):
        user_id = f"actor-{number}"
        lifetime = timedelta(minutes=5)
        token = make_token(SECRET, user_id=user_id, lifetime=lifetime, issuer=None, audience=None)
        yield Caller(url, user_id, token)


def a_worker_is_killed(server: Process) -> None:
    workers = [
        child
        for child in psutil.Process(server.process.pid).children()
        if any("spawn_main" in word for word in child.cmdline())
    ]
    workers[0].kill()


def test_whoever_is_killed_each_change_is_there_once(
    victim: Victim, count: Count, tmp_path: Path
) -> None:
    environment = {
        "DATABASE_URL": victim.postgres.url(SERVER_ROLE, "todo"),
        "DATABASE_STATEMENT_TIMEOUT": "2",
        "BETTER_AUTH_SECRET": SECRET,
    }
    command = ["todo-api", "serve", "--workers", "2", "--port", "{port}"]
    with started(command, environment, tmp_path) as process:
        process.wait_until_ready()
        done = threading.Event()
        actors = [
            Actor(caller, random.Random(number), done)
            for number, caller in enumerate(callers(f"http://127.0.0.1:{process.port}"))
        ]
        with ThreadPoolExecutor(len(actors)) as pool:
            acting = [pool.submit(actor.act) for actor in actors]
            try:
                time.sleep(1)
                kill_a_backend(victim)
                time.sleep(0.5)
                a_worker_is_killed(process)
                time.sleep(1)
                kill_the_postmaster(victim)
                time.sleep(1)
            finally:
                done.set()
            for each in acting:
                each.result()
        for actor in actors:
            actor.user.http.close()
    with psycopg.connect(victim.url) as connection:
        stored = {
            actor.user.user_id: connection.execute(
                "SELECT id::text, title, completed FROM tasks WHERE user_id = %s",
                [actor.user.user_id],
            ).fetchall()
            for actor in actors
        }
        counters = connection.execute("SELECT user_id, version FROM task_counters").fetchall()
        versions: dict[str, int] = dict(counters)
    count("requests with keys while servers and databases were killed", sum(a.sent for a in actors))
    for actor in nonempty(actors):
        rows = stored[actor.user.user_id]
        assert sorted(title for _, title, _ in rows) == sorted(actor.titles)
        assert {id: done for id, _, done in rows} == {
            id: times % 2 == 1 for id, times in actor.toggles.items()
        }
        # Each change has a number of its own, so there were as many as were acknowledged.
        assert versions[str(actor.user.user_id)] == len(actor.titles) + sum(actor.toggles.values())
