"""The statements of tasks. Each takes its owner first and names it in SQL; row security repeats it.

Statements are written with SQLAlchemy and compiled to text once for each shape; values travel as
parameters. The database runs each in a transaction of its own in which `app.user_id` is the owner.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from functools import cache, lru_cache
from types import MappingProxyType
from typing import Any, NamedTuple

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Integer,
    Text,
    any_,
    bindparam,
    func,
    not_,
    select,
)

from graphql_schema.connections import Cursor
from graphql_schema.filters import OrderDirection, TaskOrderField, TaskStatus, TaskTrash
from models.fact import Fact, May
from models.metadata import metadata
from models.quota import Quota, Stored
from models.statement import Sql, Statement
from models.task import TASK_FACTS, TaskRow
from models.user import UserId
from resolvers.statements import idempotency_keys, labels, owned, pages, removals, storage
from resolvers.statements.compiling import compiled, row_maker
from resolvers.statements.idempotency_keys import Replay
from resolvers.statements.kind import OWNER, Change, Condition, Kind, Removal
from resolvers.statements.labels import Renamed, Uses
from resolvers.statements.pages import FeedRow, position

TASK = Kind(
    metadata.tables["tasks"],
    metadata.tables["task_counters"],
    TaskRow._fields,
    row_maker(TaskRow),
)
_COLUMNS = TASK.table.c

_NO_LIMIT = 2**63 - 1
"""The greatest value of PostgreSQL's bigint."""


class Conditions(NamedTuple):
    """Which of the owner's tasks are meant. All of them must hold."""

    status: TaskStatus = TaskStatus.ALL
    trash: TaskTrash = TaskTrash.EXCLUDE
    ids: Sequence[int] | None = None
    search: str | None = None
    """Compared with one task after another: for words that many tasks have."""
    bounds: Mapping[str, object] = MappingProxyType({})
    """Where ranges begin and end, by the names in `Fact.bounds`."""

    @property
    def values(self) -> Mapping[str, object]:
        """The parameters that the conditions have."""
        values = {"ids": self.ids, "search": self.search, **self.bounds}
        return {name: value for name, value in values.items() if value is not None}

    @property
    def shape(self) -> "Shape":
        return Shape(self.status, self.trash, frozenset(self.values))


class Shape(NamedTuple):
    """What conditions there are, without their values."""

    status: TaskStatus
    trash: TaskTrash
    given: frozenset[str]

    def parts(self) -> Sequence[Sequence[Condition]]:
        """Return the conditions of the parts of a list, each in the order of one index.

        Where ids are given, they are few, and their tasks are looked up by them.
        """
        if self.status is not TaskStatus.ALL or "ids" in self.given:
            return [list(self.conditions())]
        statuses = (TaskStatus.PENDING, TaskStatus.COMPLETED)
        return [list(self._replace(status=status).conditions()) for status in statuses]

    def conditions(self) -> Iterator[Condition]:
        yield TASK.is_in_trash if self.trash is TaskTrash.ONLY else TASK.is_live
        match self.status:
            case TaskStatus.PENDING:
                yield not_(_COLUMNS.completed)
            case TaskStatus.COMPLETED:
                yield _COLUMNS.completed
        for name in sorted(self.given):
            yield _CONDITIONS[name]


class Page(NamedTuple):
    """Which of the owner's tasks a page may hold, and in what order."""

    conditions: Conditions
    field: TaskOrderField
    direction: OrderDirection
    after: Cursor | None
    before: Cursor | None


def task(owner: UserId, key: int) -> Statement[TaskRow]:
    return Statement(_task(), owner, {"key": key})


def task_anywhere(owner: UserId, key: int) -> Statement[TaskRow]:
    """Return the task, in the trash or not."""
    return Statement(_task_anywhere(), owner, {"key": key})


