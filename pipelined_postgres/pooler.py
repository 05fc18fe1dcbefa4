"""What may be between a client and PostgreSQL, and how it is recognised."""

from collections.abc import Sequence
from enum import StrEnum

from pipelined_postgres.calls import statement


class Pooler(StrEnum):
    """What hands PostgreSQL's connections to other clients between transactions."""

    NONE = "none"
    """Nothing does: a connection is a session of PostgreSQL's."""
    SINGLE = "single"
    """One that may give a connection away while a part of the next transaction is on its way there:
    PgBouncer before 1.21 (https://github.com/pgbouncer/pgbouncer/issues/759). So it must never have
    more than one transaction."""
    PIPELINED = "pipelined"
    """One that counts what is not answered, and keeps the connection until then: PgBouncer from
    1.21 on, with `max_prepared_statements`, for prepared statements."""


PROBE = statement(
    "SELECT pg_backend_pid(), "
    "(SELECT name FROM pg_prepared_statements WHERE statement = $1 LIMIT 1)"
)
"""Asks which session runs it, and what it is called there itself. `$1` is its own text."""

RENAMED = "PGBOUNCER_"
"""How the names begin that PgBouncer from 1.21 on gives to prepared statements."""


def recognised(rows: Sequence[tuple[int, str | None]], backend_pid: int) -> Pooler:
    """Return what is in between, by the answer to `PROBE`.

    `backend_pid`: the process of PostgreSQL's that the connection was said to lead to.
    """
    ((pid, name),) = rows
    if pid == backend_pid:
        return Pooler.NONE
    return Pooler.PIPELINED if name is not None and name.startswith(RENAMED) else Pooler.SINGLE
