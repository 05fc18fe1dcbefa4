"""How much an owner has stored: kept by triggers in the owner's counter, or else counted."""

from typing import Any

from sqlalchemy import BigInteger, Column, ColumnElement, func, literal_column, select
from sqlalchemy.sql.base import ReadOnlyColumnCollection

from models.metadata import metadata
from models.quota import Stored
from models.statement import Sql
from resolvers.statements.compiling import compiled, row_maker
from resolvers.statements.kind import OWNER

_COUNTER = metadata.tables["task_counters"].c
_TASKS, _LISTS = metadata.tables["tasks"].c, metadata.tables["task_lists"].c


def stored() -> Sql[Stored]:
    """Read how many tasks and lists the owner has, and the bytes of their texts."""
    tasks_bytes = func.sum(func.length_of(_TASKS.title, _TASKS.description, _TASKS.labels))
    lists_bytes = func.sum(func.octet_length(_LISTS.name))
    values = [
        func.coalesce(
            # An aggregate, so that there is one row whatever is asked for.
            select(func.max(kept)).where(_COUNTER.user_id == OWNER).scalar_subquery(),
            # It counts where nothing is kept alone.
            _of_all(_TASKS, of_tasks) + _of_all(_LISTS, of_lists),
            type_=BigInteger,
        )
        for kept, of_tasks, of_lists in (
            (_COUNTER.tasks, func.count(), func.count()),
            (_COUNTER.bytes, tasks_bytes, lists_bytes),
        )
    ]
    return compiled(select(*values), row_maker(Stored), writes=False)


def _of_all(columns: ReadOnlyColumnCollection[str, Column[Any]], value: ColumnElement[Any]) -> Any:  # noqa: ANN401
    """Return an aggregate of all rows of the owner's in a table, 0 where there are none."""
    total = func.coalesce(value, literal_column("0"))
    return select(total).where(columns.user_id == OWNER).scalar_subquery()
