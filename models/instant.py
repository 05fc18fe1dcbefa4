"""Instants as rows hold them: as text, since they are only passed on to clients."""

from datetime import UTC, datetime
from typing import NewType

Instant = NewType("Instant", str)
"""A timestamptz as PostgreSQL writes it in its ISO style: `2026-01-31 12:00:00.25+00`."""


def rfc_3339(instant: Instant) -> str:
    """Return an instant in the form of RFC 3339, in UTC."""
    if instant[-3:] == "+00":
        return instant.replace(" ", "T", 1) + ":00"
    # A session that is not in UTC.
    return datetime.fromisoformat(instant).astimezone(UTC).isoformat()


def parse_rfc_3339(text: str) -> datetime:
    """Return the instant of a text, in UTC, since PostgreSQL does not know every offset.

    Raises:
        ValueError: it is no instant, or has no offset.
        OverflowError: it is before the year 1 or after 9999 in UTC.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("an instant must have an offset, such as Z")
    return moment.astimezone(UTC)
