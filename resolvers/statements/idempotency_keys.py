"""Statements under an idempotency key: run once, and read again with what was recorded of them."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any, Generic, NamedTuple, cast

from sqlalchemy import (
    BigInteger,
    Boolean,
    Integer,
    Select,
    Text,
    and_,
    bindparam,
    func,
    literal_column,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col

from models.idempotency_key import IdempotencyKey
from models.statement import Sql, Statement
from models.user import UserId
from resolvers.statements.compiling import compiled, source_of
from resolvers.statements.kind import OWNER, Change, Kind, Thing

_IDEMPOTENCY_KEY = bindparam("idempotency_key", type_=Text)
_REQUEST = bindparam("request", type_=Text)


class Replay(NamedTuple, Generic[Thing]):
    """What was recorded of a mutation with a key, for one of the things that it found."""

    request: str
    found: bool
    """False: it found nothing, or the thing has been purged."""
    change: Change[Thing]


def once(
    owner: UserId, statement: Statement[Change[Thing]], idempotency_key: str, request: str
) -> Statement[Change[Thing]]:
    """Return the statement as one that can take effect only once under a key of the owner's.

    It writes the key in its own transaction, unless there was no room for the change: then it may
    be sent again. `request` distinguishes one input from another.
    """
    values = {**statement.values, "idempotency_key": idempotency_key, "request": request}
    return Statement(_once(statement.sql), owner, values)


def replay(kind: Kind[Thing]) -> Sql[Replay[Thing]]:
    """Read what was recorded under a key, with the things as they are now."""
    outcomes = (
        func.jsonb_array_elements(col(IdempotencyKey.outcome))
        .table_valued("value", with_ordinality="place")
        .render_derived(name="outcome")
    )
    id = literal_column("(outcome.value ->> 0)::bigint", BigInteger)
    version = literal_column("(outcome.value ->> 1)::integer", Integer)
    done = literal_column("(outcome.value ->> 2)::boolean", Boolean)
    statement = (
        select(col(IdempotencyKey.request), done, version, *kind.columns)
        .select_from(IdempotencyKey)
        .outerjoin(outcomes, true())
        .outerjoin(kind.table, and_(kind.is_owned, kind.table.c.id == id))
        .where(col(IdempotencyKey.user_id) == OWNER, col(IdempotencyKey.key) == _IDEMPOTENCY_KEY)
        .order_by(outcomes.c.place)
    )

    def replayed(record: Sequence[Any]) -> Replay[Thing]:
        request, done, version, *thing = record
        return Replay(request, thing[0] is not None, Change(done, kind.make_row(thing), version))

    return compiled(statement, replayed, writes=False)


@cache
def _once(sql: Sql[Change[Thing]]) -> Sql[Change[Thing]]:
    outcome = cast("Select[*tuple[Any, ...]]", source_of(sql)).cte("outcome")
    of_each = func.jsonb_build_array(outcome.c.id, outcome.c.version, outcome.c.done)
    of_all = func.coalesce(func.jsonb_agg(of_each), literal_column("'[]'::jsonb"))
    recorded = (
        insert(IdempotencyKey)
        .from_select(
            ["user_id", "key", "request", "outcome"],
            select(OWNER, _IDEMPOTENCY_KEY, _REQUEST, of_all)
            .select_from(outcome)
            .having(func.coalesce(func.bool_and(outcome.c.done.is_not(None)), true())),
        )
        .cte("recorded")
    )
    statement = select(*outcome.c).add_cte(recorded)
    return replace(compiled(statement, sql.make_row, writes=True), repeatable=True)
