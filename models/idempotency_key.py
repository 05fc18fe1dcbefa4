"""The idempotency_keys table: the outcomes of mutations that a client may send again."""

from datetime import datetime
from typing import Any

from sqlalchemy import Column, DateTime, ForeignKey, Index, Text, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from models.naming import metadata

IDEMPOTENCY_KEY_MAX_LENGTH = 255
"""Characters in a key."""


class IdempotencyKey(SQLModel, table=True):
    """A mutation that was run, under the key that its user gave it.

    It is written in the transaction of the change: it exists if and only if the change does.
    """

    __tablename__ = "idempotency_keys"
    metadata = metadata
    __table_args__ = (Index("idempotency_keys_by_created_at", "created_at"),)

    user_id: str = Field(
        sa_column=Column(Text, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    )
    key: str = Field(sa_column=Column(Text, primary_key=True))
    request: str = Field(sa_column=Column(Text, nullable=False))
    """The SHA-256 of the input and its type."""
    outcome: list[list[Any]] = Field(sa_column=Column(JSONB, nullable=False))
    """For each task: its id, its version at that time, and whether it was changed."""
    created_at: datetime = Field(
        sa_column=Column(DateTime(timezone=True), nullable=False, server_default=func.now())
    )
