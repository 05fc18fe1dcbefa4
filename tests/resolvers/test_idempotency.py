"""Sent once or many times, a mutation with a key happens once, and gets the same answer."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import permutations
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from graphql import (
    GraphQLInputField,
    GraphQLInputObjectType,
    build_schema,
    get_named_type,
    is_required_input_field,
)

from app.database.purge import purge
from graphql_schema.errors import ErrorCode
from graphql_schema.schema import schema as schema_of_the_code
from resolvers.statements import tasks
from tests.api import (
    CREATE,
    CREATE_LINK,
    CREATE_LIST,
    CREATE_MANY,
    DELETE,
    DELETE_LIST,
    DELETE_MANY,
    EMPTY,
    MOVE,
    MOVE_LIST,
    PURGE,
    RENAME_LABEL,
    RESTORE,
    RESTORE_LIST,
    RESTORE_MANY,
    REVOKE_LINK,
    TOGGLE,
    UNDO,
    UPDATE,
    UPDATE_LIST,
    UPDATE_MANY,
    Caller,
    Server,
    new_id,
    running_server,
    settings_for,
)
from tests.databases import Database

AT_ONCE = 50
TAKEN = (
    *("Task", "DeleteTaskSuccess", "UpdateTasksSuccess", "DeleteTasksSuccess"),
    *("PurgeTasksSuccess", "EmptyTrashSuccess", "CreateTasksSuccess", "RestoreTasksSuccess"),
    *("RenameLabelSuccess", "TaskList", "DeleteListSuccess", "UndoSuccess"),
    *("CreateCalendarLinkSuccess", "RevokeCalendarLinkSuccess"),
)
WITHOUT_ID = (CREATE, CREATE_MANY, CREATE_LIST, CREATE_LINK, EMPTY, RENAME_LABEL, UNDO)


@dataclass(frozen=True)
class Mutation:
    """A mutation of a task that is there, and what its answer is like however often it is sent."""

    document: str
    input: dict[str, Any]
    in_trash: bool = False
    of_list: bool = False
    """It is of a list."""
    of_link: bool = False
    """It is of a calendar link."""


MUTATIONS = {
    "createTask": Mutation(CREATE, {"title": "new"}),
    "updateTask": Mutation(UPDATE, {"title": "changed"}),
    "moveTask": Mutation(MOVE, {"place": {"first": True}}),
    "toggleTask": Mutation(TOGGLE, {}),
    "deleteTask": Mutation(DELETE, {}),
    "restoreTask": Mutation(RESTORE, {}, in_trash=True),
    "updateTasks": Mutation(UPDATE_MANY, {"ids": [], "completed": True}),
    "deleteTasks": Mutation(DELETE_MANY, {"ids": []}),
    "createTasks": Mutation(CREATE_MANY, {"tasks": [{"title": "new"}]}),
    "restoreTasks": Mutation(RESTORE_MANY, {"ids": []}, in_trash=True),
    "renameLabel": Mutation(RENAME_LABEL, {"from": "home", "to": "house"}),
    "purgeTasks": Mutation(PURGE, {"ids": []}, in_trash=True),
    "emptyTrash": Mutation(EMPTY, {}, in_trash=True),
    "createList": Mutation(CREATE_LIST, {"name": "new", "place": {"first": True}}, of_list=True),
    "updateList": Mutation(UPDATE_LIST, {"name": "changed"}, of_list=True),
    "moveList": Mutation(MOVE_LIST, {"place": {"first": True}}, of_list=True),
    "deleteList": Mutation(DELETE_LIST, {}, of_list=True),
    "restoreList": Mutation(RESTORE_LIST, {}, in_trash=True, of_list=True),
    # Without the address, which is told once: a test of its own has it.
    "createCalendarLink": Mutation(CREATE_LINK, {"name": "new"}, of_link=True),
    "revokeCalendarLink": Mutation(REVOKE_LINK, {}, of_link=True),
    "undo": Mutation(UNDO, {"actionKey": "an action"}),
}


@pytest.fixture(params=MUTATIONS)
def mutation(request: pytest.FixtureRequest, server: Server) -> tuple[Caller, str, dict[str, Any]]:
    """A user, a document, and an input with a key, for each mutation in turn."""
    mutation, user = MUTATIONS[request.param], server.user()
    task = user.create(labels=["home"], idempotencyKey="an action")
    if mutation.of_list:
        task = user.create_list()
    if mutation.of_link:
        task = user.create_link()["link"]
    if mutation.in_trash:
        (user.delete_list if mutation.of_list else user.delete)(id=task["id"])
    input = {**mutation.input, "idempotencyKey": str(uuid4())}
    if "ids" in input:
        input["ids"] = [task["id"]]
    elif mutation.document not in WITHOUT_ID:
        input["id"] = task["id"]
    return user, mutation.document, input


def input_fields() -> dict[str, dict[str, GraphQLInputField]]:
    """Return the fields of each mutation's input."""
    schema = build_schema(schema_of_the_code.as_str())
    assert schema.mutation_type is not None
    found = {}
    for name, mutation_field in schema.mutation_type.fields.items():
        input_type = get_named_type(mutation_field.args["input"].type)
        assert isinstance(input_type, GraphQLInputObjectType)
        found[name] = input_type.fields
    return found


