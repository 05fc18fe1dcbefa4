"""The statements of what tasks refer to, and what refers to them: one for many tasks."""

from collections.abc import Sequence
from datetime import date
from functools import cache

from sqlalchemy import ARRAY, BigInteger, Date, Integer, any_, bindparam, func, not_, select, true

from graphql_schema.types import TaskStatus
from models.day import Day
from models.statement import Sql, Statement
from models.task import TaskRow
from models.task_list import TaskListRow
from models.user import UserId
from resolvers.statements.compiling import compiled, named
from resolvers.statements.kind import Condition, Kind, Thing
from resolvers.statements.lists import LIST
from resolvers.statements.tasks import TASK

_COLUMNS = TASK.table.c
_KEYS = any_(bindparam("keys", type_=ARRAY(BigInteger)))


def lists_with_keys(owner: UserId, keys: Sequence[int]) -> Statement[TaskListRow]:
    """Return those of the lists that there are, in the trash or not, in any order."""
    return Statement(_with_keys(LIST), owner, {"keys": keys})


def tasks_with_keys(owner: UserId, keys: Sequence[int]) -> Statement[TaskRow]:
    """Return those of the tasks that there are, in the trash or not, in any order."""
    return Statement(_with_keys(TASK), owner, {"keys": keys})


def subtasks(owner: UserId, keys: Sequence[int], status: TaskStatus) -> Statement[TaskRow]:
    """Return the subtasks of those tasks that are not in the trash, each task's in their order."""
    return Statement(_subtasks(status), owner, {"keys": keys})


def count_subtasks(
    owner: UserId, keys: Sequence[int], status: TaskStatus
) -> Statement[tuple[int, int]]:
    """Return how many subtasks outside the trash each of those tasks has, if it has any."""
    return Statement(_count_subtasks(status), owner, {"keys": keys})


def next_days(
    owner: UserId, keys: Sequence[int], after_day: date | None, count: int
) -> Statement[tuple[int, Day]]:
    """Return the next days on which those tasks are due again, each task's in their order.

    `after_day`: the day that they come after; None: that of each task. `count`: how many at most.
    """
    return Statement(_next_days(), owner, {"keys": keys, "after_day": after_day, "count": count})


# What follows is the SQL: one function a statement, run once for each shape.


@cache
@named
def _with_keys(kind: Kind[Thing]) -> Sql[Thing]:
    statement = select(*kind.columns).where(kind.is_owned, kind.table.c.id == _KEYS)
    return compiled(statement, kind.make_row, writes=False)


@cache
@named
def _subtasks(status: TaskStatus) -> Sql[TaskRow]:
    statement = (
        select(*TASK.columns)
        .where(*_are_subtasks(status))
        .order_by(_COLUMNS.parent_id, _COLUMNS.position, _COLUMNS.id)
    )
    return compiled(statement, TASK.make_row, writes=False)


@cache
@named
def _count_subtasks(status: TaskStatus) -> Sql[tuple[int, int]]:
    statement = (
        select(_COLUMNS.parent_id, func.count())
        .where(*_are_subtasks(status))
        .group_by(_COLUMNS.parent_id)
    )
    return compiled(statement, tuple, writes=False)


@cache
@named
def _next_days() -> Sql[tuple[int, Day]]:
    after = func.coalesce(bindparam("after_day", type_=Date), _COLUMNS.due_on)
    days = (
        func.next_days(_COLUMNS.repeats, after, bindparam("count", type_=Integer))
        .table_valued("day", with_ordinality="place")
        .render_derived(name="days")
    )
    statement = (
        select(_COLUMNS.id, days.c.day)
        .select_from(TASK.table)
        .join(days, true())
        .where(TASK.is_owned, _COLUMNS.id == _KEYS)
        .order_by(_COLUMNS.id, days.c.place)
    )
    return compiled(statement, tuple, writes=False)


def _are_subtasks(status: TaskStatus) -> list[Condition]:
    conditions = [TASK.is_owned, _COLUMNS.parent_id == _KEYS, TASK.is_live]
    if status is not TaskStatus.ALL:
        is_completed = _COLUMNS.completed
        conditions.append(is_completed if status is TaskStatus.COMPLETED else not_(is_completed))
    return conditions
