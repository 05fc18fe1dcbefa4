"""The GraphQL types in step with the models: a column is exposed, or left out on purpose."""

from typing import Any, NamedTuple

import graphql
import pytest
from graphql import GraphQLField, GraphQLObjectType
from sqlalchemy import (
    ARRAY,
    Boolean,
    Column,
    Date,
    DateTime,
    Integer,
    SmallInteger,
    String,
    Text,
    Time,
)
from sqlalchemy.dialects.postgresql import TSVECTOR
from strawberry.utils.str_converters import to_camel_case

from graphql_schema.schema import schema
from models.calendar_link import CalendarLinkRow
from models.metadata import metadata
from models.task import TaskRow
from models.task_list import TaskListRow
from models.user import UserRow


class Step(NamedTuple):
    """A table's type and row, and where they differ from it on purpose."""

    type: str
    row: tuple[str, ...]
    left_out: dict[str, str]
    added: dict[str, str]
    refers: dict[str, tuple[str, str]]
    """The columns that are shown as what they refer to: its field, and its type."""


STEPS = {
    "tasks": Step(
        type="Task",
        row=TaskRow._fields,
        left_out={
            "user_id": "nobody sees another's task: `owner` is the caller",
            "title_order": "made of the title, to order by",
            "words": "made of title, description and labels, to search in",
            "due_at": "made of the day and the time, to order by",
            "has_subtasks": "for triggers",
        },
        added={
            "owner": "the caller's row of users",
            "subtasks": "tasks that have it as their parent",
            "subtaskCount": "how many these are",
        },
        refers={
            "list_id": ("list", "TaskList"),
            "parent_id": ("parent", "Task"),
            "repeats": ("recurrence", "Recurrence"),
            "successor_id": ("successor", "Task"),
        },
    ),
    "task_lists": Step(
        type="TaskList",
        row=TaskListRow._fields,
        left_out={"user_id": "nobody sees another's list"},
        added={"pendingCount": "counted when it is asked for", "tasks": "a page of them"},
        refers={},
    ),
    "calendar_links": Step(
        type="CalendarLink",
        row=CalendarLinkRow._fields,
        left_out={
            "user_id": "nobody sees another's link",
            "secret_hash": "what proves that somebody knows the address",
        },
        added={},
        refers={},
    ),
    "users": Step(
        type="User",
        row=UserRow._fields,
        left_out={
            "email_verified": "Better Auth's, which tells it to those who need it",
            "claims_at": "how new the token is that name and address come from",
            "image": "Better Auth's",
            "updated_at": "Better Auth's, and nothing is kept in step by it",
        },
        added={},
        refers={},
    ),
}
INTERNAL = {
    "action_steps": "`undo` puts back what it has",
    "installation": "what is true of the database as a whole",
    "task_counters": "`version` of a task shows what it counts",
    "task_labels": "`labels` of a task shows them",
    "deleted_users": "who was deleted has nobody to show it to",
    "imports": "which command of an operator's made a task is nothing for clients",
    "idempotency_keys": "whoever sends a key again is shown what came of it",
}

SCHEMA = graphql.build_schema(schema.as_str())

SCALARS = {
    Boolean: "Boolean",
    Date: "Date",
    DateTime: "DateTime",
    Integer: "Int",
    SmallInteger: "TaskPriority",
    Time: "TimeOfDay",
    TSVECTOR: "String",
}
"""What a column's type becomes; text becomes String, and a key ID."""


def fields_of(name: str) -> dict[str, GraphQLField]:
    type_ = SCHEMA.type_map[name]
    assert isinstance(type_, GraphQLObjectType)
    fields: dict[str, GraphQLField] = type_.fields
    return fields


def type_of(column: Column[Any]) -> str:
    if column.primary_key:
        name = "ID"
    elif isinstance(column.type, String | Text):
        name = "String"
    elif isinstance(column.type, ARRAY):
        name = "[String!]"
    else:
        name = SCALARS[type(column.type)]
    return name if column.nullable else f"{name}!"


def test_every_table_is_exposed_or_internal_on_purpose() -> None:
    assert set(metadata.tables) == STEPS.keys() | INTERNAL.keys()


@pytest.mark.parametrize("table", STEPS)
def test_every_column_is_exposed_or_left_out_on_purpose(table: str) -> None:
    step = STEPS[table]
    columns = metadata.tables[table].columns
    assert step.left_out.keys() <= set(columns.keys())
    exposed = [column for column in columns if column.name not in step.left_out]
    assert step.row == tuple(column.name for column in exposed)
    plain = (column for column in exposed if column.name not in step.refers)
    shown = {to_camel_case(column.name): type_of(column) for column in plain}
    assert {**shown, **dict(step.refers.values())} == {
        name: str(field.type)
        for name, field in fields_of(step.type).items()
        if name not in step.added
    }
    assert step.added.keys() <= fields_of(step.type).keys()
