"""The tasks table, and the counter that numbers each user's changes."""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import (
    BigInteger,
    Boolean,
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

from models.fact import OPTIONAL, WRITTEN, May, facts_of
from models.instant import Instant
from models.naming import metadata

TITLE_MAX_LENGTH = 200
"""Unicode code points in a title, as PostgreSQL counts them."""

DESCRIPTION_MAX_LENGTH = 1000
"""Unicode code points in a description."""


class Task(SQLModel, table=True):
    """A task of one user. The checks of its fields and the indexes of its orders stand below."""

    __tablename__ = "tasks"
    metadata = metadata
    __table_args__ = (
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

    id: int | None = Field(
        default=None,
        description="Opaque, and never reused",
        sa_column=Column(BigInteger, Identity(), primary_key=True),
    )
    user_id: str = Field(
        sa_column=Column(Text, ForeignKey("users.id", ondelete="CASCADE"), nullable=False)
    )
    title: str = Field(
        description="What is to be done",
        min_length=1,
        sa_column=Column(
            String(TITLE_MAX_LENGTH),
            nullable=False,
            info={May: WRITTEN | May.ORDER | May.SEARCH},
        ),
    )
    description: str | None = Field(
        default=None,
        description="More about the task",
        max_length=DESCRIPTION_MAX_LENGTH,
        sa_column=Column(Text, info={May: OPTIONAL | May.SEARCH}),
    )
    completed: bool = Field(
        default=False,
        description="Whether the task is completed",
        sa_column=Column(Boolean, nullable=False, server_default=false(), info={May: May.UPDATE}),
    )
    # A trigger keeps it in step with `completed`.
    completed_at: datetime | None = Field(
        default=None,
        description="When the task was completed; null while it is not",
        sa_column=Column(DateTime(timezone=True)),
    )
    created_at: datetime = Field(
        description="When the task was created",
        sa_column=Column(
            DateTime(timezone=True),
            nullable=False,
            server_default=func.now(),
            info={May: May.RANGE | May.ORDER},
        ),
    )
    updated_at: datetime = Field(
        description="When the task was last changed",
        sa_column=Column(
            DateTime(timezone=True),
            nullable=False,
            server_default=func.now(),
            info={May: May.RANGE | May.ORDER},
        ),
    )
    deleted_at: datetime | None = Field(
        default=None,
        description="When the task was moved into the trash; null while it is not there",
        sa_column=Column(DateTime(timezone=True)),
    )
    version: int = Field(
        description="The number of the task's last change. Numbers rise across all of the owner's "
        "tasks. What leaves a task as it was is no change. Send the number back as "
        "`expectedVersion` to change only what you have seen",
        sa_column=Column(Integer, nullable=False),
    )
    # A trigger computes them from the columns above. An index of an expression would not be used
    # under row security, since its functions are not leakproof.
    title_order: str = Field(sa_column=Column(Text(collation="C"), nullable=False))
    # The order of code from before: the release after the next drops it.
    title_key: str = Field(sa_column=Column(Text, nullable=False))
    words: str = Field(sa_column=Column(TSVECTOR, nullable=False))


TASK_FACTS = facts_of(Task)


def _check_and_index() -> None:
    """Give the table the checks of its fields, and the indexes of its orders."""
    table = metadata.tables["tasks"]
    for fact in TASK_FACTS.values():
        check = fact.check()
        if check is not None:
            table.append_constraint(check)
        if May.ORDER not in fact.may:
            continue
        # One index for each order of the pages, read forwards or backwards.
        for where, condition in (
            ("by", "deleted_at IS NULL"),
            ("in_trash_by", "deleted_at IS NOT NULL"),
        ):
            key = fact.order_key
            Index(
                f"tasks_{where}_{key.name}",
                *(table.c[name] for name in ("user_id", "completed", key.name, "id")),
                postgresql_where=text(condition),
            )


_check_and_index()


RANDOM_BEGINNING = (
    "(((random() * ('9007199254740990'::bigint)::double precision) "
    "+ (1)::double precision))::bigint"
)
"""1 to 2^53, as PostgreSQL writes it."""


class TaskCounter(SQLModel, table=True):
    """The number of the latest change to any of a user's tasks.

    A change advances it in its own transaction, and so locks its row until it commits. The order of
    the numbers is the order of the commits: a client that has seen `n` misses no change before it.
    """

    __tablename__ = "task_counters"
    metadata = metadata

    user_id: str = Field(
        sa_column=Column(Text, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    )
    version: int = Field(sa_column=Column(Integer, nullable=False))
    # The greatest number of a change whose task has been purged.
    purged_version: int = Field(
        default=0, sa_column=Column(Integer, nullable=False, server_default=text("0"))
    )
    # What the numbers count from: another one when the row is made again, or numbered anew. It is
    # 0 for rows that are older than the column.
    beginning: int = Field(
        sa_column=Column(BigInteger, nullable=False, server_default=text(RANDOM_BEGINNING))
    )
    # How many tasks the user has, in the trash or not, and the bytes of their texts in UTF-8.
    # Triggers keep both, and count anew where there is null.
    tasks: int | None = Field(default=None, sa_column=Column(Integer))
    bytes: int | None = Field(default=None, sa_column=Column(BigInteger))


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
