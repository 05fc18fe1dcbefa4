"""How much an owner has stored: kept by triggers in the owner's counter, or else counted."""

from typing import Any

from sqlalchemy import func, literal_column, select

from models.quota import Stored
from models.statement import Sql
from resolvers.statements.compiling import compiled, row_maker
from resolvers.statements.kind import OWNER, Kind


def stored(kind: Kind[Any]) -> Sql[Stored]:
    """Read how many things the owner has, and the bytes of their texts."""
    counter, columns = kind.counter, kind.table.c
    length = func.length_of(columns.title, columns.description, columns.labels)
    values = [
        func.coalesce(
            # An aggregate, so that there is one row whatever is asked for.
            select(func.max(counter.c[name])).where(counter.c.user_id == OWNER).scalar_subquery(),
            select(counted).where(kind.is_owned).scalar_subquery(),
        )
        for name, counted in (
            ("tasks", func.count()),
            ("bytes", func.coalesce(func.sum(length), literal_column("0"))),
        )
    ]
    return compiled(select(*values), row_maker(Stored), writes=False)
