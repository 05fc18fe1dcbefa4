"""Every statement of the server, found by reflection, in every shape that it can be asked for."""

import importlib
import inspect
import itertools
import pkgutil
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime
from typing import Any, NamedTuple, get_origin

from sqlalchemy import Date

from auth.identity import Identity
from graphql_schema.connections import Cursor
from graphql_schema.filters import OrderDirection, TaskLevel, TaskOrderField, TaskTrash
from graphql_schema.inputs import CreateTaskInput
from graphql_schema.lists import ListCursor
from graphql_schema.types import TaskStatus
from models.fact import May
from models.instant import Instant
from models.quota import Quota
from models.statement import Statement
from models.user import UserId
from resolvers import statements
from resolvers.statements import actions, calendar_links, lists, tasks
from resolvers.statements.lists import ListPage
from resolvers.statements.task_conditions import Conditions
from resolvers.statements.task_pages import Page
from tests.facts import facts_with, values_of

STATEMENTS: dict[str, Callable[..., Statement[Any]]] = {
    function.__name__: function
    for module in pkgutil.iter_modules(statements.__path__, f"{statements.__name__}.")
    for _, function in inspect.getmembers(importlib.import_module(module.name), inspect.isfunction)
    if get_origin(inspect.signature(function).return_annotation) is Statement
}
"""Every function of the folder that returns a statement, private ones too."""

ROOM = Quota(None, None)

NEW = CreateTaskInput(title="stolen").values()


class Places(NamedTuple):
    """The victim's tasks, two of them, and cursors of an early and a late one in each order."""

    keys: list[int]
    key: int
    key_in_trash: int
    early: dict[TaskOrderField, Cursor]
    late: dict[TaskOrderField, Cursor]


Row = tuple[int, str, str, str]
"""Of a task: its id, its title, when it was made, and when it was changed last."""


def places_among(rows: Sequence[Row]) -> Places:
    """Return places among 32 tasks, every second pair of which is in the trash."""

    def cursors(n: int, due_at: str, priority: int) -> dict[TaskOrderField, Cursor]:
        id, title, created, updated = rows[n]
        values: dict[TaskOrderField, Instant | str | int] = {
            TaskOrderField.CREATED_AT: Instant(created),
            TaskOrderField.UPDATED_AT: Instant(updated),
            TaskOrderField.TITLE: title,
            TaskOrderField.DUE: due_at,
            TaskOrderField.PRIORITY: priority,
            TaskOrderField.COMPLETED_AT: Instant(created),
            TaskOrderField.POSITION: f"{n:02}",
        }
        return {field: Cursor(field, value, id) for field, value in values.items()}

    keys = [row[0] for row in rows]
    early, late = cursors(15, "2026-01-12 00:00:00", 0), cursors(31, "infinity", 1)
    return Places(keys, keys[0], keys[1], early, late)


