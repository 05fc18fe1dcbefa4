"""The statements of tasks, but for those that read lists, which are in `task_pages`.

Each takes its owner first and names it in SQL; row security repeats it. Statements are written with
SQLAlchemy and compiled to text once for each shape; values travel as parameters. The database runs
each in a transaction of its own in which `app.user_id` is the owner.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from functools import cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    bindparam,
    not_,
    null,
)

from models.fact import May
from models.metadata import metadata
from models.quota import Quota, Stored
from models.statement import Sql, Statement
from models.task import TASK_FACTS, TaskRow
from models.user import UserId
from resolvers.statements import idempotency_keys, labels, owned, pages, removals, storage
from resolvers.statements.compiling import named, row_maker
from resolvers.statements.idempotency_keys import Replay
from resolvers.statements.kind import Change, Kind, Removal
from resolvers.statements.labels import Renamed, Uses
from resolvers.statements.pages import FeedRow
from resolvers.statements.transaction_settings import at, naming, together, within

TASK = Kind(
    metadata.tables["tasks"],
    metadata.tables["task_counters"],
    TaskRow._fields,
    row_maker(TaskRow),
)
_COLUMNS = TASK.table.c


def task(owner: UserId, key: int) -> Statement[TaskRow]:
    return Statement(_task(), owner, {"key": key})


def task_anywhere(owner: UserId, key: int) -> Statement[TaskRow]:
    """Return the task, in the trash or not."""
    return Statement(_task_anywhere(), owner, {"key": key})


def task_changes(owner: UserId, after_version: int, limit: int) -> Statement[FeedRow[TaskRow]]:
    """Return up to `limit` tasks that have changed since, in the trash or not, oldest change first.

    One row comes back without a task where there are none, and no row where there never were any.
    """
    return Statement(_task_changes(), owner, {"after_version": after_version, "limit": limit})


def stored(owner: UserId) -> Statement[Stored]:
    """Return how many tasks and lists the owner has, and how much text."""
    return Statement(_stored(), owner, {})


def create_tasks(
    owner: UserId,
    rows: Sequence[Mapping[str, object]],
    quota: Quota,
    place: str | None = None,
) -> Statement[TaskRow]:
    """Add tasks, if there is room for all of them; they come back in the same order.

    Every column that may be given has a value in every row, so that there is one text for each
    number of rows. `place`: where each stands among its siblings; None: at the bottom.
    """
    values = {f"{name}_{n}": value for n, row in enumerate(rows) for name, value in row.items()}
    settings = {**within(quota), **at(place)}
    return Statement(_create_tasks(len(rows)), owner, values, settings)


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
    return Statement(_update_task(frozenset(values)), owner, parameters, within(quota))


def move_task(
    owner: UserId,
    key: int,
    container: Mapping[str, int | None],
    place: str | None,
    expected_version: int | None,
) -> Statement[TaskRow]:
    """Put the task into a list, below a parent, and at a place there.

    `container`: its `list_id`, its `parent_id` or both; what is left out stays, but for a task that
    comes below a parent. `place`: None leaves it where it stands, or at the bottom of where it
    comes to.
    """
    parameters = {"key": key, "expected_version": expected_version, **container}
    sql = _move_task(frozenset(container), has_place=place is not None)
    return Statement(sql, owner, parameters, {**at(place), **naming(container)})


def toggle_task(
    owner: UserId, key: int, expected_version: int | None, today: date | None, quota: Quota
) -> Statement[TaskRow]:
    """Complete the task, on the day that is given, or undo that.

    `quota`: what a task that recurs may not go beyond by the one that follows it.
    """
    values = {"key": key, "completed_on": today, "expected_version": expected_version}
    return Statement(_toggle_task(), owner, values, within(quota))


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
    settings = {**within(quota), **together(keys)}
    return Statement(sql, owner, {"keys": keys, **values, **names}, settings)


def delete_tasks(owner: UserId, keys: Sequence[int]) -> Statement[TaskRow]:
    """Move all those tasks into the trash; those that existed come back, in any order."""
    return Statement(_delete_tasks(), owner, {"keys": keys})


def restore_tasks(owner: UserId, keys: Sequence[int]) -> Statement[TaskRow]:
    """Move all those tasks out of the trash; those that exist come back, in any order."""
    return Statement(_restore_tasks(), owner, {"keys": keys}, together(keys))


def purge_tasks(owner: UserId, keys: Sequence[int]) -> Statement[Removal]:
    """Remove those of the tasks that are in the trash; what was removed comes back."""
    return Statement(_purge_tasks(), owner, {"keys": keys})


def rename_label(owner: UserId, names: Mapping[str, str], quota: Quota) -> Statement[Renamed]:
    """Spell a label anew on all tasks that have it and are not in the trash; these come back.

    `names`: how it is spelled, as `from`, and how it is to be, as `to`. Nothing comes back where
    `uses_of_label` says why.
    """
    # Triggers spell labels as other tasks have them, if they are not told that these are given.
    settings = {**within(quota), "app.spelling": "given"}
    return Statement(_rename_label(), owner, names, settings, waits_for_turn=True)


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


# What follows is the SQL: one function a statement, run once for each shape.


_VALUES = {fact.name: bindparam(fact.name, type_=fact.column.type) for fact in TASK_FACTS.values()}


@cache
@named
def _task() -> Sql[TaskRow]:
    return owned.find(TASK)


@cache
@named
def _task_anywhere() -> Sql[TaskRow]:
    return owned.find_anywhere(TASK)


@cache
@named
def _task_changes() -> Sql[FeedRow[TaskRow]]:
    return pages.feed(TASK)


@cache
@named
def _stored() -> Sql[Stored]:
    return storage.stored()


_CREATED = (
    "id",
    *(fact.name for fact in TASK_FACTS.values() if May.CREATE in fact.may),
    "completed",
    "completed_on",
    "list_id",
    "parent_id",
    "repeats",
)
"""The columns that are given to new tasks. An id that is null is made by a trigger."""


@cache
def _new_task(place: int) -> Mapping[str, ColumnElement[Any]]:
    """Return the values of one of several new tasks, which texts for all numbers of them share."""
    return {name: bindparam(f"{name}_{place}", type_=_COLUMNS[name].type) for name in _CREATED}


@cache
@named
def _create_tasks(count: int) -> Sql[TaskRow]:
    return owned.create(TASK, *(_new_task(place) for place in range(count)))


@cache
@named
def _update_task(columns: frozenset[str]) -> Sql[TaskRow]:
    if not columns:
        return owned.compare_one(TASK)
    return owned.change_one(TASK, {name: _VALUES[name] for name in sorted(columns)})


@cache
@named
def _move_task(container: frozenset[str], *, has_place: bool) -> Sql[TaskRow]:
    values: dict[str, ColumnElement[Any]] = {name: _VALUES[name] for name in sorted(container)}
    if has_place:
        values["position"] = null()
    return owned.change_one(TASK, values) if values else owned.compare_one(TASK)


@cache
@named
def _toggle_task() -> Sql[TaskRow]:
    values = {"completed": not_(_COLUMNS.completed), "completed_on": _VALUES["completed_on"]}
    return owned.change_one(TASK, values)


@cache
@named
def _delete_task() -> Sql[TaskRow]:
    return owned.delete_one(TASK)


@cache
@named
def _restore_task() -> Sql[TaskRow]:
    return owned.restore_one(TASK)


@cache
@named
def _update_tasks(columns: frozenset[str], of_labels: frozenset[str]) -> Sql[TaskRow]:
    values: dict[str, ColumnElement[Any]] = {name: _VALUES[name] for name in sorted(columns)}
    if of_labels or not values:
        values["labels"] = labels.changed(
            _COLUMNS.labels, adds="added" in of_labels, removes="removed" in of_labels
        )
    return owned.change_many(TASK, values)


@cache
@named
def _delete_tasks() -> Sql[TaskRow]:
    return owned.delete_many(TASK)


@cache
@named
def _restore_tasks() -> Sql[TaskRow]:
    return owned.restore_many(TASK)


@cache
@named
def _rename_label() -> Sql[Renamed]:
    return labels.rename(TASK)


@cache
@named
def _uses_of_label() -> Sql[Uses]:
    return labels.uses()


@cache
@named
def _purge_tasks() -> Sql[Removal]:
    return removals.remove_many(TASK)


@cache
@named
def _replay() -> Sql[Replay[Change[TaskRow]]]:
    return idempotency_keys.replay(TASK)


@cache
@named
def _replay_renaming() -> Sql[Replay[Renamed]]:
    return idempotency_keys.replay_ids(Renamed)


@cache
@named
def _replay_removals() -> Sql[Replay[Removal]]:
    return idempotency_keys.replay_ids(Removal)
