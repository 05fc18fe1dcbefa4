"""PostgreSQL URLs as libpq takes them, what may be said of others, and the server's role."""

import re

import psycopg
from psycopg.conninfo import conninfo_to_dict

from app.failure import Failure
from app.settings import Settings

SERVER_ROLE = "todo_api"
"""The role that has the rights the server needs. It connects as this one, or as a member of it.

Migrations and `EXPECTED` spell this name; `for_role` puts that of DATABASE_ROLE in its place.
"""

_SPELLED = re.compile(rf"\b{SERVER_ROLE}\b")

_PLAIN = re.compile(r"(?:[^@/?#%\[\]\s]|%[0-9A-Fa-f]{2})*")
"""A password as it may stand in a URL."""


UNREADABLE = (
    "its URL cannot be read. In a password, signs such as @, /, ? and % must be percent-encoded, "
    "as %40 for @."
)


def for_role(text: str, role: str) -> str:
    """Return the text with this role's name where the text spells that of the server's role."""
    return _SPELLED.sub(role, text)


def libpq_url(url: str) -> str:
    """Return a PostgreSQL URL as libpq takes it, whatever the driver that it names."""
    return "postgresql://" + url.partition("://")[2]


def said_of(error: psycopg.Error, url: str) -> str:
    """Return what an error says, without anything of the URL's password.

    libpq quotes a URL that it cannot read, and takes a part of a password that is not
    percent-encoded for a host or a port.
    """
    return str(error).strip() if can_be_read(url) else UNREADABLE


def refuse_unreadable(settings: Settings) -> None:
    """Refuse settings by which a server could not connect, before libpq quotes a URL of theirs.

    Raises:
        Failure: a URL that a server connects by cannot be read.
    """
    for url in (settings.database_url, settings.listen_database_url, settings.database_read_url):
        if url is not None and not can_be_read(url):
            raise Failure(f"The database cannot be reached: {UNREADABLE}")


def can_be_read(url: str) -> bool:
    """Return whether libpq reads the URL as it is meant."""
    password = url.partition("://")[2].rpartition("@")[0].partition(":")[2]
    try:
        conninfo_to_dict(libpq_url(url))
    except psycopg.ProgrammingError:
        return False
    return _PLAIN.fullmatch(password) is not None