def conditions(places: Places) -> Iterator[Conditions]:
    """Yield conditions of every kind, each of which some of the victim's tasks meet."""
    for status, trash in itertools.product(TaskStatus, TaskTrash):
        yield Conditions(status, trash)
    long_ago, in_a_while = datetime(2020, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
    yield Conditions(ids=places.keys)
    for fact in facts_with(May.RANGE):
        is_date = isinstance(fact.column.type, Date)
        ends = [end.date() if is_date else end for end in (long_ago, in_a_while)]
        yield Conditions(bounds=dict(zip(fact.bounds, ends, strict=True)))
    yield Conditions(search="victim")
    yield Conditions(has_due_date=True, bounds={"due_from": "-infinity", "due_until": "infinity"})
    yield Conditions(has_due_date=False, labels_none=["unknown"])
    yield Conditions(priorities=[0, 1])
    yield Conditions(priorities=[0, 1], ids=places.keys)
    for trash in TaskTrash:
        yield Conditions(trash=trash, labels_all=["victims"], labels_any=["VICTIMS", "x"])
        yield Conditions(trash=trash, labels_none=["unknown"])
        yield Conditions(trash=trash, list_id=places.keys[4])
    yield Conditions(inbox=True)
    yield Conditions(parent_id=places.key, level=TaskLevel.SUBTASKS)
    yield Conditions(
        TaskStatus.PENDING, ids=places.keys, search="vic", bounds={"created_from": long_ago}
    )


def pages(places: Places) -> Iterator[Page]:
    """Yield pages of every shape, with some of the victim's tasks on each."""
    fields = itertools.cycle(TaskOrderField)
    every = Page._field_defaults["columns"]
    columns = itertools.cycle([every, frozenset[str](), frozenset({"title", "list_id"})])
    for which, direction, after, before in itertools.product(
        conditions(places), OrderDirection, (True, False), (True, False)
    ):
        # Every one, but not every one with all else: that would take long.
        field = next(fields)
        start, end = places.early[field], places.late[field]
        if field is TaskOrderField.COMPLETED_AT:
            which = which._replace(status=TaskStatus.COMPLETED)
        if field is TaskOrderField.DUE and which.has_due_date is False:
            # They stand after all places with a date.
            continue
        if direction is OrderDirection.DESC:
            start, end = end, start
        begin, until = start if after else None, end if before else None
        yield Page(which, field, direction, begin, until, next(columns))


def shapes_of(name: str, owner: UserId, places: Places) -> Iterator[Statement[Any]]:
    """Yield the statement in every shape, aimed at the victim's rows.

    A parameter that no statement has had before wants its values in this table.
    """
    new = {fact.name: values_of(fact)[0] for fact in facts_with(May.CREATE)}
    values: dict[str, list[Any]] = {
        "owner": [owner],
        "identity": [
            Identity(owner, None, None, 0.0),
            Identity(owner, "eve@example.com", "Eve", 0.0, 1e9, email_is_verified=True),
        ],
        "key": [
            places.key_in_trash
            if name.startswith("restore_")
            else places.keys[4]
            if name == "count_followers"
            else places.key
        ],
        "statement": [
            tasks.create_tasks(owner, [NEW], ROOM),
            tasks.toggle_task(owner, places.key, None, None, ROOM),
            tasks.update_task(owner, places.key, {}, None, ROOM),
            tasks.restore_task(owner, places.key_in_trash, None),
            tasks.purge_tasks(owner, places.keys),
            calendar_links.create_link(owner, "stolen", "1" * 64),
            calendar_links.revoke_link(owner, places.key),
            actions.undo_action(owner, "used", ROOM),
            lists.empty_trash(owner, 5),
        ],
        "action": ["used"],
        "idempotency_key": ["used" if name.startswith("replay") else "fresh"],
        "request": ["request"],
        "values": (
            [{}, {"completed": True, "due_on": None, "due_time": None, "priority": 3}]
            if name == "update_tasks"
            else [
                *({fact.name: values_of(fact)[0]} for fact in facts_with(May.UPDATE)),
                {},
                {"description": None, "completed": True},
            ]
        ),
        "expected_version": [None, 2 if name.startswith("restore_") else 1],
        "rows": [[{**NEW, **new}], [NEW, NEW]],
        "names": (
            [{"from": "victims", "to": "stolen"}]
            if "label" in name
            else [{}, {"added": ["stolen"]}, {"added": ["stolen"], "removed": ["victims"]}]
        ),
        "container": [
            {},
            {"list_id": None},
            {"parent_id": None},
            {"list_id": None, "parent_id": None},
        ],
        "place": [None] if name == "create_tasks" else [None, "first"],
        "today": [None, date(2026, 1, 31)],
        "quota": [ROOM],
        "conditions": list(conditions(places)),
        "search": ["victim"],
        "keys": [places.keys],
        "page": list(pages(places)),
        "cursor": list(places.early.values()),
        "row": [{"id": None, "name": "stolen"}],
        "list_values": [{"name": "stolen"}, {}],
        "list_page": [
            ListPage(trash, after, before)
            for trash in TaskTrash
            for after in (None, ListCursor("A", 1))
            for before in (None, ListCursor("zz", 1))
        ],
        "trash": [False, True] if name.startswith("import_") else list(TaskTrash),
        "list_cursor": [ListCursor("f", 1)],
        "before": [False, True],
        "backward": [False, True],
        # More than all have together: others' rows come first where their ids are smaller.
        "limit": [100_000],
        "after_version": [0, 5],
        "after": [None, "a"],
        "name": ["stolen"],
        "secret_hash": ["1" * 64],
        "due_after": [None, places.early[TaskOrderField.DUE]],
        "after_day": [None, date(2026, 1, 31)],
        "count": [3],
        "source": ["json"],
        "items_key": ["key"],
        "items": [
            '[{"key": "a", "id": 9, "title": "stolen", "name": "x", "priority": 0, "labels": []}]'
        ],
        "label": ["victims"],
        "asked": [["VICTIMS"]],
        "rarest": [False, True],
        "priorities": [[1]],
        "status": list(TaskStatus),
    }
    parameters = inspect.signature(STATEMENTS[name]).parameters
    for chosen in itertools.product(*(values[parameter] for parameter in parameters)):
        arguments = dict(zip(parameters, chosen, strict=True))
        if "cursor" not in arguments or arguments["cursor"].field is arguments["page"].field:
            yield STATEMENTS[name](**arguments)


def parts_of(statement: Statement[Any]) -> Iterator[Statement[Any]]:
    """Yield the statement, and each of those that are run instead where there are several nodes."""
    yield statement
    for step in statement.sql.steps:
        yield statement._replace(sql=step)
