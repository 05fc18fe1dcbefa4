"""The statements that look up the tasks of a list where they are few: by words, by priorities."""

from collections.abc import Sequence
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Integer, any_, bindparam, func, select, union_all

from graphql_schema.filters import TaskTrash
from graphql_schema.types import TaskStatus
from models.statement import Sql, Statement
from models.user import UserId
from resolvers.statements.compiling import compiled, named
from resolvers.statements.kind import OWNER, Condition
from resolvers.statements.task_conditions import (
    HAS_PRIORITY,
    IS_IN_INBOX,
    PRIORITIES,
    SEARCH,
    Shape,
)
from resolvers.statements.tasks import TASK

_LIMIT = bindparam("limit", type_=Integer)


def search_tasks(owner: UserId, search: str, limit: int) -> Statement[tuple[int]]:
    """Return the ids of up to `limit` tasks, in the trash or not, that have all words."""
    return Statement(_search_tasks(), owner, {"search": search, "limit": limit})


def prioritized_tasks(
    owner: UserId, priorities: Sequence[int], status: TaskStatus, limit: int
) -> Statement[tuple[int]]:
    """Return the ids of up to `limit` tasks outside the trash that have one of the priorities.

    Those without a priority are not among them.
    """
    values = {"priorities": priorities, "limit": limit}
    return Statement(_prioritized_tasks(status), owner, values)


def tasks_in_inbox(owner: UserId, status: TaskStatus, limit: int) -> Statement[tuple[int]]:
    """Return the ids of up to `limit` tasks outside the trash that are in no list."""
    return Statement(_tasks_in_inbox(status), owner, {"limit": limit})


@cache
@named
def _search_tasks() -> Sql[tuple[int]]:
    # It finds the tasks of the user that `app.user_id` names, and nobody else's.
    found = func.search_tasks(SEARCH, _LIMIT).table_valued("owner", "id", name="found")
    statement = select(found.c.id).where(found.c.owner == OWNER)
    return compiled(statement, tuple, writes=False)


@cache
@named
def _prioritized_tasks(status: TaskStatus) -> Sql[tuple[int]]:
    columns = TASK.table.c
    has_one = columns.priority == any_(PRIORITIES)
    return _found(status, [HAS_PRIORITY, has_one], [columns.priority, columns.id])


@cache
@named
def _tasks_in_inbox(status: TaskStatus) -> Sql[tuple[int]]:
    columns = TASK.table.c
    return _found(status, [IS_IN_INBOX], [columns.list_id, columns.position, columns.id])


def _found(
    status: TaskStatus, conditions: Sequence[Condition], order: Sequence[ColumnElement[Any]]
) -> Sql[tuple[int]]:
    """Read the ids of tasks outside the trash from an index, which has them in this order."""
    shape = Shape(status, TaskTrash.EXCLUDE, None, frozenset())
    found = [
        select(TASK.table.c.id)
        .where(TASK.is_owned, *part.conditions(), *conditions)
        .order_by(*order)
        .limit(_LIMIT)
        for part in shape.parts()
    ]
    both = union_all(*found).subquery() if len(found) > 1 else found[0].subquery()
    return compiled(select(both.c.id).limit(_LIMIT), tuple, writes=False)
