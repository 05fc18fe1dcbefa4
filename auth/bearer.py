"""The token in a request's `Authorization` header."""

from collections.abc import Sequence


def bearer_token(authorization: Sequence[str]) -> str | None:
    """Return the token of the values of the header (RFC 6750, 2.1).

    Return None where there is not exactly one value, or it is of another scheme.
    """
    if len(authorization) != 1:
        return None
    scheme, _, token = authorization[0].partition(" ")
    return token.strip(" ") if scheme.lower() == "bearer" else None
