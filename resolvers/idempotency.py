"""Mutations with an idempotency key: run once, and answered alike however often they are sent."""

import hashlib
import json
from dataclasses import fields
from typing import Any

from strawberry import UNSET

from auth.context import Context
from graphql_schema.errors import CodedError, ErrorCode
from graphql_schema.inputs import MutationInput, idempotency_key
from models.database import AlreadyThere, DatabaseTooSlow
from models.statement import Statement
from models.task import TaskRow
from resolvers.statements import tasks as statements
from resolvers.statements.idempotency_keys import once
from resolvers.statements.owned import Change
from resolvers.users import fetch_as_known


async def changes(
    context: Context, input: MutationInput, statement: Statement[Change[TaskRow]]
) -> list[Change[TaskRow]]:
    """Run a mutation's statement; where its key has been used before, return what came of it then.

    The tasks are as they are now. What the statement changes is undone if another request has used
    the key meanwhile: whoever comes first has it.

    Raises:
        CodedError: the key was used for something else, or is in use for too long.
    """
    key = idempotency_key(input)
    if key is None:
        return await fetch_as_known(context, statement)
    owner, request = context.user_id, _digest(input)
    try:
        return await fetch_as_known(context, once(owner, statement, key, request))
    except AlreadyThere:
        pass
    except DatabaseTooSlow as error:
        raise CodedError(
            ErrorCode.IDEMPOTENCY_CONCURRENT_REQUEST,
            "A request with this idempotency key has not ended yet; send it again later.",
        ) from error
    replays = await context.database.fetch(statements.replay(owner, key))
    if any(replay.request != request for replay in replays):
        raise CodedError(
            ErrorCode.IDEMPOTENCY_KEY_PARAMETER_MISMATCH,
            "This idempotency key was used with another input: take a new one for each action.",
        )
    return [replay.change for replay in replays if replay.found]


def _digest(input: MutationInput) -> str:
    """Return a hash of the kind of input and of all that was given but the key."""
    values: dict[str, Any] = {
        field.name: getattr(input, field.name)
        for field in fields(input)
        if field.name != "idempotency_key" and getattr(input, field.name) is not UNSET
    }
    text = json.dumps([type(input).__name__, values], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
