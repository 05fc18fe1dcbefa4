"""Undo: its input and its results."""

from typing import Annotated

import strawberry

from graphql_schema.fields import idempotency_key
from graphql_schema.results import MESSAGE, QuotaExceeded, UserError
from graphql_schema.types import Node
from graphql_schema.values import is_storable
from models.action_step import STEPS_MAX, UNDONE_WITHIN_HOURS
from models.idempotency_key import IDEMPOTENCY_KEY_MAX_LENGTH
from models.task import TaskRow
from models.task_list import TaskListRow

CHANGED_MAX = 100
"""Tasks and lists that a result shows. All are in the feed of changes."""


@strawberry.input(description="The action to take back.")
class UndoInput:
    action_key: str = strawberry.field(description="The `idempotencyKey` of the action.")
    idempotency_key: str | None = idempotency_key()

    def key(self) -> str | None:
        """Return the key of the action, or None if no action can have it."""
        is_one = 0 < len(self.action_key) <= IDEMPOTENCY_KEY_MAX_LENGTH
        return self.action_key if is_one and is_storable(self.action_key) else None


@strawberry.type(
    description="All is as it was before the action, but for versions and the times of changes."
)
class UndoSuccess:
    changed: list[TaskRow | TaskListRow] = strawberry.field(
        graphql_type=list[Node],
        description=f"The tasks and lists as they are now: at most {CHANGED_MAX}, first those that "
        "the action was asked to change. What the action made is in the trash.",
    )
    changed_count: int = strawberry.field(
        description="How many tasks and lists the action had changed."
    )


@strawberry.type(
    description=f"In the last {UNDONE_WITHIN_HOURS} hours no action of the caller's had this key, "
    f"or it changed nothing, or more than {STEPS_MAX} tasks and lists, or is undone already, or "
    "something of it has been removed for good. Nothing was written."
)
class ActionNotFound(UserError):
    message: str = strawberry.field(
        default="There is no such action that can be undone.", description=MESSAGE
    )


@strawberry.type(
    description="Something that the action touched has changed since, or what a task would be in "
    "again is gone or full. Nothing was written."
)
class UndoConflict(UserError):
    message: str = strawberry.field(
        default="Something has changed since, so the action cannot be undone.", description=MESSAGE
    )
    current: TaskRow | TaskListRow | None = strawberry.field(
        graphql_type=Node | None,
        description="The first such task or list as it is now; null if it is deleted.",
    )


UndoResult = Annotated[
    UndoSuccess | ActionNotFound | UndoConflict | QuotaExceeded,
    strawberry.union("UndoResult", description="What was taken back, or why nothing changed."),
]
