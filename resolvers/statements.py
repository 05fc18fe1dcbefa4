"""Every SQL statement. Each takes its owner first and names it in SQL; row security repeats it.

Statements are written with SQLAlchemy and compiled to text once for each shape; values travel as
parameters. The database runs each in a transaction of its own in which `app.user_id` is the owner.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from typing import Any, NamedTuple, TypeVar, cast

from sqlalchemy import (
    BigInteger,
    BindParameter,
    Boolean,
    DateTime,
    Integer,
    Select,
    SQLColumnExpression,
    String,
    Text,
    bindparam,
    case,
    delete,
    exists,
    false,
    func,
    literal_column,
    not_,
    null,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import CompilerElement
from sqlalchemy.sql.selectable import CTE
from sqlmodel import col

from auth.door import Sql, Statement
from auth.identity import Identity, UserId
from graphql_schema.connections import Cursor
from graphql_schema.inputs import OrderDirection, TaskOrderField, TaskStatus
from models.task import Task, TaskCounter, TaskRow
from models.user import User, UserRow

Row = TypeVar("Row")


class Change(NamedTuple):
    """What came of changing a task that exists."""

    done: bool
    """False: the task was not at the expected version, and nothing was written."""
    task: TaskRow
    """The task after the change, or as it is; of a deleted one the version is its deletion's."""


class Page(NamedTuple):
    """Which of the owner's tasks a page may hold, and in what order."""

    status: TaskStatus
    field: TaskOrderField
    direction: OrderDirection
    after: Cursor | None
    before: Cursor | None


def viewer(owner: UserId) -> Statement[UserRow]:
    return Statement(_viewer(), owner, {})


def add_viewer(identity: Identity, email: str | None) -> Statement[UserRow]:
    """Give the owner a row in users; none comes back where the id or the e-mail has one.

    The e-mail is left out where Better Auth keeps its users in this table: who has no row there has
    deleted themselves, and could not sign up with that address again.
    """
    return Statement(
        _add_viewer(),
        identity.user_id,
        {"email": email, "name": identity.name or identity.user_id},
    )


def task(owner: UserId, key: int) -> Statement[TaskRow]:
    return Statement(_task(), owner, {"key": key})


def tasks(owner: UserId, page: Page, *, limit: int, backward: bool) -> Statement[TaskRow]:
    """Up to `limit` tasks from the page's start; backward: from its end, the last one first."""
    sql = _tasks(
        page.status,
        page.field,
        (page.direction is OrderDirection.DESC) is not backward,
        page.direction is OrderDirection.DESC,
        page.after is not None,
        page.before is not None,
    )
    values = {"limit": limit, **_position("after", page.after), **_position("before", page.before)}
    return Statement(sql, owner, values)


def any_task_beyond(
    owner: UserId, page: Page, cursor: Cursor, *, before: bool
) -> Statement[tuple[bool]]:
    """Whether any task stands at the cursor or on the far side of it."""
    ascending = page.direction is OrderDirection.ASC
    sql = _any_task_beyond(page.status, page.field, before is ascending)
    return Statement(sql, owner, _position("cursor", cursor))


def count_tasks(owner: UserId, status: TaskStatus) -> Statement[tuple[int]]:
    return Statement(_count_tasks(status), owner, {})


def create_task(owner: UserId, *, title: str, description: str | None) -> Statement[TaskRow]:
    return Statement(_create_task(), owner, {"title": title, "description": description})


def update_task(
    owner: UserId, key: int, changes: Mapping[str, object], expected_version: int | None
) -> Statement[Change]:
    """Set the columns named in `changes`; where it names none, the version stays too.

    No row comes back where there is no such task.
    """
    values = {"key": key, "expected_version": expected_version, **changes}
    return Statement(_update_task(frozenset(changes)), owner, values)


def toggle_task(owner: UserId, key: int, expected_version: int | None) -> Statement[Change]:
    values = {"key": key, "expected_version": expected_version}
    return Statement(_toggle_task(), owner, values)


def delete_task(owner: UserId, key: int, expected_version: int | None) -> Statement[Change]:
    values = {"key": key, "expected_version": expected_version}
    return Statement(_delete_task(), owner, values)


# What follows is the SQL: one function a statement, run once for each shape.

