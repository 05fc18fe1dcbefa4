"""Every SQL statement. Each takes its owner first and names it in SQL; row security repeats it.

Statements are written with SQLAlchemy and compiled to text once for each shape; values travel as
parameters. The database runs each in a transaction of its own in which `app.user_id` is the owner.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import cache, partial
from typing import Any, NamedTuple, TypedDict, TypeVar, cast

from sqlalchemy import (
    ARRAY,
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
    any_,
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
    union_all,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import CompilerElement
from sqlalchemy.sql.selectable import CTE
from sqlmodel import col

from auth.identity import Identity
from graphql_schema.connections import Cursor
from graphql_schema.filters import OrderDirection, TaskOrderField, TaskStatus, TaskTrash
from models.idempotency_key import IdempotencyKey
from models.statement import Sql, Statement
from models.task import Task, TaskCounter, TaskRow
from models.user import User, UserId, UserRow

Row = TypeVar("Row")
OrderKey = SQLColumnExpression[Any]


class Change(NamedTuple):
    """What came of changing a task that exists."""

    done: bool
    """False: the task was not at the expected version, and nothing was written."""
    task: TaskRow
    """The task after the change, or as it is."""
    version: int
    """The task's version right after the change, or as it was."""


class Values(TypedDict, total=False):
    """What is compared with columns; what is left out is not."""

    ids: Sequence[int]
    created_from: datetime
    created_until: datetime
    updated_from: datetime
    updated_until: datetime
    search: str
    """Looked at in one task after another: for words that many have."""


class Conditions(NamedTuple):
    """Which of the owner's tasks are meant. All of them must hold."""

    status: TaskStatus = TaskStatus.ALL
    trash: TaskTrash = TaskTrash.EXCLUDE
    values: Values = Values()

    @property
    def shape(self) -> "Shape":
        return Shape(self.status, self.trash, frozenset(self.values))


class Shape(NamedTuple):
    """What conditions there are, without their values."""

    status: TaskStatus
    trash: TaskTrash
    given: frozenset[str]

    def by_status(self) -> Sequence["Shape"]:
        """The shapes that together let through the same, each in the order of one index.

        Where ids are given, they are few, and their tasks are looked up by them.
        """
        if self.status is not TaskStatus.ALL or "ids" in self.given:
            return [self]
        statuses = (TaskStatus.PENDING, TaskStatus.COMPLETED)
        return [self._replace(status=status) for status in statuses]


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
        page.conditions.shape,
        page.field,
        (page.direction is OrderDirection.DESC) is not backward,
        page.direction is OrderDirection.DESC,
        page.after is not None,
        page.before is not None,
    )
    places = {**_position("after", page.after), **_position("before", page.before)}
    return Statement(sql, owner, {"limit": limit, **places, **page.conditions.values})


def any_task_beyond(
    owner: UserId, page: Page, cursor: Cursor, *, before: bool
) -> Statement[tuple[bool]]:
    """Whether any task stands at the cursor or on the far side of it."""
    ascending = page.direction is OrderDirection.ASC
    sql = _any_task_beyond(page.conditions.shape, page.field, before is ascending)
    return Statement(sql, owner, {**_position("cursor", cursor), **page.conditions.values})


def task_changes(owner: UserId, after_version: int, limit: int) -> Statement[FeedRow]:
    """Up to `limit` tasks that have changed since, in the trash or not, oldest change first.

    One row comes back without a task where there are none, and no row where there never were any.
    """
    return Statement(_task_changes(), owner, {"after_version": after_version, "limit": limit})


def count_tasks(owner: UserId, conditions: Conditions) -> Statement[tuple[int]]:
    return Statement(_count_tasks(conditions.shape), owner, conditions.values)


def search_tasks(owner: UserId, search: str, limit: int) -> Statement[tuple[int]]:
    """The ids of up to `limit` tasks, in the trash or not, that have all words of a search."""
    return Statement(_search_tasks(), owner, {"search": search, "limit": limit})


class Replay(NamedTuple):
    """What is known of a mutation that was run, for one of the tasks that it found."""

    request: str
    found: bool
    """False: it found no task, or the task is gone for good."""
    change: Change


def create_task(owner: UserId, *, title: str, description: str | None) -> Statement[Change]:
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


