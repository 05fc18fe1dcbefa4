"""The arguments of the tools: what an assistant may send, and how each is told to it."""

from typing import Annotated, Any, Literal
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer
from pydantic.alias_generators import to_camel

Id = Annotated[str, Field(max_length=30, coerce_numbers_to_str=True)]
Day = Annotated[
    str,
    Field(
        pattern=r"^\d{4}-\d{2}-\d{2}$",
        json_schema_extra={"format": "date"},
        examples=["2026-12-24"],
    ),
]
TimeOfDay = Annotated[str, Field(pattern=r"^\d{2}:\d{2}$", examples=["14:30"])]
Priority = Literal["NONE", "LOW", "MEDIUM", "HIGH", "URGENT"]
Label = Annotated[str, Field(max_length=50)]
Ids = Annotated[list[Id], Field(min_length=1, max_length=100, description="Ids of tasks.")]
After = Annotated[str | None, Field(description="The `next` of the page before.")]
Today = Annotated[
    Day | None, Field(description="The day it is where the user is, not where this server is.")
]
Version = Annotated[
    int | None,
    Field(
        ge=1,
        description="The version that you saw. If the task has changed since, nothing is changed.",
    ),
]
Rule = Annotated[
    str | None,
    Field(
        max_length=500,
        description="How the task comes again, as RFC 5545 has it. It needs a due day. "
        "Null: it does not.",
        examples=["FREQ=WEEKLY;BYDAY=MO,TH"],
    ),
    PlainSerializer(lambda rule: None if rule is None else {"rrule": rule}),
]


class Arguments(BaseModel):
    """What a tool takes. A name that is not known is refused, since it would be a wish unheard."""

    model_config = ConfigDict(extra="forbid", alias_generator=to_camel)


class Action(Arguments):
    """What each tool takes that changes something."""

    action_key: str = Field(
        default_factory=lambda: uuid4().hex,
        min_length=1,
        max_length=255,
        description="A name for this one change, such as a UUID. Sent again with the same name and "
        "arguments, it happens once: do so if no answer came. Left out: one is made.",
    )


class Page(Arguments):
    """Which part of an answer is wanted."""

    first: int = Field(25, ge=1, le=100, description="At most so many.")
    after: After = None


class FindTasks(Page):
    """Which tasks, in which order."""

    search: str | None = Field(
        None,
        max_length=200,
        description="Words in titles, descriptions or labels; beginnings count.",
    )
    status: Literal["PENDING", "COMPLETED", "ALL"] = "PENDING"
    in_trash: bool = Field(False, description="Look into the trash, and nowhere else.")
    list_id: Id | None = Field(None, description="Only tasks of this list.")
    inbox: bool = Field(False, description="Only tasks that are in no list.")
    labels: list[Label] = Field([], max_length=20, description="Only tasks with all of these.")
    priorities: list[Priority] = Field(
        [], max_length=5, description="Only tasks with one of these."
    )
    due_from: Day | None = Field(None, description="Only tasks that are due on this day or later.")
    due_through: Day | None = Field(
        None, description="Only tasks that are due on this day or before."
    )
    has_due_day: bool | None = None
    order_by: Literal["CREATED_AT", "UPDATED_AT", "TITLE", "DUE", "PRIORITY"] = "CREATED_AT"
    descending: bool = Field(True, description="Newest or greatest first. For DUE take false.")


class GetTask(Arguments):
    """One task."""

    id: Id


class DueTasks(Arguments):
    """Until which day."""

    today: Day = Field(description="The day it is where the user is, not where this server is.")
    through: Day | None = Field(
        None, description="Also what is due later, through this day. Left out: today alone."
    )
    first: int = Field(50, ge=1, le=100, description="At most so many of each.")


class NewTask(Arguments):
    """A task to add."""

    title: str = Field(min_length=1, max_length=200)
    description: str | None = Field(None, max_length=1000)
    due_on: Day | None = None
    due_time: TimeOfDay | None = Field(None, description="It needs a due day.")
    priority: Priority = "NONE"
    labels: list[Label] = Field([], max_length=20)
    list_id: Id | None = Field(None, description="Left out: the inbox.")
    parent_id: Id | None = Field(None, description="The task that it is a subtask of.")
    recurrence: Rule = None


class AddTasks(Action):
    """Tasks to add."""

    tasks: list[NewTask] = Field(min_length=1, max_length=100)


class AddList(Action):
    """A list to add."""

    name: str = Field(min_length=1, max_length=100)


def _without_defaults(schema: dict[str, Any]) -> None:
    """Tell no default: an assistant that sends it would change what was to stay."""
    for property in schema["properties"].values():
        property.pop("default", None)


class Change(Action):
    """What changes something that is there: what is left out of it stays as it is."""

    model_config = ConfigDict(json_schema_extra=_without_defaults)


class Tasks(Change):
    """Some tasks."""

    ids: Ids


class CompleteTasks(Tasks):
    """Some tasks, and the day on which they were done."""

    today: Today = None


class EditTask(Change):
    """What is to be different. What is left out stays as it is."""

    id: Id
    title: str = Field("", min_length=1, max_length=200)
    description: str | None = Field(None, max_length=1000, description="Null: none.")
    due_on: Day | None = Field(None, description="Null: none.")
    due_time: TimeOfDay | None = Field(None, description="Null: none.")
    priority: Priority = "NONE"
    labels: list[Label] = Field([], max_length=20, description="All that it is to have.")
    recurrence: Rule = None
    expected_version: Version = None


class Place(Arguments):
    """A place among the tasks of the same list or parent: one of these."""

    before: Id | None = Field(None, description="Right before this task.")
    after: Id | None = Field(None, description="Right after this task.")
    first: Literal[True] | None = None
    last: Literal[True] | None = None


class MoveTask(Change):
    """Where it is to be. What is left out stays as it is."""

    id: Id
    list_id: Id | None = Field(None, description="The list to put it into. Null: the inbox.")
    parent_id: Id | None = Field(
        None, description="The task that it becomes a subtask of. Null: of none."
    )
    place: Place | None = None
    expected_version: Version = None


class PlanDay(Tasks):
    """Some tasks, and the day for them."""

    day: Day | None = Field(
        serialization_alias="dueOn",
        description="The day on which all of them are to be due. Null: on none.",
    )
    time: TimeOfDay | None = Field(
        None,
        serialization_alias="dueTime",
        description="The time of that day. Null: none. Left out: as it is.",
    )


class Undo(Action):
    """A change to take back."""

    action: str = Field(
        serialization_alias="actionKey",
        min_length=1,
        max_length=255,
        description="The `action` that the tool returned.",
    )
