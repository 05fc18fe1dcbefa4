"""What is found of a database, by what it tells of itself: one thing, and whether it is good."""

import ipaddress
import time
from dataclasses import dataclass
from typing import Any

from psycopg import AsyncConnection

from app.settings import DatabasePooler, Settings

FACTS = """
SELECT current_setting('transaction_read_only')::boolean,
       current_setting('max_connections')::int
       - current_setting('superuser_reserved_connections')::int
       - coalesce(current_setting('reserved_connections', true)::int, 0),
       rolconnlimit, datconnlimit, extract(epoch FROM clock_timestamp())::float8,
       greatest(age(datfrozenxid), mxid_age(datminmxid))
FROM pg_database, pg_roles WHERE datname = current_database() AND rolname = session_user
"""

LEFT_FREE = 0.2
"""The share of connections that servers should leave to migrations, backups and people."""

CLOCKS_DIFFER, CLOCKS_WRONG = 2.0, 30.0
"""Seconds. A token that is issued half a minute after its user was deleted counts as a new one."""

TRANSACTION_IDS = 2**31
"""How old the oldest transaction may be, at which PostgreSQL takes no more changes.

https://www.postgresql.org/docs/current/routine-vacuuming.html#VACUUM-FOR-WRAPAROUND
"""

FREE_MIN = 0.5
"""The share of them that must be free. Autovacuum keeps nine in ten free, unless it is hindered."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    good: bool
    sentence: str
    open: bool = False
    """It is as it was configured, and allows or lacks something."""

    @property
    def mark(self) -> str:
        return "WRONG" if not self.good else "open" if self.open else "ok"

    def __str__(self) -> str:
        return f"{self.mark:<5}  {self.sentence}"


@dataclass(frozen=True, slots=True)
class Facts:
    """What `FACTS` tells."""

    is_read_only: bool
    connections: int
    """Those that are not reserved for superusers."""
    role_limit: int
    """Connections that the role may have; -1: any number."""
    database_limit: int
    """Connections that the database may have; -1: any number."""
    now: float
    """In seconds since the epoch."""
    age: int
    """Of the oldest transaction, in transactions."""

    @property
    def limit(self) -> int:
        """Connections that servers may have."""
        limits = (self.connections, self.role_limit, self.database_limit)
        return min(limit for limit in limits if limit >= 0)


def tls_of(connection: AsyncConnection[Any]) -> Finding:
    """Say who else could read what goes to the database, or answer in its place."""
    host, address = connection.info.host, connection.info.hostaddr
    options = {o.keyword.decode(): (o.val or b"").decode() for o in connection.pgconn.info}
    if not host or host.startswith(("/", "@")):
        return Finding(True, "It is reached by a socket of this machine, without TLS.")
    if connection.pgconn.ssl_in_use:
        if options["sslmode"] == "verify-full":
            return Finding(True, "It is reached by TLS, and its certificate is verified.")
        if options["channel_binding"] == "require":
            return Finding(True, "It is reached by TLS, and must know the password (SCRAM).")
        return Finding(
            True,
            f"It is reached by TLS with sslmode={options['sslmode']}: what leads there could "
            "answer in its place. Set sslmode=verify-full, or channel_binding=require.",
            open=True,
        )
    if address and ipaddress.ip_address(address.partition("%")[0]).is_loopback:
        return Finding(True, "It is reached on this machine, without TLS.")
    return Finding(
        True,
        "It is reached without TLS: what leads there can read all of it. Set sslmode=verify-full.",
        open=True,
    )


async def facts_of(connection: AsyncConnection[Any]) -> tuple[Facts, float]:
    """Return the facts, and how many seconds the database's clock is ahead of this machine's."""
    began = time.time()
    cursor = await connection.execute(FACTS)
    record = await cursor.fetchone()
    assert record is not None
    facts = Facts(*record)
    # Half of the time went by before the database looked at its clock, more or less.
    return facts, facts.now - (began + time.time()) / 2


def writes_of(facts: Facts, settings: Settings) -> Finding:
    if not facts.is_read_only:
        return Finding(True, "It takes changes.")
    return Finding(
        settings.ready_when_read_only,
        "It takes no changes: it is a standby, or was made read-only.",
        open=True,
    )


def clock_of(skew: float) -> Finding:
    """`skew`: seconds that the database's clock is ahead."""
    if abs(skew) <= CLOCKS_DIFFER:
        return Finding(True, "Its clock and this machine's agree.")
    behind = "ahead of" if skew > 0 else "behind"
    return Finding(
        abs(skew) <= CLOCKS_WRONG,
        f"Its clock is {abs(skew):.0f} s {behind} this machine's: have both set by NTP.",
        open=True,
    )


def transaction_ids_of(facts: Facts) -> Finding:
    free = max(0.0, 1 - facts.age / TRANSACTION_IDS)
    sentence = f"Of its transaction ids {free:.0%} are free"
    if free >= FREE_MIN:
        return Finding(True, f"{sentence}.")
    return Finding(
        False,
        f"{sentence}, and with none left it takes no changes: something hinders autovacuum, such "
        "as a transaction, a prepared one or a replication slot that was left open.",
    )


def connections_of(
    facts: Facts, pool: int, pooler: DatabasePooler | None, workers: int | None
) -> Finding:
    """`pool`: connections of each worker, besides one to LISTEN; one is for the purge."""
    each = pool + 1
    needed = None if workers is None else workers * each + 1
    if pooler is not DatabasePooler.NONE:
        what = "Each worker opens" if needed is None else f"{workers} workers open"
        return Finding(
            True,
            f"{what} up to {needed or each} connections; the pooler's limits count, which it does "
            "not tell.",
        )
    if needed is None:
        most = max(0, int(facts.limit * (1 - LEFT_FREE) - 1) // each)
        return Finding(
            facts.limit > each,
            f"It allows {facts.limit} connections: enough for {most} workers of {each}, in all.",
            open=most == 0,
        )
    sentence = f"{workers} workers open up to {needed} connections, and it allows {facts.limit}"
    if needed <= facts.limit * (1 - LEFT_FREE):
        return Finding(True, f"{sentence}.")
    return Finding(
        needed <= facts.limit,
        f"{sentence}: raise max_connections, or use a pooler, or fewer workers.",
        open=True,
    )


POOLERS = {
    DatabasePooler.NONE: "no pooler: many statements are under way on each connection",
    DatabasePooler.SINGLE: "a pooler: one statement is under way on each connection",
    DatabasePooler.PIPELINED: "a pooler that keeps the statements of a pipeline together: several "
    "are under way on each connection",
}

TORN_APART = {
    (DatabasePooler.NONE, DatabasePooler.SINGLE),
    (DatabasePooler.NONE, DatabasePooler.PIPELINED),
    (DatabasePooler.PIPELINED, DatabasePooler.SINGLE),
}
"""What is said to be in between, and what is: there may be more under way than this can bear."""


def pooler_of(said: DatabasePooler, found: DatabasePooler | None) -> Finding:
    """`said`: by the settings; `found`: None where it could not be told."""
    if found is None:
        return Finding(False, "It could not be told whether a pooler is before the database.")
    if (said, found) in TORN_APART:
        return Finding(
            False,
            f"DATABASE_POOLER is {said}, but it is {found}: statements may be torn apart. Set it "
            "to auto.",
        )
    if said is not DatabasePooler.AUTO and said is not found:
        return Finding(True, f"DATABASE_POOLER is {said}, though it is {found}.", open=True)
    return Finding(True, f"Before the database is {POOLERS[found]}.")
