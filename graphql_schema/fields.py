"""Fields of types and inputs, described by the facts of the model's field.

Each function describes one use of a field. The annotation beside the call says the GraphQL type.
"""

from enum import Enum
from typing import Any

import strawberry
from strawberry import UNSET
from strawberry.types.enum import EnumValueDefinition
from strawberry.utils.str_converters import to_camel_case

from models.fact import Fact, May
from models.idempotency_key import IDEMPOTENCY_KEY_MAX_LENGTH


def read(fact: Fact) -> Any:  # noqa: ANN401 -- as strawberry.field
    """Return the field of a type that shows the value."""
    none = "; null for none" if May.CLEAR in fact.may else ""
    return strawberry.field(description=f"{_phrase(fact)}{none}.")


def created(fact: Fact, enum: type[Enum] | None = None) -> Any:  # noqa: ANN401 -- as strawberry.field
    """Return the field of an input that creates a thing. `enum`: what the values are part of."""
    if May.CLEAR in fact.may:
        blank = ", left out or blank" if fact.is_text else " or left out"
        description = f"{_phrase(fact)}. Null{blank}: none."
        return strawberry.field(default=UNSET, description=description)
    description = f"{_phrase(fact)}.{_tidying(fact)}"
    if fact.default is None:
        return strawberry.field(description=description)
    if isinstance(fact.default, list):
        return strawberry.field(default_factory=list, description=description)
    default = fact.default if enum is None else enum(fact.default)
    return strawberry.field(default=default, description=description)


def created_id(thing: str = "task", form: str = "in decimal digits") -> Any:  # noqa: ANN401 -- as strawberry.field
    """Return the field of an input for an id that the client makes."""
    return strawberry.field(
        default=UNSET,
        description=f"The id of the {thing}, where a client makes it, as one may that works "
        f"offline: Unix seconds times 2097152, plus a random number below 2097152, {form}. The "
        "seconds lie between 2020-01-01 and a day from now. Null or left out: the server makes it.",
    )


def created_in_list() -> Any:  # noqa: ANN401 -- as strawberry.field
    """Return the field of an input for the list of a new task."""
    return strawberry.field(
        default=UNSET,
        description="The id of its list. Null or left out: the list of its parent, or else the "
        "inbox. With `parentId` it is the parent's list.",
    )


def created_below() -> Any:  # noqa: ANN401 -- as strawberry.field
    """Return the field of an input for the parent of a new task."""
    return strawberry.field(
        default=UNSET,
        description="The id of the task that it is a subtask of: one that is no subtask itself, "
        "and not in the trash. Null or left out: none.",
    )


def updated_list() -> Any:  # noqa: ANN401 -- as strawberry.field
    """Return the field of an input for the list that tasks are put into."""
    return strawberry.field(
        default=UNSET,
        description="The id of the list that it goes into, at the bottom, with its subtasks. Left "
        "out: unchanged. Null: into the inbox. A subtask stays in the list of its parent.",
    )


def today() -> Any:  # noqa: ANN401 -- as strawberry.field
    """Return the field of an input for the day of a completion."""
    return strawberry.field(
        default=UNSET,
        description="The day it is where the caller is. It becomes `completedOn` where the task is "
        "completed by this, and a task that recurs is due again after it; else it has no effect.",
    )


def expected_version(thing: str = "task") -> Any:  # noqa: ANN401 -- as strawberry.field
    """Return the field of an input for the version that a change expects."""
    return strawberry.field(
        default=UNSET,
        description=f"The `version` last seen. If the {thing} has changed since then, nothing is "
        "written.",
    )


def idempotency_key() -> Any:  # noqa: ANN401 -- as strawberry.field
    """Return the field of an input for the name of an action."""
    return strawberry.field(
        default=UNSET,
        description=f"A name of this action, such as a UUID: 1 to {IDEMPOTENCY_KEY_MAX_LENGTH} "
        "Unicode code points. A mutation that is sent again while the server keeps the key, for 7 "
        "days unless it is configured otherwise, with the same key and input, happens only once "
        "and gets the same answer.",
    )


def updated(fact: Fact) -> Any:  # noqa: ANN401 -- as strawberry.field
    """Return the field of an input that changes a thing."""
    blank = " or blank" if fact.is_text else ""
    null = f"Null{blank}: cleared" if May.CLEAR in fact.may else "It cannot be null"
    return strawberry.field(
        default=UNSET,
        description=f"{_phrase(fact)}. Left out: unchanged. {null}.{_tidying(fact)}",
    )


def ranged(fact: Fact) -> Any:  # noqa: ANN401 -- as strawberry.field
    """Return the field of a filter that takes a range of values."""
    description = f"Only tasks whose `{to_camel_case(fact.name)}` is in this range."
    return strawberry.field(default=UNSET, description=description)


def ordered(fact: Fact) -> EnumValueDefinition:
    """Return the value of an enum that orders a list by the field."""
    rule = _ORDER_OF_TEXTS if fact.is_text else ""
    return strawberry.enum_value(fact.name.upper(), description=f"{fact.says}{rule}.")


_ORDER_OF_TEXTS = (
    ", from its first letter or digit on: upper and lower case and accents alike, numbers by their "
    "value. It is the order of no language in particular"
)


def _phrase(fact: Fact) -> str:
    """Return what the field is, and its limits."""
    if fact.max_length is None:
        return fact.says
    if fact.may_be_blank:
        return f"{fact.says}: at most {fact.max_length} Unicode code points"
    return f"{fact.says}: 1 to {fact.max_length} Unicode code points, one of them visible at least"


def _tidying(fact: Fact) -> str:
    """Return a sentence about how a line is stored; nothing of a field that is none."""
    if not fact.is_text or fact.may_be_blank:
        return ""
    return (
        " White space around it is removed. Line breaks and control characters in it become a "
        "space."
    )
