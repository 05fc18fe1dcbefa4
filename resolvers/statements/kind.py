"""A kind of thing that users own: its tables, and what its statements have in common."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    SQLColumnExpression,
    Table,
    Text,
    bindparam,
)

Condition = ColumnElement[bool]
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
    """A row for each user: `user_id`, `version`, `purged_version`, `tasks` and `bytes`."""
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
    """A thing that was changed, or was so already."""

    row: Thing
    """The thing after the change; of a change that was sent again, as it is now."""
    version: int
    """The thing's version right after the change."""


class Removal(NamedTuple):
    """A thing that was removed, of which nothing is left."""

    id: int


OWNER = bindparam("owner", type_=Text)
KEY = bindparam("key", type_=BigInteger)