_OWNER = bindparam("owner", type_=Text)
_KEY = bindparam("key", type_=BigInteger)
_TASK = [col(getattr(Task, name)) for name in TaskRow._fields]
_USER = [col(getattr(User, name)) for name in UserRow._fields]
_CHANGEABLE: dict[str, BindParameter[Any]] = {
    "title": bindparam("title", type_=String),
    "description": bindparam("description", type_=Text),
    "completed": bindparam("completed", type_=Boolean),
}
_DIALECT = PGDialect_psycopg(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]


# `_make` of a named tuple does the same at twice the price.
_task_row = cast("Callable[[Sequence[Any]], TaskRow]", partial(tuple.__new__, TaskRow))
_user_row = cast("Callable[[Sequence[Any]], UserRow]", partial(tuple.__new__, UserRow))


def _sql(
    statement: CompilerElement, make_row: Callable[[Sequence[Any]], Row], *, writes: bool
) -> Sql[Row]:
    compiled = statement.compile(dialect=_DIALECT)
    assert isinstance(compiled, SQLCompiler)
    names = compiled.positiontup or []
    return Sql(str(compiled), tuple(names), make_row, writes)


def _change(record: Sequence[Any]) -> Change:
    return Change(record[0], _task_row(record[1:]))


@cache
def _viewer() -> Sql[UserRow]:
    return _sql(select(*_USER).where(col(User.id) == _OWNER), _user_row, writes=False)


# Whatever Better Auth's tables are called, they refer to its users.
_USERS_HAVE_SESSIONS = literal_column(
    "EXISTS (SELECT FROM pg_constraint WHERE contype = 'f' AND confrelid = 'users'::regclass "
    "AND conrelid NOT IN ('tasks'::regclass, 'task_counters'::regclass))",
    Boolean,
)


@cache
def _add_viewer() -> Sql[UserRow]:
    # Every column that Better Auth's own table has without a default is given here.
    statement = (
        insert(User)
        .values(
            id=_OWNER,
            email=case((_USERS_HAVE_SESSIONS, null()), else_=bindparam("email", type_=Text)),
            name=bindparam("name", type_=Text),
            email_verified=false(),
            created_at=func.now(),
            updated_at=func.now(),
        )
        .on_conflict_do_nothing()
        .returning(*_USER)
    )
    return _sql(statement, _user_row, writes=True)


@cache
def _task() -> Sql[TaskRow]:
    statement = select(*_TASK).where(col(Task.user_id) == _OWNER, col(Task.id) == _KEY)
    return _sql(statement, _task_row, writes=False)


@cache
def _tasks(
    status: TaskStatus,
    field: TaskOrderField,
    read_descending: bool,
    descending: bool,
    after: bool,
    before: bool,
) -> Sql[TaskRow]:
    key, id = _order_key(field), col(Task.id)
    statement = select(*_TASK).where(col(Task.user_id) == _OWNER, *_having(status))
    here = tuple_(key, id)
    if after:
        place = _place("after", field)
        statement = statement.where(here < place if descending else here > place)
    if before:
        place = _place("before", field)
        statement = statement.where(here > place if descending else here < place)
    order = [key.desc(), id.desc()] if read_descending else [key, id]
    statement = statement.order_by(*order).limit(bindparam("limit", type_=Integer))
    return _sql(statement, _task_row, writes=False)


@cache
def _any_task_beyond(status: TaskStatus, field: TaskOrderField, smaller: bool) -> Sql[tuple[bool]]:
    here, place = tuple_(_order_key(field), col(Task.id)), _place("cursor", field)
    found = exists().where(
        col(Task.user_id) == _OWNER, *_having(status), here <= place if smaller else here >= place
    )
    return _sql(select(found), tuple, writes=False)


@cache
def _count_tasks(status: TaskStatus) -> Sql[tuple[int]]:
    statement = select(func.count()).where(col(Task.user_id) == _OWNER, *_having(status))
    return _sql(statement, tuple, writes=False)


@cache
def _create_task() -> Sql[TaskRow]:
    counter = _advance(_first_version())
    title, description = _CHANGEABLE["title"], _CHANGEABLE["description"]
    statement = (
        insert(Task)
        .from_select(
            ["user_id", "title", "description", "version"],
            select(_OWNER, title, description, counter.c.version),
        )
        .returning(*_TASK)
    )
    return _sql(statement, _task_row, writes=True)


