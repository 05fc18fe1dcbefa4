"""The lists of tasks."""

from datetime import datetime

from sqlalchemy import BigInteger, Column, DateTime, ForeignKey, Index, Integer, String, Text, func
from sqlalchemy import text as sql_text
from sqlmodel import Field, SQLModel

from models.naming import metadata

NAME_MAX_LENGTH = 100
"""Unicode code points in the name of a list, as PostgreSQL counts them."""


class TaskList(SQLModel, table=True):
    """A list of one user's tasks. What is in no list is in the inbox, which has no row."""

    __tablename__ = "task_lists"
    metadata = metadata
    __table_args__ = (
        Index("task_lists_by_version", "user_id", "version"),
        Index(
            "task_lists_by_position",
            *("user_id", "position", "id"),
            postgresql_where=sql_text("deleted_at IS NULL"),
        ),
    )

    user_id: str = Field(
        sa_column=Column(Text, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    )
    id: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    name: str = Field(sa_column=Column(String(NAME_MAX_LENGTH), nullable=False))
    position: str = Field(sa_column=Column(Text(collation="C"), nullable=False))
    created_at: datetime = Field(
        sa_column=Column(DateTime(timezone=True), nullable=False, server_default=func.now())
    )
    updated_at: datetime = Field(
        sa_column=Column(DateTime(timezone=True), nullable=False, server_default=func.now())
    )
    deleted_at: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))
    version: int = Field(sa_column=Column(Integer, nullable=False))
