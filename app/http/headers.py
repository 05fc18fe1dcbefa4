"""The headers of an answer, and those for security that every answer has."""

from collections.abc import Sequence

Headers = Sequence[tuple[bytes, bytes]]
"""Names in lower case and values, as ASGI has them."""

HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
}

_ENCODED = [(name.encode(), value.encode()) for name, value in HEADERS.items()]


def with_safe_headers(headers: Headers, request_id: str) -> list[tuple[bytes, bytes]]:
    """Return an answer's headers with the request's id, and with the safe ones that it lacks."""
    given = dict(headers)
    missing = [header for header in _ENCODED if header[0] not in given]
    return [*headers, *missing, (b"x-request-id", request_id.encode())]
