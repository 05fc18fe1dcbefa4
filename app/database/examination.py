"""The examination of a database: each thing that a server needs of it, and whether it is so."""

from collections.abc import AsyncIterator

import psycopg
from psycopg import AsyncConnection
from psycopg.conninfo import conninfo_to_dict

from app.database.acting import is_cluster
from app.database.cluster.examination import examine_nodes
from app.database.expected import NEWEST
from app.database.findings import (
    Finding,
    clock_of,
    connections_of,
    facts_of,
    pooler_of,
    tls_of,
    transaction_ids_of,
    writes_of,
)
from app.database.listener import can_listen
from app.database.migration import objection_to_encoding
from app.database.pipelined import find_pooler
from app.database.protection import NOT_MIGRATED, objections
from app.database.roles import REACHES
from app.database.session import UnsafeRole
from app.database.standby import Unused, lag_of, said
from app.database.steps import head, steps_after, waiting
from app.database.urls import UNREADABLE, can_be_read, libpq_url, said_of
from app.settings import Settings


async def examine_database(settings: Settings, workers: int | None) -> AsyncIterator[Finding]:
    """Yield what is found; the first that hinders the rest is the last.

    `workers`: how many there are in all; None: that is not known.

    Raises:
        psycopg.Error: it could not be asked.
    """
    url = libpq_url(str(settings.database_url))
    try:
        parts = conninfo_to_dict(url)
    except psycopg.Error as error:
        yield Finding(False, f"The database cannot be reached: {said_of(error, url)}")
        return
    place = f"{parts.get('host', 'localhost')}/{parts.get('dbname', '')}"
    try:
        connection = await AsyncConnection.connect(
            url, autocommit=True, connect_timeout=settings.database_connect_timeout
        )
    except psycopg.OperationalError as error:
        sentence = said_of(error, url)
        place = place if str(error).strip() == sentence else "DATABASE_URL"
        yield Finding(False, f"The database at {place} cannot be reached: {sentence}")
        return
    async with connection:
        major, minor = divmod(connection.info.server_version, 10000)
        role = connection.info.user
        yield Finding(True, f"The database at {place} is PostgreSQL {major}.{minor}, role {role}.")
        objection = objection_to_encoding(connection.info)
        if objection is not None:
            yield Finding(False, objection[0].upper() + objection[1:])
            return
        yield tls_of(connection)
        facts, skew = await facts_of(connection)
        yield writes_of(facts, settings)
        yield clock_of(skew)
        yield transaction_ids_of(facts)
        try:
            cursor = await connection.execute("SELECT version_num FROM alembic_version")
            revision = await cursor.fetchone()
        except psycopg.errors.InsufficientPrivilege:
            yield Finding(False, "Its migrations may not be read by this role.")
        except psycopg.errors.UndefinedTable:
            yield Finding(False, NOT_MIGRATED)
            return
        else:
            yield migrations_of(str(revision[0]) if revision else "")
        protection = await _protection(connection, settings)
        for finding in protection:
            yield finding
        nodes = _nodes(connection, settings, workers, are_alike=protection[0].good)
        for examination in (nodes, _other_databases(connection)):
            async for finding in examination:
                yield finding
    pooler = await find_pooler(settings)
    yield pooler_of(settings.database_pooler, pooler)
    yield connections_of(facts, settings.database_pool_max_size, pooler, workers)
    yield await _listening(settings)


async def _protection(
    connection: AsyncConnection[tuple[object, ...]], settings: Settings
) -> list[Finding]:
    try:
        sentences = await objections(connection, settings.database_role)
    except psycopg.OperationalError as error:
        if connection.closed:
            raise
        # None of a cluster's nodes answers.
        sentences = [f"What keeps users apart could not be looked at: {str(error).strip()}"]
    if sentences:
        return [Finding(False, sentence) for sentence in sentences]
    cursor = await connection.execute("SELECT beginning FROM installation")
    ((beginning,),) = await cursor.fetchall()
    return [
        Finding(True, "Row security keeps users apart: all is as the migrations make it."),
        Finding(
            True, f"Cursors of clients begin with {beginning}; `todo-api restored` draws another."
        ),
    ]


async def _nodes(
    connection: AsyncConnection[tuple[object, ...]],
    settings: Settings,
    workers: int | None,
    *,
    are_alike: bool,
) -> AsyncIterator[Finding]:
    """Tell of the nodes of a cluster; nothing where there is one node.

    `are_alike`: what keeps users apart was compared, and found to be the same.
    """
    if not await is_cluster(connection):
        return
    if are_alike:
        yield Finding(
            True,
            "The identity of users reaches each node that answers, and what keeps users apart "
            "there is as on the coordinator.",
        )
    # Through the coordinator, and straight to the node.
    ways = 2 if settings.database_nodes else 1
    each = ways * settings.database_pool_max_size
    async for finding in examine_nodes(connection, each, workers):
        yield finding


def migrations_of(revision: str) -> Finding:
    # Whether this code works with what newer code has made is among the objections.
    if revision > NEWEST:
        return Finding(True, f"Newer code has migrated it, to {revision}.")
    if revision < head():
        return Finding(False, "Its migrations are not current. Run `todo-api migrate`.")
    left = map(waiting, steps_after(revision, finish=True))
    return Finding(True, " ".join(["Its migrations are current.", *left]))


async def _other_databases(
    connection: AsyncConnection[tuple[object, ...]],
) -> AsyncIterator[Finding]:
    """Tell what environments that share a cluster have in common."""
    role = connection.info.user
    cursor = await connection.execute(REACHES, [role])
    record = await cursor.fetchone()
    if record is None:
        return
    yield Finding(
        True,
        f"The role {role} has rights in other databases, such as {record[1]}: give each "
        "environment a DATABASE_ROLE of its own, and a login that is no member of another's.",
        open=True,
    )


async def _listening(settings: Settings) -> Finding:
    try:
        if await can_listen(settings):
            return Finding(True, "Other workers' notifications of changes arrive at once.")
    except (psycopg.Error, TimeoutError) as error:
        url = str(settings.listen_database_url or settings.database_url)
        sentence = said_of(error, url) if isinstance(error, psycopg.Error) else str(error)
        return Finding(False, f"Changes cannot be listened to: {sentence}")
    return Finding(
        True,
        "Changes that other workers make are looked for every few seconds: through a pooler no "
        "notifications arrive. Set LISTEN_DATABASE_URL to a direct connection.",
        open=True,
    )


async def examine_replica(settings: Settings) -> AsyncIterator[Finding]:
    """Yield whether the replica is fit to read from, and how late it is; nothing without one."""
    url = settings.database_read_url
    if url is None:
        return
    if not can_be_read(url):
        yield Finding(False, f"The replica cannot be reached: {UNREADABLE}")
        return
    try:
        lag = await lag_of(settings)
    except (psycopg.Error, TimeoutError, Unused, UnsafeRole) as error:
        yield Finding(False, f"The replica is not used: {said(error)}.")
    else:
        yield Finding(True, f"The replica had all that the database has after {lag:.2f} seconds.")
