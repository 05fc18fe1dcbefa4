"""Instants: as rows hold them, and as clients read and write them."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NewType, cast

Instant = NewType("Instant", str)
"""A timestamptz as PostgreSQL writes it in its ISO style: `2026-01-31 12:00:00.25+00`.

It stays text, since most instants are only passed on to clients.
"""

_LENGTH = len("2026-01-31T12:00:00.250000Z")

_DATE_TIME = re.compile(
    r"(\d{4}-\d{2}-\d{2})[Tt]((?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d)(?:\.(\d+))?"
    r"([Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)",
    re.ASCII,
)
"""`date-time` of RFC 3339, 5.6, without leap seconds, which neither Python nor PostgreSQL has."""

FORM = "An instant must look like 2026-01-31T12:00:00Z"


def rfc_3339(instant: Instant) -> str:
    """Return an instant in the form of RFC 3339, in UTC, always with six digits of a second.

    All are of one length, so that they sort as texts, too.
    """
    if instant[-3:] != "+00":
        # A session that is not in UTC.
        moment = datetime.fromisoformat(instant).astimezone(UTC)
        return moment.isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"
    text = instant.replace(" ", "T", 1)[:-3] + "Z"
    return text if len(text) == _LENGTH else _padded(text)


def all_rfc_3339(instants: Sequence[Instant | None]) -> Sequence[str | None]:
    """Return what `rfc_3339` returns of each, in a third of the time, and None for None."""
    if None not in instants:
        text = "\n".join([*cast("Sequence[str]", instants), ""])
        made = text.replace("+00\n", "Z\n")
        # Each is in UTC, and so had two characters more.
        if len(text) - len(made) == 2 * len(instants):
            *written, _ = made.replace(" ", "T").split("\n")
            return [each if len(each) == _LENGTH else _padded(each) for each in written]
    return [None if instant is None else rfc_3339(instant) for instant in instants]


def _padded(text: str) -> str:
    """Return a written instant with six digits of a second: PostgreSQL leaves out zeros."""
    whole, _, fraction = text[:-1].partition(".")
    return f"{whole}.{fraction:0<6}Z"


def parse_rfc_3339(text: object) -> datetime:
    """Return the instant of a text, in UTC, since PostgreSQL does not know every offset.

    Raises:
        ValueError: it is no instant in the form of RFC 3339, or has more than six digits of a
            second, or is before the year 1 or after 9999 in UTC.
    """
    found = _DATE_TIME.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        raise ValueError(f"{FORM}, with `T`, seconds, and `Z` or an offset such as +02:00.")
    day, time, fraction, offset = found.groups(default="")
    if len(fraction) > 6:
        raise ValueError("An instant must have at most six digits of a second.")
    offset = "+00:00" if offset in "Zz" else offset
    try:
        return datetime.fromisoformat(f"{day}T{time}.{fraction:0<6}{offset}").astimezone(UTC)
    except ValueError:
        raise ValueError(f"{FORM}, and this day is not in the calendar.") from None
    except OverflowError:
        raise ValueError("An instant must lie in the years 0001 to 9999 of UTC.") from None
