"""The arguments that choose the tasks of a list, and their order."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from enum import Enum
from functools import cached_property

import strawberry
from strawberry import UNSET

from graphql_schema.errors import BadUserInput
from graphql_schema.fields import ordered, ranged
from graphql_schema.types import TaskPriority, TaskStatus
from graphql_schema.values import given, is_storable, list_key, task_key
from models.fact import Fact, May
from models.label import LABEL_MAX_LENGTH, one_label
from models.task import LABELS_MAX, TASK_FACTS

IDS_MAX = 100
"""Ids in a filter."""

PRIORITIES_MAX = 20
"""Priorities in a filter, those that are given twice among them."""

SEARCH_MAX_LENGTH = 200
"""Characters in a search."""

_SEARCHED = ", ".join(f"`{f.name}`" for f in TASK_FACTS.values() if May.SEARCH in f.may)


@strawberry.enum(description="Choose tasks, or lists, by whether they are in the trash.")
class TaskTrash(Enum):
    EXCLUDE = strawberry.enum_value("EXCLUDE", description="What is not in the trash.")
    ONLY = strawberry.enum_value("ONLY", description="What is in the trash.")


@strawberry.enum(description="Choose tasks by whether they are subtasks.")
class TaskLevel(Enum):
    ALL = strawberry.enum_value("ALL", description="Every task.")
    TOP = strawberry.enum_value("TOP", description="Tasks that are no subtasks.")
    SUBTASKS = strawberry.enum_value("SUBTASKS", description="Subtasks.")


@strawberry.input(description="A range of time. A limit that is left out does not apply.")
class DateTimeRange:
    from_: datetime | None = strawberry.field(
        name="from", default=UNSET, description="At this instant or later."
    )
    until: datetime | None = strawberry.field(
        default=UNSET, description="Before this instant, and not at it."
    )


@strawberry.input(
    description="Days from one through another. A limit that is left out does not apply."
)
class DateRange:
    from_: date | None = strawberry.field(
        name="from", default=UNSET, description="On this day or later."
    )
    through: date | None = strawberry.field(default=UNSET, description="On this day or before.")


@strawberry.input(description="What is late for somebody for whom it is this day and time.")
class OverdueAt:
    today: date = strawberry.field(description="The day it is where the caller is.")
    now: time | None = strawberry.field(
        default=UNSET,
        description="The time it is there. Left out: only what was due on a day before.",
    )


@strawberry.input(
    description="Conditions on the labels of a task: at most "
    f"{LABELS_MAX} labels in each. Upper and lower case are alike."
)
class LabelFilter:
    all_: list[str] | None = strawberry.field(
        name="all", default=UNSET, description="With all of these."
    )
    any_: list[str] | None = strawberry.field(
        name="any", default=UNSET, description="With at least one of these."
    )
    none: list[str] | None = strawberry.field(default=UNSET, description="With none of these.")

    def lists(self) -> Mapping[str, Sequence[str]]:
        """Return the labels of each list that was given, by its name in the schema.

        Raises:
            BadUserInput: there are too many, or one is too long or cannot be stored.
        """
        lists = {"all": given(self.all_), "any": given(self.any_), "none": given(self.none)}
        found = {name: labels for name, labels in lists.items() if labels is not None}
        for name, labels in found.items():
            if len(labels) > LABELS_MAX:
                raise BadUserInput(
                    f"`labels.{name}` must have at most {LABELS_MAX} labels, not {len(labels)}."
                )
            if not all(map(is_storable, labels)):
                raise BadUserInput(f"`labels.{name}` has a character that no label can have.")
            found[name] = [one_label(label) for label in labels]
            if any(len(label) > LABEL_MAX_LENGTH for label in found[name]):
                raise BadUserInput(
                    f"`labels.{name}` has a label of more than {LABEL_MAX_LENGTH} characters."
                )
        return found


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
    completed_at: DateTimeRange | None = ranged(TASK_FACTS["completed_at"])
    due_on: DateRange | None = strawberry.field(
        default=UNSET,
        description="Only tasks that are due in this time; those without a date are in none.",
    )
    has_due_date: bool | None = strawberry.field(
        default=UNSET, description="true: only tasks with a date; false: only those without."
    )
    overdue: OverdueAt | None = strawberry.field(
        default=UNSET,
        description="Only pending tasks that are late. With `status: COMPLETED` nothing.",
    )
    priorities: list[TaskPriority] | None = strawberry.field(
        default=UNSET,
        description=f"Only tasks with one of these: at most {PRIORITIES_MAX} in the list.",
    )
    labels: LabelFilter | None = strawberry.field(
        default=UNSET, description="Only tasks whose labels meet these conditions."
    )
    list_id: strawberry.ID | None = strawberry.field(
        default=UNSET,
        description="Only tasks of the list with this id, subtasks among them. An id of no list of "
        "the caller's matches nothing.",
    )
    inbox: bool = strawberry.field(
        default=False, description="true: only tasks in no list, subtasks among them."
    )
    parent_id: strawberry.ID | None = strawberry.field(
        default=UNSET,
        description="Only subtasks of the task with this id. An id of no task of the caller's "
        "matches nothing.",
    )
    level: TaskLevel = strawberry.field(
        default=TaskLevel.ALL, description="Choose tasks by whether they are subtasks."
    )
    search: str | None = strawberry.field(
        default=UNSET,
        description=f"Only tasks with all these words in {_SEARCHED} or `labels`, in any order and "
        "not as a phrase. The beginning of a word is enough. Case and accents make no difference. "
        "Chinese and Japanese characters, symbols and emoji are found one by one. Quotes, "
        f"`-word`, `OR` and `*` have no meaning. At most {SEARCH_MAX_LENGTH} Unicode code points; "
        "a blank search is the same as none.",
    )

    @property
    def has_container(self) -> bool:
        """Whether all tasks that it may find are in one list, in the inbox or below one parent."""
        return self.inbox or any(given(id) is not None for id in (self.list_id, self.parent_id))

    def container(self) -> Mapping[str, int | None]:
        """Return the keys of the list and of the parent that are given, None where none has it."""
        list_id, parent_id = given(self.list_id), given(self.parent_id)
        keys = {
            "list_id": None if list_id is None else list_key(list_id),
            "parent_id": None if parent_id is None else task_key(parent_id),
        }
        asked = {"list_id": list_id, "parent_id": parent_id}
        return {name: key for name, key in keys.items() if asked[name] is not None}

    def statuses(self) -> set[TaskStatus]:
        """Return what the conditions say of the status. Of two, no task has both."""
        said = {self.status}
        if given(self.overdue) is not None:
            said.add(TaskStatus.PENDING)
        if given(self.completed_at) is not None:
            said.add(TaskStatus.COMPLETED)
        return said - {TaskStatus.ALL}

    def due_bounds(self) -> tuple[str, str] | None:
        """Return from when on the tasks are due, and before when; None where that does not count.

        These are timestamps as PostgreSQL reads them, and texts that sort as they do.
        """
        days, overdue = given(self.due_on), given(self.overdue)
        if days is None and overdue is None:
            return None
        start, ends = "-infinity", ["infinity"]
        if days is not None:
            from_, through = given(days.from_), given(days.through)
            start = start if from_ is None else _at(from_, time.min)
            if through is not None and through < date.max:
                ends.append(_at(through + timedelta(days=1), time.min))
        if overdue is not None:
            ends.append(_at(overdue.today, given(overdue.now) or time.min))
        return start, min(ends)

    def bounds(self) -> Mapping[str, object]:
        """Return where the ranges that were given begin and end, by the names in `Fact.bounds`."""
        due_at = TASK_FACTS["due_at"]
        values: dict[str, object] = dict(zip(due_at.bounds, self.due_bounds() or (), strict=False))
        for fact in TASK_FACTS.values():
            range_ = given(getattr(self, fact.name)) if May.RANGE in fact.may else None
            if range_ is not None:
                values |= zip(fact.bounds, (given(range_.from_), given(range_.until)), strict=True)
        return {name: value for name, value in values.items() if value is not None}

    def check(self) -> None:
        """Refuse values that cannot be used.

        Raises:
            BadUserInput: there are too many ids or priorities, or the search is too long or cannot
                be stored.
        """
        ids, search = given(self.ids) or [], given(self.search) or ""
        priorities = given(self.priorities) or []
        if len(ids) > IDS_MAX:
            raise BadUserInput(f"`ids` must have at most {IDS_MAX} ids, not {len(ids)}.")
        if len(priorities) > PRIORITIES_MAX:
            raise BadUserInput(
                f"`priorities` must have at most {PRIORITIES_MAX} values, not {len(priorities)}."
            )
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
    DUE = strawberry.enum_value(
        "DUE",
        description="By due date and time; whole days after the times of the day; without a date "
        "last when ascending, first when descending.",
    )
    PRIORITY = strawberry.enum_value(
        "PRIORITY", description="How much they matter. NONE first when ascending."
    )
    COMPLETED_AT = strawberry.enum_value(
        "COMPLETED_AT",
        description="When they were completed; with `status: COMPLETED` only.",
    )
    POSITION = strawberry.enum_value(
        "POSITION",
        description="By hand: their `position`. With `listId`, `inbox: true` or `parentId` only.",
    )

    @cached_property
    def fact(self) -> Fact:
        """The field that the list is ordered by."""
        return TASK_FACTS["due_at" if self.name == "DUE" else self.name.lower()]


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
        default=OrderDirection.DESC,
        description="The direction of the order. DUE and POSITION are mostly wanted ascending.",
    )


def check_order(
    field: TaskOrderField, filter: TaskFilter | None, *, is_in_one: bool = False
) -> None:
    """Refuse an order of what some of the tasks do not have.

    `is_in_one`: whether all of them are in one list, whatever the filter says.

    Raises:
        BadUserInput: the filter lacks what the order needs.
    """
    status = filter.status if filter else TaskStatus.ALL
    if field is TaskOrderField.COMPLETED_AT and status is not TaskStatus.COMPLETED:
        raise BadUserInput(
            "The order by COMPLETED_AT needs the filter `status: COMPLETED`, which is missing."
        )
    is_in_one = is_in_one or bool(filter and filter.has_container)
    if field is TaskOrderField.POSITION and not is_in_one:
        raise BadUserInput(
            "The order by POSITION needs the filter `listId`, `inbox: true` or `parentId`, which "
            "is missing."
        )


def _at(day: date, moment: time) -> str:
    return datetime.combine(day, moment).isoformat(" ")
