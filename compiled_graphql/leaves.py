"""Completes leaves: values of scalars and of enumerations."""

from collections.abc import Callable, Sequence
from typing import Any

from graphql import (
    GraphQLBoolean,
    GraphQLFloat,
    GraphQLID,
    GraphQLInt,
    GraphQLLeafType,
    GraphQLString,
    Undefined,
)

from compiled_graphql.exceptions import Unexpected
from compiled_graphql.run import is_awaitable
from compiled_graphql.source import Source

SerializeAll = Callable[[Sequence[Any]], Sequence[object]]
"""Returns what many values of a scalar become, and None for None.

It may raise any exception where it cannot do what graphql-core would do with each of them.
"""


def leaf(source: Source, type_: GraphQLLeafType, value: str, *, nullable: bool) -> str:
    """Return an expression that completes the value of the expression `value`."""
    coerce = type_.coerce_output_value

    def complete(value: object) -> object:
        if value is None and nullable:
            return None
        require_value(value)
        coerced = coerce(value)
        if coerced is None or coerced is Undefined:
            raise Unexpected(value)
        return coerced

    other = source.name("leaf", complete)
    plain = _PLAIN.get(type_)
    v, first = named(value)
    if plain is None:
        # A text that the scalar turns into another text needs no further checks.
        write = source.name("write", coerce)
        return (
            f"(w if {first}.__class__ is str and (w := {write}({v})).__class__ is str "
            f"else {other}({v}))"
        )
    as_is = f"{v} if {first}.__class__ is {plain.__name__}"
    if type_ is GraphQLID:
        return f"({as_is} else str({v}) if {v}.__class__ is int else {other}({v}))"
    if type_ is GraphQLInt:
        return f"({as_is} and -2147483648 <= {v} <= 2147483647 else {other}({v}))"
    if type_ is GraphQLFloat:
        return f"({as_is} and {v} - {v} == 0 else {other}({v}))"
    return f"({as_is}{f' or {v} is None' if nullable else ''} else {other}({v}))"


def all_values(serialize_all: SerializeAll, *, nullable: bool) -> SerializeAll:
    """Return what completes all values of a column."""
    if nullable:
        return serialize_all

    def complete(values: Sequence[object]) -> Sequence[object]:
        if None in values:
            raise Unexpected(None)
        return serialize_all(values)

    return complete


def named(value: str) -> tuple[str, str]:
    """Return the name that a value has once a second expression was evaluated, and that one."""
    return (value, value) if value.isidentifier() else ("v", f"(v := {value})")


def require_value(value: object) -> None:
    """Refuse a value to which graphql-core gives a meaning of its own.

    Raises:
        Unexpected: it is None, undefined, an exception or an awaitable.
    """
    if value is None or value is Undefined or isinstance(value, Exception) or is_awaitable(value):
        raise Unexpected(value)


_PLAIN: dict[GraphQLLeafType, type] = {
    GraphQLString: str,
    GraphQLID: str,
    GraphQLInt: int,
    GraphQLFloat: float,
    GraphQLBoolean: bool,
}
