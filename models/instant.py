"""Points in time, as rows hold them: text, since clients are only ever shown it."""

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