def update_tasks(owner: UserId, keys: Sequence[int], completed: bool) -> Statement[Change]:
    """Set all those tasks to done or not; those that there are come back, in any order."""
    return Statement(_update_tasks(), owner, {"keys": keys, "completed": completed})


def delete_tasks(owner: UserId, keys: Sequence[int]) -> Statement[Change]:
    """Move all those tasks into the trash; those that there were come back, in any order."""
    return Statement(_delete_tasks(), owner, {"keys": keys})


def once(
    owner: UserId, statement: Statement[Change], idempotency_key: str, request: str
) -> Statement[Change]:
    """Return the statement as one that can take effect only once under a key of the owner's.

    It writes the key in its own transaction. `request` tells one input from another.
    """
    values = {**statement.values, "idempotency_key": idempotency_key, "request": request}
    return Statement(_once(statement.sql), owner, values)


def replay(owner: UserId, idempotency_key: str) -> Statement[Replay]:
    """Return what came of what was run under a key; no row where nothing was."""
    return Statement(_replay(), owner, {"idempotency_key": idempotency_key})


# What follows is the SQL: one function a statement, run once for each shape.

_INSTANT = DateTime(timezone=True)
_OWNER = bindparam("owner", type_=Text)
_KEY = bindparam("key", type_=BigInteger)
_LIVE = col(Task.deleted_at).is_(None)
_IN_TRASH = col(Task.deleted_at).is_not(None)
_TASK = [col(getattr(Task, name)) for name in TaskRow._fields]
_USER = [col(getattr(User, name)) for name in UserRow._fields]
_IDEMPOTENCY_KEY = bindparam("idempotency_key", type_=Text)
_REQUEST = bindparam("request", type_=Text)
_CHANGEABLE: dict[str, BindParameter[Any]] = {
    "title": bindparam("title", type_=String),
    "description": bindparam("description", type_=Text),
    "completed": bindparam("completed", type_=Boolean),
}
_SEARCH = bindparam("search", type_=Text)
_CONDITIONS: dict[str, SQLColumnExpression[bool]] = {
    "ids": col(Task.id) == any_(bindparam("ids", type_=ARRAY(BigInteger))),
    "created_from": col(Task.created_at) >= bindparam("created_from", type_=_INSTANT),
    "created_until": col(Task.created_at) < bindparam("created_until", type_=_INSTANT),
    "updated_from": col(Task.updated_at) >= bindparam("updated_from", type_=_INSTANT),
    "updated_until": col(Task.updated_at) < bindparam("updated_until", type_=_INSTANT),
    # The query is made once, not for each task.
    "search": col(Task.words).bool_op("@@")(
        select(func.query_for(_OWNER, _SEARCH)).scalar_subquery()
    ),
}
_DIALECT = PGDialect_psycopg(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]


_WRITTEN: dict[str, CompilerElement] = {}
"""What each text was compiled from."""


# `_make` of a named tuple does the same at twice the price.
_task_row = cast("Callable[[Sequence[Any]], TaskRow]", partial(tuple.__new__, TaskRow))
_user_row = cast("Callable[[Sequence[Any]], UserRow]", partial(tuple.__new__, UserRow))


def _sql(
    statement: CompilerElement, make_row: Callable[[Sequence[Any]], Row], *, writes: bool
) -> Sql[Row]:
    compiled = statement.compile(dialect=_DIALECT)
    assert isinstance(compiled, SQLCompiler)
    names = compiled.positiontup or []
    sql = Sql(str(compiled), tuple(names), make_row, writes)
    _WRITTEN[sql.text] = statement
    return sql


def _change(record: Sequence[Any]) -> Change:
    row = _task_row(record[1:])
    return Change(record[0], row, row.version)


def _replayed(record: Sequence[Any]) -> Replay:
    request, done, version, *task = record
    row = _task_row(task)
    return Replay(request, task[0] is not None, Change(done, row, version))


def _feed_row(record: Sequence[Any]) -> FeedRow:
    return FeedRow(record[0], record[1], None if record[2] is None else _task_row(record[2:]))


@cache
def _viewer() -> Sql[UserRow]:
    return _sql(select(*_USER).where(col(User.id) == _OWNER), _user_row, writes=False)


