"""Mutations with an idempotency key: run once, and answered alike each time they are sent."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import MISSING, Field, fields, replace
from datetime import date, time
from enum import Enum
from typing import Any, TypeVar

from strawberry import UNSET

from auth.context import Context
from graphql_schema.batches import NewTask
from graphql_schema.errors import CodedError, ErrorCode
from graphql_schema.inputs import CreateTaskInput
from graphql_schema.list_inputs import ListPlace
from graphql_schema.mutation_input import MutationInput, idempotency_key
from graphql_schema.places import TaskPlace
from graphql_schema.recurrence_inputs import RecurrenceInput, RecurrenceRule
from graphql_schema.undo import UndoInput
from models.database import AlreadyThere, DatabaseTooSlow, Refused
from models.statement import Statement
from models.task import TaskRow
from models.user import UserId
from resolvers.statements import actions, calendar_links
from resolvers.statements import tasks as statements
from resolvers.statements.actions import Undone
from resolvers.statements.calendar_links import NewLink
from resolvers.statements.idempotency_keys import Outcome, Replay, once
from resolvers.statements.kind import Change, Removal, Thing
from resolvers.statements.labels import Renamed
from resolvers.users import fetch_as_known

Replayed = TypeVar("Replayed")
NewInput = TypeVar("NewInput", CreateTaskInput, NewTask)

ATTEMPTS = 3
"""How often a mutation is run whose key is there, and then is not."""


class InUse(CodedError):
    """Another request with the same key is at work."""

    def __init__(self) -> None:
        super().__init__(
            ErrorCode.IDEMPOTENCY_CONCURRENT_REQUEST,
            "A request with this idempotency key has not ended yet; send it again later.",
        )


async def changes(
    context: Context, input: MutationInput, statement: Statement[TaskRow]
) -> list[Change[TaskRow]]:
    """Run a mutation's statement, once under its key; the tasks are as they are now.

    Raises:
        InUse, CodedError, Refused: as `_run_once`.
    """
    return await changes_of(context, input, statement, statements.replay)


async def changes_of(
    context: Context,
    input: MutationInput,
    statement: Statement[Thing],
    replay_of: Callable[[UserId, str], Statement[Replay[Change[Thing]]]],
) -> list[Change[Thing]]:
    """Do the same to any kind of thing. `replay_of` reads what was recorded of it.

    Raises:
        InUse, CodedError, Refused: as `_run_once`.
    """
    rows = await _run_once(context, input, statement, replay_of)
    return [row if isinstance(row, Change) else Change(row, row.version) for row in rows]


async def removals(
    context: Context, input: MutationInput, statement: Statement[Removal]
) -> list[Removal]:
    """Run a statement that removes tasks or a calendar link, once under its key.

    Raises:
        InUse, CodedError: as `_run_once`.
    """
    return await _run_once(context, input, statement, statements.replay_removals)


async def creations_of_links(
    context: Context, input: MutationInput, statement: Statement[NewLink]
) -> list[NewLink]:
    """Run a statement that creates a calendar link, once under its key.

    Raises:
        InUse, CodedError, Refused: as `_run_once`.
    """
    return await _run_once(context, input, statement, calendar_links.replay_link)


async def renamings(
    context: Context, input: MutationInput, statement: Statement[Renamed]
) -> list[Renamed]:
    """Run a statement that renames a label, once under its key.

    Raises:
        InUse, CodedError, Refused: as `_run_once`.
    """
    return await _run_once(context, input, statement, statements.replay_renaming)


async def undoings(
    context: Context, input: UndoInput, statement: Statement[Undone]
) -> list[Undone]:
    """Run a statement that takes an action back, once under its own key.

    Raises:
        InUse, CodedError, Refused: as `_run_once`.
    """
    return await _run_once(context, input, statement, actions.replay_undoing)


async def _run_once(
    context: Context,
    input: MutationInput,
    statement: Statement[Outcome],
    replay_of: Callable[[UserId, str], Statement[Replay[Replayed]]],
) -> list[Outcome] | list[Replayed]:
    """Run a mutation's statement; where its key was used before, return the outcome of that.

    If another request uses the key at the same time, one of the two commits, and the changes of the
    other are undone.

    Raises:
        InUse: the key is in use for too long.
        CodedError: the key was used with another input.
        Refused: a rule forbids it, and the key was not used.
    """
    key = idempotency_key(input)
    if key is None:
        try:
            return await fetch_as_known(context, statement)
        except AlreadyThere:
            # Another with the same id came at the same time: by now it is there, and is seen.
            return await fetch_as_known(context, statement)
    owner = context.user_id
    request, *older = _digests(input)
    for _ in range(ATTEMPTS):
        refused: Refused | None = None
        try:
            return await fetch_as_known(context, once(owner, statement, key, request))
        except AlreadyThere:
            pass
        except Refused as error:
            # Nothing was written, nor was the key: it may have been used while nothing forbade it.
            refused = error
        except DatabaseTooSlow as error:
            raise InUse from error
        replays = await context.database.fetch(replay_of(owner, key))
        if any(replay.request not in (request, *older) for replay in replays):
            raise CodedError(
                ErrorCode.IDEMPOTENCY_KEY_PARAMETER_MISMATCH,
                "This idempotency key was used with another input: take a new one for each action.",
            )
        if replays:
            return [replay.outcome for replay in replays if replay.found]
        if refused is not None:
            raise refused
        # Between the two statements the key was removed, for it was a day old: it is free.
    raise InUse


def _digests(input: MutationInput) -> list[str]:
    """Return the hash of the input, and then the one that code from before made of it, if another.

    A null in a new task means the same as a value that is left out, and is not in its hash. Code
    from before had it there, and its keys live for a day.
    """
    digests = [_digest(input)]
    if isinstance(input, CreateTaskInput):
        digests.insert(0, _digest(_without_nulls(input)))
    return list(dict.fromkeys(digests))


def _digest(input: MutationInput) -> str:
    """Return a hash of the kind of input and of the values that differ from their defaults.

    Keys outlive an upgrade, so the hash of an input must not change when a field is added: a value
    left out is not in it, nor one equal to its default, which GraphQL fills in. The key is not in
    it either.
    """
    values = _values(input)
    values.pop("idempotency_key", None)
    text = json.dumps([type(input).__name__, values], sort_keys=True, default=_in_json)
    return hashlib.sha256(text.encode()).hexdigest()


def _values(
    input: MutationInput | NewTask | TaskPlace | ListPlace | RecurrenceInput | RecurrenceRule,
) -> dict[str, Any]:
    """Return the values of an input that differ from their defaults."""
    return {
        field.name: value
        for field in fields(input)
        if (value := getattr(input, field.name)) != _default(field)
    }


def _without_nulls(input: NewInput) -> NewInput:
    """Return a new task in which what is null is left out."""
    nulls = {field.name: UNSET for field in fields(input) if getattr(input, field.name) is None}
    return replace(input, **nulls)


def _default(field: Field[Any]) -> object:
    return field.default if field.default_factory is MISSING else field.default_factory()


def _in_json(value: object) -> object:
    """Return a value that JSON does not have as one that it has.

    Raises:
        TypeError: it is neither a day, a time, a value of an enum, a new task, a place,
            nor a rule.
    """
    match value:
        case date() | time():
            return value.isoformat()
        case Enum():
            return value.name
        case NewTask():
            return _values(_without_nulls(value))
        case TaskPlace() | ListPlace() | RecurrenceInput() | RecurrenceRule():
            return _values(value)
    raise TypeError(value)
