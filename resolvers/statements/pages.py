"""Lists of what users own: pages by keyset, each read from one index in its order, and the feed."""

from collections.abc import Mapping, Sequence
from typing import Any, Generic, NamedTuple

from sqlalchemy import (
    BigInteger,
    Boolean,
    Integer,
    Select,
    SQLColumnExpression,
    bindparam,
    func,
    literal_column,
    select,
    true,
    tuple_,
    union_all,
)

from graphql_schema.connections import Cursor
from models.fact import Fact
from models.metadata import INSTALLATION
from models.statement import Sql
from resolvers.statements.compiling import compiled
from resolvers.statements.kind import OWNER, Condition, Kind, Thing

Parts = Sequence[Sequence[Condition]]
"""The conditions of each part of a list; together the parts hold all of it."""


class FeedRow(NamedTuple, Generic[Thing]):
    """A thing that has changed, and the owner's counter at that moment."""

    version: int
    purged_version: int
    beginning: int
    """The account's, see `models.task.TaskCounter`."""
    installation_beginning: int
    """The database's, see `models.installation.Installation`."""
    row: Thing | None


def position(name: str, cursor: Cursor | None) -> Mapping[str, object]:
    """Return the values of a cursor's parameters; none where there is no cursor."""
    if cursor is None:
        return {}
    return {f"{name}_value": cursor.value, f"{name}_id": cursor.id}


def _place(name: str, order: Fact) -> SQLColumnExpression[Any]:
    """Return the place of a cursor, whose parameters `position` gives under this name."""
    value = bindparam(f"{name}_value", type_=order.column.type)
    key = func.order_of(value) if order.is_text else value
    return tuple_(key, bindparam(f"{name}_id", type_=BigInteger))


def page(
    kind: Kind[Thing],
    parts: Parts,
    order: Fact,
    *,
    read_descending: bool,
    descending: bool,
    after: bool,
    before: bool,
) -> Sql[Thing]:
    """Read up to `limit` things in the order of a field, between the places `after` and `before`.

    `descending` is the direction of the list, in which the places stand; the list is read in the
    other direction where the page is taken from its end.
    """
    key, id = order.order_key, kind.table.c.id
    here = tuple_(key, id)
    between = []
    if after:
        place = _place("after", order)
        between.append(here < place if descending else here > place)
    if before:
        place = _place("before", order)
        between.append(here > place if descending else here < place)

    def ordered(
        statement: Select[Any], key: SQLColumnExpression[Any], id: SQLColumnExpression[Any]
    ) -> Select[Any]:
        by = [key.desc(), id.desc()] if read_descending else [key, id]
        return statement.order_by(*by).limit(bindparam("limit", type_=Integer))

    selects = [
        ordered(
            select(*kind.columns, key.label("key")).where(kind.is_owned, *part, *between), key, id
        )
        for part in parts
    ]
    union = union_all(*selects) if len(selects) > 1 else selects[0]
    page = union.subquery("page")
    statement = select(*(page.c[name] for name in kind.fields))
    return compiled(ordered(statement, page.c.key, page.c.id), kind.make_row, writes=False)


def any_beyond(kind: Kind[Any], parts: Parts, order: Fact, *, smaller: bool) -> Sql[tuple[bool]]:
    """Return whether anything stands at the place `cursor`, or on the one side of it."""
    key, id = order.order_key, kind.table.c.id
    here, place = tuple_(key, id), _place("cursor", order)
    # Not EXISTS, which would drop the order, and with it the index that leads straight there.
    found = [
        select(literal_column("true", Boolean))
        .where(kind.is_owned, *part, here <= place if smaller else here >= place)
        .order_by(*([key.desc(), id.desc()] if smaller else [key, id]))
        .limit(literal_column("1"))
        .scalar_subquery()
        for part in parts
    ]
    return compiled(select(func.coalesce(*found, literal_column("false"))), tuple, writes=False)


def count(kind: Kind[Any], conditions: Sequence[Condition]) -> Sql[tuple[int]]:
    """Count the things that meet the conditions."""
    return compiled(select(func.count()).where(kind.is_owned, *conditions), tuple, writes=False)


def feed(kind: Kind[Thing]) -> Sql[FeedRow[Thing]]:
    """Read what has changed after a version, in the trash or not, oldest change first.

    Versions are committed in their order, so what one snapshot shows of them has no gaps.
    """
    table, counter = kind.table, kind.counter
    page = (
        select(*kind.columns)
        .where(
            kind.is_owned,
            table.c.version > bindparam("after_version", type_=Integer),
        )
        .order_by(table.c.version)
        .limit(bindparam("limit", type_=Integer))
        .subquery("page")
    )
    beginning = select(INSTALLATION.c.beginning).scalar_subquery()
    statement = (
        select(counter.c.version, counter.c.purged_version, counter.c.beginning, beginning, *page.c)
        .outerjoin_from(counter, page, true())
        .where(counter.c.user_id == OWNER)
        .order_by(page.c.version)
    )

    def make_row(record: Sequence[Any]) -> FeedRow[Thing]:
        row = None if record[4] is None else kind.make_row(record[4:])
        return FeedRow(record[0], record[1], record[2], record[3], row)

    return compiled(statement, make_row, writes=False)
