"""The statements of lists of tasks: pages, what lies beside them, and counts.

Each list is read from the index of its order. Clients can ask for thousands of shapes, and use a
few: so many texts are kept.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

from sqlalchemy import Boolean, SQLColumnExpression, and_, any_, literal_column

from graphql_schema.connections import Cursor
from graphql_schema.filters import OrderDirection, TaskOrderField, TaskTrash
from graphql_schema.types import TaskStatus
from models.statement import Sql, Statement
from models.task import TaskRow
from models.user import UserId
from resolvers.statements import pages
from resolvers.statements.compiling import named, narrowed, row_maker
from resolvers.statements.kind import Condition, Kind
from resolvers.statements.pages import Stretch, position
from resolvers.statements.task_conditions import (
    HAS_DUE_DATE,
    HAS_NO_DUE_DATE,
    HAS_NO_PRIORITY,
    HAS_PRIORITY,
    PRIORITIES,
    Conditions,
    Shape,
)
from resolvers.statements.tasks import TASK

SHAPES_KEPT = 256
"""Shapes of one statement that are not compiled anew when they are asked for again."""


class Page(NamedTuple):
    """Which of the owner's tasks a page may hold, and in what order."""

    conditions: Conditions
    field: TaskOrderField
    direction: OrderDirection
    after: Cursor | None
    before: Cursor | None
    columns: frozenset[str] = frozenset(TaskRow._fields)
    """What is read of each task, beside what its cursor is made of."""


def tasks(owner: UserId, page: Page, *, limit: int, backward: bool) -> Statement[TaskRow]:
    """Return up to `limit` tasks from the page's start; backward: from its end, last one first."""
    descending = page.direction is OrderDirection.DESC
    sql = _tasks(
        page.conditions.shape,
        page.field,
        page.columns,
        read_descending=descending is not backward,
        descending=descending,
        after=_has_value(page.after),
        before=_has_value(page.before),
    )
    places = {**position("after", page.after), **position("before", page.before)}
    return Statement(sql, owner, {"limit": limit, **places, **page.conditions.values})


def any_task_beyond(
    owner: UserId, page: Page, cursor: Cursor, *, before: bool
) -> Statement[tuple[bool]]:
    """Return whether any task stands at the cursor or on the far side of it."""
    ascending = page.direction is OrderDirection.ASC
    sql = _any_task_beyond(
        page.conditions.shape,
        page.field,
        smaller=before is ascending,
        cursor_has_value=cursor.has_value,
    )
    return Statement(sql, owner, {**position("cursor", cursor), **page.conditions.values})


def count_tasks(owner: UserId, conditions: Conditions) -> Statement[tuple[int]]:
    return Statement(_count_tasks(conditions.shape), owner, conditions.values)


def _has_value(cursor: Cursor | None) -> bool | None:
    return None if cursor is None else cursor.has_value


# What follows is the SQL: one function a statement, run once for each shape.


@lru_cache(SHAPES_KEPT)
@named
def _tasks(
    shape: Shape,
    field: TaskOrderField,
    columns: frozenset[str],
    *,
    read_descending: bool,
    descending: bool,
    after: bool | None,
    before: bool | None,
) -> Sql[TaskRow]:
    """`after` and `before`: whether these cursors are of a task with a value; None: none given."""
    places = {"after": after, "before": before}
    stretches = _stretches(shape, field, {n: v for n, v in places.items() if v is not None})
    start, end = ("before", "after") if descending else ("after", "before")
    found = _between(stretches, start, end)
    return pages.page(
        _with_columns(columns | Cursor.columns(field)),
        found[::-1] if read_descending else found,
        field.fact,
        read_descending=read_descending,
        descending=descending,
    )


@lru_cache(SHAPES_KEPT)
@named
def _any_task_beyond(
    shape: Shape, field: TaskOrderField, *, smaller: bool, cursor_has_value: bool
) -> Sql[tuple[bool]]:
    stretches = _stretches(shape, field, {"cursor": cursor_has_value})
    start, end = ("", "cursor") if smaller else ("cursor", "")
    found = _between(stretches, start, end)
    # Those without a value have no index of their own.
    found.sort(key=lambda stretch: stretch.by_id)
    return pages.any_beyond(TASK, found, field.fact, smaller=smaller)


