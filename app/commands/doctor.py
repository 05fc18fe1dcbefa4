"""The command that examines a server: its configuration, its database, and its keys."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from typing import Annotated

import psycopg
import typer

from app.database.examination import examine_database, examine_replica
from app.database.findings import Finding
from app.database.urls import can_be_read, said_of
from app.development import development
from app.secret import is_development_secret
from app.settings import MCP_PATH, Settings, misspelt_settings, settings_or_exit
from auth.keys import Jwks, KeysUnavailable

PATIENCE = 60.0
"""Seconds that one of the examinations may take."""


def doctor(
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="How many workers there are in all: are connections enough?"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> None:
    """Say what is configured, can be reached, and is open; exit 1 if something is wrong."""
    if not examine(settings_or_exit(to_serve=True), workers, as_json=as_json):
        sys.exit(1)


def examine(settings: Settings, workers: int | None = None, *, as_json: bool = False) -> bool:
    """Print every finding; return whether all are good."""
    tell = _print_json if as_json else _print_lines
    if settings.database_url is not None:
        return asyncio.run(tell(settings, workers))
    with development(settings) as started:
        # With a database GraphiQL would be off unless it is set.
        graphiql = {"graphiql": settings.shows_graphiql}
        return asyncio.run(tell(started.settings.model_copy(update=graphiql), workers))


async def _print_lines(settings: Settings, workers: int | None) -> bool:
    all_good = True
    async for _, findings in _examinations(settings, workers):
        for finding in findings:
            typer.echo(finding)
            all_good = all_good and finding.good
    return all_good


async def _print_json(settings: Settings, workers: int | None) -> bool:
    told = [
        {"about": about, "mark": finding.mark, "sentence": finding.sentence}
        async for about, findings in _examinations(settings, workers)
        for finding in findings
    ]
    all_good = all(each["mark"] != "WRONG" for each in told)
    typer.echo(json.dumps({"sound": all_good, "findings": told}, indent=2))
    return all_good


async def _examinations(
    settings: Settings, workers: int | None
) -> AsyncIterator[tuple[str, list[Finding]]]:
    for about, examination in (
        ("configuration", _configuration(settings)),
        ("database", examine_database(settings, workers)),
        ("replica", examine_replica(settings)),
        ("keys", _keys(settings)),
    ):
        yield about, await _found(about, examination, str(settings.database_url))


async def _found(about: str, examination: AsyncIterator[Finding], url: str) -> list[Finding]:
    """Return what an examination finds; what ends it too early is the last of it."""
    found: list[Finding] = []
    try:
        async with asyncio.timeout(PATIENCE):
            async for finding in examination:
                found.append(finding)  # noqa: PERF401 -- what was found before an error counts
    except TimeoutError:
        said = f"it takes longer than {PATIENCE:g} s."
        found.append(Finding(False, f"The {about} could not be examined: {said}"))
    except psycopg.Error as error:
        said = said_of(error, url)
        found.append(Finding(False, f"The {about} could not be examined: {said}"))
    except Exception as error:  # noqa: BLE001 -- whatever it meets is what was asked for
        said = f"{type(error).__name__}: {error}" if can_be_read(url) else type(error).__name__
        found.append(Finding(False, f"The {about} could not be examined: {said}"))
    return found


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
    if settings.mcp:
        also = f"; tokens for {settings.mcp_url} are accepted too" if settings.mcp_url else ""
        yield Finding(True, f"Assistants are served at {MCP_PATH}{also}.", open=True)
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
