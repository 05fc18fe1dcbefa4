"""The statements of imports and exports: things of a file are added once, and all is read.

Rows travel as JSON, so that there is one text for any number of them. What is added bears the times
of the file: the policies of the tables let it where `app.import` is set, which nothing else does.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import (
    ARRAY,
    CTE,
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Date,
    DateTime,
    Insert,
    Integer,
    Select,
    SmallInteger,
    Table,
    Text,
    Time,
    bindparam,
    cast,
    column,
    extract,
    func,
    literal_column,
    select,
)
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.types import TypeEngine

from models.imported import IDS, LIST, TASK
from models.metadata import metadata
from models.quota import Quota
from models.statement import Sql, Statement
from models.task import TaskRow
from models.task_list import TaskListRow
from models.user import UserId
from resolvers.statements.compiling import Row, compiled, named, row_maker
from resolvers.statements.kind import OWNER
from resolvers.statements.transaction_settings import within

_IMPORTS = metadata.tables["imports"]
_TASKS = metadata.tables["tasks"]
_LISTS = metadata.tables["task_lists"]
_COUNTERS = metadata.tables["task_counters"]

_IS_MINE = _COUNTERS.c.user_id == OWNER
_SOURCE = bindparam("source", type_=Text)
_NOTED = ["user_id", "source", "kind", "key", "id"]
"""The columns of what is noted as imported."""

_TIMES: Mapping[str, TypeEngine[Any]] = {
    "created_at": DateTime(timezone=True),
    "updated_at": DateTime(timezone=True),
    "deleted_at": DateTime(timezone=True),
}
_OF_TASKS: Mapping[str, TypeEngine[Any]] = {
    "title": Text(),
    "description": Text(),
    "completed_at": DateTime(timezone=True),
    "completed_on": Date(),
    "list_id": BigInteger(),
    "parent_id": BigInteger(),
    "due_on": Date(),
    "due_time": Time(),
    "priority": SmallInteger(),
    "labels": ARRAY(Text),
    "repeats": JSONB(),
    "successor_id": BigInteger(),
    **_TIMES,
}
_OF_LISTS: Mapping[str, TypeEngine[Any]] = {"name": Text(), **_TIMES}


class Known(NamedTuple):
    """Something that is in already, and what has become of it; or ids that are set aside."""

    kind: str
    key: str
    id: int
    is_there: bool
    """It has not been deleted for good."""
    is_in_trash: bool
    is_subtask: bool


class Reserved(NamedTuple):
    """Ids that nothing else of the owner's gets: as many as were asked for, up to this one."""

    last: int


class Added(NamedTuple):
    """Something that was added."""

    id: int


def imported(owner: UserId, source: str) -> Statement[Known]:
    """Return what of a source is in already, whatever became of it, and the ids set aside."""
    return Statement(_imported(), owner, {"source": source})


def reserve_ids(owner: UserId, source: str, items_key: str, count: int) -> Statement[Reserved]:
    """Set so many ids aside, each greater than any of the owner's, and note that.

    It is AlreadyThere where some are set aside under this `items_key`.
    """
    values = {"source": source, "items_key": items_key, "count": count}
    return Statement(_reserve_ids(), owner, values)


def import_lists(
    owner: UserId, source: str, items: str, quota: Quota, *, trash: bool
) -> Statement[Added]:
    """Add lists of a source, each once, if there is room for all of them.

    `items`: JSON, an array with the `key`, the `id` and the columns of each. They stand in the
    order of their ids. `trash`: whether they are in the trash.
    """
    values = {"source": source, "items": items}
    return Statement(_import_lists(), owner, values, {**within(quota), **_importing(trash=trash)})


def import_tasks(
    owner: UserId, source: str, items: str, quota: Quota, *, trash: bool
) -> Statement[Added]:
    """Add tasks of a source, each once, as `import_lists` does; parents come before subtasks.

    `trash`: whether they are in the trash. Then what they are in may be there, too, and their
    labels stay as they are spelled.
    """
    values = {"source": source, "items": items}
    return Statement(_import_tasks(), owner, values, {**within(quota), **_importing(trash=trash)})


def all_lists(owner: UserId) -> Statement[TaskListRow]:
    """Return all lists, in the trash or not, in their order."""
    return Statement(_all_lists(), owner, {})


def all_tasks(owner: UserId) -> Statement[TaskRow]:
    """Return all tasks, in the trash or not, by list, and in the order by hand there."""
    return Statement(_all_tasks(), owner, {})


def _importing(*, trash: bool) -> Mapping[str, str]:
    return {"app.import": "trash", "app.spelling": "given"} if trash else {"app.import": "live"}


@cache
@named
def _imported() -> Sql[Known]:
    i = _IMPORTS.c
    is_task, is_list = (i.kind == _word(kind) for kind in (TASK, LIST))
    statement = (
        select(
            i.kind,
            i.key,
            i.id,
            func.coalesce(_TASKS.c.id, _LISTS.c.id).is_not(None),
            func.coalesce(_TASKS.c.deleted_at, _LISTS.c.deleted_at).is_not(None),
            _TASKS.c.parent_id.is_not(None),
        )
        .select_from(_IMPORTS)
        .outerjoin(_TASKS, is_task & (_TASKS.c.user_id == OWNER) & (_TASKS.c.id == i.id))
        .outerjoin(_LISTS, is_list & (_LISTS.c.user_id == OWNER) & (_LISTS.c.id == i.id))
        .where(i.user_id == OWNER, i.source == _SOURCE)
    )
    return compiled(statement, Known._make, writes=False)