@lru_cache(SHAPES_KEPT)
@named
def _count_tasks(shape: Shape) -> Sql[tuple[int]]:
    # Priorities are counted in their index.
    parts = (
        [part for each in _stretches(shape, TaskOrderField.PRIORITY, {}) for part in each.parts]
        if "priorities" in shape.given
        else [list(shape.conditions())]
    )
    return pages.count(TASK, parts, _KEPT.get(shape))


def _with_columns(names: frozenset[str]) -> Kind[TaskRow]:
    fields = tuple(name for name in TASK.fields if name in names)
    return replace(TASK, fields=fields, make_row=row_maker(narrowed(TaskRow, fields)))


def _parts(shape: Shape) -> list[list[Condition]]:
    return [list(part.conditions()) for part in shape.parts()]


def _stretches(shape: Shape, field: TaskOrderField, places: Mapping[str, bool]) -> list[Stretch]:
    """Return the stretches of a list from its smallest value on; one without parts is empty.

    `places`: the cursors by their names, and whether each is of a task with a value.
    """
    is_live = shape.trash is TaskTrash.EXCLUDE
    if field is TaskOrderField.POSITION and shape.is_by_hand:
        # Where a list is the same in all, PostgreSQL knows; not so where there is none.
        leading = (TASK.table.c.list_id,) if shape.inbox else ()
        return [Stretch(_parts(shape), tuple(places), leading=leading)]
    if not shape.is_walked or not is_live or field not in _VALUED:
        has_index = shape.is_walked and field in _BY_COMPLETED
        parts = _parts(shape) if has_index else [list(shape.conditions())]
        if field is TaskOrderField.COMPLETED_AT:
            parts = [[*part, _IS_COMPLETED] for part in parts]
        return [Stretch(parts, tuple(places), is_sorted=shape.is_sorted)]
    has_value, has_none = _VALUED[field]
    if field is TaskOrderField.PRIORITY and "priorities" in shape.given:
        shape = shape._replace(given=shape.given - {"priorities"})
        has_value = and_(has_value, TASK.table.c.priority == any_(PRIORITIES))
        has_none = and_(has_none, literal_column("0") == any_(PRIORITIES))
    valued = [[*part, has_value] for part in _parts(shape)]
    none = [[*shape.conditions(), has_none]]
    if field is TaskOrderField.DUE and shape.has_due_date is not None:
        valued, none = (valued, []) if shape.has_due_date else ([], none)
    stretches = [
        Stretch(valued, [name for name, is_valued in places.items() if is_valued]),
        Stretch(none, [name for name, is_valued in places.items() if not is_valued], by_id=True),
    ]
    return stretches if field is TaskOrderField.DUE else stretches[::-1]


def _between(stretches: Sequence[Stretch], start: str, end: str) -> list[Stretch]:
    """Return the stretches from the one where the cursor `start` is to the one where `end` is."""
    places = [stretch.places for stretch in stretches]
    first = next((n for n, names in enumerate(places) if start in names), 0)
    last = next((n for n, names in enumerate(places) if end in names), len(stretches) - 1)
    return [each for each in stretches[first : last + 1] if each.parts] or [_NOTHING]


_BY_COMPLETED = {TaskOrderField.CREATED_AT, TaskOrderField.UPDATED_AT, TaskOrderField.TITLE}
"""Orders whose indexes have all tasks, pending ones first."""

_VALUED = {
    TaskOrderField.DUE: (HAS_DUE_DATE, HAS_NO_DUE_DATE),
    TaskOrderField.PRIORITY: (HAS_PRIORITY, HAS_NO_PRIORITY),
}
"""Orders whose indexes leave out the tasks that have no value. Those are read by their ids."""

_COUNTER = TASK.counter.c
_KEPT: dict[Shape, SQLColumnExpression[int]] = {
    Conditions().shape: _COUNTER.live_tasks,
    Conditions(TaskStatus.COMPLETED).shape: _COUNTER.completed_tasks,
    Conditions(TaskStatus.PENDING).shape: _COUNTER.live_tasks - _COUNTER.completed_tasks,
}
"""What triggers count as tasks change. All else is counted when it is asked for."""

_IS_COMPLETED: Condition = TASK.table.c.completed_at.is_not(None)
_NOTHING = Stretch([[literal_column("false", Boolean)]])