def tasks(owner: UserId, page: Page, *, limit: int, backward: bool) -> Statement[TaskRow]:
    """Return up to `limit` tasks from the page's start; backward: from its end, last one first."""
    descending = page.direction is OrderDirection.DESC
    sql = _tasks(
        page.conditions.shape,
        page.field,
        read_descending=descending is not backward,
        descending=descending,
        after=page.after is not None,
        before=page.before is not None,
    )
    places = {**position("after", page.after), **position("before", page.before)}
    return Statement(sql, owner, {"limit": limit, **places, **page.conditions.values})


def any_task_beyond(
    owner: UserId, page: Page, cursor: Cursor, *, before: bool
) -> Statement[tuple[bool]]:
    """Return whether any task stands at the cursor or on the far side of it."""
    ascending = page.direction is OrderDirection.ASC
    sql = _any_task_beyond(page.conditions.shape, page.field, smaller=before is ascending)
    return Statement(sql, owner, {**position("cursor", cursor), **page.conditions.values})


def task_changes(owner: UserId, after_version: int, limit: int) -> Statement[FeedRow[TaskRow]]:
    """Return up to `limit` tasks that have changed since, in the trash or not, oldest change first.

    One row comes back without a task where there are none, and no row where there never were any.
    """
    return Statement(_task_changes(), owner, {"after_version": after_version, "limit": limit})


def count_tasks(owner: UserId, conditions: Conditions) -> Statement[tuple[int]]:
    return Statement(_count_tasks(conditions.shape), owner, conditions.values)


def search_tasks(owner: UserId, search: str, limit: int) -> Statement[tuple[int]]:
    """Return the ids of up to `limit` tasks, in the trash or not, that have all words."""
    return Statement(_search_tasks(), owner, {"search": search, "limit": limit})


def stored(owner: UserId) -> Statement[Stored]:
    """Return how many tasks the owner has, and how much text."""
    return Statement(_stored(), owner, {})


def create_tasks(
    owner: UserId, rows: Sequence[Mapping[str, object]], quota: Quota
) -> Statement[TaskRow]:
    """Add tasks, if there is room for all of them; they come back in the same order.

    Every column that may be given has a value in every row, so that there is one text for each
    number of rows.
    """
    values = {
        f"{name}_{place}": value for place, row in enumerate(rows) for name, value in row.items()
    }
    return Statement(_create_tasks(len(rows)), owner, values, _within(quota))


def update_task(
    owner: UserId,
    key: int,
    values: Mapping[str, object],
    expected_version: int | None,
    quota: Quota,
) -> Statement[TaskRow]:
    """Set the columns that have values; where they have them already, the version stays too.

    No row comes back where there is no such task, or none at that version.
    """
    parameters = {"key": key, "expected_version": expected_version, **values}
    return Statement(_update_task(frozenset(values)), owner, parameters, _within(quota))


def toggle_task(
    owner: UserId, key: int, expected_version: int | None, today: date | None
) -> Statement[TaskRow]:
    """Complete the task, on the day that is given, or undo that."""
    values = {"key": key, "completed_on": today, "expected_version": expected_version}
    return Statement(_toggle_task(), owner, values)


def delete_task(owner: UserId, key: int, expected_version: int | None) -> Statement[TaskRow]:
    """Move the task into the trash, where only the statements for the trash find it."""
    values = {"key": key, "expected_version": expected_version}
    return Statement(_delete_task(), owner, values)


def restore_task(owner: UserId, key: int, expected_version: int | None) -> Statement[TaskRow]:
    """Move the task out of the trash; one that is not there stays as it is."""
    values = {"key": key, "expected_version": expected_version}
    return Statement(_restore_task(), owner, values)


def update_tasks(
    owner: UserId,
    keys: Sequence[int],
    values: Mapping[str, object],
    names: Mapping[str, Sequence[str]],
    quota: Quota,
) -> Statement[TaskRow]:
    """Set columns and labels of all those tasks; those that exist come back, in any order.

    `names`: the labels that each of them gets, as `added`, and those that it loses, as `removed`.
    Those that are so already keep their version.
    """
    sql = _update_tasks(frozenset(values), frozenset(names))
    return Statement(sql, owner, {"keys": keys, **values, **names}, _within(quota))


