"""Where a task stands: in which list, below which parent, and where among its siblings."""

from collections.abc import Callable, Iterator, Mapping
from typing import Protocol

import strawberry
from strawberry import UNSET

from graphql_schema.fields import expected_version, idempotency_key
from graphql_schema.issues import InputIssue, broken
from graphql_schema.values import given, list_key, task_key
from models.database import Rule


class Place(Protocol):
    """An input that says where something stands among its siblings."""

    before: strawberry.ID | None
    after: strawberry.ID | None
    first: bool | None
    last: bool | None

    @property
    def text(self) -> str | None: ...


def sibling_of(place: Place) -> strawberry.ID | None:
    """Return the id of the sibling that is named, if any."""
    return given(place.before) or given(place.after)


def place_text(place: Place, key_of: Callable[[strawberry.ID], int | None]) -> str | None:
    """Return a place as triggers read it; None where there can be no such place."""
    if given(place.first) is True:
        return "first"
    if given(place.last) is True:
        return "last"
    sibling = sibling_of(place)
    key = None if sibling is None else key_of(sibling)
    if key is None:
        return None
    return f"{'after' if given(place.before) is None else 'before'} {key}"


@strawberry.input(
    one_of=True,
    description="A place among the siblings of a task: the tasks of the same list, of the inbox, "
    "or of the same parent, that are not in the trash.",
)
class TaskPlace:
    before: strawberry.ID | None = strawberry.field(
        default=UNSET, description="Right before the sibling with this id."
    )
    after: strawberry.ID | None = strawberry.field(
        default=UNSET, description="Right after the sibling with this id."
    )
    first: bool | None = strawberry.field(
        default=UNSET, description="Before all siblings. It must be true."
    )
    last: bool | None = strawberry.field(
        default=UNSET, description="After all siblings. It must be true."
    )

    @property
    def text(self) -> str | None:
        """The place as triggers read it; None where there can be no such place."""
        return place_text(self, task_key)


class Placed(Protocol):
    """An input that says where a new task stands."""

    list_id: strawberry.ID | None
    parent_id: strawberry.ID | None


class Listed(Protocol):
    """An input that may put tasks into a list."""

    list_id: strawberry.ID | None


def has_unknown_list(input: Listed) -> bool:
    """Return whether the input names a list by an id that no list can have."""
    id = given(input.list_id)
    return id is not None and list_key(id) is None


def place_of(place: Place | None, moved_id: strawberry.ID | None = None) -> str | None:
    """Return the place that is given as triggers read it; None where none is.

    Nor is there one beside what is moved itself.
    """
    asked = given(place)
    if asked is None or (moved_id is not None and sibling_of(asked) == moved_id):
        return None
    return asked.text


def placed(input: Placed) -> Mapping[str, int | None]:
    """Return the list and the parent of a new task, as they are stored."""
    return {"list_id": None, "parent_id": None, **moved(input)}


def moved(input: Listed | Placed) -> dict[str, int | None]:
    """Return the list and the parent that a task is given, where it is given one."""
    values: dict[str, int | None] = {}
    list_id, parent_id = input.list_id, getattr(input, "parent_id", UNSET)
    if list_id is not UNSET:
        values["list_id"] = None if list_id is None else list_key(list_id)
    if parent_id is not UNSET:
        values["parent_id"] = None if parent_id is None else task_key(parent_id)
    return values


def place_issues(parent_id: strawberry.ID | None, place: TaskPlace | None) -> Iterator[InputIssue]:
    """Yield what is wrong with a parent or a place that nothing can be."""
    parent, asked = given(parent_id), given(place)
    if parent is not None and task_key(parent) is None:
        yield from broken(Rule.PARENT)
    if asked is not None and asked.text is None:
        yield from broken(Rule.PLACE)


@strawberry.input(description="The task to move, and where to.")
class MoveTaskInput:
    id: strawberry.ID = strawberry.field(description="The id of the task.")
    list_id: strawberry.ID | None = strawberry.field(
        default=UNSET,
        description="The id of the list that it goes into. Null: into the inbox. Left out: it "
        "stays where it is. A subtask stays in the list of its parent.",
    )
    parent_id: strawberry.ID | None = strawberry.field(
        default=UNSET,
        description="The id of the task that it becomes a subtask of, in that task's list. Null: "
        "to the top. Left out: it stays where it is.",
    )
    place: TaskPlace | None = strawberry.field(
        default=UNSET,
        description="Its place there. Null or left out: at the bottom of where it comes to, and "
        "unmoved where it stays. Beside itself: unmoved.",
    )
    expected_version: int | None = expected_version()
    idempotency_key: str | None = idempotency_key()

    def issues(self) -> list[InputIssue]:
        """Return everything that is wrong with the values; empty when nothing is."""
        return list(place_issues(self.parent_id, self.place))

    def values(self) -> Mapping[str, int | None]:
        """Return the columns that were given, with what is stored in them."""
        return moved(self)

    def new_place(self) -> str | None:
        """Return the place as triggers read it; None where none is given, or that of the task."""
        return place_of(self.place, self.id)
