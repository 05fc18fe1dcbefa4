"""Removals from the trash for good. Nothing that is not there is removed."""

from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Integer,
    Select,
    SQLColumnExpression,
    all_,
    any_,
    bindparam,
    delete,
    func,
    not_,
    select,
    union_all,
)

from models.statement import Sql
from resolvers.statements.compiling import compiled
from resolvers.statements.kind import Kind, Removal


def remove_many(kind: Kind[Any]) -> Sql[Removal]:
    """Remove all things that have one of the `keys` and are in the trash."""
    return _removed(kind, bindparam("keys", type_=ARRAY(BigInteger)))


def remove_all(
    kind: Kind[Any], holder: Kind[Any], reference: SQLColumnExpression[int]
) -> Sql[Removal]:
    """Remove things that are in the trash, at most `limit` of them.

    Then those holders in the trash that no thing refers to any more, up to the same limit.
    """
    limit = bindparam("limit", type_=Integer)
    id = kind.table.c.id
    trash = select(id).where(kind.is_owned, kind.is_in_trash)
    found = trash.order_by(id).limit(limit).cte("found")
    # As an array: statistics know of hardly any trash, and a join would look at all things for each
    # of them.
    keys = _array(select(found.c.id))
    # What is removed by this statement is still seen in it.
    held = select(id).where(kind.is_owned, reference == holder.table.c.id, id != all_(keys))
    empty = (
        select(holder.table.c.id)
        .where(holder.is_owned, holder.is_in_trash, not_(held.exists()))
        .order_by(holder.table.c.id)
        .limit(limit - func.cardinality(keys))
    )
    removed = [
        delete(each.table)
        .where(each.is_owned, each.is_in_trash, each.table.c.id == any_(those))
        .returning(each.table.c.id, each.table.c.version)
        .cte(f"removed_{each.table.name}")
        for each, those in ((kind, keys), (holder, _array(empty)))
    ]
    statement = union_all(*(select(each.c.id, each.c.version) for each in removed))
    return compiled(statement, lambda record: Removal(record[0]), writes=True)


def _array(found: Select[Any]) -> SQLColumnExpression[Any]:
    return func.array(found.scalar_subquery(), type_=ARRAY(BigInteger))


def _removed(kind: Kind[Any], keys: ColumnElement[Any]) -> Sql[Removal]:
    """Remove things; a trigger tells their owner's counter."""
    table = kind.table
    statement = (
        delete(table)
        .where(kind.is_owned, kind.is_in_trash, table.c.id == any_(keys))
        .returning(table.c.id, table.c.version)
    )
    return compiled(statement, lambda record: Removal(record[0]), writes=True)
