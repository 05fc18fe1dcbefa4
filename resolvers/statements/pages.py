"""Lists of what users own: pages by keyset, each read from one index in its order, and the feed."""

import itertools
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import reduce
from typing import Any, Generic, NamedTuple, Protocol

from sqlalchemy import (
    BigInteger,
    Boolean,
    CompoundSelect,
    Integer,
    Select,
    SQLColumnExpression,
    bindparam,
    cast,
    func,
    literal_column,
    null,
    select,
    true,
    tuple_,
    union_all,
)

from models.fact import Fact
from models.metadata import INSTALLATION
from models.statement import Sql
from resolvers.statements.compiling import compiled
from resolvers.statements.kind import OWNER, Condition, Kind, Thing

_NONE: SQLColumnExpression[int] = literal_column("0")


class Place(Protocol):
    """A position in an order: the value that is ordered by, and the id, which breaks ties."""

    @property
    def value(self) -> object: ...

    @property
    def id(self) -> int: ...


Parts = Sequence[Sequence[Condition]]
"""The conditions of each part of a list; together the parts hold all of it."""


class Stretch(NamedTuple):
    """A stretch of a list: what comes before or after it in the order is in other stretches."""

    parts: Parts
    """Each is read from one index in its order."""
    places: Sequence[str] = ()
    """The names of the cursors whose places lie in this stretch."""
    by_id: bool = False
    """All things in it have the same value, so that their ids alone are their order."""
    leading: Sequence[SQLColumnExpression[Any]] = ()
    """Columns that are alike in all things in it, and come first in the index."""
    is_sorted: bool = False
    """All things in it are read from another index than that of their order, and then sorted."""


class FeedRow(NamedTuple, Generic[Thing]):
    """A thing that has changed, and the owner's counter at that moment."""

    version: int
    purged_version: int
    beginning: int
    """The account's, see `models.task.TaskCounter`."""
    installation_beginning: int
    """The database's, see `models.installation.Installation`."""
    row: Thing | None


def position(name: str, cursor: Place | None) -> Mapping[str, object]:
    """Return the values of a cursor's parameters; none where there is no cursor."""
    if cursor is None:
        return {}
    return {f"{name}_value": cursor.value, f"{name}_id": cursor.id}


def _here_and_place(
    kind: Kind[Any], order: Fact, name: str, *, by_id: bool
) -> tuple[SQLColumnExpression[Any], SQLColumnExpression[Any]]:
    """Return where a thing stands, and the place of the cursor that `position` calls so."""
    here, place = kind.table.c.id, bindparam(f"{name}_id", type_=BigInteger)
    if by_id:
        return here, place
    value = bindparam(f"{name}_value", type_=order.column.type)
    is_itself = order.order_key is order.column
    key = value if is_itself else func.order_of(value)
    return tuple_(order.order_key, here), tuple_(key, place)


def page(
    kind: Kind[Thing],
    stretches: Sequence[Stretch],
    order: Fact,
    *,
    read_descending: bool,
    descending: bool,
) -> Sql[Thing]:
    """Read up to `limit` things in the order of a field, between the places `after` and `before`.

    `descending` is the direction of the list, in which the places stand; the list is read in the
    other direction where the page is taken from its end. There are one or two stretches, in the
    order in which they are read: the second one only where the first does not fill the page.
    """
    key, id = order.order_key, kind.table.c.id
    limit = bindparam("limit", type_=Integer)

    def ordered(statement: Select[Any], *keys: SQLColumnExpression[Any]) -> Select[Any]:
        by = [each.desc() for each in keys] if read_descending else keys
        return statement.order_by(*by).limit(limit)

    def between(stretch: Stretch) -> Iterator[Condition]:
        for name in stretch.places:
            here, place = _here_and_place(kind, order, name, by_id=stretch.by_id)
            yield here < place if descending is (name == "after") else here > place

    def read(stretch: Stretch, *conditions: Condition) -> list[Select[Any]]:
        columns = [*kind.columns, key.label("key")]
        keys = [id] if stretch.by_id else [*stretch.leading, key, id]
        found = [
            select(*columns).where(kind.is_owned, *part, *between(stretch), *conditions)
            for part in stretch.parts
        ]
        if stretch.is_sorted:
            return [_ordered_later(each, ordered) for each in found]
        return [ordered(each, *keys) for each in found]

    if len(stretches) == 1:
        selects = read(stretches[0])
    else:
        first = _union(read(stretches[0])).cte("first")
        # It is asked before anything of the second stretch is read.
        is_short = select(func.count()).select_from(first).scalar_subquery() < limit
        selects = [select(first), *read(stretches[1], is_short)]
    page = _union(selects).subquery("page")
    statement = select(*(page.c[name] for name in kind.fields))
    return compiled(ordered(statement, page.c.key, page.c.id), kind.make_row, writes=False)


