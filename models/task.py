"""The tasks table, and the counter that numbers each user's changes."""

from collections.abc import Mapping
from datetime import date, datetime, time
from typing import Any, NamedTuple

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    PrimaryKeyConstraint,
    SmallInteger,
    String,
    Text,
    Time,
    false,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, TSVECTOR
from sqlmodel import Field, SQLModel

from models.day import Day, TimeOfDay
from models.fact import OPTIONAL, WRITTEN, May, facts_of
from models.instant import Instant
from models.label import LABEL_MAX_LENGTH
from models.naming import metadata

TITLE_MAX_LENGTH = 200
"""Unicode code points in a title, as PostgreSQL counts them."""

DESCRIPTION_MAX_LENGTH = 1000
"""Unicode code points in a description."""

LABELS_MAX = 20
"""Labels that a task has."""

SUBTASKS_MAX = 100
"""Subtasks that a task has outside the trash."""

POSITION_MAX_LENGTH = 64
"""Digits in the place of a task: where it would have more, triggers give siblings new ones."""


class Task(SQLModel, table=True):
    """A task of one user. The checks of its fields and the indexes of its orders stand below."""

    __tablename__ = "tasks"
    metadata = metadata
    __table_args__ = (
        PrimaryKeyConstraint("user_id", "id", name="tasks_pkey"),
        # A task refers to nothing but its owner's.
        ForeignKeyConstraint(
            ["user_id", "list_id"], ["task_lists.user_id", "task_lists.id"], name="tasks_list_fkey"
        ),
        ForeignKeyConstraint(
            ["user_id", "parent_id"],
            ["tasks.user_id", "tasks.id"],
            ondelete="CASCADE",
            name="tasks_parent_fkey",
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
        Index(
            "tasks_by_position",
            *("user_id", "list_id", "completed", "position", "id"),
            postgresql_where=text("deleted_at IS NULL"),
        ),
        Index(
            "tasks_of_parent",
            *("user_id", "parent_id", "position", "id"),
            postgresql_where=text("parent_id IS NOT NULL"),
        ),
        # Tasks without a date, or without a priority, have no entry that each change would renew.
        Index(
            "tasks_by_due",
            *("user_id", "completed", "due_at", "id"),
            postgresql_where=text("deleted_at IS NULL AND due_at < 'infinity'"),
        ),
        Index(
            "tasks_by_priority",
            *("user_id", "completed", "priority", "id"),
            postgresql_where=text("deleted_at IS NULL AND priority > 0"),
        ),
        Index(
            "tasks_by_completed_at",
            *("user_id", "completed_at", "id"),
            postgresql_where=text("completed_at IS NOT NULL AND deleted_at IS NULL"),
        ),
    )

    id: int | None = Field(
        default=None,
        description="Opaque, and never reused",
        # A trigger makes the ids.
        sa_column=Column(BigInteger),
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
        sa_column=Column(DateTime(timezone=True), info={May: May.RANGE}),
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
    list_id: int | None = Field(
        default=None,
        description="The list that it is in; null for the inbox",
        sa_column=Column(BigInteger),
    )
    parent_id: int | None = Field(
        default=None,
        description="The task that it is a subtask of; null for none",
        sa_column=Column(BigInteger),
    )
    # Where it stands in its list, or among the subtasks of its parent; equal ones go by the id.
    position: str = Field(
        description="Its place among its siblings, which are the tasks of its list, of the inbox "
        "or of its parent: text to compare byte by byte, and then ids by number. Clients never "
        "make one",
        sa_column=Column(Text(collation="C"), nullable=False),
    )
    # Whether it has or had any: for triggers alone.
    has_subtasks: bool = Field(
        default=False, sa_column=Column(Boolean, nullable=False, server_default=false())
    )
    due_on: date | None = Field(
        default=None,
        description="The day on which it is due, wherever its owner is",
        sa_column=Column(Date, info={May: OPTIONAL}),
    )
    due_time: time | None = Field(
        default=None,
        description="The time of that day, where it is not due for the whole day",
        sa_column=Column(Time, info={May: OPTIONAL}),
    )
    # When it is late, by its owner's clock: a trigger makes it of the two; infinity without a date.
    due_at: datetime = Field(
        sa_column=Column(DateTime, nullable=False, server_default=text("'infinity'"))
    )
    priority: int = Field(
        default=0,
        description="How much it matters",
        sa_column=Column(
            SmallInteger, nullable=False, server_default=text("0"), info={May: WRITTEN}
        ),
    )
    labels: list[str] = Field(
        default=[],
        description="Words to find it by, in the order given: at most "
        f"{LABELS_MAX}, each of 1 to {LABEL_MAX_LENGTH} Unicode code points",
        sa_column=Column(
            ARRAY(Text), nullable=False, server_default=text("'{}'"), info={May: WRITTEN}
        ),
    )
    completed_on: date | None = Field(
        default=None,
        description="The day on which it was completed, as the client said; null where it did not, "
        "or while it is not completed",
        sa_column=Column(Date),
    )
    # The rule as JSON, as models/recurrence.py reads it: a trigger adds the day on which it begins.
    repeats: dict[str, Any] | None = Field(
        default=None,
        description="How it comes again once it is completed; null where it does not. The new task "
        "has the next day",
        sa_column=Column(JSONB(none_as_null=True)),
    )
    successor_id: int | None = Field(
        default=None,
        description="The task that was made when this one was completed; null while there is none, "
        "or while that is in the trash",
        sa_column=Column(BigInteger),
    )
    # A trigger computes them from the columns above. An index of an expression would not be used
    # under row security, since its functions are not leakproof.
    title_order: str = Field(sa_column=Column(Text(collation="C"), nullable=False))
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
    # No id of the user's is greater. The default is above every id of code from before, and below
    # every one that a trigger makes: see 0011_changes.sql.
    last_id: int = Field(
        default=3308963600793600,
        sa_column=Column(BigInteger, nullable=False, server_default=text("'3308963600793600'")),
    )
    # How many tasks the user has, in the trash or not, and the bytes of their texts in UTF-8.
    # Triggers keep both, and count anew where there is null.
    tasks: int | None = Field(default=None, sa_column=Column(Integer))
    bytes: int | None = Field(default=None, sa_column=Column(BigInteger))
    # How many are outside the trash, and how many of these are completed: kept in the same way.
    live_tasks: int | None = Field(default=None, sa_column=Column(Integer))
    completed_tasks: int | None = Field(default=None, sa_column=Column(Integer))


class TaskLabel(SQLModel, table=True):
    """That a task, which is not in the trash, has a label: a trigger keeps it."""

    __tablename__ = "task_labels"
    metadata = metadata
    __table_args__ = (
        ForeignKeyConstraint(
            ["user_id", "task_id"],
            ["tasks.user_id", "tasks.id"],
            ondelete="CASCADE",
            deferrable=True,
            initially="DEFERRED",
            name="task_labels_task_fkey",
        ),
        Index("task_labels_of_task", "user_id", "task_id"),
    )

    user_id: str = Field(sa_column=Column(Text, primary_key=True))
    # What labels are compared by.
    key: str = Field(sa_column=Column(Text(collation="C"), primary_key=True))
    task_id: int = Field(sa_column=Column(BigInteger, primary_key=True))
    name: str = Field(sa_column=Column(Text, nullable=False))


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
    list_id: int | None
    parent_id: int | None
    position: str
    due_on: Day | None
    due_time: TimeOfDay | None
    priority: int
    labels: list[str]
    completed_on: Day | None
    repeats: Mapping[str, Any] | None
    successor_id: int | None
