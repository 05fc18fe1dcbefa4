"""The quota: how much an owner has, and whether there is room for more."""

import functools
import operator
from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    Integer,
    SQLColumnExpression,
    and_,
    bindparam,
    func,
    literal_column,
    or_,
    select,
)

from models.quota import Stored
from models.statement import Sql
from resolvers.statements.compiling import compiled, row_maker
from resolvers.statements.kind import OWNER, Condition, Kind

TASKS_MAX = bindparam("tasks_max", type_=BigInteger)
BYTES_MAX = bindparam("bytes_max", type_=BigInteger)
_ZERO = literal_column("0", Integer)


def stored(kind: Kind[Any]) -> Sql[Stored]:
    """Read how much the owner has, counted where nothing is kept yet."""
    counter = kind.counter
    bytes = func.coalesce(func.sum(length_of([kind.table.c[name] for name in kind.texts])), _ZERO)
    values = [
        func.coalesce(
            # An aggregate, so that there is one row whatever is asked for.
            select(func.max(counter.c[name])).where(counter.c.user_id == OWNER).scalar_subquery(),
            select(counted).where(kind.is_owned).scalar_subquery(),
        )
        for name, counted in (("tasks", func.count()), ("bytes", bytes))
    ]
    return compiled(select(*values), row_maker(Stored), writes=False)


def length_of(texts: Sequence[SQLColumnExpression[Any]]) -> SQLColumnExpression[int]:
    """Return how many bytes the texts have in all."""
    lengths = [func.coalesce(func.octet_length(text), _ZERO) for text in texts]
    return functools.reduce(operator.add, lengths)


def has_room_for_one(kind: Kind[Any], length: SQLColumnExpression[int]) -> Condition:
    """Return whether the owner, whose counter is there, may have one more thing of this length.

    Where nothing is counted yet there is room: the change has it counted.
    """
    tasks, bytes = (func.coalesce(kind.counter.c[name], _ZERO) for name in Stored._fields)
    return and_(tasks < TASKS_MAX, bytes + length <= BYTES_MAX)


def has_room_to_grow(kind: Kind[Any], growth: SQLColumnExpression[int]) -> Condition:
    """Return whether the owner's texts may grow by so many bytes; to shrink they always may."""
    bytes = func.coalesce(kind.counter.c.bytes, _ZERO)
    return or_(growth <= _ZERO, bytes + growth <= BYTES_MAX)