INPUTS = input_fields()


def required(name: str) -> set[str]:
    """Return the fields that must be given; of several values one is enough."""
    one_of = {"completed"} if name == "updateTasks" else set[str]()
    return {n for n, each in INPUTS[name].items() if is_required_input_field(each)} | one_of


ALIKE = [
    (one, other)
    for one, other in permutations(INPUTS, 2)
    if required(one) <= INPUTS[other].keys()
    and required(other) <= INPUTS[one].keys()
    # No id is one of a task, of a list and of a link.
    and MUTATIONS[one].of_list is MUTATIONS[other].of_list
    and MUTATIONS[one].of_link is MUTATIONS[other].of_link
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
    id, fresh = user.create()["id"], new_id()
    if MUTATIONS[one].of_list:
        id, fresh = user.create_list()["id"], f"L{fresh}"
    if MUTATIONS[one].of_link:
        id = user.create_link()["link"]["id"]
    values = {
        "id": fresh if one.startswith("create") else id,
        "ids": [id],
        "title": "Milk",
        "name": "Home",
        "place": {"first": True},
    }
    input = {name: values[name] for name in required(one) | required(other)}
    input["idempotencyKey"] = str(uuid4())
    assert user.data(MUTATIONS[one].document, input=input)[one]["__typename"] in TAKEN
    before = user.all_changes()
    result = user.execute(MUTATIONS[other].document, {"input": input})
    assert [error["extensions"]["code"] for error in result["errors"]] == [
        ErrorCode.IDEMPOTENCY_KEY_PARAMETER_MISMATCH
    ]
    assert user.all_changes() == before


def test_ticking_and_deleting_are_among_those_that_take_the_same_values() -> None:
    assert ("toggleTask", "deleteTask") in ALIKE


def test_what_is_sent_again_happens_once_and_gets_the_same_answer(
    mutation: tuple[Caller, str, dict[str, Any]],
) -> None:
    user, document, input = mutation
    first = user.data(document, input=input)
    assert next(iter(first.values()))["__typename"] in TAKEN
    before = user.all_changes()
    assert [user.data(document, input=input) for _ in range(3)] == [first] * 3
    assert user.all_changes() == before


def test_a_key_that_many_use_at_once_counts_once(
    mutation: tuple[Caller, str, dict[str, Any]],
) -> None:
    user, document, input = mutation
    before = user.create()["version"]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = list(pool.map(lambda _: user.data(document, input=input), range(AT_ONCE)))
    assert answers == [answers[0]] * AT_ONCE
    # A removal takes no number, for the deletion has one; nor does what is in no feed.
    without_number = (PURGE, EMPTY, CREATE_LINK, REVOKE_LINK)
    assert user.create()["version"] == before + (1 if document in without_number else 2)


def test_another_input_under_the_same_key_is_refused(
    mutation: tuple[Caller, str, dict[str, Any]],
) -> None:
    user, document, input = mutation
    user.data(document, input=input)
    before = user.all_changes()
    others = [(CREATE, {"title": "another"}), (TOGGLE, {"id": "1"}), (DELETE, {"id": "1"})]
    for other_document, other in others:
        result = user.execute(
            other_document, {"input": {**other, "idempotencyKey": input["idempotencyKey"]}}
        )
        assert [error["extensions"]["code"] for error in result["errors"]] == [
            ErrorCode.IDEMPOTENCY_KEY_PARAMETER_MISMATCH
        ]
    assert user.all_changes() == before


def test_a_null_in_a_new_task_is_as_if_it_were_left_out(server: Server, database: Database) -> None:
    user, key = server.user(), str(uuid4())
    task = user.create("Milk", idempotencyKey=key)
    assert user.create("Milk", idempotencyKey=key, description=None) == task
    # What code from before has written beside such a null.
    older = "041474ca153d03bb621a8e81b00abcb4b9fb5207df7a4f77ae61d9bf8c9536de"
    with psycopg.connect(database.superuser_url) as connection:
        connection.execute(
            "UPDATE idempotency_keys SET request = %s WHERE user_id = %s", [older, user.user_id]
        )
    assert user.create("Milk", idempotencyKey=key, description=None) == task
    input = {"title": "Milk", "description": "two bottles", "idempotencyKey": key}
    (error,) = user.execute(CREATE, {"input": input})["errors"]
    assert error["extensions"]["code"] == ErrorCode.IDEMPOTENCY_KEY_PARAMETER_MISMATCH
    assert user.titles() == ["Milk"]


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
    fetch = server.running.database.fetch

    async def remove_first(statement: Any) -> Any:
        if statement.sql is tasks.replay(statement.owner, key).sql:
            with psycopg.connect(database.superuser_url) as connection:
                connection.execute("DELETE FROM idempotency_keys WHERE key = %s", [key])
        return await fetch(statement)

    monkeypatch.setattr(server.running.database, "fetch", remove_first)
    again = user.create("Milk", idempotencyKey=key)
    assert (again["title"], again["version"]) == ("Milk", first["version"] + 1)


def test_a_key_that_is_there_and_is_not_has_an_end(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    user, key = server.user(), str(uuid4())
    user.create(idempotencyKey=key)
    fetch = server.running.database.fetch

    async def find_nothing(statement: Any) -> Any:
        rows = await fetch(statement)
        return [] if statement.sql is tasks.replay(statement.owner, key).sql else rows

    monkeypatch.setattr(server.running.database, "fetch", find_nothing)
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


def test_an_update_of_nothing_takes_a_key(server: Server) -> None:
    user = server.user()
    input = {"id": user.create()["id"], "idempotencyKey": str(uuid4())}
    first = user.update(**input)
    assert (first["__typename"], first["version"]) == ("Task", 1)
    assert user.update(**input) == first


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


async def test_keys_are_forgotten_after_a_week_and_not_before(database: Database) -> None:
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
            "now() - make_interval(hours => hours) FROM unnest(ARRAY[1, 167, 169]) AS hours",
            [user_id],
        )
        await purge(database.server_url, settings_for(database.server_url))
        cursor = await connection.execute(
            "SELECT key FROM idempotency_keys WHERE user_id = %s ORDER BY created_at", [user_id]
        )
        assert await cursor.fetchall() == [("167 hours",), ("1 hours",)]


NEW_VALUES = {"dueOn": "2028-02-29", "dueTime": "09:00", "priority": "HIGH", "labels": ["a", "b"]}


@pytest.mark.parametrize("name", ["createTask", "updateTask", "updateTasks"])
def test_days_times_priorities_and_labels_are_part_of_what_is_sent_again(
    server: Server, name: str
) -> None:
    user = server.user()
    id, document = user.create()["id"], MUTATIONS[name].document
    values: dict[str, Any] = {**NEW_VALUES, "idempotencyKey": str(uuid4())}
    others: dict[str, Any] = {"dueOn": "2028-03-01", "dueTime": "09:01", "priority": "LOW"}
    match name:
        case "createTask":
            values |= {"title": "x"}
        case "updateTask":
            values |= {"id": id, "completed": True, "today": "2028-02-01"}
            others |= {"labels": ["b", "a"], "today": "2028-02-02"}
        case "updateTasks":
            values |= {"ids": [id], "addLabels": values.pop("labels")}
            others |= {"addLabels": ["b"], "removeLabels": ["a"]}
    first = user.data(document, input=values)
    assert next(iter(first.values()))["__typename"] in TAKEN
    before = user.all_changes()
    # The same time in another form is the same input.
    assert user.data(document, input={**values, "dueTime": "09:00:00"}) == first
    for member, other in others.items():
        result = user.execute(document, {"input": {**values, member: other}})
        assert [error["extensions"]["code"] for error in result["errors"]] == [
            ErrorCode.IDEMPOTENCY_KEY_PARAMETER_MISMATCH
        ]
    assert user.all_changes() == before


def test_what_new_fields_are_by_default_is_as_if_it_were_left_out(server: Server) -> None:
    user, key = server.user(), str(uuid4())
    task = user.create("Milk", idempotencyKey=key)
    defaults: dict[str, Any] = {
        "priority": "NONE",
        "labels": [],
        "dueOn": None,
        "dueTime": None,
        "id": None,
    }
    assert user.create("Milk", idempotencyKey=key, **defaults) == task
    assert user.page()["totalCount"] == 1


def test_a_conflict_is_told_again_with_the_task_as_it_is_by_then(server: Server) -> None:
    user, key = server.user(), str(uuid4())
    id = user.create()["id"]
    stale = {"id": id, "dueOn": "2028-02-29", "expectedVersion": 7, "idempotencyKey": key}
    assert user.update(**stale)["current"]["version"] == 1
    user.update(id=id, title="changed")
    again = user.update(**stale)
    assert again["__typename"] == "VersionConflict"
    assert (again["current"]["version"], again["current"]["title"]) == (2, "changed")
    fresh = {"id": id, "priority": "HIGH", "expectedVersion": 2, "idempotencyKey": str(uuid4())}
    assert user.update(**fresh)["version"] == 3
    user.update(id=id, title="changed again")
    replayed = user.update(**fresh)
    assert (replayed["__typename"], replayed["version"]) == ("Task", 4)


def test_a_batch_sent_again_shows_what_was_asked_for_alone(server: Server) -> None:
    user = server.user()
    ids = [user.create(labels=["a"])["id"] for _ in range(3)]
    input = {"ids": ids[:2], "addLabels": ["b"], "idempotencyKey": str(uuid4())}
    user.update_many(**input)
    user.update(id=ids[0], title="changed")
    user.update(id=ids[2], title="changed, too")
    tasks = user.update_many(**input)["tasks"]
    assert [task["id"] for task in tasks] == ids[:2]
    assert [task["title"] for task in tasks] == ["changed", "Milk"]


def test_what_was_refused_under_a_key_may_come_again(server: Server) -> None:
    user, key = server.user(), str(uuid4())
    id = user.create()["id"]
    input = {"id": id, "dueTime": "09:00", "idempotencyKey": key}
    assert user.update(**input)["__typename"] == "InvalidInput"
    user.update(id=id, dueOn="2028-02-29")
    assert user.update(**input)["dueTime"] == "09:00"
    user.update(id=id, dueOn=None)
    # It was done once, and so is not refused.
    assert user.update(**input)["__typename"] == "Task"
