"""Removals from the trash for good. Nothing that is not there is removed."""

from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Integer,
    any_,
    bindparam,
    delete,
    func,
    literal_column,
    select,
)
from sqlalchemy.sql.selectable import CTE

from models.statement import Sql
from resolvers.statements.compiling import compiled
from resolvers.statements.kind import Condition, Kind, Removal


def remove_many(kind: Kind[Any]) -> Sql[Removal]:
    """Remove all things that have one of the `keys` and are in the trash."""
    keys = bindparam("keys", type_=ARRAY(BigInteger))
    return _removed(kind, _targets(kind, kind.table.c.id == any_(keys)))


def remove_all(kind: Kind[Any]) -> Sql[Removal]:
    """Remove things that are in the trash, at most `limit` of them."""
    return _removed(kind, _targets(kind, limit=bindparam("limit", type_=Integer)))


def _targets(kind: Kind[Any], *conditions: Condition, limit: Any = None) -> CTE:  # noqa: ANN401
    """Find things in the trash and lock them, in the order in which batches are locked."""
    id = kind.table.c.id
    targets = select(id).where(kind.is_owned, kind.is_in_trash, *conditions).order_by(id)
    return targets.limit(limit).with_for_update().cte("target")


def _removed(kind: Kind[Any], target: CTE) -> Sql[Removal]:
    """Remove the targets; a trigger tells their owner's counter."""
    table = kind.table
    # As an array: statistics know of hardly any trash, and a join would look at all targets for
    # each of them.
    ids = func.array(select(target.c.id).scalar_subquery(), type_=ARRAY(BigInteger))
    statement = (
        delete(table)
        .where(kind.is_owned, table.c.id == any_(ids))
        .returning(literal_column("true").label("done"), table.c.id, table.c.version)
    )
    return compiled(statement, lambda record: Removal(record[1]), writes=True)