@cache
def _update_task(columns: frozenset[str]) -> Sql[Change]:
    if not columns:
        return _compare_task()
    return _change_task({name: _CHANGEABLE[name] for name in sorted(columns)})


def _compare_task() -> Sql[Change]:
    as_expected = _as_expected(col(Task.version))
    statement = select(as_expected, *_TASK).where(col(Task.user_id) == _OWNER, col(Task.id) == _KEY)
    return _sql(statement, _change, writes=False)


@cache
def _toggle_task() -> Sql[Change]:
    return _change_task({"completed": not_(col(Task.completed))})


def _change_task(values: Mapping[str, SQLColumnExpression[Any]]) -> Sql[Change]:
    target, counter = _target_and_counter()
    changed = (
        update(Task)
        .where(
            col(Task.user_id) == _OWNER,
            col(Task.id) == target.c.id,
            col(Task.user_id) == counter.c.user_id,
        )
        .values({**values, "updated_at": func.now(), "version": counter.c.version})
        .returning(*_TASK)
        .cte("changed")
    )
    return _done_or_current(changed, target)


@cache
def _delete_task() -> Sql[Change]:
    target, counter = _target_and_counter()
    columns = [*_TASK[:-1], counter.c.version]
    deleted = (
        delete(Task)
        .where(
            col(Task.user_id) == _OWNER,
            col(Task.id) == target.c.id,
            col(Task.user_id) == counter.c.user_id,
        )
        .returning(*columns)
        .cte("deleted")
    )
    return _done_or_current(deleted, target)


def _target_and_counter() -> tuple[CTE, CTE]:
    """Lock the task, and advance the counter if the task is at the version that was expected."""
    target = (
        select(*_TASK)
        .where(col(Task.user_id) == _OWNER, col(Task.id) == _KEY)
        .with_for_update()
        .cte("target")
    )
    first = _first_version().select_from(target).where(_as_expected(target.c.version))
    return target, _advance(first)


def _as_expected(version: SQLColumnExpression[int]) -> SQLColumnExpression[bool]:
    expected = bindparam("expected_version", type_=Integer)
    return or_(expected.is_(None), version == expected)


def _first_version() -> Select[*tuple[Any, ...]]:
    return select(_OWNER, literal_column("1"))


def _advance(first: Select[*tuple[Any, ...]]) -> CTE:
    """Advance the owner's counter, or start it; it stays locked until the transaction's end."""
    return (
        insert(TaskCounter)
        .from_select(["user_id", "version"], first)
        .on_conflict_do_update(
            index_elements=[col(TaskCounter.user_id)],
            set_={"version": col(TaskCounter.version) + literal_column("1")},
        )
        .returning(col(TaskCounter.user_id), col(TaskCounter.version))
        .cte("counter")
    )


def _done_or_current(done: CTE, target: CTE) -> Sql[Change]:
    statement = select(literal_column("true"), *done.c).union_all(
        select(literal_column("false"), *target.c).where(not_(exists(select(done.c.id))))
    )
    return _sql(statement, _change, writes=True)


def _having(status: TaskStatus) -> list[SQLColumnExpression[bool]]:
    match status:
        case TaskStatus.ALL:
            return []
        case TaskStatus.PENDING:
            return [not_(col(Task.completed))]
        case TaskStatus.COMPLETED:
            return [col(Task.completed)]


def _order_key(field: TaskOrderField) -> SQLColumnExpression[Any]:
    match field:
        case TaskOrderField.CREATED_AT:
            return col(Task.created_at)
        case TaskOrderField.UPDATED_AT:
            return col(Task.updated_at)
        case TaskOrderField.TITLE:
            return func.lower(col(Task.title))


def _place(name: str, field: TaskOrderField) -> SQLColumnExpression[Any]:
    id = bindparam(f"{name}_id", type_=BigInteger)
    if field is TaskOrderField.TITLE:
        return tuple_(func.lower(bindparam(f"{name}_value", type_=String)), id)
    return tuple_(bindparam(f"{name}_value", type_=DateTime(timezone=True)), id)


def _position(name: str, cursor: Cursor | None) -> Mapping[str, object]:
    if cursor is None:
        return {}
    return {f"{name}_value": cursor.value, f"{name}_id": cursor.id}
