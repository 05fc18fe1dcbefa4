"""The command that examines a server: its configuration, its database, and its keys."""

import asyncio
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass

import psycopg
import typer
from psycopg import AsyncConnection
from psycopg.conninfo import conninfo_to_dict

from app.database.listener import can_listen
from app.database.migration import objection_to_encoding
from app.database.pipelined import find_pooler
from app.database.protection import NOT_MIGRATED, objections
from app.database.roles import REACHES
from app.database.session import UnsafeRole
from app.database.standby import Unused, lag_of, said
from app.database.steps import head, steps_after, waiting
from app.database.urls import UNREADABLE, can_be_read, libpq_url, said_of
from app.development import development
from app.secret import is_development_secret
from app.settings import DatabasePooler, Settings, misspelt_settings, settings_or_exit
from auth.keys import Jwks, KeysUnavailable


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    good: bool
    sentence: str
    open: bool = False
    """It is as it was configured, and allows more than production needs."""

    def __str__(self) -> str:
        mark = "WRONG" if not self.good else "open" if self.open else "ok"
        return f"{mark:<5}  {self.sentence}"


def doctor() -> None:
    """Say what is configured, can be reached, and is open; exit 1 if something is wrong."""
    if not examine(settings_or_exit(to_serve=True)):
        sys.exit(1)


def examine(settings: Settings) -> bool:
    """Print every finding; return whether all are good."""
    if settings.database_url is not None:
        return asyncio.run(_print_findings(settings))
    with development(settings) as started:
        # With a database GraphiQL would be off unless it is set.
        graphiql = {"graphiql": settings.shows_graphiql}
        return asyncio.run(_print_findings(started.settings.model_copy(update=graphiql)))


async def _print_findings(settings: Settings) -> bool:
    all_good = True
    for examination in (_configuration, _database, _replica, _keys):
        async for finding in examination(settings):
            typer.echo(finding)
            all_good = all_good and finding.good
    return all_good


async def _configuration(settings: Settings) -> AsyncIterator[Finding]:
    by = []
    if settings.better_auth_secret and "HS256" in settings.algorithms:
        by.append("HS256 with the shared secret")
    if settings.key_set_url:
        asymmetric = ", ".join(sorted(settings.algorithms - {"HS256"}))
        by.append(f"{asymmetric} with the keys at {settings.key_set_url}")
    yield Finding(bool(by), f"Tokens are verified by {' and by '.join(by) or 'nothing'}.")
    if settings.better_auth_secret and is_development_secret(settings):
        yield Finding(True, "The secret is the one made for development.", open=True)
    if settings.better_auth_secret_previous:
        yield Finding(True, "Tokens signed with BETTER_AUTH_SECRET_PREVIOUS count too.", open=True)
    issuer, audience = settings.issuer or "anything", settings.audience or "anything"
    yield Finding(True, f"Their issuer must be {issuer}.", open=not settings.issuer)
    yield Finding(True, f"Their audience must be {audience}.", open=not settings.audience)
    everybody = "*" in settings.cors_origins
    origins = "every origin" if everybody else ", ".join(settings.cors_origins) or "no other origin"
    yield Finding(True, f"Pages of {origins} may call.", open=everybody)
    shown = settings.shows_graphiql
    yield Finding(True, f"GraphiQL is {'on' if shown else 'off'}.", open=shown)
    introspection = settings.allows_introspection
    yield Finding(
        True,
        f"Signed-in users {'may' if introspection else 'may not'} ask for the schema; nobody else "
        "may.",
        open=introspection,
    )
    for sentence in misspelt_settings():
        yield Finding(True, sentence, open=True)
    debug = "on: the log says more, for people" if settings.debug else "off"
    yield Finding(True, f"DEBUG is {debug}.", open=settings.debug)
    if not settings.require_row_security:
        yield Finding(False, "REQUIRE_ROW_SECURITY is off: one forgotten condition shows all rows.")


async def _database(settings: Settings) -> AsyncIterator[Finding]:
    try:
        async for finding in _database_findings(settings):
            yield finding
    except psycopg.Error as error:
        yield Finding(False, f"The database could not be examined: {error}")


async def _database_findings(settings: Settings) -> AsyncIterator[Finding]:
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
        try:
            cursor = await connection.execute("SELECT version_num FROM alembic_version")
            revision = await cursor.fetchone()
        except psycopg.errors.InsufficientPrivilege:
            yield Finding(False, "Its migrations may not be read by this role.")
        except psycopg.errors.UndefinedTable:
            yield Finding(False, NOT_MIGRATED)
            return
        else:
            yield _migrations(revision[0] if revision else "")
        sentences = await objections(connection, settings.database_role)
        for sentence in sentences:
            yield Finding(False, sentence)
        if not sentences:
            yield Finding(True, "Row security keeps users apart: all is as the migrations make it.")
        async for finding in _other_databases(connection):
            yield finding
    yield await _pooler(settings)
    yield await _listening(settings)


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


async def _pooler(settings: Settings) -> Finding:
    said, found = settings.database_pooler, await find_pooler(settings)
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


def _migrations(revision: str) -> Finding:
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
        "notifications arrive. Set LISTEN_DATABASE_URL to a direct connection."
        + " Without them the replica is not used."
        * bool(settings.database_read_url),
        open=True,
    )


async def _replica(settings: Settings) -> AsyncIterator[Finding]:
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


async def _keys(settings: Settings) -> AsyncIterator[Finding]:
    if settings.key_set_url is None:
        return
    jwks = Jwks(settings.key_set_url)
    try:
        count = await jwks.fetch()
    except KeysUnavailable as error:
        yield Finding(False, f"The keys at {settings.key_set_url} cannot be fetched: {error}")
    else:
        yield Finding(count > 0, f"The keys at {settings.key_set_url} can be fetched: {count}.")
    finally:
        await jwks.aclose()
