"""What all kinds of things that users own have in common: versions, the trash, batches.

Each function takes a `Kind` and returns SQL that names the owner. The owner's counter numbers the
changes: a change advances it in its own transaction, and takes the number as its version.
"""

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Column,
    ColumnElement,
    Integer,
    Select,
    SQLColumnExpression,
    and_,
    any_,
    bindparam,
    case,
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
from resolvers.statements.kind import KEY, OWNER, Change, Condition, Kind, NewValues, Thing
from resolvers.statements.storage import (
    BYTES_MAX,
    TASKS_MAX,
    has_room_for_one,
    has_room_to_grow,
    length_of,
)

_DONE: Label[bool] = literal_column("true").label("done")


def find(kind: Kind[Thing]) -> Sql[Thing]:
    """Read one thing, unless it is in the trash."""
    statement = select(*kind.columns).where(kind.is_owned, kind.table.c.id == KEY, kind.is_live)
    return compiled(statement, kind.make_row, writes=False)


def create(kind: Kind[Thing], values: NewValues) -> Sql[Change[Thing]]:
    """Add a thing, if the quota has room for it."""
    length = length_of([values[name] for name in kind.texts])
    # Where there is no counter yet, the first condition alone is looked at.
    first = _first_version().where(literal_column("0") < TASKS_MAX, length <= BYTES_MAX)
    counter = _advance(kind, first, has_room_for_one(kind, length))
    created = (
        insert(kind.table)
        .from_select(
            ["user_id", *values, "version"], select(OWNER, *values.values(), counter.c.version)
        )
        .returning(_DONE, *kind.columns)
        .cte("created")
    )
    nulls = [null().label(column.name) for column in kind.columns]
    refused = select(null().label("done"), *nulls).where(not_(exists(select(counter.c.version))))
    statement = select(*created.c).union_all(refused)
    return compiled(statement, _change_maker(kind), writes=True)


def compare_one(kind: Kind[Thing]) -> Sql[Change[Thing]]:
    """Read one thing as a change of nothing: done if it is at the expected version."""
    as_expected = _is_as_expected(kind.table.c.version)
    statement = select(as_expected.label("done"), *kind.columns).where(
        kind.is_owned, kind.table.c.id == KEY, kind.is_live
    )
    return compiled(statement, _change_maker(kind), writes=False, is_mutation=True)


def change_one(kind: Kind[Thing], values: NewValues) -> Sql[Change[Thing]]:
    """Set values in one thing, if it is at the expected version and not in the trash."""
    target = _target(kind, kind.is_live)
    counter = _advance_for(kind, target, _is_as_expected(target.c.version))
    changed = _changed(kind, target, counter, values)
    return _done_or_current(kind, changed, target, literal_column("false"))


def set_one(kind: Kind[Thing], values: NewValues) -> Sql[Change[Thing]]:
    """Set values in one thing, as `change_one`; where all are there already, nothing is written.

    Nor is it where a text grows, and the quota has no room for that.
    """
    target = _target(kind, kind.is_live)
    as_expected, differs = _is_as_expected(target.c.version), _differs(target, values)
    texts = [name for name in kind.texts if name in values]
    room, undone = None, as_expected
    if texts:
        new, old = length_of([values[n] for n in texts]), length_of([target.c[n] for n in texts])
        growth = select(new - old).select_from(target).scalar_subquery()
        room = has_room_to_grow(kind, growth)
        undone = case((and_(as_expected, differs), null()), else_=as_expected)
    first = _first_version().select_from(target).where(as_expected, differs)
    changed = _changed(kind, target, _advance(kind, first, room), values)
    return _done_or_current(kind, changed, target, undone)


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


def _advance(
    kind: Kind[Any], first: Select[*tuple[Any, ...]], room: ColumnElement[bool] | None = None
) -> CTE:
    """Advance the owner's counter, or start it; it stays locked until the transaction's end.

    Where there is no room, it is locked and stays as it is.
    """
    counter = kind.counter
    advance = insert(counter).from_select(["user_id", "version"], first)
    return (
        advance.on_conflict_do_update(
            index_elements=[counter.c.user_id],
            set_={"version": counter.c.version + advance.excluded.version},
            where=room,
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