def delete_tasks(owner: UserId, keys: Sequence[int]) -> Statement[TaskRow]:
    """Move all those tasks into the trash; those that existed come back, in any order."""
    return Statement(_delete_tasks(), owner, {"keys": keys})


def restore_tasks(owner: UserId, keys: Sequence[int]) -> Statement[TaskRow]:
    """Move all those tasks out of the trash; those that exist come back, in any order."""
    return Statement(_restore_tasks(), owner, {"keys": keys})


def purge_tasks(owner: UserId, keys: Sequence[int]) -> Statement[Removal]:
    """Remove those of the tasks that are in the trash; what was removed comes back."""
    return Statement(_purge_tasks(), owner, {"keys": keys})


def empty_trash(owner: UserId, limit: int) -> Statement[Removal]:
    """Remove up to `limit` tasks that are in the trash; what was removed comes back."""
    return Statement(_empty_trash(), owner, {"limit": limit})


def rename_label(owner: UserId, names: Mapping[str, str], quota: Quota) -> Statement[Renamed]:
    """Spell a label anew on all tasks that have it and are not in the trash; these come back.

    `names`: how it is spelled, as `from`, and how it is to be, as `to`. Nothing comes back where
    `uses_of_label` says why.
    """
    # Triggers spell labels as other tasks have them, if they are not told that these are given.
    settings = {**_within(quota), "app.spelling": "given"}
    return Statement(_rename_label(), owner, names, settings)


def uses_of_label(owner: UserId, names: Mapping[str, str]) -> Statement[Uses]:
    """Return whether the label is there to be renamed, and on how many tasks."""
    return Statement(_uses_of_label(), owner, names)


def replay(owner: UserId, idempotency_key: str) -> Statement[Replay[Change[TaskRow]]]:
    """Return what was recorded under a key; no row where nothing was."""
    return Statement(_replay(), owner, {"idempotency_key": idempotency_key})


def replay_renaming(owner: UserId, idempotency_key: str) -> Statement[Replay[Renamed]]:
    """Return on which tasks a label was renamed under a key; no row where nothing was recorded."""
    return Statement(_replay_renaming(), owner, {"idempotency_key": idempotency_key})


def replay_removals(owner: UserId, idempotency_key: str) -> Statement[Replay[Removal]]:
    """Return what was removed under a key; no row where nothing was recorded."""
    return Statement(_replay_removals(), owner, {"idempotency_key": idempotency_key})


def _within(quota: Quota) -> Mapping[str, str]:
    """Return the setting by which a statement may not go beyond the quota."""
    most = (_NO_LIMIT if limit is None else limit for limit in (quota.tasks, quota.bytes))
    return {"app.quota": " ".join(map(str, most))}


SHAPES_KEPT = 256
"""Shapes of one statement that are not compiled anew when they are asked for again.

Clients can ask for thousands of shapes, and use a few.
"""

# What follows is the SQL: one function a statement, run once for each shape.


def _range(fact: Fact) -> Iterator[tuple[str, Condition]]:
    from_, until = fact.bounds
    yield from_, fact.column >= bindparam(from_, type_=fact.column.type)
    yield until, fact.column < bindparam(until, type_=fact.column.type)


_VALUES = {fact.name: bindparam(fact.name, type_=fact.column.type) for fact in TASK_FACTS.values()}
_SEARCH = bindparam("search", type_=Text)
_CONDITIONS: dict[str, Condition] = {
    "ids": _COLUMNS.id == any_(bindparam("ids", type_=ARRAY(BigInteger))),
    # The query is made once, not for each task.
    "search": _COLUMNS.words.bool_op("@@")(
        select(func.query_for(OWNER, _SEARCH)).scalar_subquery()
    ),
    **{
        name: condition
        for fact in TASK_FACTS.values()
        if May.RANGE in fact.may
        for name, condition in _range(fact)
    },
}


@cache
def _task() -> Sql[TaskRow]:
    return owned.find(TASK)


@cache
def _task_anywhere() -> Sql[TaskRow]:
    return owned.find_anywhere(TASK)


