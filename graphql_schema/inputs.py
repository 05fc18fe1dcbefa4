"""What mutations are sent, and what can be wrong with it."""

from collections.abc import Iterator, Mapping
from enum import Enum
from typing import TypeVar

import strawberry
from strawberry import UNSET

from graphql_schema.errors import BadUserInput
from models.idempotency_key import IDEMPOTENCY_KEY_MAX_LENGTH
from models.task import DESCRIPTION_MAX_LENGTH, TITLE_MAX_LENGTH

Value = TypeVar("Value")

TASK_ID_MAX = 2**63 - 1
"""The greatest value of PostgreSQL's bigint."""

BATCH_MAX = 100
"""Tasks that one mutation changes."""

_IDS = f"Which tasks: {BATCH_MAX} ids at most. One that is given twice counts once."


@strawberry.enum(description="What is wrong with a value.")
class InputIssueCode(Enum):
    REQUIRED = strawberry.enum_value(
        "REQUIRED", description="Null was given where a value is needed."
    )
    TOO_SHORT = strawberry.enum_value(
        "TOO_SHORT", description="Too few characters, white space not counted."
    )
    TOO_LONG = strawberry.enum_value(
        "TOO_LONG", description="Too many characters, or too many values."
    )
    INVALID = strawberry.enum_value(
        "INVALID", description="It has characters that can't be stored."
    )


@strawberry.type(description="One thing that is wrong with an input.")
class InputIssue:
    path: list[str] = strawberry.field(
        description="The names that lead from the input to the value."
    )
    code: InputIssueCode = strawberry.field(description="What is wrong, for programs.")
    message: str = strawberry.field(description="What is wrong, for people.")


_IDEMPOTENCY_KEY = (
    f"A name of this action, such as a UUID: 1 to {IDEMPOTENCY_KEY_MAX_LENGTH} characters. What is "
    "sent again with the same key and input within 24 hours happens once, and gets the same answer."
)


@strawberry.input(description="A new task.")
class CreateTaskInput:
    title: str = strawberry.field(
        description=f"1 to {TITLE_MAX_LENGTH} characters, at least one of them not white space."
    )
    description: str | None = strawberry.field(
        default=UNSET, description=f"Up to {DESCRIPTION_MAX_LENGTH} characters; null for none."
    )
    idempotency_key: str | None = strawberry.field(default=UNSET, description=_IDEMPOTENCY_KEY)

    def issues(self) -> list[InputIssue]:
        """Return everything that is wrong with the values; empty when nothing is."""
        return [*_title_issues(self.title), *_description_issues(given(self.description))]


@strawberry.input(description="What to change in a task. What is left out stays as it is.")
class UpdateTaskInput:
    id: strawberry.ID = strawberry.field(description="Which task.")
    title: str | None = strawberry.field(
        default=UNSET,
        description=f"1 to {TITLE_MAX_LENGTH} characters, not blank. Left out: unchanged; "
        "it cannot be null.",
    )
    description: str | None = strawberry.field(
        default=UNSET,
        description=f"Up to {DESCRIPTION_MAX_LENGTH} characters. Left out: unchanged; "
        "null: cleared.",
    )
    completed: bool | None = strawberry.field(
        default=UNSET, description="Left out: unchanged; it cannot be null."
    )
    expected_version: int | None = strawberry.field(
        default=UNSET,
        description="The `version` last seen: if the task has changed since, nothing is written.",
    )
    idempotency_key: str | None = strawberry.field(default=UNSET, description=_IDEMPOTENCY_KEY)

    def issues(self) -> list[InputIssue]:
        """Return everything that is wrong with the values; empty when nothing is."""
        issues: list[InputIssue] = []
        if self.title is not UNSET:
            issues += _title_issues(self.title)
        issues += _description_issues(given(self.description))
        if self.completed is None:
            issues.append(_required("completed"))
        return issues

    def changes(self) -> Mapping[str, object]:
        """Return the columns that were given, with their new values."""
        given = {
            "title": self.title,
            "description": self.description,
            "completed": self.completed,
        }
        return {column: value for column, value in given.items() if value is not UNSET}


@strawberry.input(description="Which task to tick or untick.")
class ToggleTaskInput:
    id: strawberry.ID = strawberry.field(description="Which task.")
    expected_version: int | None = strawberry.field(
        default=UNSET,
        description="The `version` last seen: if the task has changed since, nothing is written.",
    )
    idempotency_key: str | None = strawberry.field(default=UNSET, description=_IDEMPOTENCY_KEY)


