"""Which code is connected to a database: the name of each connection carries the code's version."""

import re
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from typing import Any

import psycopg

_NAME = "todo-api"
_VERSION = re.compile(rf"{_NAME}/(\d+(?:\.\d+)*)")

NAMELESS = "0.2.0"
"""What code counts as whose connections tell no version: 0.3.0 or older, and so the older one."""

CONNECTED = """
SELECT application_name, count(*) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
  AND (application_name LIKE 'todo-api%%'
       -- A pooler may give connections a name of its own. Nodes log in at each other, too.
       OR usename <> current_user AND application_name NOT LIKE 'citus_internal %%'
          AND pg_has_role(usesysid, (SELECT oid FROM pg_roles WHERE rolname = %(role)s), 'USAGE')
          AND NOT (SELECT rolsuper FROM pg_roles WHERE oid = usesysid))
GROUP BY 1 ORDER BY 1
"""


@cache
def application_name(part: str = "") -> str:
    """Return the name of this code's connections, or of those of one part of it."""
    return f"{_NAME}/{version(_NAME)} {part}".strip()


@dataclass(frozen=True, slots=True)
class Connected:
    """Connections with one name."""

    name: str
    count: int

    @property
    def version(self) -> str | None:
        """The version of the code that made them; None where it cannot be told."""
        found = _VERSION.match(self.name)
        if found is not None:
            return found[1]
        return NAMELESS if self.name.partition(" ")[0] == _NAME else None

    def __str__(self) -> str:
        told = (
            "of code whose version is not told"
            if self.version is None
            else (f"of {self.version}{' or older' if '/' not in self.name else ''}")
        )
        return f"{self.count} {told} (application_name '{self.name}')"


def connected_code(connection: psycopg.Connection[Any], role: str) -> list[Connected]:
    """Return the connections of servers, and of commands."""
    return [Connected(*row) for row in connection.execute(CONNECTED, {"role": role}).fetchall()]


def older_than(
    connection: psycopg.Connection[Any], serves: str, role: str, *, trust_unknown: bool = False
) -> list[Connected]:
    """Return the connections of code that is older than this version, or may be.

    `trust_unknown`: those whose version is not told are none of them.
    """
    return [
        each
        for each in connected_code(connection, role)
        if (
            not trust_unknown
            if each.version is None
            else version_of(each.version) < version_of(serves)
        )
    ]


def version_of(text: str) -> tuple[int, ...]:
    """Return a version of the code as numbers, to compare."""
    return tuple(int(part) for part in text.split("."))
