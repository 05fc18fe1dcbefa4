"""The lists of tasks."""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import BigInteger, Column, DateTime, ForeignKey, Index, Integer, String, Text, func
from sqlalchemy import text as sql_text
from sqlmodel import Field, SQLModel

from models.fact import WRITTEN, May, facts_of
from models.instant import Instant
from models.naming import metadata

NAME_MAX_LENGTH = 100
"""Unicode code points in the name of a list, as PostgreSQL counts them."""

LISTS_MAX = 1000
"""Lists that a user has outside the trash."""


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
    id: int = Field(
        description="`L` and digits: opaque, and never reused",
        sa_column=Column(BigInteger, primary_key=True, autoincrement=False),
    )
    name: str = Field(
        description="What the list is called",
        min_length=1,
        sa_column=Column(String(NAME_MAX_LENGTH), nullable=False, info={May: WRITTEN}),
    )
    position: str = Field(
        description="Where the list stands among the others: a text to compare byte by byte, and "
        "where it is the same the number in the id. The server makes it",
        sa_column=Column(Text(collation="C"), nullable=False),
    )
    created_at: datetime = Field(
        description="When the list was created",
        sa_column=Column(DateTime(timezone=True), nullable=False, server_default=func.now()),
    )
    updated_at: datetime = Field(
        description="When the list itself was last changed, not its tasks",
        sa_column=Column(DateTime(timezone=True), nullable=False, server_default=func.now()),
    )
    deleted_at: datetime | None = Field(
        default=None,
        description="When the list was moved into the trash; null while it is not there",
        sa_column=Column(DateTime(timezone=True)),
    )
    version: int = Field(
        description="The number of the list's last change, among those of all that the owner has. "
        "Send it back as `expectedVersion` to change only what you have seen",
        sa_column=Column(Integer, nullable=False),
    )


TASK_LIST_FACTS = facts_of(TaskList)

for _fact in TASK_LIST_FACTS.values():
    if (_check := _fact.check()) is not None:
        metadata.tables["task_lists"].append_constraint(_check)


class TaskListRow(NamedTuple):
    """A row of task_lists as statements return it: the columns that clients may see."""

    id: int
    name: str
    position: str
    created_at: Instant
    updated_at: Instant
    deleted_at: Instant | None
    version: int
