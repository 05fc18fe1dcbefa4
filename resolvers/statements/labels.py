"""Labels in SQL: on tasks, and in `task_labels`, which has a row for each that is not in the trash.

Labels are compared by `label_key`. Triggers spell what is written, and leave out repetitions.
"""

from typing import Any, NamedTuple

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Select,
    Text,
    any_,
    bindparam,
    case,
    func,
    literal_column,
    select,
    true,
    update,
)
from sqlalchemy.dialects.postgresql import array
from sqlalchemy.sql.selectable import TableValuedAlias

from models.metadata import metadata
from models.statement import Sql
from resolvers.statements.compiling import compiled, row_maker
from resolvers.statements.kind import OWNER, Kind

RENAMED_MAX = 5_000
"""Tasks on which a label can be renamed at once."""

_FROM, _TO = bindparam("from", type_=Text), bindparam("to", type_=Text)
_KEYS = array([func.label_key(_FROM), func.label_key(_TO)])
_LABELS = metadata.tables["task_labels"].c
_IS_OWNED = _LABELS.user_id == OWNER
_IS_USED = select(true()).where(_IS_OWNED, _LABELS.key == func.label_key(_FROM)).exists()


class Renamed(NamedTuple):
    """A task on which a label was spelled anew."""

    id: int


class Uses(NamedTuple):
    """Who has a label, of the tasks that are not in the trash."""

    is_used: bool
    """Whether any task has it."""
    tasks: int
    """How many there are on which it would be spelled anew, up to one more than may be."""


def changed(labels: ColumnElement[Any], *, adds: bool, removes: bool) -> ColumnElement[Any]:
    """Return a task's labels without those that are removed, and with those that are added."""
    if removes:
        of_task, removed = _each(labels), _each(bindparam("removed", type_=ARRAY(Text)))
        keys = select(func.label_key(removed.c.name))
        kept = select(of_task.c.name).where(func.label_key(of_task.c.name).not_in(keys))
        labels = _array(kept.order_by(of_task.c.place))
    if adds:
        labels = labels.op("||")(bindparam("added", type_=ARRAY(Text)))
    return labels


def rename(kind: Kind[Any]) -> Sql[Renamed]:
    """Spell a label anew on all tasks that have it, unless these are more than `RENAMED_MAX`.

    Those that have the other one have it in this spelling afterwards, too.
    """
    table, of_task = kind.table, _each(kind.table.c.labels)
    new_name = case((func.label_key(of_task.c.name) == any_(_KEYS), _TO), else_=of_task.c.name)
    statement = (
        update(table)
        .where(
            kind.is_owned,
            kind.is_live,
            table.c.id == any_(_array(_spelled_otherwise(RENAMED_MAX))),
            _IS_USED,
            _count() <= literal_column(str(RENAMED_MAX)),
        )
        .values(labels=_array(select(new_name).order_by(of_task.c.place)))
        .returning(table.c.id, table.c.version)
    )
    return compiled(statement, lambda record: Renamed(record[0]), writes=True)


def uses() -> Sql[Uses]:
    """Count the tasks on which a label would be spelled anew, up to one more than may be."""
    return compiled(select(_IS_USED, _count()), row_maker(Uses), writes=False)


def _spelled_otherwise(limit: int) -> Select[Any]:
    """Return the ids of tasks that have either label, and not as it is to be spelled."""
    ids = select(_LABELS.task_id)
    conditions = (_IS_OWNED, _LABELS.key == any_(_KEYS), _LABELS.name != _TO)
    return ids.where(*conditions).limit(literal_column(str(limit)))


def _count() -> ColumnElement[int]:
    found = _spelled_otherwise(RENAMED_MAX + 1).subquery("found")
    return select(func.count()).select_from(found).scalar_subquery()


def _each(labels: ColumnElement[Any]) -> TableValuedAlias:
    """Return the labels of an array as rows, with their places."""
    return func.unnest(labels).table_valued("name", with_ordinality="place").render_derived()


def _array(rows: Select[Any]) -> ColumnElement[Any]:
    return func.array(rows.scalar_subquery())
