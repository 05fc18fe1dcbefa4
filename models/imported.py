"""The imports table: what of a file of other programs, or of ours, is in already."""

from datetime import datetime

from sqlalchemy import BigInteger, Column, DateTime, ForeignKey, Text, func
from sqlmodel import Field, SQLModel

from models.naming import metadata

TASK, LIST, IDS = "task", "list", "ids"
"""The kinds of what is imported, and of ids that are set aside for a file: `id` is the last."""


class Imported(SQLModel, table=True):
    """A task or a list that was made of a file.

    It is written in the statement that makes the thing: it exists if and only if that was made. The
    thing may have been changed since, or be gone.
    """

    __tablename__ = "imports"
    metadata = metadata

    user_id: str = Field(
        sa_column=Column(Text, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    )
    # The format, and the SHA-256 of the account or of the file.
    source: str = Field(sa_column=Column(Text, primary_key=True))
    kind: str = Field(sa_column=Column(Text, primary_key=True))
    # What the thing is called there.
    key: str = Field(sa_column=Column(Text, primary_key=True))
    id: int = Field(sa_column=Column(BigInteger, nullable=False))
    created_at: datetime = Field(
        sa_column=Column(DateTime(timezone=True), nullable=False, server_default=func.now())
    )