@cache
@named
def _reserve_ids() -> Sql[Reserved]:
    # As triggers make ids: the seconds since 1970, and 21 bits.
    seconds = func.floor(extract("epoch", func.clock_timestamp()))
    fresh = cast(seconds, BigInteger).op("<<")(literal_column("21"))
    count = bindparam("count", type_=Integer)
    none: ColumnElement[int] = literal_column("0", Integer)
    new = insert(_COUNTERS).values(
        user_id=OWNER, version=none, last_id=fresh + count, tasks=none, bytes=none
    )
    # Where rows lie on several nodes, no clock may be read in what is done on a conflict.
    last_id = func.greatest(_COUNTERS.c.last_id, new.excluded.last_id - count) + count
    taking = new.on_conflict_do_update(index_elements=["user_id"], set_={"last_id": last_id})
    taking_ids = taking.returning(_COUNTERS.c.last_id)
    taken = taking_ids.cte("taken")
    key = bindparam("items_key", type_=Text)

    noted = select(OWNER, _SOURCE, _word(IDS), key, taken.c.last_id)
    steps = (
        compiled(taking_ids, Reserved._make, writes=True),
        compiled(_noting_what_is_taken(key), Reserved._make, writes=True),
        compiled(select(_COUNTERS.c.last_id).where(_IS_MINE), Reserved._make, writes=False),
    )
    return replace(_noting(noted, Reserved), steps=steps)


def _noting_what_is_taken(key: ColumnElement[str]) -> Insert:
    """Note the ids that were set aside in this transaction, on the node that has the counter."""
    mine = select(_COUNTERS.c.user_id, _SOURCE, _word(IDS), key, _COUNTERS.c.last_id)
    return insert(_IMPORTS).from_select(_NOTED, mine.where(_IS_MINE))


@cache
@named
def _import_lists() -> Sql[Added]:
    return _added(_LISTS, LIST, _OF_LISTS)


@cache
@named
def _import_tasks() -> Sql[Added]:
    return _added(_TASKS, TASK, _OF_TASKS)


def _word(kind: str) -> ColumnElement[str]:
    """Return a kind as it is, and no parameter."""
    return literal_column(f"'{kind}'", Text)


def _added(table: Table, kind: str, columns: Mapping[str, TypeEngine[Any]]) -> Sql[Added]:
    """Add what the parameter `items` has, and that it was, in one statement."""
    items = cast(bindparam("items", type_=Text), JSONB)
    given = (
        func.jsonb_to_recordset(items)
        .table_valued(
            column("key", Text()),
            column("id", BigInteger()),
            *(column(name, type_) for name, type_ in columns.items()),
            name="item",
        )
        .render_derived(with_types=True)
    )
    cte: CTE = select(given).cte("given")
    values: dict[str, ColumnElement[Any]] = {
        "user_id": OWNER,
        "id": cte.c.id,
        "position": func.key_of_number(cte.c.id),
        **{name: cte.c[name] for name in columns},
        "created_at": func.coalesce(cte.c.created_at, func.now()),
        "updated_at": func.coalesce(cte.c.updated_at, func.now()),
    }
    if table is _TASKS:
        values["completed"] = cast(cte.c.completed_at.is_not(None), Boolean)
    rows = select(*values.values()).select_from(cte)
    making = insert(table).from_select([*values], rows).returning(table.c.id)
    made = making.cte("made")
    noted = select(OWNER, _SOURCE, _word(kind), cte.c.key, cte.c.id)
    steps = (
        compiled(making, Added._make, writes=True),
        _noting(noted.select_from(cte), Added),
    )
    beside = noted.select_from(cte.join(made, made.c.id == cte.c.id))
    return replace(_noting(beside, Added), steps=steps)


def _noting(noted: Select[Any], kind: type[Row]) -> Sql[Row]:
    """Note what the other parts of the statement have done."""
    statement = insert(_IMPORTS).from_select(_NOTED, noted).returning(_IMPORTS.c.id)
    # The second time the key is there already.
    return replace(compiled(statement, row_maker(kind), writes=True), repeatable=True)


@cache
@named
def _all_lists() -> Sql[TaskListRow]:
    return compiled(_all(_LISTS, TaskListRow._fields), row_maker(TaskListRow), writes=False)


@cache
@named
def _all_tasks() -> Sql[TaskRow]:
    return compiled(_all(_TASKS, TaskRow._fields, "list_id"), row_maker(TaskRow), writes=False)


def _all(table: Table, fields: tuple[str, ...], *first: str) -> Any:  # noqa: ANN401
    columns: list[Column[Any]] = [table.c[name] for name in fields]
    order = [table.c[name] for name in (*first, "position", "id")]
    return select(*columns).where(table.c.user_id == OWNER).order_by(*order)
