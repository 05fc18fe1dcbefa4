"""The deleted_users table: who was deleted, for as long as a token from before may live."""

from datetime import datetime

from sqlalchemy import Column, DateTime, LargeBinary
from sqlmodel import Field, SQLModel

from models.naming import metadata


class DeletedUser(SQLModel, table=True):
    """A user that was deleted. It names nobody: the id cannot be read from its hash."""

    __tablename__ = "deleted_users"
    metadata = metadata

    id_hash: bytes = Field(sa_column=Column(LargeBinary, primary_key=True))
    """The SHA-256 of the user's id."""
    deleted_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    """Tokens that were issued before, or up to 30 seconds after, make no row of the user's."""
    expires_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    """When the row may be purged: no such token lives any more."""
