"""Values of inputs: whether they were given, can be stored, or are the id of anything."""

import time
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from typing import Protocol, TypeVar

import strawberry
from strawberry import UNSET

from models.fact import Fact, May
from models.task import TASK_FACTS

Value = TypeVar("Value")

TASK_ID_MAX = 2**63 - 1
"""The greatest value of PostgreSQL's bigint."""

LIST_LETTER = "L"
"""What the id of a list begins with. The id of a task has digits alone."""

CALENDAR_LINK_LETTER = "C"
"""What the id of a calendar link begins with."""

_RANDOM_BITS = 21
"""An id is made of seconds since 1970 and of so many random bits."""

_FIRST_SECOND = 1_577_836_800
"""2020-01-01: no id that is made of a time is older."""

_AHEAD = 86_400
"""Seconds by which a client's clock may be before the server's."""


class Completing(Protocol):
    """An input that may complete tasks."""

    completed: bool | None
    today: date | None


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


def list_key(id: strawberry.ID) -> int | None:
    """Return the key of the id of a list, or None if no list can have this id."""
    return task_key(strawberry.ID(id[1:])) if id[:1] == LIST_LETTER else None


def list_id(key: int) -> strawberry.ID:
    """Return the id of the list with this key."""
    return strawberry.ID(f"{LIST_LETTER}{key}")


def calendar_link_key(id: strawberry.ID) -> int | None:
    """Return the key of the id of a calendar link, or None if none can have this id."""
    return task_key(strawberry.ID(id[1:])) if id[:1] == CALENDAR_LINK_LETTER else None


def calendar_link_id(key: int) -> strawberry.ID:
    """Return the id of the calendar link with this key."""
    return strawberry.ID(f"{CALENDAR_LINK_LETTER}{key}")


def new_key(
    id: strawberry.ID, key_of: Callable[[strawberry.ID], int | None] = task_key
) -> int | None:
    """Return the key of an id that a client made, or None if it is not in the server's form.

    `key_of`: what returns the keys of this kind of thing.
    """
    key = key_of(id)
    if key is None:
        return None
    return key if _FIRST_SECOND <= key >> _RANDOM_BITS <= time.time() + _AHEAD else None


def is_storable(value: str) -> bool:
    """Return whether PostgreSQL can store the text: it has no NUL and no lone surrogate."""
    if "\0" in value:
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def facts_with(may: May, facts: Mapping[str, Fact] = TASK_FACTS) -> tuple[Fact, ...]:
    """Return the facts of the fields with which clients may do something."""
    return tuple(fact for fact in facts.values() if may in fact.may)


NEW_TASK = facts_with(May.CREATE)
"""The fields that a new task is given."""

CHANGED_TASK = facts_with(May.UPDATE)
"""The fields that a change of tasks may give them."""


def new_values(input: object, id: strawberry.ID | None) -> dict[str, object]:
    """Return what is stored in every column that a new task is given: the default where none is."""
    return {
        **{fact.name: fact.default for fact in NEW_TASK},
        **given_values(input, NEW_TASK),
        "id": None if id is None or id is UNSET else new_key(id),
        **completion(False, None),
    }


def changed_values(input: Completing) -> dict[str, object]:
    """Return the columns that a change of tasks gives a value, with what is stored in them.

    Without a day there is no time either.
    """
    values = given_values(input, CHANGED_TASK)
    if "due_on" in values and values["due_on"] is None:
        values["due_time"] = None
    if input.completed is True and given(input.today) is not None:
        values |= completion(True, input.today)
    return values


def completion(completed: bool, today: date | None) -> Mapping[str, object]:
    """Return whether a task is completed, and on which day, as they are stored."""
    return {"completed": completed, "completed_on": given(today) if completed else None}


def given_values(input: object, facts: Iterable[Fact]) -> dict[str, object]:
    """Return the columns of these fields that were given, with what is stored in them."""
    return {
        fact.name: fact.stored(value)
        for fact in facts
        if (value := getattr(input, fact.name, UNSET)) is not UNSET
    }
