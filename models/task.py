"""The tasks table, and the counter that numbers each user's changes."""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    String,
    Text,
    false,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlmodel import Field, SQLModel

from models.instant import Instant
from models.naming import metadata

TITLE_MAX_LENGTH = 200
"""Unicode code points in a title, as PostgreSQL counts them."""

DESCRIPTION_MAX_LENGTH = 1000
"""Unicode code points in a description."""


class Task(SQLModel, table=True):
    """One thing to do, of one user."""

    __tablename__ = "tasks"
    metadata = metadata
    __table_args__ = (
        # White space is named here: what \s matches depends on the database's locale.
        CheckConstraint(r"btrim(title, E' \t\n\v\f\r') <> ''", name="title"),
        CheckConstraint(
            f"char_length(description) <= {DESCRIPTION_MAX_LENGTH}", name="description"
        ),
        # One index for each order of the pages, read forwards or backwards.
        *(
            Index(
                f"tasks_{where}_{order}",
                *("user_id", "completed", order, "id"),
                postgresql_where=text(condition),
            )
            for order in ("created_at", "updated_at", "title_key")
            for where, condition in (
                ("by", "deleted_at IS NULL"),
                ("in_trash_by", "deleted_at IS NOT NULL"),
            )
        ),
        Index(
            "tasks_by_words",
            "words",
            postgresql_using="gin",
            postgresql_with={"gin_pending_list_limit": 256},
        ),
        # For the feed of changes, and for what removes old trash, whosever it is.
        Index("tasks_by_version", "user_id", "version"),
        Index("tasks_in_trash", "deleted_at", postgresql_where=text("deleted_at IS NOT NULL")),
    )

    id: int | None = Field(default=None, sa_column=Column(BigInteger, Identity(), primary_key=True))
    user_id: str = Field(
        sa_column=Column(Text, ForeignKey("users.id", ondelete="CASCADE"), nullable=False)
    )
    title: str = Field(sa_column=Column(String(TITLE_MAX_LENGTH), nullable=False))
    description: str | None = Field(default=None, sa_column=Column(Text))
    completed: bool = Field(
        default=False, sa_column=Column(Boolean, nullable=False, server_default=false())
    )
    # A trigger keeps it in step with `completed`.
    completed_at: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))
    created_at: datetime = Field(
        sa_column=Column(DateTime(timezone=True), nullable=False, server_default=func.now())
    )
    updated_at: datetime = Field(
        sa_column=Column(DateTime(timezone=True), nullable=False, server_default=func.now())
    )
    deleted_at: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))
    version: int = Field(sa_column=Column(Integer, nullable=False))
    # A trigger makes them of the columns above. Only a plain column can be compared where row
    # security binds: no function of one is trusted to tell nothing of other rows.
    title_key: str = Field(sa_column=Column(Text, nullable=False))
    words: str = Field(sa_column=Column(TSVECTOR, nullable=False))


class TaskCounter(SQLModel, table=True):
    """The number of the latest change to any of a user's tasks.

    A change advances it in its own transaction and so holds its row until it commits: the order of
    the numbers is the order of the commits, and who has seen `n` can miss no change before it.
    """

    __tablename__ = "task_counters"
    metadata = metadata

    user_id: str = Field(
        sa_column=Column(Text, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    )
    version: int = Field(sa_column=Column(Integer, nullable=False))
    # The greatest number of a change that nothing is left of, for its task is gone for good.
    purged_version: int = Field(
        default=0, sa_column=Column(Integer, nullable=False, server_default=text("0"))
    )


class TaskRow(NamedTuple):
    """A row of tasks as statements return it: the columns that clients may see, in this order."""

    id: int
    title: str
    description: str | None
    completed: bool
    completed_at: Instant | None
    created_at: Instant
    updated_at: Instant
    deleted_at: Instant | None
    version: int
