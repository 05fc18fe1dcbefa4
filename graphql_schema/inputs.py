"""The inputs of mutations, and the checks of their values."""

from collections.abc import Iterator, Mapping
from enum import Enum
from typing import TypeVar

import strawberry
from strawberry import UNSET
from strawberry.utils.str_converters import to_camel_case

from graphql_schema.errors import BadUserInput
from graphql_schema.fields import created, updated
from models.fact import Fact, May
from models.idempotency_key import IDEMPOTENCY_KEY_MAX_LENGTH
from models.task import TASK_FACTS
from models.text import is_visible

Value = TypeVar("Value")

TASK_ID_MAX = 2**63 - 1
"""The greatest value of PostgreSQL's bigint."""

BATCH_MAX = 100
"""Tasks that one mutation changes."""

EMPTIED_MAX = 10_000
"""Tasks that one mutation removes where it names none."""

_IDS = f"The ids of the tasks: at most {BATCH_MAX}. An id that is given twice counts once."


@strawberry.enum(description="The kinds of things that can be wrong with a value.")
class InputIssueCode(Enum):
    REQUIRED = strawberry.enum_value("REQUIRED", description="The value is null and must not be.")
    TOO_SHORT = strawberry.enum_value(
        "TOO_SHORT", description="The text has too few characters that can be seen."
    )
    TOO_LONG = strawberry.enum_value(
        "TOO_LONG",
        description="The text has too many Unicode code points, or the list too many values.",
    )
    INVALID = strawberry.enum_value(
        "INVALID", description="The text has characters that cannot be stored."
    )


@strawberry.type(description="Something that is wrong with an input.")
class InputIssue:
    path: list[str] = strawberry.field(
        description="The names of the fields that lead from the input to the value."
    )
    code: InputIssueCode = strawberry.field(
        description="What kind of thing is wrong, for programs."
    )
    message: str = strawberry.field(description="A sentence about it, for people.")


_EXPECTED_VERSION = (
    "The `version` last seen. If the task has changed since then, nothing is written."
)
_IDEMPOTENCY_KEY = (
    f"A name of this action, such as a UUID: 1 to {IDEMPOTENCY_KEY_MAX_LENGTH} Unicode code "
    "points. A mutation that is sent again within 24 hours, with the same key and input, happens "
    "only once and gets the same answer."
)


@strawberry.input(description="A new task.")
class CreateTaskInput:
    title: str = created(TASK_FACTS["title"])
    description: str | None = created(TASK_FACTS["description"])
    idempotency_key: str | None = strawberry.field(default=UNSET, description=_IDEMPOTENCY_KEY)

    def issues(self) -> list[InputIssue]:
        """Return everything that is wrong with the values; empty when nothing is."""
        return list(_issues(self, May.CREATE))

    def values(self) -> Mapping[str, object]:
        """Return what is stored in every column that may be given: the default where none is."""
        return {fact.name: fact.default for fact in _facts(May.CREATE)} | _given(self, May.CREATE)


@strawberry.input(description="What to change in a task. A field that is left out stays as it is.")
class UpdateTaskInput:
    id: strawberry.ID = strawberry.field(description="The id of the task.")
    title: str | None = updated(TASK_FACTS["title"])
    description: str | None = updated(TASK_FACTS["description"])
    completed: bool | None = updated(TASK_FACTS["completed"])
    expected_version: int | None = strawberry.field(default=UNSET, description=_EXPECTED_VERSION)
    idempotency_key: str | None = strawberry.field(default=UNSET, description=_IDEMPOTENCY_KEY)

    def issues(self) -> list[InputIssue]:
        """Return everything that is wrong with the values; empty when nothing is."""
        return list(_issues(self, May.UPDATE))

    def values(self) -> Mapping[str, object]:
        """Return the columns that were given, with what is stored in them."""
        return _given(self, May.UPDATE)


@strawberry.input(description="The task to mark as completed or as not completed.")
class ToggleTaskInput:
    id: strawberry.ID = strawberry.field(description="The id of the task.")
    expected_version: int | None = strawberry.field(default=UNSET, description=_EXPECTED_VERSION)
    idempotency_key: str | None = strawberry.field(default=UNSET, description=_IDEMPOTENCY_KEY)


@strawberry.input(description="The task to move into the trash.")
class DeleteTaskInput:
    id: strawberry.ID = strawberry.field(description="The id of the task.")
    expected_version: int | None = strawberry.field(default=UNSET, description=_EXPECTED_VERSION)
    idempotency_key: str | None = strawberry.field(default=UNSET, description=_IDEMPOTENCY_KEY)


@strawberry.input(description="The task to restore from the trash.")
class RestoreTaskInput:
    id: strawberry.ID = strawberry.field(description="The id of the task.")
    expected_version: int | None = strawberry.field(default=UNSET, description=_EXPECTED_VERSION)
    idempotency_key: str | None = strawberry.field(default=UNSET, description=_IDEMPOTENCY_KEY)


