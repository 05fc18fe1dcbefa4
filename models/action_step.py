"""The action_steps table: what an action with an idempotency key has overwritten, for undo."""

from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from models.naming import metadata

STEPS_MAX = 5_000
"""Changes that an action may have made so that it can be undone. Triggers have this number, too."""

UNDONE_WITHIN_HOURS = 24
"""How long after an action it can be undone; so has the function `undo_action`."""


class ActionStep(SQLModel, table=True):
    """One change of one thing by an action with a key. Triggers write it in the same transaction.

    It goes when the action is undone, and with the key of the action: a trigger sees to that, for a
    reference would be looked up with each change.
    """

    __tablename__ = "action_steps"
    metadata = metadata
    __table_args__ = (Index("action_steps_by_version", "user_id", "version"),)

    user_id: str = Field(sa_column=Column(Text, primary_key=True))
    key: str = Field(sa_column=Column(Text, primary_key=True))
    # Of a task or of a list: things of all kinds have distinct ids.
    id: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    # The number that the change took, or where a later change was undone, the one that this took.
    version: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    # The number that the thing had before; null where it was new.
    previous: int | None = Field(default=None, sa_column=Column(Integer))
    # Whether the change itself was made to the thing, and did not follow from another.
    asked: bool = Field(sa_column=Column(Boolean, nullable=False))
    # The columns that were overwritten, as they were; null where the thing was new.
    before: dict[str, Any] | None = Field(default=None, sa_column=Column(JSONB(none_as_null=True)))
