"""What all kinds of things that users own have in common: versions, the trash, batches.

Each function takes a `Kind` and returns SQL that names the owner. The owner's counter numbers the
changes: a change advances it in its own transaction, and takes the number as its version.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Column,
    Integer,
    Select,
    SQLColumnExpression,
    Table,
    Text,
    and_,
    any_,
    bindparam,
    exists,
    func,
    literal_column,
    not_,
    null,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.sql.dml import ReturningUpdate
from sqlalchemy.sql.elements import Label
from sqlalchemy.sql.selectable import CTE

from models.statement import Sql
from resolvers.statements.compiling import compiled

Condition = SQLColumnExpression[bool]
NewValues = Mapping[str, SQLColumnExpression[Any]]
"""Columns, and what they are set to."""


class Versioned(Protocol):
    """A row of a thing that is owned."""

    @property
    def version(self) -> int: ...


Thing = TypeVar("Thing", bound=Versioned)


@dataclass(frozen=True, slots=True)
class Kind(Generic[Thing]):
    """A kind of thing that users own."""

    table: Table
    """Has the columns `id`, `user_id`, `version`, `updated_at` and `deleted_at`."""
    counter: Table
    """A row for each user: `user_id`, `version` and `purged_version`."""
    fields: tuple[str, ...]
    """The columns of a row, in their order."""
    make_row: Callable[[Sequence[Any]], Thing]

    @property
    def columns(self) -> list[Column[Any]]:
        return [self.table.c[name] for name in self.fields]

    @property
    def is_owned(self) -> Condition:
        return self.table.c.user_id == OWNER

    @property
    def is_live(self) -> Condition:
        return self.table.c.deleted_at.is_(None)

    @property
    def is_in_trash(self) -> Condition:
        return self.table.c.deleted_at.is_not(None)


class Change(NamedTuple, Generic[Thing]):
    """The outcome of changing a thing that exists."""

    done: bool
    """False: the thing was not at the expected version, and nothing was written."""
    row: Thing
    """The thing after the change, or as it is."""
    version: int
    """The thing's version right after the change, or as it was."""


OWNER = bindparam("owner", type_=Text)
KEY = bindparam("key", type_=BigInteger)
_DONE: Label[bool] = literal_column("true").label("done")


def find(kind: Kind[Thing]) -> Sql[Thing]:
    """Read one thing, unless it is in the trash."""
    statement = select(*kind.columns).where(kind.is_owned, kind.table.c.id == KEY, kind.is_live)
    return compiled(statement, kind.make_row, writes=False)


def create(kind: Kind[Thing], values: NewValues) -> Sql[Change[Thing]]:
    """Add a thing."""
    counter = _advance(kind, _first_version())
    statement = (
        insert(kind.table)
        .from_select(
            ["user_id", *values, "version"], select(OWNER, *values.values(), counter.c.version)
        )
        .returning(_DONE, *kind.columns)
    )
    return compiled(statement, _change_maker(kind), writes=True)


def compare_one(kind: Kind[Thing]) -> Sql[Change[Thing]]:
    """Read one thing as a change of nothing: done if it is at the expected version."""
    as_expected = _is_as_expected(kind.table.c.version)
    statement = select(as_expected.label("done"), *kind.columns).where(
        kind.is_owned, kind.table.c.id == KEY, kind.is_live
    )
    return compiled(statement, _change_maker(kind), writes=False)


def change_one(kind: Kind[Thing], values: NewValues) -> Sql[Change[Thing]]:
    """Set values in one thing, if it is at the expected version and not in the trash."""
    target = _target(kind, kind.is_live)
    counter = _advance_for(kind, target, _is_as_expected(target.c.version))
    changed = _changed(kind, target, counter, values)
    return _done_or_current(kind, changed, target, literal_column("false"))


def set_one(kind: Kind[Thing], values: NewValues) -> Sql[Change[Thing]]:
    """Set values in one thing, as `change_one`; where all are there already, nothing is written."""
    target = _target(kind, kind.is_live)
    as_expected = _is_as_expected(target.c.version)
    counter = _advance_for(kind, target, as_expected, _differs(target, values))
    changed = _changed(kind, target, counter, values)
    return _done_or_current(kind, changed, target, as_expected)


def delete_one(kind: Kind[Thing]) -> Sql[Change[Thing]]:
    """Move one thing into the trash."""
    return change_one(kind, {"deleted_at": func.now()})


def restore_one(kind: Kind[Thing]) -> Sql[Change[Thing]]:
    """Move one thing out of the trash; where it is not there, nothing is written."""
    target = _target(kind)
    as_expected = _is_as_expected(target.c.version)
    in_trash = target.c.deleted_at.is_not(None)
    counter = _advance_for(kind, target, as_expected, in_trash)
    restored = _changed(kind, target, counter, {"deleted_at": null()})
    return _done_or_current(kind, restored, target, and_(as_expected, not_(in_trash)))


