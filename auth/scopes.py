"""What a token lets its bearer do: the words of its `scope` claim."""

from collections.abc import Mapping
from enum import StrEnum

CLAIM = "scope"


class Scope(StrEnum):
    """The words that mean something here."""

    READ = "tasks:read"
    WRITE = "tasks:write"


def granted(claims: Mapping[str, object]) -> frozenset[Scope] | None:
    """Return the scopes that the claims grant; None where they say nothing of it: all of them.

    The claim is one string, of words with spaces between them (RFC 8693, 4.2; RFC 9068, 2.2.3;
    RFC 6749, 3.3). Other words are for other servers, and are ignored.

    Raises:
        ValueError: it is no string. A limit that cannot be read must not be taken for none.
    """
    if CLAIM not in claims:
        return None
    value = claims[CLAIM]
    if not isinstance(value, str):
        raise ValueError("its scope is no string")
    words = value.split(" ")
    return frozenset(scope for scope in Scope if scope.value in words)
