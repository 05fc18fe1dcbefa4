"""The statements of lists of tasks. Each takes its owner first and names it in SQL."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import NamedTuple

from sqlalchemy import ARRAY, BigInteger, and_, any_, bindparam, func, not_, null, or_, select

from graphql_schema.filters import TaskTrash
from graphql_schema.lists import ListCursor
from models.fact import May
from models.metadata import metadata
from models.quota import Quota
from models.statement import Sql, Statement
from models.task_list import TASK_LIST_FACTS, TaskListRow
from models.user import UserId
from resolvers.statements import idempotency_keys, owned, pages, removals
from resolvers.statements.compiling import compiled, named, row_maker
from resolvers.statements.idempotency_keys import Replay
from resolvers.statements.kind import KEY, Change, Kind, Removal
from resolvers.statements.pages import Stretch, position
from resolvers.statements.tasks import TASK
from resolvers.statements.transaction_settings import at, within

LIST = Kind(
    metadata.tables["task_lists"],
    metadata.tables["task_counters"],
    TaskListRow._fields,
    row_maker(TaskListRow),
)


class ListPage(NamedTuple):
    """Which of the owner's lists a page may hold."""

    trash: TaskTrash
    after: ListCursor | None = None
    before: ListCursor | None = None


def task_list(owner: UserId, key: int) -> Statement[TaskListRow]:
    return Statement(_task_list(), owner, {"key": key})


def task_lists(
    owner: UserId, list_page: ListPage, *, limit: int, backward: bool
) -> Statement[TaskListRow]:
    """Return up to `limit` lists from the page's start; backward: from its end, last one first."""
    trash, after, before = list_page
    sql = _task_lists(trash, after is not None, before is not None, backward=backward)
    places = {**position("after", after), **position("before", before)}
    return Statement(sql, owner, {"limit": limit, **places})


def any_list_beyond(
    owner: UserId, trash: TaskTrash, list_cursor: ListCursor, *, before: bool
) -> Statement[tuple[bool]]:
    """Return whether any list stands at the cursor or on the far side of it."""
    return Statement(_any_list_beyond(trash, before), owner, position("cursor", list_cursor))


def count_lists(owner: UserId, trash: TaskTrash) -> Statement[tuple[int]]:
    return Statement(_count_lists(trash), owner, {})


def task_list_anywhere(owner: UserId, key: int) -> Statement[TaskListRow]:
    """Return the list, in the trash or not."""
    return Statement(_task_list_anywhere(), owner, {"key": key})


def create_list(
    owner: UserId, row: Mapping[str, object], quota: Quota, place: str | None
) -> Statement[TaskListRow]:
    """Add a list, if there is room for it. `place`: None puts it after all others."""
    return Statement(_create_list(), owner, row, {**within(quota), **at(place)})


def update_list(
    owner: UserId,
    key: int,
    list_values: Mapping[str, object],
    expected_version: int | None,
    quota: Quota,
) -> Statement[TaskListRow]:
    """Set the columns that have values; where they have them already, the version stays too.

    No row comes back where there is no such list, or none at that version.
    """
    parameters = {"key": key, "expected_version": expected_version, **list_values}
    return Statement(_update_list(frozenset(list_values)), owner, parameters, within(quota))


def move_list(
    owner: UserId, key: int, place: str | None, expected_version: int | None
) -> Statement[TaskListRow]:
    """Put the list at another place; None leaves it where it is."""
    values = {"key": key, "expected_version": expected_version}
    return Statement(_move_list(place is not None), owner, values, at(place))


def delete_list(owner: UserId, key: int, expected_version: int | None) -> Statement[TaskListRow]:
    """Move the list into the trash; a trigger takes its tasks along."""
    return Statement(_delete_list(), owner, {"key": key, "expected_version": expected_version})


def restore_list(owner: UserId, key: int, expected_version: int | None) -> Statement[TaskListRow]:
    """Move the list out of the trash, with the tasks that went there with it."""
    return Statement(_restore_list(), owner, {"key": key, "expected_version": expected_version})


def count_followers(owner: UserId, key: int) -> Statement[tuple[int]]:
    """Count the tasks that went into the trash, or came out of it, with the list."""
    return Statement(_count_followers(), owner, {"key": key})


def count_pending(owner: UserId, keys: Sequence[int]) -> Statement[tuple[int, int]]:
    """Return how many pending tasks outside the trash each of those lists has, if it has any."""
    return Statement(_count_pending(), owner, {"keys": keys})


