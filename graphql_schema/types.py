"""Task and User as clients see them. Their values are rows; each field reads a column."""

from datetime import UTC, datetime
from typing import Protocol

import strawberry

from models.instant import Instant
from models.task import DESCRIPTION_MAX_LENGTH, TITLE_MAX_LENGTH, TaskRow
from models.user import UserRow


class ViewerContext(Protocol):
    """What the types ask of a request's context."""

    async def viewer(self) -> UserRow:
        """Return the row of the user who is asking."""
        ...


@strawberry.type(description="A person who signs in and has tasks of their own.")
class User:
    id: strawberry.ID = strawberry.field(
        description="The id that the authentication server gave this user."
    )
    email: str | None = strawberry.field(
        description="The user's e-mail address; null when the server was never told one."
    )
    name: str = strawberry.field(description="The name to show.")
    created_at: datetime = strawberry.field(description="When the user first appeared.")

    @classmethod
    def is_type_of(cls, value: object, _info: object) -> bool:
        return isinstance(value, UserRow)


@strawberry.type(description="One thing to do. A task is seen by its owner alone.")
class Task:
    id: strawberry.ID = strawberry.field(description="Opaque, and never reused.")
    title: str = strawberry.field(
        description=f"What is to be done: 1 to {TITLE_MAX_LENGTH} characters, never blank."
    )
    description: str | None = strawberry.field(
        description=f"More about it, up to {DESCRIPTION_MAX_LENGTH} characters; null for none."
    )
    completed: bool = strawberry.field(description="Whether it is done.")
    completed_at: datetime | None = strawberry.field(
        description="When it became completed; null while it is not."
    )
    created_at: datetime = strawberry.field(description="When it was created.")
    updated_at: datetime = strawberry.field(description="When it was last changed.")
    deleted_at: datetime | None = strawberry.field(
        description="When it was moved into the trash; null while it is not there."
    )
    version: int = strawberry.field(
        description="The number of its last change. Numbers rise across all of the owner's tasks; "
        "send it back as `expectedVersion` to change only what you have seen."
    )

    @classmethod
    def is_type_of(cls, value: object, _info: object) -> bool:
        return isinstance(value, TaskRow)

    @strawberry.field(graphql_type=User, description="Whose task it is: always the caller.")
    async def owner(self, info: strawberry.Info[ViewerContext, None]) -> UserRow:
        return await info.context.viewer()


@strawberry.type(
    description="What the caller may spend. An operation costs a point for each field of its root, "
    "and one for each task that its pages may hold."
)
class RateLimit:
    limit: int = strawberry.field(description="Points a minute.")
    remaining: int = strawberry.field(description="Points that are left after this operation.")
    cost: int = strawberry.field(description="Points that this operation costs.")
    full_at: strawberry.Private[float]
    """When all points are there again, in Unix seconds."""

    @strawberry.field(
        graphql_type=datetime, description="When all points are there again if none are spent."
    )
    def reset_at(self) -> Instant:
        return Instant(datetime.fromtimestamp(self.full_at, UTC).isoformat(" "))
