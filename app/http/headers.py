"""The security headers that every answer has."""

from collections.abc import Iterable

HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}

JSON_POLICY = "default-src 'none'; frame-ancestors 'none'"
PAGE_POLICY = "frame-ancestors 'none'"

JSON_HEADERS, _PAGE_HEADERS = (
    [
        (name.encode(), value.encode())
        for name, value in {**HEADERS, "content-security-policy": policy}.items()
    ]
    for policy in (JSON_POLICY, PAGE_POLICY)
)


def with_safe_headers(
    headers: Iterable[tuple[bytes, bytes]], request_id: str
) -> list[tuple[bytes, bytes]]:
    """Return an answer's headers with the request's id, and with the safe ones that it lacks."""
    given = dict(headers)
    is_page = given.get(b"content-type", b"").startswith(b"text/html")
    safe = _PAGE_HEADERS if is_page else JSON_HEADERS
    missing = [header for header in safe if header[0] not in given]
    return [*headers, *missing, (b"x-request-id", request_id.encode())]