@lru_cache(SHAPES_KEPT)
def _tasks(
    shape: Shape,
    field: TaskOrderField,
    *,
    read_descending: bool,
    descending: bool,
    after: bool,
    before: bool,
) -> Sql[TaskRow]:
    return pages.page(
        TASK,
        shape.parts(),
        field.fact,
        read_descending=read_descending,
        descending=descending,
        after=after,
        before=before,
    )


@lru_cache(SHAPES_KEPT)
def _any_task_beyond(shape: Shape, field: TaskOrderField, *, smaller: bool) -> Sql[tuple[bool]]:
    return pages.any_beyond(TASK, shape.parts(), field.fact, smaller=smaller)


@lru_cache(SHAPES_KEPT)
def _count_tasks(shape: Shape) -> Sql[tuple[int]]:
    return pages.count(TASK, list(shape.conditions()))


@cache
def _search_tasks() -> Sql[tuple[int]]:
    limit = bindparam("limit", type_=Integer)
    # It finds the tasks of the user that `app.user_id` names, and nobody else's.
    found = func.search_tasks(_SEARCH, limit).table_valued("owner", "id", name="found")
    statement = select(found.c.id).where(found.c.owner == OWNER)
    return compiled(statement, tuple, writes=False)


@cache
def _task_changes() -> Sql[FeedRow[TaskRow]]:
    return pages.feed(TASK)


@cache
def _stored() -> Sql[Stored]:
    return storage.stored(TASK)


_CREATED = (
    "id",
    *(fact.name for fact in TASK_FACTS.values() if May.CREATE in fact.may),
    "completed",
    "completed_on",
)
"""The columns that are given to new tasks. An id that is null is made by a trigger."""


@cache
def _new_task(place: int) -> Mapping[str, ColumnElement[Any]]:
    """Return the values of one of several new tasks, which texts for all numbers of them share."""
    return {name: bindparam(f"{name}_{place}", type_=_COLUMNS[name].type) for name in _CREATED}


@cache
def _create_tasks(count: int) -> Sql[TaskRow]:
    return owned.create(TASK, *(_new_task(place) for place in range(count)))


@cache
def _update_task(columns: frozenset[str]) -> Sql[TaskRow]:
    if not columns:
        return owned.compare_one(TASK)
    return owned.change_one(TASK, {name: _VALUES[name] for name in sorted(columns)})


@cache
def _toggle_task() -> Sql[TaskRow]:
    values = {"completed": not_(_COLUMNS.completed), "completed_on": _VALUES["completed_on"]}
    return owned.change_one(TASK, values)


@cache
def _delete_task() -> Sql[TaskRow]:
    return owned.delete_one(TASK)


@cache
def _restore_task() -> Sql[TaskRow]:
    return owned.restore_one(TASK)


@cache
def _update_tasks(columns: frozenset[str], of_labels: frozenset[str]) -> Sql[TaskRow]:
    values: dict[str, ColumnElement[Any]] = {name: _VALUES[name] for name in sorted(columns)}
    if of_labels or not values:
        values["labels"] = labels.changed(
            _COLUMNS.labels, adds="added" in of_labels, removes="removed" in of_labels
        )
    return owned.change_many(TASK, values)


@cache
def _delete_tasks() -> Sql[TaskRow]:
    return owned.delete_many(TASK)


@cache
def _restore_tasks() -> Sql[TaskRow]:
    return owned.restore_many(TASK)


@cache
def _rename_label() -> Sql[Renamed]:
    return labels.rename(TASK)


@cache
def _uses_of_label() -> Sql[Uses]:
    return labels.uses()


@cache
def _purge_tasks() -> Sql[Removal]:
    return removals.remove_many(TASK)


@cache
def _empty_trash() -> Sql[Removal]:
    return removals.remove_all(TASK)


@cache
def _replay() -> Sql[Replay[Change[TaskRow]]]:
    return idempotency_keys.replay(TASK)


@cache
def _replay_renaming() -> Sql[Replay[Renamed]]:
    return idempotency_keys.replay_ids(Renamed)


@cache
def _replay_removals() -> Sql[Replay[Removal]]:
    return idempotency_keys.replay_ids(Removal)
