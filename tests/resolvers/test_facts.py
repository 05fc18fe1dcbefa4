"""What a model says of its fields holds in the schema, the rights, the checks and the answers."""

from typing import Any
from uuid import uuid4

import psycopg
import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLObjectType,
    build_schema,
)
from sqlalchemy import (
    ARRAY,
    Boolean,
    Date,
    DateTime,
    Integer,
    SmallInteger,
    String,
    Text,
    Time,
    create_engine,
)
from sqlalchemy.pool import NullPool
from strawberry.utils.str_converters import to_camel_case

from app.database.expected import EXPECTED
from graphql_schema.schema import schema as schema_of_the_code
from models.fact import Fact, May
from models.metadata import metadata
from models.task import TASK_FACTS, TaskRow
from models.user import USER_FACTS, UserRow
from tests.api import CREATE, UPDATE, Caller, Server, nonempty
from tests.databases import Database
from tests.facts import facts_with, sent_values_of, values_of

SCHEMA = build_schema(schema_of_the_code.as_str())

SCALARS: dict[type, str] = {
    ARRAY: "[String!]",
    Boolean: "Boolean",
    Date: "Date",
    DateTime: "DateTime",
    Integer: "Int",
    SmallInteger: "TaskPriority",
    String: "String",
    Text: "String",
    Time: "TimeOfDay",
}

BESIDES = {
    "CreateTaskInput": {"id", "listId", "parentId", "place", "recurrence", "idempotencyKey"},
    "UpdateTaskInput": {
        *("id", "listId", "today", "recurrence", "expectedVersion", "idempotencyKey"),
    },
    "TaskFilter": {
        *("status", "trash", "ids", "search", "dueOn", "hasDueDate", "overdue", "priorities"),
        *("labels", "listId", "inbox", "parentId", "level"),
    },
}
"""The fields of inputs that are no field of a task."""

WITH: dict[str, dict[str, Any]] = {"due_time": {"dueOn": "2026-01-31"}}
"""What else must be given with a field."""

WRITTEN_BY_THE_SERVER = {
    "insert": {
        *("user_id", "id", "completed", "completed_on", "list_id", "parent_id", "position"),
        "repeats",
        # These are written by imports, and by nobody else: so says the policy of the table.
        *("created_at", "updated_at", "deleted_at", "completed_at", "successor_id"),
    },
    "update": {
        *("deleted_at", "completed_on", "list_id", "parent_id", "position", "has_subtasks"),
        "repeats",
    },
}

WRITTEN = [fact for fact in TASK_FACTS.values() if fact.may & (May.CREATE | May.UPDATE)]
TEXTS = [fact for fact in WRITTEN if fact.is_text]


def named(fact: Fact) -> str:
    return to_camel_case(fact.name)


def inputs_of(name: str) -> dict[str, GraphQLInputField]:
    type_ = SCHEMA.type_map[name]
    assert isinstance(type_, GraphQLInputObjectType)
    return {n: field for n, field in type_.fields.items() if n not in BESIDES[name]}


def fields_of(name: str) -> dict[str, GraphQLField]:
    type_ = SCHEMA.type_map[name]
    assert isinstance(type_, GraphQLObjectType)
    fields: dict[str, GraphQLField] = type_.fields
    return fields


def is_needed(fact: Fact) -> bool:
    """Whether it must be given when a thing is created."""
    return May.CLEAR not in fact.may and fact.default is None


def test_what_may_be_created_is_in_the_input_that_creates() -> None:
    assert {name: str(field.type) for name, field in inputs_of("CreateTaskInput").items()} == {
        named(fact): SCALARS[type(fact.column.type)] + "!" * (not fact.column.nullable)
        for fact in facts_with(May.CREATE)
    }
    for fact in facts_with(May.CREATE):
        assert fact.column.nullable is (May.CLEAR in fact.may)


def test_what_may_be_updated_is_in_the_input_that_updates() -> None:
    assert {name: str(field.type) for name, field in inputs_of("UpdateTaskInput").items()} == {
        named(fact): SCALARS[type(fact.column.type)] for fact in facts_with(May.UPDATE)
    }


def test_what_has_ranges_is_in_the_filter() -> None:
    assert {name: str(field.type) for name, field in inputs_of("TaskFilter").items()} == {
        named(fact): f"{SCALARS[type(fact.column.type)]}Range" for fact in facts_with(May.RANGE)
    }


