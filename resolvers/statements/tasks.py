"""The statements of tasks, but for those that read lists, which are in `task_pages`.

Each takes its owner first and names it in SQL; row security repeats it. Statements are written with
SQLAlchemy and compiled to text once for each shape; values travel as parameters. The database runs
each in a transaction of its own in which `app.user_id` is the owner.
"""

from collections.abc import Mapping, Sequence
from functools import cache

from sqlalchemy import bindparam, not_

from models.fact import May
from models.metadata import metadata
from models.quota import Quota, Stored
from models.statement import Sql, Statement
from models.task import TASK_FACTS, TaskRow
from models.user import UserId
from resolvers.statements import idempotency_keys, owned, pages, removals, storage
from resolvers.statements.compiling import row_maker
from resolvers.statements.idempotency_keys import Replay
from resolvers.statements.kind import Change, Kind, Removal
from resolvers.statements.pages import FeedRow

TASK = Kind(
    metadata.tables["tasks"],
    metadata.tables["task_counters"],
    TaskRow._fields,
    row_maker(TaskRow),
)
_COLUMNS = TASK.table.c

_NO_LIMIT = 2**63 - 1
"""The greatest value of PostgreSQL's bigint."""


def task(owner: UserId, key: int) -> Statement[TaskRow]:
    return Statement(_task(), owner, {"key": key})


def task_changes(owner: UserId, after_version: int, limit: int) -> Statement[FeedRow[TaskRow]]:
    """Return up to `limit` tasks that have changed since, in the trash or not, oldest change first.

    One row comes back without a task where there are none, and no row where there never were any.
    """
    return Statement(_task_changes(), owner, {"after_version": after_version, "limit": limit})


def stored(owner: UserId) -> Statement[Stored]:
    """Return how many tasks the owner has, and how much text."""
    return Statement(_stored(), owner, {})


def create_task(owner: UserId, values: Mapping[str, object], quota: Quota) -> Statement[TaskRow]:
    """Add a task, if there is room for it.

    Every column that may be given has a value, so that one text serves all.
    """
    return Statement(_create_task(), owner, values, _within(quota))


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


def toggle_task(owner: UserId, key: int, expected_version: int | None) -> Statement[TaskRow]:
    values = {"key": key, "expected_version": expected_version}
    return Statement(_toggle_task(), owner, values)


def delete_task(owner: UserId, key: int, expected_version: int | None) -> Statement[TaskRow]:
    """Move the task into the trash, where only the statements for the trash find it."""
    values = {"key": key, "expected_version": expected_version}
    return Statement(_delete_task(), owner, values)


def restore_task(owner: UserId, key: int, expected_version: int | None) -> Statement[TaskRow]:
    """Move the task out of the trash; one that is not there stays as it is."""
    values = {"key": key, "expected_version": expected_version}
    return Statement(_restore_task(), owner, values)


def update_tasks(owner: UserId, keys: Sequence[int], completed: bool) -> Statement[TaskRow]:
    """Set all those tasks to completed or not; those that exist come back, in any order.

    Those that are so already keep their version.
    """
    return Statement(_update_tasks(), owner, {"keys": keys, "completed": completed})


def delete_tasks(owner: UserId, keys: Sequence[int]) -> Statement[TaskRow]:
    """Move all those tasks into the trash; those that existed come back, in any order."""
    return Statement(_delete_tasks(), owner, {"keys": keys})


def purge_tasks(owner: UserId, keys: Sequence[int]) -> Statement[Removal]:
    """Remove those of the tasks that are in the trash; what was removed comes back."""
    return Statement(_purge_tasks(), owner, {"keys": keys})


def empty_trash(owner: UserId, limit: int) -> Statement[Removal]:
    """Remove up to `limit` tasks that are in the trash; what was removed comes back."""
    return Statement(_empty_trash(), owner, {"limit": limit})


def replay(owner: UserId, idempotency_key: str) -> Statement[Replay[Change[TaskRow]]]:
    """Return what was recorded under a key; no row where nothing was."""
    return Statement(_replay(), owner, {"idempotency_key": idempotency_key})


def replay_removals(owner: UserId, idempotency_key: str) -> Statement[Replay[Removal]]:
    """Return what was removed under a key; no row where nothing was recorded."""
    return Statement(_replay_removals(), owner, {"idempotency_key": idempotency_key})


def _within(quota: Quota) -> Mapping[str, str]:
    """Return the setting by which a statement may not go beyond the quota."""
    most = (_NO_LIMIT if limit is None else limit for limit in (quota.tasks, quota.bytes))
    return {"app.quota": " ".join(map(str, most))}


# What follows is the SQL: one function a statement, run once.


_VALUES = {fact.name: bindparam(fact.name, type_=fact.column.type) for fact in TASK_FACTS.values()}


@cache
def _task() -> Sql[TaskRow]:
    return owned.find(TASK)


@cache
def _task_changes() -> Sql[FeedRow[TaskRow]]:
    return pages.feed(TASK)


@cache
def _stored() -> Sql[Stored]:
    return storage.stored(TASK)


@cache
def _create_task() -> Sql[TaskRow]:
    given = [fact.name for fact in TASK_FACTS.values() if May.CREATE in fact.may]
    return owned.create(TASK, {name: _VALUES[name] for name in given})


@cache
def _update_task(columns: frozenset[str]) -> Sql[TaskRow]:
    if not columns:
        return owned.compare_one(TASK)
    return owned.change_one(TASK, {name: _VALUES[name] for name in sorted(columns)})


@cache
def _toggle_task() -> Sql[TaskRow]:
    return owned.change_one(TASK, {"completed": not_(_COLUMNS.completed)})


@cache
def _delete_task() -> Sql[TaskRow]:
    return owned.delete_one(TASK)


@cache
def _restore_task() -> Sql[TaskRow]:
    return owned.restore_one(TASK)


@cache
def _update_tasks() -> Sql[TaskRow]:
    return owned.change_many(TASK, {"completed": _VALUES["completed"]})


@cache
def _delete_tasks() -> Sql[TaskRow]:
    return owned.delete_many(TASK)


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
def _replay_removals() -> Sql[Replay[Removal]]:
    return idempotency_keys.replay_removals()
