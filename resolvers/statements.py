"""Every SQL statement. Each takes its owner first and names it in SQL; row security repeats it.

Statements are written with SQLAlchemy and compiled to text once for each shape; values travel as
parameters. The database runs each in a transaction of its own in which `app.user_id` is the owner.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
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
    and_,
    bindparam,
    case,
    exists,
    false,
    func,
    literal_column,
    not_,
    null,
    or_,
    select,
    true,
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
from graphql_schema.inputs import OrderDirection, TaskOrderField, TaskStatus, TaskTrash
from models.task import Task, TaskCounter, TaskRow
from models.user import User, UserRow

Row = TypeVar("Row")


class Change(NamedTuple):
    """What came of changing a task that exists."""

    done: bool
    """False: the task was not at the expected version, and nothing was written."""
    task: TaskRow
    """The task after the change, or as it is."""


class Conditions(NamedTuple):
    """Which of the owner's tasks are meant."""

    status: TaskStatus
    trash: TaskTrash


class Page(NamedTuple):
    """Which of the owner's tasks a page may hold, and in what order."""

    conditions: Conditions
    field: TaskOrderField
    direction: OrderDirection
    after: Cursor | None
    before: Cursor | None


class FeedRow(NamedTuple):
    """A task that has changed, and where the owner's counter stood as it was read."""

    version: int
    purged_version: int
    task: TaskRow | None


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
        page.conditions,
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
    sql = _any_task_beyond(page.conditions, page.field, before is ascending)
    return Statement(sql, owner, _position("cursor", cursor))


def task_changes(owner: UserId, after_version: int, limit: int) -> Statement[FeedRow]:
    """Up to `limit` tasks that have changed since, in the trash or not, oldest change first.

    One row comes back without a task where there are none, and no row where there never were any.
    """
    return Statement(_task_changes(), owner, {"after_version": after_version, "limit": limit})


def count_tasks(owner: UserId, conditions: Conditions) -> Statement[tuple[int]]:
    return Statement(_count_tasks(conditions), owner, {})


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
    """Move the task into the trash, where no other statement but those for the trash finds it."""
    values = {"key": key, "expected_version": expected_version}
    return Statement(_delete_task(), owner, values)


def restore_task(owner: UserId, key: int, expected_version: int | None) -> Statement[Change]:
    """Take the task back out of the trash; nothing is written where it is not there."""
    values = {"key": key, "expected_version": expected_version}
    return Statement(_restore_task(), owner, values)


# What follows is the SQL: one function a statement, run once for each shape.

_OWNER = bindparam("owner", type_=Text)
_KEY = bindparam("key", type_=BigInteger)
_LIVE = col(Task.deleted_at).is_(None)
_IN_TRASH = col(Task.deleted_at).is_not(None)
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


def _feed_row(record: Sequence[Any]) -> FeedRow:
    return FeedRow(record[0], record[1], None if record[2] is None else _task_row(record[2:]))


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
    statement = select(*_TASK).where(col(Task.user_id) == _OWNER, col(Task.id) == _KEY, _LIVE)
    return _sql(statement, _task_row, writes=False)


@cache
def _tasks(
    conditions: Conditions,
    field: TaskOrderField,
    read_descending: bool,
    descending: bool,
    after: bool,
    before: bool,
) -> Sql[TaskRow]:
    key, id = _order_key(field), col(Task.id)
    statement = select(*_TASK).where(col(Task.user_id) == _OWNER, *_having(conditions))
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
def _any_task_beyond(
    conditions: Conditions, field: TaskOrderField, smaller: bool
) -> Sql[tuple[bool]]:
    here, place = tuple_(_order_key(field), col(Task.id)), _place("cursor", field)
    found = exists().where(
        col(Task.user_id) == _OWNER,
        *_having(conditions),
        here <= place if smaller else here >= place,
    )
    return _sql(select(found), tuple, writes=False)


@cache
def _count_tasks(conditions: Conditions) -> Sql[tuple[int]]:
    statement = select(func.count()).where(col(Task.user_id) == _OWNER, *_having(conditions))
    return _sql(statement, tuple, writes=False)


@cache
def _task_changes() -> Sql[FeedRow]:
    # Versions are committed in their order, so what one snapshot shows of them has no gaps.
    page = (
        select(*_TASK)
        .where(
            col(Task.user_id) == _OWNER,
            col(Task.version) > bindparam("after_version", type_=Integer),
        )
        .order_by(col(Task.version))
        .limit(bindparam("limit", type_=Integer))
        .subquery("page")
    )
    statement = (
        select(col(TaskCounter.version), col(TaskCounter.purged_version), *page.c)
        .outerjoin_from(TaskCounter, page, true())
        .where(col(TaskCounter.user_id) == _OWNER)
        .order_by(page.c.version)
    )
    return _sql(statement, _feed_row, writes=False)


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
    statement = select(as_expected, *_TASK).where(
        col(Task.user_id) == _OWNER, col(Task.id) == _KEY, _LIVE
    )
    return _sql(statement, _change, writes=False)


@cache
def _toggle_task() -> Sql[Change]:
    return _change_task({"completed": not_(col(Task.completed))})


@cache
def _delete_task() -> Sql[Change]:
    return _change_task({"deleted_at": func.now()})


def _change_task(values: Mapping[str, SQLColumnExpression[Any]]) -> Sql[Change]:
    target = _target(_LIVE)
    changed = _changed(target, _advance_for(target, _as_expected(target.c.version)), values)
    return _done_or_current(changed, target, literal_column("false"))


@cache
def _restore_task() -> Sql[Change]:
    target = _target()
    as_expected, in_trash = _as_expected(target.c.version), target.c.deleted_at.is_not(None)
    counter = _advance_for(target, as_expected, in_trash)
    restored = _changed(target, counter, {"deleted_at": null()})
    return _done_or_current(restored, target, and_(as_expected, not_(in_trash)))


def _changed(target: CTE, counter: CTE, values: Mapping[str, SQLColumnExpression[Any]]) -> CTE:
    """Set the values in the target, if the counter has been advanced for it."""
    return (
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


def _target(*conditions: SQLColumnExpression[bool]) -> CTE:
    """Find the task and lock it."""
    return (
        select(*_TASK)
        .where(col(Task.user_id) == _OWNER, col(Task.id) == _KEY, *conditions)
        .with_for_update()
        .cte("target")
    )


def _advance_for(target: CTE, *conditions: SQLColumnExpression[bool]) -> CTE:
    """Advance the counter if there is a target that meets the conditions."""
    return _advance(_first_version().select_from(target).where(*conditions))


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


def _done_or_current(
    changed: CTE, target: CTE, nothing_to_do: SQLColumnExpression[bool]
) -> Sql[Change]:
    statement = select(literal_column("true"), *changed.c).union_all(
        select(nothing_to_do, *target.c).where(not_(exists(select(changed.c.id))))
    )
    return _sql(statement, _change, writes=True)


def _having(conditions: Conditions) -> Iterator[SQLColumnExpression[bool]]:
    yield _IN_TRASH if conditions.trash is TaskTrash.ONLY else _LIVE
    match conditions.status:
        case TaskStatus.PENDING:
            yield not_(col(Task.completed))
        case TaskStatus.COMPLETED:
            yield col(Task.completed)


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
