"""The statements of labels: which are in use, and which tasks have them.

A list of all would be long to count where many tasks have the same. So PostgreSQL goes from one key
to the next, by the index.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any

from sqlalchemy import (
    ARRAY,
    Boolean,
    Integer,
    Select,
    SQLColumnExpression,
    Text,
    bindparam,
    func,
    literal_column,
    select,
    true,
)
from sqlalchemy.sql.selectable import TableValuedAlias

from models.metadata import metadata
from models.statement import Sql, Statement
from models.user import UserId
from resolvers.statements.compiling import compiled, named
from resolvers.statements.kind import OWNER, Condition

_TABLE = metadata.tables["task_labels"]
_COLUMNS = _TABLE.c


def labels(owner: UserId, after: str | None, limit: int) -> Statement[tuple[str]]:
    """Return up to `limit` labels that are in use, by their keys, each spelled as tasks have it.

    `after`: only those whose keys come after the key of this label.
    """
    return Statement(_labels(), owner, {"after": after, "limit": limit})


def any_label_until(owner: UserId, label: str) -> Statement[tuple[bool]]:
    """Return whether a label is in use whose key is that of this one, or comes before it."""
    return Statement(_any_label_until(), owner, {"label": label})


def labelled_tasks(
    owner: UserId, asked: Sequence[str], limit: int, *, rarest: bool
) -> Statement[tuple[int]]:
    """Return the ids of up to `limit` tasks outside the trash that have one of the labels.

    `rarest`: that have the one of them that the fewest tasks have, counted up to the limit.
    """
    return Statement(_labelled_tasks(rarest), owner, {"asked": asked, "limit": limit})


# What follows is the SQL: one function a statement, run once for each shape.

_LIMIT = bindparam("limit", type_=Integer)


def _key(label: SQLColumnExpression[Any]) -> SQLColumnExpression[Any]:
    return func.label_key(label, type_=Text)


def _first(*columns: SQLColumnExpression[Any], where: Condition) -> Select[Any]:
    """Return the first entry of the index. Without an order PostgreSQL reads the whole table."""
    return (
        select(*columns)
        .where(_COLUMNS.user_id == OWNER, where)
        .order_by(_COLUMNS.key, _COLUMNS.task_id)
        .limit(literal_column("1"))
    )


def spelled(labels: SQLColumnExpression[Any]) -> SQLColumnExpression[Any]:
    """Return an array of labels, spelled as the owner's tasks have them; the others as they are."""
    said = _each(labels)
    found = _first(_COLUMNS.name, where=_COLUMNS.key == _key(said.c.name)).correlate(said)
    return _array(select(func.coalesce(found.scalar_subquery(), said.c.name)))


def keys_of(labels: SQLColumnExpression[Any]) -> SQLColumnExpression[Any]:
    """Return an array of the keys of labels."""
    return _array(select(_key(_each(labels).c.name)))


def _each(labels: SQLColumnExpression[Any]) -> TableValuedAlias:
    return func.unnest(labels).table_valued("name", name="said").render_derived()


def _array(rows: Select[Any]) -> SQLColumnExpression[Any]:
    return func.array(rows.scalar_subquery(), type_=ARRAY(Text))


@cache
@named
def _labels() -> Sql[tuple[str]]:
    after = bindparam("after", type_=Text)
    # Nothing comes before the empty text, and nothing has it as its key.
    # As a query of its own: row security would keep COALESCE from the index.
    least = select(func.coalesce(_key(after), literal_column("''"))).scalar_subquery()
    is_after = _COLUMNS.key > least
    start = _first(_COLUMNS.key, _COLUMNS.name, where=is_after).subquery()
    one = literal_column("1", Integer)
    walk = select(start.c.key, start.c.name, one.label("place")).where(literal_column("0") < _LIMIT)
    walked = walk.cte("walked", recursive=True)
    next_one = _first(_COLUMNS.key, _COLUMNS.name, where=_COLUMNS.key > walked.c.key)
    following = next_one.correlate(walked).lateral("following")
    walked = walked.union_all(
        select(following.c.key, following.c.name, walked.c.place + one)
        .select_from(walked)
        .join(following, true())
        .where(walked.c.place < _LIMIT)
    )
    return compiled(select(walked.c.name).order_by(walked.c.place), tuple, writes=False)


@cache
@named
def _any_label_until() -> Sql[tuple[bool]]:
    label = bindparam("label", type_=Text)
    found = _first(
        literal_column("true", Boolean), where=_COLUMNS.key <= _key(label)
    ).scalar_subquery()
    return compiled(select(func.coalesce(found, literal_column("false"))), tuple, writes=False)


@cache
@named
def _labelled_tasks(rarest: bool) -> Sql[tuple[int]]:
    said = _each(bindparam("asked", type_=ARRAY(Text)))
    keys = select(_key(said.c.name).label("key")).distinct().subquery("keys")

    def having(key: SQLColumnExpression[Any]) -> Select[Any]:
        return (
            select(_COLUMNS.task_id)
            .where(_COLUMNS.user_id == OWNER, _COLUMNS.key == key)
            .order_by(_COLUMNS.key, _COLUMNS.task_id)
            .limit(_LIMIT)
        )

    if rarest:
        counted = having(keys.c.key).correlate(keys).lateral("counted")
        keys = (
            select(keys.c.key)
            .select_from(keys)
            .join(counted, true(), isouter=True)
            .group_by(keys.c.key)
            .order_by(func.count(counted.c.task_id), keys.c.key)
            .limit(literal_column("1"))
            .subquery("rarest")
        )
    found = having(keys.c.key).correlate(keys).lateral("found")
    statement = (
        select(found.c.task_id).select_from(keys).join(found, true()).distinct().limit(_LIMIT)
    )
    return compiled(statement, tuple, writes=False)
