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
        description = f"{_phrase(fact)}. Null or left out: none."
        return strawberry.field(default=UNSET, description=description)
    if fact.default is None:
        return strawberry.field(description=f"{_phrase(fact)}.")
    return strawberry.field(default=fact.default, description=f"{_phrase(fact)}.")


def updated(fact: Fact) -> Any:  # noqa: ANN401 -- as strawberry.field
    """Return the field of an input that changes a thing."""
    null = "Null: cleared" if May.CLEAR in fact.may else "It cannot be null"
    return strawberry.field(
        default=UNSET, description=f"{_phrase(fact)}. Left out: unchanged. {null}."
    )


def ranged(fact: Fact) -> Any:  # noqa: ANN401 -- as strawberry.field
    """Return the field of a filter that takes a range of values."""
    description = f"Only tasks whose `{to_camel_case(fact.name)}` is in this range."
    return strawberry.field(default=UNSET, description=description)


def ordered(fact: Fact) -> EnumValueDefinition:
    """Return the value of an enum that orders a list by the field."""
    case = ", upper and lower case alike" if fact.is_text else ""
    return strawberry.enum_value(fact.name.upper(), description=f"{fact.says}{case}.")


def _phrase(fact: Fact) -> str:
    """Return what the field is, and its limits."""
    if fact.max_length is None:
        return fact.says
    if fact.may_be_blank:
        return f"{fact.says}: at most {fact.max_length} characters"
    return f"{fact.says}: 1 to {fact.max_length} characters, not all of them white space"
