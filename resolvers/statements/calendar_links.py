"""The statements of calendar links, and of the tasks that calendars show.

What a calendar is read by goes to the primary alone: a link is revoked at once, and the number of
the latest change must not be newer than the tasks that are shown with it.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import (
    Boolean,
    Column,
    Integer,
    Text,
    bindparam,
    delete,
    func,
    insert,
    literal_column,
    or_,
    select,
    update,
)

from graphql_schema.connections import Cursor
from graphql_schema.filters import OrderDirection, TaskOrderField
from graphql_schema.types import TaskStatus
from models.calendar_link import CalendarLinkRow
from models.metadata import INSTALLATION, metadata
from models.statement import Sql, Statement
from models.task import TaskRow
from models.user import UserId
from resolvers.statements import idempotency_keys, task_pages
from resolvers.statements.compiling import compiled, named, row_maker
from resolvers.statements.idempotency_keys import Replay
from resolvers.statements.kind import KEY, OWNER, Removal
from resolvers.statements.task_conditions import Conditions
from resolvers.statements.task_pages import Page

NOTED_EACH = timedelta(hours=1)
"""The least time between two notes of the use of a link."""


class NewLink(NamedTuple):
    """A link that was created, now or under the same key before."""

    row: CalendarLinkRow
    secret_hash: str


class KnownLink(NamedTuple):
    """A link that an address may be that of, and how many changes its owner has made."""

    id: int
    name: str
    secret_hash: str
    is_noted: bool
    """Whether its use was noted less than `NOTED_EACH` ago."""
    beginning: int | None
    """What the numbers of changes count from; None where there has been none."""
    version: int | None
    installation_beginning: int
    """The database's, see `models.installation.Installation`."""


def create_link(owner: UserId, name: str, secret_hash: str) -> Statement[NewLink]:
    """Add a link. A trigger makes its id, and refuses it where the owner has too many."""
    return Statement(_create_link(), owner, {"name": name, "secret_hash": secret_hash})


def replay_link(owner: UserId, idempotency_key: str) -> Statement[Replay[NewLink]]:
    """Return the link that was created under a key; no row where nothing was recorded."""
    return Statement(_replay_link(), owner, {"idempotency_key": idempotency_key})


def links(owner: UserId) -> Statement[CalendarLinkRow]:
    """Return all links, the oldest first."""
    return Statement(_links(), owner, {})


def revoke_link(owner: UserId, key: int) -> Statement[Removal]:
    """Remove a link; no row comes back where there is no such one."""
    return Statement(_revoke_link(), owner, {"key": key})


def known_links(owner: UserId) -> Statement[KnownLink]:
    """Return all links, to find the one with a given secret among them."""
    return Statement(_known_links(), owner, {})


def note_use(owner: UserId, key: int) -> Statement[tuple[int]]:
    """Note that a link is used, unless that was noted less than `NOTED_EACH` ago."""
    return Statement(_note_use(), owner, {"key": key})


def due_tasks(owner: UserId, due_after: Cursor | None, limit: int) -> Statement[TaskRow]:
    """Return up to `limit` pending tasks with a day, outside the trash, the earliest first."""
    conditions = Conditions(TaskStatus.PENDING, has_due_date=True)
    page = Page(conditions, TaskOrderField.DUE, OrderDirection.ASC, due_after, None)
    statement = task_pages.tasks(owner, page, limit=limit, backward=False)
    return statement._replace(sql=replace(statement.sql, on_primary=True, name="due_tasks"))


# What follows is the SQL: one function a statement, run once for each shape.

_LINKS = metadata.tables["calendar_links"].c
_COUNTERS = metadata.tables["task_counters"].c
_IS_OWNED = _LINKS.user_id == OWNER
_COLUMNS: list[Column[Any]] = [_LINKS[name] for name in CalendarLinkRow._fields]
# What is recorded under a key has a version; a link has none.
_NO_VERSION = literal_column("0", Integer).label("version")
_LATELY = func.now() - literal_column(f"interval '{NOTED_EACH.seconds} seconds'")
_IS_NOTED = func.coalesce(_LINKS.last_used_at > _LATELY, literal_column("false", Boolean))
_IS_NOT_NOTED = or_(_LINKS.last_used_at.is_(None), _LINKS.last_used_at <= _LATELY)


def _new_link(record: Sequence[Any]) -> NewLink:
    *row, secret_hash, _ = record
    return NewLink(CalendarLinkRow(*row), secret_hash)


@cache
@named
def _create_link() -> Sql[NewLink]:
    values = {name: bindparam(name, type_=Text) for name in ("name", "secret_hash")}
    statement = (
        insert(_LINKS.id.table)
        .values(user_id=OWNER, **values)
        .returning(*_COLUMNS, _LINKS.secret_hash, _NO_VERSION)
    )
    return compiled(statement, _new_link, writes=True)


@cache
@named
def _replay_link() -> Sql[Replay[NewLink]]:
    return idempotency_keys.replay_of(
        _LINKS.id.table, [*_COLUMNS, _LINKS.secret_hash, _NO_VERSION], _new_link
    )


@cache
@named
def _links() -> Sql[CalendarLinkRow]:
    statement = select(*_COLUMNS).where(_IS_OWNED).order_by(_LINKS.id)
    return compiled(statement, row_maker(CalendarLinkRow), writes=False)


@cache
@named
def _revoke_link() -> Sql[Removal]:
    statement = (
        delete(_LINKS.id.table).where(_IS_OWNED, _LINKS.id == KEY).returning(_LINKS.id, _NO_VERSION)
    )
    return compiled(statement, lambda record: Removal(record[0]), writes=True)


@cache
@named
def _known_links() -> Sql[KnownLink]:
    links, counters = _LINKS.id.table, _COUNTERS.user_id.table
    statement = (
        select(
            _LINKS.id,
            _LINKS.name,
            _LINKS.secret_hash,
            _IS_NOTED,
            _COUNTERS.beginning,
            _COUNTERS.version,
            select(INSTALLATION.c.beginning).scalar_subquery(),
        )
        .select_from(links.outerjoin(counters, _COUNTERS.user_id == OWNER))
        .where(_IS_OWNED)
    )
    return replace(compiled(statement, row_maker(KnownLink), writes=False), on_primary=True)


@cache
@named
def _note_use() -> Sql[tuple[int]]:
    statement = (
        update(_LINKS.id.table)
        .where(_IS_OWNED, _LINKS.id == KEY, _IS_NOT_NOTED)
        .values(last_used_at=func.now())
        .returning(_LINKS.id)
    )
    return replace(compiled(statement, tuple, writes=True), repeatable=True)
