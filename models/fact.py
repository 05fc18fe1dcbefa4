"""The facts of a model's fields, read from SQLModel's `Field` and from the `info` of the columns.

A field is declared once, in its model, with what clients may do with it. Descriptions, checks of
inputs, parameters, conditions and constraints are made of these facts.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, Flag, auto
from typing import Any, Self

from sqlalchemy import CheckConstraint, Column, String
from sqlmodel import SQLModel

from models.label import one_label
from models.text import is_visible, one_line


class May(Flag):
    """What clients may do with a field, apart from reading it: `info={May: ...}` of its column."""

    CREATE = auto()
    """Give its value when they create the thing."""
    UPDATE = auto()
    """Change its value."""
    CLEAR = auto()
    """Set it to null, or leave it out when they create the thing."""
    RANGE = auto()
    """Filter a list by a range of its values."""
    ORDER = auto()
    """Order a list by it. It must not be null."""
    SEARCH = auto()
    """Find the thing by its words."""


WRITTEN = May.CREATE | May.UPDATE
OPTIONAL = WRITTEN | May.CLEAR


@dataclass(frozen=True, slots=True)
class Fact:
    """A field of a model: its column, and what the model says of it."""

    name: str
    says: str
    """What the field is: a phrase without a full stop; empty where no client sees the field."""
    may: May
    column: Column[Any]
    default: object
    """The value of a new thing where none is given; None as well where one must be given."""
    may_be_blank: bool
    """Whether a text may be without a visible character. If not, it is a single line."""
    max_length: int | None
    """The most Unicode code points of a text, as PostgreSQL counts them."""

    @classmethod
    def of(cls, model: type[SQLModel], name: str) -> Self:
        field = model.model_fields[name]
        column = model.metadata.tables[str(model.__tablename__)].c[name]
        limits = {type(limit).__name__: limit for limit in field.metadata}
        length = column.type.length if isinstance(column.type, String) else None
        return cls(
            name=name,
            says=field.description or "",
            may=column.info.get(May, May(0)),
            column=column,
            default=None if field.is_required() else field.default,
            may_be_blank="MinLen" not in limits,
            max_length=limits["MaxLen"].max_length if "MaxLen" in limits else length,
        )

    @property
    def bounds(self) -> tuple[str, str]:
        """The names of the values that a range of the field begins and ends with."""
        stem = self.name.removesuffix("_at")
        return f"{stem}_from", f"{stem}_until"

    @property
    def is_text(self) -> bool:
        return isinstance(self.column.type, String)

    @property
    def order_key(self) -> Column[Any]:
        """The column that lists are ordered by: where a trigger keeps a text's place, that."""
        columns = self.column.table.c
        return columns.get(f"{self.name}_order", self.column)

    def stored(self, value: object) -> object:
        """Return a value as it is stored: a line tidied, and null for a blank text that may be so.

        Any other text is kept byte for byte. A list is one of labels.
        """
        if isinstance(value, list):
            return [one_label(label) for label in value]
        if isinstance(value, Enum):
            return value.value
        if not isinstance(value, str):
            return value
        if not self.may_be_blank:
            return one_line(value)
        return value if May.CLEAR not in self.may or is_visible(value) else None

    def check(self) -> CheckConstraint | None:
        """Return the constraint for the limits that the column's type does not set, if any."""
        conditions = []
        if not self.may_be_blank:
            # White space is named here: what \s matches depends on the database's locale. To
            # PostgreSQL 15 \v is the letter.
            conditions.append(rf"btrim({self.name}, E' \t\n\x0b\f\r') <> ''")
        if self.max_length is not None and self.max_length != getattr(
            self.column.type, "length", None
        ):
            conditions.append(f"char_length({self.name}) <= {self.max_length}")
        return CheckConstraint(" AND ".join(conditions), name=self.name) if conditions else None


def facts_of(model: type[SQLModel]) -> Mapping[str, Fact]:
    """Return the facts of every field of a model, in their order."""
    return {name: Fact.of(model, name) for name in model.model_fields}
