"""What all kinds of things that users own have in common: versions, the trash, batches.

Each function takes a `Kind` and returns SQL that names the owner: one plain INSERT or UPDATE, whose
triggers do the rest. They take the owner's turn before any other row, number the change, and leave
a thing that stays as it was at its version. So a batch needs no order, and of two changes that
expect the same version one finds it.
"""

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Integer,
    any_,
    bindparam,
    func,
    insert,
    null,
    or_,
    select,
    update,
)

from models.statement import Sql
from resolvers.statements.compiling import compiled
from resolvers.statements.kind import KEY, OWNER, Condition, Kind, NewValues, Thing


def find(kind: Kind[Thing]) -> Sql[Thing]:
    """Read one thing, unless it is in the trash."""
    statement = select(*kind.columns).where(kind.is_owned, kind.table.c.id == KEY, kind.is_live)
    return compiled(statement, kind.make_row, writes=False)


def find_anywhere(kind: Kind[Thing]) -> Sql[Thing]:
    """Read one thing, in the trash or not."""
    statement = select(*kind.columns).where(kind.is_owned, kind.table.c.id == KEY)
    return compiled(statement, kind.make_row, writes=False)


def create(kind: Kind[Thing], values: NewValues) -> Sql[Thing]:
    """Add a thing. Where no id is given, a trigger makes it."""
    # Named, for the identity would fill in what is left out.
    given = {"user_id": OWNER, "id": null(), **values}
    statement = insert(kind.table).values(given).returning(*kind.columns)
    return compiled(statement, kind.make_row, writes=True)


def compare_one(kind: Kind[Thing]) -> Sql[Thing]:
    """Read one thing as a change of nothing, if it is at the expected version."""
    statement = select(*kind.columns).where(
        kind.is_owned, kind.table.c.id == KEY, kind.is_live, _is_as_expected(kind)
    )
    return compiled(statement, kind.make_row, writes=False, is_mutation=True)


def change_one(kind: Kind[Thing], values: NewValues) -> Sql[Thing]:
    """Set values in one thing, if it is at the expected version and not in the trash."""
    return _changed(kind, values, kind.table.c.id == KEY, kind.is_live, _is_as_expected(kind))


def delete_one(kind: Kind[Thing]) -> Sql[Thing]:
    """Move one thing into the trash, if it is at the expected version."""
    return change_one(kind, {"deleted_at": func.now()})


def restore_one(kind: Kind[Thing]) -> Sql[Thing]:
    """Move one thing out of the trash, if it is at the expected version.

    One that is not there stays as it is.
    """
    return _changed(kind, {"deleted_at": null()}, kind.table.c.id == KEY, _is_as_expected(kind))


def change_many(kind: Kind[Thing], values: NewValues) -> Sql[Thing]:
    """Set values in all things that have one of the `keys` and are not in the trash."""
    return _changed(kind, values, _is_one_of(kind), kind.is_live)


def delete_many(kind: Kind[Thing]) -> Sql[Thing]:
    """Move all things that have one of the `keys` into the trash."""
    return change_many(kind, {"deleted_at": func.now()})


def _changed(kind: Kind[Thing], values: NewValues, *conditions: Condition) -> Sql[Thing]:
    statement = (
        update(kind.table)
        .where(kind.is_owned, *conditions)
        .values({**values})
        .returning(*kind.columns)
    )
    return compiled(statement, kind.make_row, writes=True)


def _is_one_of(kind: Kind[Thing]) -> Condition:
    return kind.table.c.id == any_(bindparam("keys", type_=ARRAY(BigInteger)))


def _is_as_expected(kind: Kind[Thing]) -> Condition:
    expected = bindparam("expected_version", type_=Integer)
    return or_(expected.is_(None), kind.table.c.version == expected)