# Whatever Better Auth's tables are called, they refer to its users.
_USERS_HAVE_SESSIONS = literal_column(
    "EXISTS (SELECT FROM pg_constraint WHERE contype = 'f' AND confrelid = 'users'::regclass "
    "AND conrelid NOT IN ('tasks'::regclass, 'task_counters'::regclass, "
    "'idempotency_keys'::regclass))",
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
    shape: Shape,
    field: TaskOrderField,
    read_descending: bool,
    descending: bool,
    after: bool,
    before: bool,
) -> Sql[TaskRow]:
    key, id = _order_key(field), col(Task.id)
    here = tuple_(key, id)
    between = []
    if after:
        place = _place("after", field)
        between.append(here < place if descending else here > place)
    if before:
        place = _place("before", field)
        between.append(here > place if descending else here < place)

    def ordered(statement: Select[Any], key: OrderKey, id: OrderKey) -> Select[Any]:
        order = [key.desc(), id.desc()] if read_descending else [key, id]
        return statement.order_by(*order).limit(bindparam("limit", type_=Integer))

    parts = [
        ordered(
            select(*_TASK, key.label("key")).where(
                col(Task.user_id) == _OWNER, *_having(part), *between
            ),
            *(key, id),
        )
        for part in shape.by_status()
    ]
    page = union_all(*parts).subquery("page") if len(parts) > 1 else parts[0].subquery("page")
    statement = select(*(page.c[name] for name in TaskRow._fields))
    return _sql(ordered(statement, page.c.key, page.c.id), _task_row, writes=False)


@cache
def _any_task_beyond(shape: Shape, field: TaskOrderField, smaller: bool) -> Sql[tuple[bool]]:
    key, id = _order_key(field), col(Task.id)
    here, place = tuple_(key, id), _place("cursor", field)
    # Not EXISTS, which would drop the order, and with it the index that leads straight there.
    found = [
        select(literal_column("true", Boolean))
        .where(
            col(Task.user_id) == _OWNER,
            *_having(part),
            here <= place if smaller else here >= place,
        )
        .order_by(*([key.desc(), id.desc()] if smaller else [key, id]))
        .limit(literal_column("1"))
        .scalar_subquery()
        for part in shape.by_status()
    ]
    return _sql(select(func.coalesce(*found, literal_column("false"))), tuple, writes=False)


@cache
def _count_tasks(shape: Shape) -> Sql[tuple[int]]:
    statement = select(func.count()).where(col(Task.user_id) == _OWNER, *_having(shape))
    return _sql(statement, tuple, writes=False)


@cache
def _search_tasks() -> Sql[tuple[int]]:
    limit = bindparam("limit", type_=Integer)
    # It finds the tasks of whom `app.user_id` names, and of nobody else.
    found = func.search_tasks(_SEARCH, limit).table_valued("owner", "id", name="found")
    statement = select(found.c.id).where(found.c.owner == _OWNER)
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
def _create_task() -> Sql[Change]:
    counter = _advance(_first_version())
    title, description = _CHANGEABLE["title"], _CHANGEABLE["description"]
    statement = (
        insert(Task)
        .from_select(
            ["user_id", "title", "description", "version"],
            select(_OWNER, title, description, counter.c.version),
        )
        .returning(literal_column("true").label("done"), *_TASK)
    )
    return _sql(statement, _change, writes=True)


@cache
def _update_task(columns: frozenset[str]) -> Sql[Change]:
    if not columns:
        return _compare_task()
    return _change_task({name: _CHANGEABLE[name] for name in sorted(columns)})


