"""Fields of types and inputs, described by the facts of the model's field.

Each function describes one use of a field. The annotation beside the call says the GraphQL type.
"""

from typing import Any

import strawberry
from strawberry import UNSET
from strawberry.types.enum import EnumValueDefinition
from strawberry.utils.str_converters import to_camel_case

from models.fact import Fact, May


def read(fact: Fact) -> Any:  # noqa: ANN401 -- as strawberry.field
    """Return the field of a type that shows the value."""
    none = "; null for none" if May.CLEAR in fact.may else ""
    return strawberry.field(description=f"{_phrase(fact)}{none}.")


def created(fact: Fact) -> Any:  # noqa: ANN401 -- as strawberry.field
    """Return the field of an input that creates a thing."""
    if May.CLEAR in fact.may:
        blank = ", left out or blank" if fact.is_text else " or left out"
        description = f"{_phrase(fact)}. Null{blank}: none."
        return strawberry.field(default=UNSET, description=description)
    description = f"{_phrase(fact)}.{_tidying(fact)}"
    if fact.default is None:
        return strawberry.field(description=description)
    return strawberry.field(default=fact.default, description=description)


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