@strawberry.input(description="The tasks to change, and how. Either all of them change, or none.")
class UpdateTasksInput:
    ids: list[strawberry.ID] = strawberry.field(description=_IDS)
    completed: bool = strawberry.field(description="Whether the tasks are completed.")
    idempotency_key: str | None = strawberry.field(default=UNSET, description=_IDEMPOTENCY_KEY)

    def issues(self) -> list[InputIssue]:
        """Return everything that is wrong with the values; empty when nothing is."""
        return list(_ids_issues(self.ids))


@strawberry.input(
    description="The tasks to move into the trash. Either all of them are moved, or none."
)
class DeleteTasksInput:
    ids: list[strawberry.ID] = strawberry.field(description=_IDS)
    idempotency_key: str | None = strawberry.field(default=UNSET, description=_IDEMPOTENCY_KEY)

    def issues(self) -> list[InputIssue]:
        """Return everything that is wrong with the values; empty when nothing is."""
        return list(_ids_issues(self.ids))


@strawberry.input(
    description="The tasks to remove from the trash for good. Either all of them are, or none."
)
class PurgeTasksInput:
    ids: list[strawberry.ID] = strawberry.field(description=_IDS)
    idempotency_key: str | None = strawberry.field(default=UNSET, description=_IDEMPOTENCY_KEY)

    def issues(self) -> list[InputIssue]:
        """Return everything that is wrong with the values; empty when nothing is."""
        return list(_ids_issues(self.ids))


@strawberry.input(description="How to empty the trash.")
class EmptyTrashInput:
    idempotency_key: str | None = strawberry.field(default=UNSET, description=_IDEMPOTENCY_KEY)


MutationInput = (
    CreateTaskInput
    | UpdateTaskInput
    | ToggleTaskInput
    | DeleteTaskInput
    | RestoreTaskInput
    | UpdateTasksInput
    | DeleteTasksInput
    | PurgeTasksInput
    | EmptyTrashInput
)


def idempotency_key(input: MutationInput) -> str | None:
    """Return the key that the client gave, if any.

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
    """Return the value, or None if the client left it out."""
    return None if value is UNSET else value


def task_key(id: strawberry.ID) -> int | None:
    """Return the key of an id, or None if no task can have this id.

    Only the form that the server itself writes counts: no sign, no leading zero, ASCII digits.
    """
    if not (id.isascii() and id.isdigit()) or id[0] == "0" or len(id) > len(str(TASK_ID_MAX)):
        return None
    key = int(id)
    return key if key <= TASK_ID_MAX else None


def is_storable(value: str) -> bool:
    """Return whether PostgreSQL can store the text: it has no NUL and no lone surrogate."""
    if "\0" in value:
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _facts(may: May) -> Iterator[Fact]:
    return (fact for fact in TASK_FACTS.values() if may in fact.may)


def _given(input: CreateTaskInput | UpdateTaskInput, may: May) -> dict[str, object]:
    return {
        fact.name: fact.stored(value)
        for fact in _facts(may)
        if (value := getattr(input, fact.name)) is not UNSET
    }


def _issues(input: CreateTaskInput | UpdateTaskInput, may: May) -> Iterator[InputIssue]:
    """Yield everything that is wrong with the values that were given."""
    for fact in _facts(may):
        value = getattr(input, fact.name)
        if value is None and May.CLEAR not in fact.may:
            yield InputIssue(
                path=[to_camel_case(fact.name)],
                code=InputIssueCode.REQUIRED,
                message=f"The {_words(fact)} must not be null.",
            )
        elif isinstance(value, str):
            yield from _text_issues(fact, value)


def _ids_issues(ids: list[strawberry.ID]) -> Iterator[InputIssue]:
    if len(ids) > BATCH_MAX:
        yield InputIssue(
            path=["ids"],
            code=InputIssueCode.TOO_LONG,
            message=f"There must be at most {BATCH_MAX} ids, not {len(ids)}.",
        )


def _text_issues(fact: Fact, value: str) -> Iterator[InputIssue]:
    path, name = [to_camel_case(fact.name)], _words(fact)
    can_be_stored = is_storable(value)
    text = fact.stored(value) if can_be_stored else value
    length = len(text) if isinstance(text, str) else 0
    if can_be_stored and not fact.may_be_blank and not is_visible(value):
        yield InputIssue(
            path=path, code=InputIssueCode.TOO_SHORT, message=f"The {name} must not be blank."
        )
    if fact.max_length is not None and length > fact.max_length:
        yield InputIssue(
            path=path,
            code=InputIssueCode.TOO_LONG,
            message=f"The {name} must have at most {fact.max_length} characters, not {length}.",
        )
    if not can_be_stored:
        yield InputIssue(
            path=path,
            code=InputIssueCode.INVALID,
            message=f"The {name} has a character that cannot be stored (NUL or half a surrogate).",
        )


def _words(fact: Fact) -> str:
    return fact.name.replace("_", " ")