def change_many(kind: Kind[Thing], values: NewValues) -> Sql[Change[Thing]]:
    """Set values in all things that have one of the `keys` and are not in the trash."""
    target = _targets(kind, [kind.table.c.id])
    return compiled(_many_changed(kind, target, values), _change_maker(kind), writes=True)


def set_many(kind: Kind[Thing], values: NewValues) -> Sql[Change[Thing]]:
    """Set values in all those things, as `change_many`; where all are there, nothing is written."""
    target = _targets(kind, kind.columns)
    differs = _differs(target, values)
    changed = _many_changed(kind, target, values, differs).cte("changed")
    statement = select(*changed.c).union_all(select(_DONE, *target.c).where(not_(differs)))
    return compiled(statement, _change_maker(kind), writes=True)


def _targets(kind: Kind[Any], columns: Sequence[Column[Any]]) -> CTE:
    """Find the things that have one of the `keys`, and lock them.

    They are locked in one order, so that two batches never wait for each other.
    """
    id, keys = kind.table.c.id, bindparam("keys", type_=ARRAY(BigInteger))
    return (
        select(*columns)
        .where(kind.is_owned, id == any_(keys), kind.is_live)
        .order_by(id)
        .with_for_update()
        .cte("target")
    )


def _many_changed(
    kind: Kind[Any], target: CTE, values: NewValues, *conditions: Condition
) -> ReturningUpdate[*tuple[Any, ...]]:
    """Set the values in the targets that meet the conditions, and give each a number of its own.

    The last of the numbers is the counter's.
    """
    table = kind.table
    rank = func.row_number().over(order_by=target.c.id.desc()) - literal_column("1")
    ranked = select(target.c.id, rank.label("rank")).where(*conditions).cte("ranked")
    count = func.count()
    counter = _advance(
        kind, select(OWNER, count).select_from(ranked).having(count > literal_column("0"))
    )
    return (
        update(table)
        .where(
            kind.is_owned,
            table.c.id == ranked.c.id,
            table.c.user_id == counter.c.user_id,
        )
        .values({**values, "updated_at": func.now(), "version": counter.c.version - ranked.c.rank})
        .returning(_DONE, *kind.columns)
    )


def delete_many(kind: Kind[Thing]) -> Sql[Change[Thing]]:
    """Move all things that have one of the `keys` into the trash."""
    return change_many(kind, {"deleted_at": func.now()})


def _change_maker(kind: Kind[Thing]) -> Callable[[Sequence[Any]], Change[Thing]]:
    make_row = kind.make_row

    def make_change(record: Sequence[Any]) -> Change[Thing]:
        row = make_row(record[1:])
        return Change(record[0], row, row.version)

    return make_change


def _target(kind: Kind[Any], *conditions: Condition) -> CTE:
    """Find the thing and lock it."""
    return (
        select(*kind.columns)
        .where(kind.is_owned, kind.table.c.id == KEY, *conditions)
        .with_for_update()
        .cte("target")
    )


def _changed(kind: Kind[Any], target: CTE, counter: CTE, values: NewValues) -> CTE:
    """Set the values in the target, if the counter has been advanced for it."""
    return (
        update(kind.table)
        .where(
            kind.is_owned,
            kind.table.c.id == target.c.id,
            kind.table.c.user_id == counter.c.user_id,
        )
        .values({**values, "updated_at": func.now(), "version": counter.c.version})
        .returning(*kind.columns)
        .cte("changed")
    )


def _advance_for(kind: Kind[Any], target: CTE, *conditions: Condition) -> CTE:
    """Advance the counter if there is a target that meets the conditions."""
    return _advance(kind, _first_version().select_from(target).where(*conditions))


def _differs(target: CTE, values: NewValues) -> Condition:
    """Return whether a value of the target is another than the one that it is set to."""
    return or_(*(target.c[name].is_distinct_from(value) for name, value in values.items()))


def _is_as_expected(version: SQLColumnExpression[int]) -> Condition:
    expected = bindparam("expected_version", type_=Integer)
    return or_(expected.is_(None), version == expected)


def _first_version() -> Select[*tuple[Any, ...]]:
    return select(OWNER, literal_column("1"))


def _advance(kind: Kind[Any], first: Select[*tuple[Any, ...]]) -> CTE:
    """Advance the owner's counter, or start it; it stays locked until the transaction's end."""
    counter = kind.counter
    advance = insert(counter).from_select(["user_id", "version"], first)
    return (
        advance.on_conflict_do_update(
            index_elements=[counter.c.user_id],
            set_={"version": counter.c.version + advance.excluded.version},
        )
        .returning(counter.c.user_id, counter.c.version)
        .cte("counter")
    )


def _done_or_current(
    kind: Kind[Thing], changed: CTE, target: CTE, nothing_to_do: Condition
) -> Sql[Change[Thing]]:
    """Return the thing as changed, or else as it is, done if there was nothing to do."""
    statement = select(_DONE, *changed.c).union_all(
        select(nothing_to_do, *target.c).where(not_(exists(select(changed.c.id))))
    )
    return compiled(statement, _change_maker(kind), writes=True)
