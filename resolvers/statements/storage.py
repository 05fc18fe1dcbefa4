"""How much an owner has stored: kept by triggers in the owner's counter, or else counted."""

from sqlalchemy import BigInteger, func, select

from models.metadata import metadata
from models.quota import Stored
from models.statement import Sql
from resolvers.statements.compiling import compiled, row_maker
from resolvers.statements.kind import OWNER

_COUNTER = metadata.tables["task_counters"].c


def stored() -> Sql[Stored]:
    """Read how many tasks and lists the owner has, and the bytes of their texts."""
    counted = func.stored_by(OWNER).table_valued("things", "bytes", name="counted")
    values = [
        func.coalesce(
            # An aggregate, so that there is one row whatever is asked for.
            select(func.max(kept)).where(_COUNTER.user_id == OWNER).scalar_subquery(),
            # A function of SQL: it counts where nothing is kept alone.
            select(each).select_from(counted).scalar_subquery(),
            type_=BigInteger,
        )
        for kept, each in ((_COUNTER.tasks, counted.c.things), (_COUNTER.bytes, counted.c.bytes))
    ]
    return compiled(select(*values), row_maker(Stored), writes=False)
