"""Removals from the trash for good. Nothing that is not there is removed."""

from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Integer,
    any_,
    bindparam,
    delete,
    func,
    select,
)

from models.statement import Sql
from resolvers.statements.compiling import compiled
from resolvers.statements.kind import Kind, Removal


def remove_many(kind: Kind[Any]) -> Sql[Removal]:
    """Remove all things that have one of the `keys` and are in the trash."""
    return _removed(kind, bindparam("keys", type_=ARRAY(BigInteger)))


def remove_all(kind: Kind[Any]) -> Sql[Removal]:
    """Remove things that are in the trash, at most `limit` of them."""
    id = kind.table.c.id
    found = (
        select(id)
        .where(kind.is_owned, kind.is_in_trash)
        .order_by(id)
        .limit(bindparam("limit", type_=Integer))
    )
    # As an array: statistics know of hardly any trash, and a join would look at all things for each
    # of them.
    return _removed(kind, func.array(found.scalar_subquery(), type_=ARRAY(BigInteger)))


def _removed(kind: Kind[Any], keys: ColumnElement[Any]) -> Sql[Removal]:
    """Remove things; a trigger tells their owner's counter."""
    table = kind.table
    statement = (
        delete(table)
        .where(kind.is_owned, kind.is_in_trash, table.c.id == any_(keys))
        .returning(table.c.id, table.c.version)
    )
    return compiled(statement, lambda record: Removal(record[0]), writes=True)
