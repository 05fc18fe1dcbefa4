"""Statements under an idempotency key: run once, and read again with what was recorded of them."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from typing import Any, Generic, NamedTuple, TypeVar, cast

from sqlalchemy import (
    ARRAY,
    CTE,
    BigInteger,
    Boolean,
    ColumnElement,
    Insert,
    Integer,
    Select,
    Table,
    Text,
    and_,
    any_,
    bindparam,
    func,
    literal_column,
    select,
    true,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.sql.dml import ReturningInsert
from sqlalchemy.sql.selectable import TableValuedAlias
from sqlmodel import col

from models.action_step import ActionStep
from models.idempotency_key import IdempotencyKey
from models.statement import Sql, Statement
from models.user import UserId
from resolvers.statements.compiling import compiled, source_of
from resolvers.statements.kind import OWNER, Change, Kind, Thing
from resolvers.statements.transaction_settings import noting

_IDEMPOTENCY_KEY = bindparam("idempotency_key", type_=Text)
_REQUEST = bindparam("request", type_=Text)

_OUTCOMES = (
    func.jsonb_array_elements(col(IdempotencyKey.outcome))
    .table_valued("value", with_ordinality="place")
    .render_derived(name="outcome")
)
"""What was recorded of each thing: its id, its version, and whether it was done."""
_RECORDED_ID = literal_column("(outcome.value ->> 0)::bigint", BigInteger)
_RECORDED_VERSION = literal_column("(outcome.value ->> 1)::integer", Integer)
_RECORDED_DONE = literal_column("(outcome.value ->> 2)::boolean", Boolean)

_IS_STEP = (col(ActionStep.user_id) == OWNER, col(ActionStep.key) == _IDEMPOTENCY_KEY)

Outcome = TypeVar("Outcome")

Outcomes = Select[*tuple[Any, ...]] | ReturningInsert[*tuple[Any, ...]]
"""What a statement of a mutation is, as SQLAlchemy has it; updates and deletions alike."""


class Replay(NamedTuple, Generic[Outcome]):
    """What was recorded of a mutation with a key, for one of the things that it found."""

    request: str
    found: bool
    """False: it found nothing, or the thing has been purged since."""
    outcome: Outcome


def once(
    owner: UserId, statement: Statement[Outcome], idempotency_key: str, request: str
) -> Statement[Outcome]:
    """Return the statement as one that can take effect only once under a key of the owner's.

    It writes the key in its own transaction. `request` distinguishes one input from another. What
    it overwrites is noted, as `undo_action` needs it.
    """
    values = {**statement.values, "idempotency_key": idempotency_key, "request": request}
    settings = {**statement.settings, **noting(idempotency_key)}
    return statement._replace(
        sql=_once(statement.sql), owner=owner, values=values, settings=settings
    )


def replay(kind: Kind[Thing]) -> Sql[Replay[Change[Thing]]]:
    """Read what was recorded under a key, with the things as they are now."""

    def changed(record: Sequence[Any]) -> Change[Thing]:
        *thing, version = record
        return Change(kind.make_row(thing), version)

    return replay_of(kind.table, [*kind.columns, _RECORDED_VERSION], changed)


def replay_of(
    table: Table,
    columns: Sequence[ColumnElement[Any]],
    make_row: Callable[[Sequence[Any]], Outcome],
) -> Sql[Replay[Outcome]]:
    """Do the same for rows of any table. The first of the columns is never null."""
    is_it = and_(table.c.user_id == OWNER, table.c.id == _RECORDED_ID)
    statement = (
        select(col(IdempotencyKey.request), _RECORDED_DONE, *columns)
        .select_from(IdempotencyKey)
        .outerjoin(_OUTCOMES, true())
        .outerjoin(table, is_it)
        .where(col(IdempotencyKey.user_id) == OWNER, col(IdempotencyKey.key) == _IDEMPOTENCY_KEY)
        .order_by(_OUTCOMES.c.place)
    )

    def replayed(record: Sequence[Any]) -> Replay[Outcome]:
        request, done, *row = record
        # Code from before recorded a thing, too, that was not at the expected version.
        return Replay(request, done is True and row[0] is not None, make_row(row))

    return replace(compiled(statement, replayed, writes=False), on_primary=True)


def replay_ids(of_id: Callable[[int], Outcome]) -> Sql[Replay[Outcome]]:
    """Read the ids of the things that were recorded under a key, where more is not told of them."""
    statement = (
        select(col(IdempotencyKey.request), _RECORDED_ID)
        .select_from(IdempotencyKey)
        .outerjoin(_OUTCOMES, true())
        .where(col(IdempotencyKey.user_id) == OWNER, col(IdempotencyKey.key) == _IDEMPOTENCY_KEY)
        .order_by(_OUTCOMES.c.place)
    )

    def replayed(record: Sequence[Any]) -> Replay[Outcome]:
        request, id = record
        return Replay(request, id is not None, of_id(id))

    return replace(compiled(statement, replayed, writes=False), on_primary=True)


@cache
def _once(sql: Sql[Outcome]) -> Sql[Outcome]:
    outcome = cast("Outcomes", source_of(sql)).cte("outcome")
    recorded = (
        insert(IdempotencyKey)
        .from_select(
            ["user_id", "key", "request", "outcome"],
            select(OWNER, _IDEMPOTENCY_KEY, _REQUEST, _recorded(outcome)).select_from(outcome),
        )
        # Where tables are distributed, row security forbids what is not to return anything.
        .returning(col(IdempotencyKey.key))
        .cte("recorded")
    )
    statement = select(*outcome.c).add_cte(recorded)
    return replace(
        compiled(statement, sql.make_row, writes=True),
        repeatable=True,
        name=sql.name,
        steps=_in_steps(sql),
    )


def _in_steps(sql: Sql[Outcome]) -> tuple[Sql[Outcome], ...]:
    """Return the same as several statements: in a part of one, no node adds rows or runs functions.

    The key comes first, and then the change, which tells what it was beside it. What was added, or
    was changed by a function, is read again.
    """
    change = cast("Outcomes", source_of(sql))
    key = insert(IdempotencyKey).values(
        user_id=OWNER, key=_IDEMPOTENCY_KEY, request=_REQUEST, outcome=literal_column("'[]'")
    )
    steps = [compiled(key.returning(col(IdempotencyKey.key)), sql.make_row, writes=True)]
    if isinstance(change, Insert):
        steps.append(sql)
        change = _added(change)
    elif isinstance(change, Select) and isinstance(change.get_final_froms()[0], TableValuedAlias):
        steps.append(sql)
        change = _noted()
    outcome = change.cte("outcome")
    recorded = (
        update(IdempotencyKey)
        .where(col(IdempotencyKey.user_id) == OWNER, col(IdempotencyKey.key) == _IDEMPOTENCY_KEY)
        .values(outcome=select(_recorded(outcome)).select_from(outcome).scalar_subquery())
        .returning(col(IdempotencyKey.key))
        .cte("recorded")
    )
    statement = select(*outcome.c).add_cte(recorded)
    return (*steps, compiled(statement, sql.make_row, writes=True))


def _recorded(outcome: CTE) -> ColumnElement[Any]:
    """Return what is recorded of each thing, as `_OUTCOMES` reads it."""
    of_each = func.jsonb_build_array(outcome.c.id, outcome.c.version, true())
    return func.coalesce(func.jsonb_agg(of_each), literal_column("'[]'::jsonb"))


def _added(addition: Insert) -> Select[*tuple[Any, ...]]:
    """Read the rows that this transaction has added under the key, in their order."""
    columns = addition.table.c
    added = select(*addition.exported_columns).where(columns.user_id == OWNER)
    if "version" not in columns:
        # A link: one at a time, and none has a greater id.
        return added.order_by(columns.id.desc()).limit(literal_column("1"))
    noted = select(col(ActionStep.id)).where(*_IS_STEP, col(ActionStep.asked))
    ids = func.array(noted.scalar_subquery(), type_=ARRAY(BigInteger))
    return added.where(columns.id == any_(ids)).order_by(columns.version)


def _noted() -> Select[*tuple[Any, ...]]:
    """Read what this transaction has changed under the key: first what it was asked to change."""
    id = col(ActionStep.id)
    version = func.max(col(ActionStep.version)).label("version")
    noted = select(id, version).where(*_IS_STEP).group_by(id)
    return noted.order_by(func.bool_or(col(ActionStep.asked)).desc(), id)