def empty_trash(owner: UserId, limit: int) -> Statement[Removal]:
    """Remove up to `limit` tasks and lists that are in the trash; what was removed comes back.

    A list goes once no task refers to it any more.
    """
    return Statement(_empty_trash(), owner, {"limit": limit})


def replay_list(owner: UserId, idempotency_key: str) -> Statement[Replay[Change[TaskListRow]]]:
    """Return what was recorded of a list under a key; no row where nothing was."""
    return Statement(_replay_list(), owner, {"idempotency_key": idempotency_key})


# What follows is the SQL: one function a statement, run once for each shape.

_TASKS = TASK.table.c


@cache
@named
def _task_list() -> Sql[TaskListRow]:
    return owned.find(LIST)


@cache
@named
def _task_lists(trash: TaskTrash, after: bool, before: bool, *, backward: bool) -> Sql[TaskListRow]:
    places = [name for name, given in (("after", after), ("before", before)) if given]
    stretch = Stretch(_parts(trash), places)
    return pages.page(LIST, [stretch], _ORDER, read_descending=backward, descending=False)


@cache
@named
def _any_list_beyond(trash: TaskTrash, before: bool) -> Sql[tuple[bool]]:
    return pages.any_beyond(LIST, [Stretch(_parts(trash), ["cursor"])], _ORDER, smaller=before)


@cache
@named
def _count_lists(trash: TaskTrash) -> Sql[tuple[int]]:
    return pages.count(LIST, _parts(trash))


_ORDER = TASK_LIST_FACTS["position"]


def _parts(trash: TaskTrash) -> pages.Parts:
    return [[LIST.is_live if trash is TaskTrash.EXCLUDE else LIST.is_in_trash]]


_VALUES = {
    fact.name: bindparam(fact.name, type_=fact.column.type)
    for fact in TASK_LIST_FACTS.values()
    if fact.name == "id" or May.CREATE in fact.may
}


@cache
@named
def _task_list_anywhere() -> Sql[TaskListRow]:
    return owned.find_anywhere(LIST)


@cache
@named
def _create_list() -> Sql[TaskListRow]:
    return owned.create(LIST, _VALUES)


@cache
@named
def _update_list(columns: frozenset[str]) -> Sql[TaskListRow]:
    if not columns:
        return owned.compare_one(LIST)
    return owned.change_one(LIST, {name: _VALUES[name] for name in sorted(columns)})


@cache
@named
def _move_list(has_place: bool) -> Sql[TaskListRow]:
    return owned.change_one(LIST, {"position": null()}) if has_place else owned.compare_one(LIST)


@cache
@named
def _delete_list() -> Sql[TaskListRow]:
    return owned.delete_one(LIST)


@cache
@named
def _restore_list() -> Sql[TaskListRow]:
    return owned.restore_one(LIST)


@cache
@named
def _count_followers() -> Sql[tuple[int]]:
    # One transaction has one time, in `deleted_at` of all that went into the trash together, and in
    # `updated_at` of all that came back.
    table = LIST.table
    went_along = and_(table.c.deleted_at.is_not(None), _TASKS.deleted_at == table.c.deleted_at)
    came_along = and_(
        table.c.deleted_at.is_(None), TASK.is_live, _TASKS.updated_at == table.c.updated_at
    )
    statement = (
        select(func.count())
        .select_from(table)
        .join(TASK.table, and_(TASK.is_owned, _TASKS.list_id == table.c.id))
        .where(LIST.is_owned, table.c.id == KEY, or_(went_along, came_along))
    )
    return compiled(statement, tuple, writes=False)


@cache
@named
def _count_pending() -> Sql[tuple[int, int]]:
    keys = bindparam("keys", type_=ARRAY(BigInteger))
    statement = (
        select(_TASKS.list_id, func.count())
        .where(TASK.is_owned, _TASKS.list_id == any_(keys), TASK.is_live, not_(_TASKS.completed))
        .group_by(_TASKS.list_id)
    )
    return compiled(statement, tuple, writes=False)


@cache
@named
def _empty_trash() -> Sql[Removal]:
    return removals.remove_all(TASK, LIST, _TASKS.list_id)


@cache
@named
def _replay_list() -> Sql[Replay[Change[TaskListRow]]]:
    return idempotency_keys.replay(LIST)