@strawberry.input(description="Which task to move into the trash.")
class DeleteTaskInput:
    id: strawberry.ID = strawberry.field(description="Which task.")
    expected_version: int | None = strawberry.field(
        default=UNSET,
        description="The `version` last seen: if the task has changed since, nothing is written.",
    )
    idempotency_key: str | None = strawberry.field(default=UNSET, description=_IDEMPOTENCY_KEY)


@strawberry.input(description="Which task to take back out of the trash.")
class RestoreTaskInput:
    id: strawberry.ID = strawberry.field(description="Which task.")
    expected_version: int | None = strawberry.field(
        default=UNSET,
        description="The `version` last seen: if the task has changed since, nothing is written.",
    )
    idempotency_key: str | None = strawberry.field(default=UNSET, description=_IDEMPOTENCY_KEY)


@strawberry.input(description="Which tasks to set to what. It happens to all of them, or to none.")
class UpdateTasksInput:
    ids: list[strawberry.ID] = strawberry.field(description=_IDS)
    completed: bool = strawberry.field(description="Whether they are done.")
    idempotency_key: str | None = strawberry.field(default=UNSET, description=_IDEMPOTENCY_KEY)

    def issues(self) -> list[InputIssue]:
        """Return everything that is wrong with the values; empty when nothing is."""
        return list(_ids_issues(self.ids))


@strawberry.input(
    description="Which tasks to move into the trash. It happens to all of them, or to none."
)
class DeleteTasksInput:
    ids: list[strawberry.ID] = strawberry.field(description=_IDS)
    idempotency_key: str | None = strawberry.field(default=UNSET, description=_IDEMPOTENCY_KEY)

    def issues(self) -> list[InputIssue]:
        """Return everything that is wrong with the values; empty when nothing is."""
        return list(_ids_issues(self.ids))


MutationInput = (
    CreateTaskInput
    | UpdateTaskInput
    | ToggleTaskInput
    | DeleteTaskInput
    | RestoreTaskInput
    | UpdateTasksInput
    | DeleteTasksInput
)


def idempotency_key(input: MutationInput) -> str | None:
    """Return the key that the client gave, if it did.

    Raises:
        BadUserInput: it cannot be used.
    """
    key = given(input.idempotency_key)
    if key is None:
        return None
    if not 0 < len(key) <= IDEMPOTENCY_KEY_MAX_LENGTH:
        raise BadUserInput(
            f"`idempotencyKey` must have 1 to {IDEMPOTENCY_KEY_MAX_LENGTH} characters."
        )
    if not is_storable(key):
        raise BadUserInput("`idempotencyKey` has a character that cannot be stored.")
    return key


def given(value: Value | None) -> Value | None:
    """Return the value, or None where the client left it out."""
    return None if value is UNSET else value


def task_key(id: strawberry.ID) -> int | None:
    """Return the key that an id stands for, or None where no task can have this id.

    Only the form that the server itself writes counts: no sign, no leading zero, ASCII digits.
    """
    if not (id.isascii() and id.isdigit()) or id[0] == "0" or len(id) > len(str(TASK_ID_MAX)):
        return None
    key = int(id)
    return key if key <= TASK_ID_MAX else None


def is_storable(value: str) -> bool:
    """Tell whether PostgreSQL can store the text: no NUL, no lone surrogate."""
    if "\0" in value:
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _title_issues(title: str | None) -> Iterator[InputIssue]:
    if title is None:
        yield _required("title")
        return
    if not title.strip():
        yield InputIssue(
            path=["title"], code=InputIssueCode.TOO_SHORT, message="The title must not be blank."
        )
    yield from _text_issues("title", title, TITLE_MAX_LENGTH)


def _description_issues(description: str | None) -> Iterator[InputIssue]:
    if description is not None:
        yield from _text_issues("description", description, DESCRIPTION_MAX_LENGTH)


def _ids_issues(ids: list[strawberry.ID]) -> Iterator[InputIssue]:
    if len(ids) > BATCH_MAX:
        yield InputIssue(
            path=["ids"],
            code=InputIssueCode.TOO_LONG,
            message=f"There must be at most {BATCH_MAX} ids, not {len(ids)}.",
        )


def _text_issues(name: str, value: str, max_length: int) -> Iterator[InputIssue]:
    if len(value) > max_length:
        yield InputIssue(
            path=[name],
            code=InputIssueCode.TOO_LONG,
            message=f"The {name} must have at most {max_length} characters, not {len(value)}.",
        )
    if not is_storable(value):
        yield InputIssue(
            path=[name],
            code=InputIssueCode.INVALID,
            message=f"The {name} has a character that cannot be stored (NUL or half a surrogate).",
        )


def _required(name: str) -> InputIssue:
    return InputIssue(
        path=[name], code=InputIssueCode.REQUIRED, message=f"The {name} must not be null."
    )
