"""A statement: SQL, whose it is, and its values."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from models.user import UserId

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Sql(Generic[Row]):
    """SQL text compiled once, with the names of its `$1`, `$2`, … in order."""

    text: str
    parameters: tuple[str, ...]
    make_row: Callable[[Sequence[object]], Row]
    """Makes a named row of one record, whose values stand in the order of the text's columns."""
    writes: bool
    repeatable: bool = False
    """Whether it cannot take effect twice, so that it may be sent again where nobody knows."""


class Statement(NamedTuple, Generic[Row]):
    """SQL, whose it is, and its values: it cannot be made without an owner."""

    sql: Sql[Row]
    owner: UserId
    values: Mapping[str, object]