def _ordered_later(statement: Select[Any], ordered: Callable[..., Select[Any]]) -> Select[Any]:
    """Return what reads all rows before it puts them in order.

    Else PostgreSQL may walk along the index of the order, past everything that is not in the list.
    """
    found = statement.offset(_NONE).subquery("found")
    return ordered(select(found), found.c.key, found.c.id)


def _union(selects: Sequence[Select[Any]]) -> Select[Any] | CompoundSelect[Any]:
    return union_all(*selects) if len(selects) > 1 else selects[0]


def any_beyond(
    kind: Kind[Any], stretches: Sequence[Stretch], order: Fact, *, smaller: bool
) -> Sql[tuple[bool]]:
    """Return whether anything stands at the place `cursor`, or on the one side of it.

    The stretches are those of that side; each is looked at only where there is nothing in those
    before it.
    """
    key, id = order.order_key, kind.table.c.id

    def beyond(stretch: Stretch) -> Iterator[Condition]:
        for name in stretch.places:
            here, place = _here_and_place(kind, order, name, by_id=stretch.by_id)
            yield here <= place if smaller else here >= place

    def keys(stretch: Stretch) -> Iterator[SQLColumnExpression[Any]]:
        for each in [id] if stretch.by_id else [*stretch.leading, key, id]:
            yield each.desc() if smaller else each

    def any_of(stretch: Stretch, part: Sequence[Condition]) -> Select[Any]:
        yes: SQLColumnExpression[bool] = literal_column("true", Boolean)
        conditions = (kind.is_owned, *part, *beyond(stretch))
        if stretch.is_sorted:
            # For one row PostgreSQL might look through the whole table.
            return select(func.count() > _NONE).where(*conditions)
        # Not EXISTS, which would drop the order, and with it the index that leads straight there.
        first = select(yes).where(*conditions).order_by(*keys(stretch))
        return first.limit(literal_column("1"))

    found = [
        any_of(stretch, part).scalar_subquery() for stretch in stretches for part in stretch.parts
    ]
    return compiled(select(func.coalesce(*found, literal_column("false"))), tuple, writes=False)


def count(
    kind: Kind[Any], parts: Parts, kept: SQLColumnExpression[int] | None = None
) -> Sql[tuple[int]]:
    """Count the things of all parts; where the owner's counter has the number as `kept`, read it.

    While that is null, they are counted.
    """
    counts = [
        select(func.count()).select_from(kind.table).where(kind.is_owned, *part).scalar_subquery()
        for part in parts
    ]
    counted: SQLColumnExpression[int] = reduce(operator.add, counts)
    if kept is not None:
        known = select(kept).where(kind.counter.c.user_id == OWNER).scalar_subquery()
        counted = func.coalesce(known, counted)
    return compiled(select(counted), tuple, writes=False)


def feed(*kinds: Kind[Any]) -> Sql[FeedRow[Any]]:
    """Read what has changed after a version, in the trash or not, oldest change first.

    Versions are committed in their order, so what one snapshot shows of them has no gaps. Those of
    all kinds are numbers of one counter.
    """
    counter, limit = kinds[0].counter, bindparam("limit", type_=Integer)
    found = [
        select(*_beside_others(kind, kinds))
        .where(kind.is_owned, kind.table.c.version > bindparam("after_version", type_=Integer))
        .order_by(kind.table.c.version)
        .limit(limit)
        for kind in kinds
    ]
    merged = _union(found).subquery("found") if len(kinds) > 1 else found[0].subquery("page")
    page = merged
    if len(kinds) > 1:
        page = select(merged).order_by(merged.c.number).limit(limit).subquery("page")
    beginning = select(INSTALLATION.c.beginning).scalar_subquery()
    statement = (
        select(counter.c.version, counter.c.purged_version, counter.c.beginning, beginning, *page.c)
        .outerjoin_from(counter, page, true())
        .where(counter.c.user_id == OWNER)
        .order_by(page.c.number)
    )

    ends = list(itertools.accumulate((len(kind.fields) for kind in kinds), initial=5))

    def make_row(record: Sequence[Any]) -> FeedRow[Any]:
        version, purged_version, beginning, installation_beginning, place = record[:5]
        row = None
        if place is not None:
            row = kinds[place].make_row(record[ends[place] : ends[place + 1]])
        return FeedRow(version, purged_version, beginning, installation_beginning, row)

    # Its cursors say what a client has: it must not be told less than it was.
    return replace(compiled(statement, make_row, writes=False), on_primary=True)


def _beside_others(kind: Kind[Any], kinds: Sequence[Kind[Any]]) -> list[SQLColumnExpression[Any]]:
    """Return the columns of a kind between those of the others, which are null."""
    return [
        literal_column(str(kinds.index(kind)), Integer).label("kind"),
        *(
            (column if each is kind else cast(null(), column.type)).label(f"{number}_{column.name}")
            for number, each in enumerate(kinds)
            for column in each.columns
        ),
        kind.table.c.version.label("number"),
    ]
