"""A statement: SQL, its owner, and its values."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Generic, NamedTuple, TypeVar

from models.user import UserId

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Sql(Generic[Row]):
    """SQL text compiled once, with the names of its `$1`, `$2`, … in order."""

    text: str
    parameters: tuple[str, ...]
    make_row: Callable[[Sequence[object]], Row]
    """Makes a named row of one record, whose values are in the order of the text's columns."""
    writes: bool
    repeatable: bool = False
    """Whether it cannot take effect twice, and so may be sent again if its outcome is unknown."""
    on_primary: bool = False
    """Whether only the primary may answer it, though it writes nothing: a replica may be late."""
    on_coordinator: bool = False
    """Whether it means something on one node of a cluster alone, as NOTIFY does."""
    name: str = "other"
    """What metrics and the log call it."""
    steps: "tuple[Sql[Row], ...]" = ()
    """What is run instead where the tables lie on several nodes, if the text could not be run by
    one of them: one after the other, in one transaction. The rows are those of the last."""


class Statement(NamedTuple, Generic[Row]):
    """SQL, its owner, and its values. There is none without an owner."""

    sql: Sql[Row]
    owner: UserId
    values: Mapping[str, object]
    settings: Mapping[str, str] = MappingProxyType({})
    """Settings of its transaction, for triggers: `app.quota`, `app.spelling`, `app.place`,
    `app.list`, `app.together`, `app.action`."""
    waits_for_turn: bool = False
    """Whether it reads nothing before it is its owner's turn, which triggers take once it has read
    already: so it sees what those changed who had their turn before."""
