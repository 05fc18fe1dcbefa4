"""What lists are asked for: which tasks, and in what order."""

from datetime import datetime
from enum import Enum

import strawberry
from strawberry import UNSET

from graphql_schema.errors import BadUserInput
from graphql_schema.inputs import given, is_storable

IDS_MAX = 100
"""Ids in a filter."""

SEARCH_MAX_LENGTH = 200
"""Characters in a search."""


@strawberry.enum(description="Which tasks, by whether they are done.")
class TaskStatus(Enum):
    ALL = strawberry.enum_value("ALL", description="Every task.")
    PENDING = strawberry.enum_value("PENDING", description="Tasks that are not completed.")
    COMPLETED = strawberry.enum_value("COMPLETED", description="Tasks that are completed.")


@strawberry.enum(description="Which tasks, by whether they are in the trash.")
class TaskTrash(Enum):
    EXCLUDE = strawberry.enum_value("EXCLUDE", description="Tasks that are not in the trash.")
    ONLY = strawberry.enum_value("ONLY", description="Tasks that are in the trash.")


@strawberry.input(description="A time from one instant until another; where one is left out, open.")
class DateTimeRange:
    from_: datetime | None = strawberry.field(
        name="from", default=UNSET, description="At this instant or later."
    )
    until: datetime | None = strawberry.field(
        default=UNSET, description="Before this instant, and not at it."
    )


@strawberry.input(description="Narrows a list of tasks down. Conditions all hold at once.")
class TaskFilter:
    status: TaskStatus = strawberry.field(
        default=TaskStatus.ALL, description="Which tasks, by whether they are done."
    )
    trash: TaskTrash = strawberry.field(
        default=TaskTrash.EXCLUDE, description="Which tasks, by whether they are in the trash."
    )
    ids: list[strawberry.ID] | None = strawberry.field(
        default=UNSET,
        description=f"Only tasks with one of these ids, {IDS_MAX} at most. An id of none of the "
        "caller's matches nothing.",
    )
    created_at: DateTimeRange | None = strawberry.field(
        default=UNSET, description="Only tasks created in this time."
    )
    updated_at: DateTimeRange | None = strawberry.field(
        default=UNSET, description="Only tasks last changed in this time."
    )
    search: str | None = strawberry.field(
        default=UNSET,
        description="Only tasks with all these words in title or description, in any order. A word "
        "is found by its beginning, whatever its case and accents; Chinese and Japanese signs one "
        f"by one. {SEARCH_MAX_LENGTH} characters at most; blank is as good as left out.",
    )

    def check(self) -> None:
        """Refuse values that cannot be used.

        Raises:
            BadUserInput: there are too many ids, or the search is too long or cannot be stored.
        """
        ids, search = given(self.ids) or [], given(self.search) or ""
        if len(ids) > IDS_MAX:
            raise BadUserInput(f"`ids` must have at most {IDS_MAX} ids, not {len(ids)}.")
        if len(search) > SEARCH_MAX_LENGTH:
            raise BadUserInput(
                f"`search` must have at most {SEARCH_MAX_LENGTH} characters, not {len(search)}."
            )
        if not is_storable(search):
            raise BadUserInput("`search` has a character that no task can have.")


@strawberry.enum(description="What tasks can be ordered by.")
class TaskOrderField(Enum):
    CREATED_AT = strawberry.enum_value("CREATED_AT", description="When they were created.")
    UPDATED_AT = strawberry.enum_value("UPDATED_AT", description="When they were last changed.")
    TITLE = strawberry.enum_value("TITLE", description="Their titles, upper and lower case alike.")


@strawberry.enum(description="Which end comes first.")
class OrderDirection(Enum):
    ASC = strawberry.enum_value("ASC", description="Oldest or smallest first.")
    DESC = strawberry.enum_value("DESC", description="Newest or greatest first.")


@strawberry.input(description="The order of a list of tasks. Ties are broken by id.")
class TaskOrder:
    field: TaskOrderField = strawberry.field(
        default=TaskOrderField.CREATED_AT, description="What to order by."
    )
    direction: OrderDirection = strawberry.field(
        default=OrderDirection.DESC, description="Which end comes first."
    )
