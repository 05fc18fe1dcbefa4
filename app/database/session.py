"""A session: what a new connection is checked and prepared for."""

from psycopg import AsyncConnection
from psycopg.types.string import TextLoader

from app.database import acting
from app.database.protection import objections
from app.database.roles import inspect_role
from app.settings import Settings
from pipelined_postgres.client import UnusableConnection

CONNECTION_LIFETIME = 240.0
"""Seconds. Neon suspends a database after 300 idle ones; no connection should outlive that."""


class UnsafeRole(UnusableConnection):
    """Row security would not bind the server's role: a sentence for each reason."""


NO_REPLICA = (
    "DATABASE_READ_URL is not for a database that is distributed over several nodes: each of them "
    "would have a standby of its own. Leave it out."
)

SET_LOCALS = "SELECT set_config('app.user_id', $1, true), set_config('statement_timeout', $2, true)"
"""Local to the transaction: afterwards a pooler may hand the session to anybody."""

WAIT_FOR_TURN = ", pg_advisory_xact_lock(hashtextextended($1, 0))"
"""As the trigger `a_lock_owner` does."""

SET_ONE_MORE = ", set_config($%d, $%d, true)"
"""For each setting of a statement's own, its name and its value."""

GRACE = 1.0
"""Seconds beyond a statement's time in which PostgreSQL must have said that it ended it."""


async def prepare_session(
    connection: AsyncConnection[tuple[object, ...]], settings: Settings
) -> bool:
    """Make a new connection fit to serve: a safe role; times as text, in UTC, and days too.

    Returns whether the tables are distributed over several nodes.

    Raises:
        UnsafeRole: its role could see other people's rows, or lacks a right that it needs; or a
            replica is named for tables on several nodes.
    """
    if settings.require_row_security:
        sentences = await objections(connection, settings.database_role)
        if sentences:
            raise UnsafeRole("\n".join(sentences))
    await _prepare_values(connection)
    is_distributed = await acting.is_cluster(connection)
    if is_distributed:
        if settings.database_read_url is not None:
            raise UnsafeRole(NO_REPLICA)
        await acting.set_settings(connection)
    return is_distributed


async def prepare_session_of_node(
    connection: AsyncConnection[tuple[object, ...]], settings: Settings
) -> None:
    """Make a new connection to one node of a cluster fit to serve.

    What keeps users apart is compared over all nodes by the coordinator's sessions.

    Raises:
        UnsafeRole: its role could see other people's rows, or no other node learns who asks.
        UnusableConnection: it is no node of a cluster.
    """
    if not await acting.is_cluster(connection):
        raise UnusableConnection("Its tables are not distributed.")
    await _prepare_values(connection)
    await acting.set_settings(connection)
    if settings.require_row_security:
        role = await inspect_role(connection, settings.database_role)
        sentences = role.objections() or await acting.probe(connection)
        if sentences:
            raise UnsafeRole("\n".join(sentences))


async def _prepare_values(connection: AsyncConnection[tuple[object, ...]]) -> None:
    # These two PgBouncer keeps for each client, so they may outlive the transaction.
    await connection.execute("SET TimeZone TO 'UTC'")
    await connection.execute("SET DateStyle TO 'ISO'")
    for name in ("timestamptz", "date", "time"):
        connection.adapters.register_loader(name, TextLoader)
