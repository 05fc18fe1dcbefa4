"""The arguments that choose the tasks of a list, and their order."""

from collections.abc import Mapping
from datetime import datetime
from enum import Enum
from functools import cached_property

import strawberry
from strawberry import UNSET

from graphql_schema.errors import BadUserInput
from graphql_schema.fields import ordered, ranged
from graphql_schema.values import given, is_storable
from models.fact import Fact, May
from models.task import TASK_FACTS

IDS_MAX = 100
"""Ids in a filter."""

SEARCH_MAX_LENGTH = 200
"""Characters in a search."""

_SEARCHED = " or ".join(f"`{f.name}`" for f in TASK_FACTS.values() if May.SEARCH in f.may)


@strawberry.enum(description="Choose tasks by whether they are completed.")
class TaskStatus(Enum):
    ALL = strawberry.enum_value("ALL", description="Every task.")
    PENDING = strawberry.enum_value("PENDING", description="Tasks that are not completed.")
    COMPLETED = strawberry.enum_value("COMPLETED", description="Tasks that are completed.")


@strawberry.enum(description="Choose tasks by whether they are in the trash.")
class TaskTrash(Enum):
    EXCLUDE = strawberry.enum_value("EXCLUDE", description="Tasks that are not in the trash.")
    ONLY = strawberry.enum_value("ONLY", description="Tasks that are in the trash.")


@strawberry.input(description="A range of time. A limit that is left out does not apply.")
class DateTimeRange:
    from_: datetime | None = strawberry.field(
        name="from", default=UNSET, description="At this instant or later."
    )
    until: datetime | None = strawberry.field(
        default=UNSET, description="Before this instant, and not at it."
    )


@strawberry.input(description="Conditions on the tasks of a list. A task must meet all of them.")
class TaskFilter:
    status: TaskStatus = strawberry.field(
        default=TaskStatus.ALL, description="Choose tasks by whether they are completed."
    )
    trash: TaskTrash = strawberry.field(
        default=TaskTrash.EXCLUDE, description="Choose tasks by whether they are in the trash."
    )
    ids: list[strawberry.ID] | None = strawberry.field(
        default=UNSET,
        description=f"Only tasks with one of these ids: at most {IDS_MAX}. An id of no task of the "
        "caller's matches nothing.",
    )
    created_at: DateTimeRange | None = ranged(TASK_FACTS["created_at"])
    updated_at: DateTimeRange | None = ranged(TASK_FACTS["updated_at"])
    search: str | None = strawberry.field(
        default=UNSET,
        description=f"Only tasks with all these words in {_SEARCHED}, in any order and not as a "
        "phrase. The beginning of a word is enough. Case and accents make no difference. Chinese "
        "and Japanese characters, symbols and emoji are found one by one. Quotes, `-word`, `OR` "
        f"and `*` have no meaning. At most {SEARCH_MAX_LENGTH} Unicode code points; a blank search "
        "is the same as none.",
    )

    def bounds(self) -> Mapping[str, object]:
        """Return where the ranges that were given begin and end, by the names in `Fact.bounds`."""
        values: dict[str, object] = {}
        for fact in TASK_FACTS.values():
            range_ = given(getattr(self, fact.name)) if May.RANGE in fact.may else None
            if range_ is not None:
                values |= zip(fact.bounds, (given(range_.from_), given(range_.until)), strict=True)
        return {name: value for name, value in values.items() if value is not None}

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


@strawberry.enum(description="The fields that tasks can be ordered by.")
class TaskOrderField(Enum):
    CREATED_AT = ordered(TASK_FACTS["created_at"])
    UPDATED_AT = ordered(TASK_FACTS["updated_at"])
    TITLE = ordered(TASK_FACTS["title"])

    @cached_property
    def fact(self) -> Fact:
        """The field that the list is ordered by."""
        return TASK_FACTS[self.name.lower()]


@strawberry.enum(description="The direction of an order.")
class OrderDirection(Enum):
    ASC = strawberry.enum_value("ASC", description="Oldest or smallest first.")
    DESC = strawberry.enum_value("DESC", description="Newest or greatest first.")


@strawberry.input(description="The order of a list of tasks. Equal values are ordered by id.")
class TaskOrder:
    field: TaskOrderField = strawberry.field(
        default=TaskOrderField.CREATED_AT, description="The field to order by."
    )
    direction: OrderDirection = strawberry.field(
        default=OrderDirection.DESC, description="The direction of an order."
    )
