"""What the inputs of all mutations have in common: the idempotency key."""

from graphql_schema.batches import (
    CreateTasksInput,
    DeleteTasksInput,
    EmptyTrashInput,
    PurgeTasksInput,
    RestoreTasksInput,
    UpdateTasksInput,
)
from graphql_schema.calendar_links import CreateCalendarLinkInput, RevokeCalendarLinkInput
from graphql_schema.errors import BadUserInput
from graphql_schema.inputs import (
    CreateTaskInput,
    DeleteTaskInput,
    RenameLabelInput,
    RestoreTaskInput,
    ToggleTaskInput,
    UpdateTaskInput,
)
from graphql_schema.list_inputs import (
    CreateListInput,
    DeleteListInput,
    MoveListInput,
    RestoreListInput,
    UpdateListInput,
)
from graphql_schema.places import MoveTaskInput
from graphql_schema.undo import UndoInput
from graphql_schema.values import given, is_storable
from models.idempotency_key import IDEMPOTENCY_KEY_MAX_LENGTH

MutationInput = (
    CreateTaskInput
    | UpdateTaskInput
    | ToggleTaskInput
    | DeleteTaskInput
    | RestoreTaskInput
    | CreateTasksInput
    | UpdateTasksInput
    | DeleteTasksInput
    | RestoreTasksInput
    | PurgeTasksInput
    | EmptyTrashInput
    | RenameLabelInput
    | MoveTaskInput
    | CreateListInput
    | UpdateListInput
    | MoveListInput
    | DeleteListInput
    | RestoreListInput
    | CreateCalendarLinkInput
    | RevokeCalendarLinkInput
    | UndoInput
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