def test_what_orders_lists_is_in_the_enum_and_never_null() -> None:
    orders = SCHEMA.type_map["TaskOrderField"]
    assert isinstance(orders, GraphQLEnumType)
    # Some tasks have no value of these, or it means nothing across lists.
    others = {"DUE", "PRIORITY", "COMPLETED_AT", "POSITION"}
    assert set(orders.values) == {fact.name.upper() for fact in facts_with(May.ORDER)} | others
    for fact in facts_with(May.ORDER):
        assert not fact.order_key.nullable
        # Cursors have texts and instants alone.
        assert isinstance(fact.column.type, String | DateTime)


@pytest.mark.parametrize(
    ("type_", "facts", "row"), [("Task", TASK_FACTS, TaskRow), ("User", USER_FACTS, UserRow)]
)
def test_every_description_begins_with_what_the_model_says(
    type_: str, facts: dict[str, Fact], row: type[TaskRow | UserRow]
) -> None:
    described = set()
    places = [type_, *(["CreateTaskInput", "UpdateTaskInput"] if type_ == "Task" else [])]
    for fact in nonempty(facts.values()):
        assert (fact.says != "") is (fact.name in row._fields)
        for place in nonempty(places):
            fields = fields_of(place) if place == type_ else inputs_of(place)
            # A key is shown as what it refers to, and JSON as what it stands for.
            name = to_camel_case(fact.name.removesuffix("_id"))
            name = "recurrence" if name == "repeats" and place == type_ else name
            if name in fields:
                description = fields[name].description
                assert description is not None
                assert description.startswith(fact.says)
                assert fact.max_length is None or str(fact.max_length) in description
                described.add(fact.name)
    assert described == set(row._fields)


@pytest.mark.parametrize(("right", "may"), [("insert", May.CREATE), ("update", May.UPDATE)])
def test_the_role_may_write_what_clients_may(right: str, may: May) -> None:
    granted = EXPECTED["tasks", f"right to {right}"].split(", ")
    by_clients = {fact.name for fact in facts_with(may)}
    expected = by_clients | WRITTEN_BY_THE_SERVER[right]
    assert set(granted) == expected, "a migration must grant it, and EXPECTED must say so"


CHECKS = """
    SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint
    WHERE conrelid = 'tasks'::regclass AND contype = 'c' ORDER BY conname"""


def test_the_checks_of_the_model_are_those_of_the_migrations(
    fresh_database: Database, migrated_database: Database
) -> None:
    url = fresh_database.superuser_url.replace("postgresql://", "postgresql+psycopg://")
    engine = create_engine(url, poolclass=NullPool)
    metadata.create_all(engine)
    found = []
    for database in (fresh_database, migrated_database):
        with psycopg.connect(database.superuser_url) as connection:
            found.append(connection.execute(CHECKS).fetchall())
    made, migrated = found
    assert made == migrated
    assert len(made) == 2


def codes(user: Caller, query: str, **input: object) -> list[tuple[str, str]]:
    """Return the path and the code of every issue; none where the input was taken."""
    (answer,) = user.data(query, input=input).values()
    return [(".".join(issue["path"]), issue["code"]) for issue in answer.get("issues", [])]


def requests(user: Caller, fact: Fact, value: object) -> list[tuple[str, dict[str, object]]]:
    """Return the mutations that write a field, with the inputs that give it a value."""
    made = []
    if May.CREATE in fact.may:
        needed = {named(f): sent_values_of(f)[0] for f in facts_with(May.CREATE) if is_needed(f)}
        made.append((CREATE, {**needed, **WITH.get(fact.name, {}), named(fact): value}))
    if May.UPDATE in fact.may:
        id = user.create(**WITH.get(fact.name, {}))["id"]
        made.append((UPDATE, {"id": id, named(fact): value}))
    return made


@pytest.mark.parametrize("fact", WRITTEN, ids=named)
def test_what_may_be_written_is_written_and_read_back(server: Server, fact: Fact) -> None:
    user = server.user()
    written = 0
    for value in nonempty(sent_values_of(fact)):
        for query, input in nonempty(requests(user, fact, value)):
            input["idempotencyKey"] = str(uuid4())
            answer = user.data(query, input=input)
            (task,) = answer.values()
            assert task[named(fact)] == value
            assert user.get(task["id"])[named(fact)] == value
            assert user.data(query, input=input) == answer
            written += 1
    assert written