def _compare_task() -> Sql[Change]:
    as_expected = _as_expected(col(Task.version))
    statement = select(as_expected.label("done"), *_TASK).where(
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


@cache
def _update_tasks() -> Sql[Change]:
    return _change_tasks({"completed": _CHANGEABLE["completed"]})


@cache
def _delete_tasks() -> Sql[Change]:
    return _change_tasks({"deleted_at": func.now()})


def _change_tasks(values: Mapping[str, SQLColumnExpression[Any]]) -> Sql[Change]:
    keys = bindparam("keys", type_=ARRAY(BigInteger))
    # Locked in one order, so that two batches never wait for each other.
    target = (
        select(col(Task.id))
        .where(col(Task.user_id) == _OWNER, col(Task.id) == any_(keys), _LIVE)
        .order_by(col(Task.id))
        .with_for_update()
        .cte("target")
    )
    # Each task gets a number of its own: the last of them is the counter's.
    rank = func.row_number().over(order_by=target.c.id.desc()) - literal_column("1")
    ranked = select(target.c.id, rank.label("rank")).cte("ranked")
    count = func.count()
    counter = _advance(
        select(_OWNER, count).select_from(target).having(count > literal_column("0"))
    )
    changed = (
        update(Task)
        .where(
            col(Task.user_id) == _OWNER,
            col(Task.id) == ranked.c.id,
            col(Task.user_id) == counter.c.user_id,
        )
        .values({**values, "updated_at": func.now(), "version": counter.c.version - ranked.c.rank})
        .returning(literal_column("true").label("done"), *_TASK)
    )
    return _sql(changed, _change, writes=True)


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
    advance = insert(TaskCounter).from_select(["user_id", "version"], first)
    return (
        advance.on_conflict_do_update(
            index_elements=[col(TaskCounter.user_id)],
            set_={"version": col(TaskCounter.version) + advance.excluded.version},
        )
        .returning(col(TaskCounter.user_id), col(TaskCounter.version))
        .cte("counter")
    )


def _done_or_current(
    changed: CTE, target: CTE, nothing_to_do: SQLColumnExpression[bool]
) -> Sql[Change]:
    statement = select(literal_column("true").label("done"), *changed.c).union_all(
        select(nothing_to_do, *target.c).where(not_(exists(select(changed.c.id))))
    )
    return _sql(statement, _change, writes=True)


@cache
def _once(sql: Sql[Change]) -> Sql[Change]:
    outcome = cast("Select[*tuple[Any, ...]]", _WRITTEN[sql.text]).cte("outcome")
    of_each = func.jsonb_build_array(outcome.c.id, outcome.c.version, outcome.c.done)
    of_all = func.coalesce(func.jsonb_agg(of_each), literal_column("'[]'::jsonb"))
    recorded = (
        insert(IdempotencyKey)
        .from_select(
            ["user_id", "key", "request", "outcome"],
            select(_OWNER, _IDEMPOTENCY_KEY, _REQUEST, of_all).select_from(outcome),
        )
        .cte("recorded")
    )
    statement = select(*outcome.c).add_cte(recorded)
    return replace(_sql(statement, _change, writes=True), repeatable=True)


@cache
def _replay() -> Sql[Replay]:
    outcomes = (
        func.jsonb_array_elements(col(IdempotencyKey.outcome))
        .table_valued("value", with_ordinality="place")
        .render_derived(name="outcome")
    )
    id = literal_column("(outcome.value ->> 0)::bigint", BigInteger)
    version = literal_column("(outcome.value ->> 1)::integer", Integer)
    done = literal_column("(outcome.value ->> 2)::boolean", Boolean)
    statement = (
        select(col(IdempotencyKey.request), done, version, *_TASK)
        .select_from(IdempotencyKey)
        .outerjoin(outcomes, true())
        .outerjoin(Task, and_(col(Task.user_id) == _OWNER, col(Task.id) == id))
        .where(col(IdempotencyKey.user_id) == _OWNER, col(IdempotencyKey.key) == _IDEMPOTENCY_KEY)
        .order_by(outcomes.c.place)
    )
    return _sql(statement, _replayed, writes=False)


def _having(shape: Shape) -> Iterator[SQLColumnExpression[bool]]:
    yield _IN_TRASH if shape.trash is TaskTrash.ONLY else _LIVE
    match shape.status:
        case TaskStatus.PENDING:
            yield not_(col(Task.completed))
        case TaskStatus.COMPLETED:
            yield col(Task.completed)
    for name in sorted(shape.given):
        yield _CONDITIONS[name]


def _order_key(field: TaskOrderField) -> SQLColumnExpression[Any]:
    match field:
        case TaskOrderField.CREATED_AT:
            return col(Task.created_at)
        case TaskOrderField.UPDATED_AT:
            return col(Task.updated_at)
        case TaskOrderField.TITLE:
            return col(Task.title_key)


def _place(name: str, field: TaskOrderField) -> SQLColumnExpression[Any]:
    id = bindparam(f"{name}_id", type_=BigInteger)
    if field is TaskOrderField.TITLE:
        return tuple_(func.lower(bindparam(f"{name}_value", type_=String)), id)
    return tuple_(bindparam(f"{name}_value", type_=_INSTANT), id)


def _position(name: str, cursor: Cursor | None) -> Mapping[str, object]:
    if cursor is None:
        return {}
    return {f"{name}_value": cursor.value, f"{name}_id": cursor.id}