@pytest.mark.parametrize("fact", WRITTEN, ids=named)
def test_null_clears_what_may_be_cleared_and_nothing_else(server: Server, fact: Fact) -> None:
    user = server.user()
    id = user.create(**WITH.get(fact.name, {}))["id"]
    value = sent_values_of(fact)[0]
    before = user.update(id=id, **{named(fact): value})[named(fact)]
    cleared: dict[str, Any] = {named(fact): None}
    issues = codes(user, UPDATE, id=id, **cleared)
    if May.CLEAR in fact.may:
        assert (issues, user.get(id)[named(fact)]) == ([], None)
        if May.CREATE in fact.may:
            assert user.create()[named(fact)] is None
            assert user.create(**cleared)[named(fact)] is None
    else:
        assert issues == [(named(fact), "REQUIRED")]
        assert user.get(id)[named(fact)] == before == value


@pytest.mark.parametrize("fact", TEXTS, ids=named)
def test_a_text_has_the_limits_that_the_model_says(server: Server, fact: Fact) -> None:
    user, most = server.user(), fact.max_length
    assert most is not None, "a text without a limit fills the disk"
    for value, wanted in (
        ("x" * most, []),
        ("😀" * most, []),
        ("x" * (most + 1), ["TOO_LONG"]),
        ("\0", ["INVALID"]),
        (" \t\n", [] if fact.may_be_blank else ["TOO_SHORT"]),
    ):
        for query, input in nonempty(requests(user, fact, value)):
            assert codes(user, query, **input) == [(named(fact), code) for code in wanted]


@pytest.mark.parametrize("fact", TEXTS, ids=named)
def test_the_database_holds_texts_to_their_limits_too(database: Database, fact: Fact) -> None:
    assert fact.max_length is not None
    values = ["x" * (fact.max_length + 1), *([] if fact.may_be_blank else [" \t"])]
    needed = {f.name: values_of(f)[0] for f in facts_with(May.CREATE) if is_needed(f)}
    for value in values:
        row = {"user_id": "nobody", "version": 1, **needed, fact.name: value}
        places = ", ".join(["%s"] * len(row))
        insert = f"INSERT INTO tasks ({', '.join(row)}) VALUES ({places})"
        with psycopg.connect(database.superuser_url) as connection:
            connection.execute("INSERT INTO users (id, name) VALUES ('nobody', '')")
            with pytest.raises((psycopg.errors.CheckViolation, psycopg.errors.DataError)):
                connection.execute(insert, list(row.values()))
            connection.rollback()


@pytest.mark.parametrize("fact", facts_with(May.RANGE), ids=named)
def test_a_range_begins_at_a_value_and_ends_before_one(
    server: Server, database: Database, fact: Fact
) -> None:
    user = server.user()
    ids = [user.create()["id"] for _ in range(3)]
    earlier, later = values_of(fact)
    with psycopg.connect(database.superuser_url) as connection:
        for id, value in zip(ids, (earlier, later, None), strict=True):
            if value is not None:
                # `completed_at` goes with the other.
                connection.execute(
                    f"UPDATE tasks SET completed = true, {fact.name} = %s WHERE id = %s",
                    [value, int(id)],
                )

    def found(**range_: object) -> set[str]:
        tasks = user.page(filter={named(fact): range_, "ids": ids[:2]})["nodes"]
        return {task["id"] for task in tasks}

    assert found() == {ids[0], ids[1]}
    first, second = sent_values_of(fact)
    assert found(**{"from": second}) == {ids[1]}
    assert found(until=second) == {ids[0]}
    assert found(**{"from": first}, until=second) == {ids[0]}
    assert found(**{"from": second}, until=second) == set()
    if fact.column.nullable:
        assert user.page(filter={named(fact): {"from": first}})["totalCount"] == 2


@pytest.mark.parametrize("fact", TEXTS, ids=named)
def test_a_search_looks_where_the_model_says(server: Server, fact: Fact) -> None:
    user, word = server.user(), "zymurgy"
    id = user.create()["id"]
    user.update(id=id, **{named(fact): word})
    found = [task["id"] for task in user.page(filter={"search": word})["nodes"]]
    assert found == ([id] if May.SEARCH in fact.may else [])
