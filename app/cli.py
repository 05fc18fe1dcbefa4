"""The command line: todo-api."""

import asyncio
import signal
import socket
import sys
from datetime import timedelta
from pathlib import Path
from types import FrameType
from typing import Annotated

import psycopg
import typer
import uvicorn
from graphql import build_schema as build_from_sdl
from graphql import find_breaking_changes
from strawberry.printer import print_schema
from uvicorn.config import LOGGING_CONFIG

from app.commands.doctor import examine
from app.database.embedded import DATABASE, EmbeddedUnavailable, embedded_postgres
from app.database.migration import MigrationFailed, pending, upgrade, upgrade_sql
from app.database.protection import check_protection
from app.database.purge import purge as purge_trash
from app.database.roles import ensure_server_role
from app.development import DEMO_USER, Development, development, secret_of
from app.factory import GRAPHQL_PATH
from app.graphiql.files import FilesUnavailable, fetch
from app.http.websocket_messages import MESSAGE_MAX_BYTES
from app.operations.documents import Documents
from app.operations.trusted import ManifestError, read_manifests
from app.operations.trusted import check_documents as check_trusted_documents
from app.settings import Settings, settings_or_exit
from app.telemetry.log import UVICORN_LOGS_JSON
from auth.tokens import make_token
from graphql_schema.schema import build_schema

SCHEMA_FILE = Path("schema.graphql")
GRACE_PERIOD = 10
"""Seconds that requests under way are given when the server stops."""

cli = typer.Typer(
    help="A multi-user task API over GraphQL.",
    add_completion=False,
    pretty_exceptions_enable=False,
    no_args_is_help=False,
)


def main() -> None:
    """Run the command line; what stops it is said in a sentence."""
    try:
        cli()
    except (EmbeddedUnavailable, FilesUnavailable, MigrationFailed) as error:
        sys.exit(f"todo-api: {error}")


@cli.callback(invoke_without_command=True)
def _default(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        serve()


@cli.command()
def serve(
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port to listen on.")] = 8000,
    workers: Annotated[int, typer.Option(min=1, help="How many worker processes.")] = 1,
    reload: Annotated[
        bool, typer.Option("--reload", help="Restart when the code changes.")
    ] = False,
) -> None:
    """Serve the API; with no DATABASE_URL, on an embedded PostgreSQL."""
    settings = settings_or_exit(to_serve=True)
    _require_free(host, port)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _exit)
    if settings.database_url is not None:
        _run_server(settings, host, port, workers, reload=reload)
        return
    with development(settings) as started:
        _print_banner(started, f"http://{host}:{port}{GRAPHQL_PATH}")
        _run_server(settings, host, port, workers, reload=reload)


@cli.command()
def token(
    user: Annotated[str, typer.Argument(help="The user's id: the token's `sub`.")],
    email: Annotated[str | None, typer.Option(help="The `email` claim.")] = None,
    name: Annotated[str | None, typer.Option(help="The `name` claim.")] = None,
    minutes: Annotated[
        int | None,
        typer.Option(min=1, help="How long it lives; JWT_EXPIRATION_MINUTES if not said."),
    ] = None,
) -> None:
    """Print a token of a user, signed with the configured secret, to try things out with."""
    settings = settings_or_exit()
    if settings.database_url is not None and settings.better_auth_secret is None:
        sys.exit("todo-api: BETTER_AUTH_SECRET is not set, and without it no token can be signed.")
    typer.echo(
        make_token(
            secret_of(settings),
            user_id=user,
            lifetime=timedelta(minutes=minutes or settings.jwt_expiration_minutes),
            issuer=settings.issuer,
            audience=settings.audience,
            email=email,
            name=name,
        )
    )


@cli.command()
def migrate(
    check: Annotated[
        bool, typer.Option("--check", help="Only say what is to be done; exit 1 if anything is.")
    ] = False,
    sql: Annotated[
        bool, typer.Option("--sql", help="Only print the SQL of all migrations.")
    ] = False,
) -> None:
    """Bring the database up to date, and make the role that the server connects as."""
    if sql:
        typer.echo(upgrade_sql())
        return
    settings = settings_or_exit()
    if settings.database_url is None and settings.migration_database_url is None:
        with embedded_postgres(settings.data_dir) as postgres:
            postgres.create_database(DATABASE)
            _migrate(postgres.superuser_url(DATABASE), settings, check=check)
        return
    url = settings.migration_database_url or settings.database_url
    _migrate(str(url), settings, check=check)


@cli.command()
def export_schema(
    check: Annotated[
        bool,
        typer.Option("--check", help=f"Only compare with {SCHEMA_FILE}; exit 1 if it differs."),
    ] = False,
    against: Annotated[
        Path | None,
        typer.Option(help="Only name what breaks clients of this older schema; exit 1 if any."),
    ] = None,
) -> None:
    """Print the schema in GraphQL's schema definition language."""
    if against is not None:
        _name_breaking_changes(against)
        return
    sdl = _sdl()
    if not check:
        typer.echo(sdl, nl=False)
        return
    if not SCHEMA_FILE.exists() or SCHEMA_FILE.read_text() != sdl:
        sys.exit(
            f"todo-api: {SCHEMA_FILE} is not the schema that the code has. Mend it by: "
            f"uv run todo-api export-schema > {SCHEMA_FILE}"
        )


@cli.command()
def check_documents(
    manifests: Annotated[list[Path], typer.Argument(help="Manifests of operations.")],
) -> None:
    """Check that the operations clients ship fit the schema; exit 1 if one does not."""
    settings = settings_or_exit()
    documents = Documents(
        build_schema(), settings.limits, allow_introspection=False, compiles=False
    )
    try:
        texts = read_manifests(manifests)
        check_trusted_documents(texts, documents)
    except ManifestError as error:
        for sentence in error.sentences:
            typer.echo(sentence)
        sys.exit(1)
    typer.echo(f"All {len(texts)} documents fit the schema.")


@cli.command()
def doctor() -> None:
    """Say what is configured, can be reached, and is open; exit 1 if something is wrong."""
    if not examine(settings_or_exit(to_serve=True)):
        sys.exit(1)


@cli.command()
def purge() -> None:
    """Remove for good what has been in the trash for TRASH_RETENTION_DAYS, as servers do hourly."""
    settings = settings_or_exit()
    if settings.database_url is not None:
        _purge(settings)
        return
    with development(settings) as started:
        _purge(started.settings)


@cli.command()
def graphiql_files() -> None:
    """Fetch GraphiQL's files by npm now, so that the page works without internet later."""
    typer.echo(f"GraphiQL's files are in {asyncio.run(fetch())}.")


def _name_breaking_changes(older: Path) -> None:
    changes = find_breaking_changes(build_from_sdl(older.read_text()), build_from_sdl(_sdl()))
    for change in changes:
        typer.echo(f"{change.type.name}: {change.description}")
    if changes:
        sys.exit(1)


def _sdl() -> str:
    return print_schema(build_schema()) + "\n"


def _migrate(url: str, settings: Settings, *, check: bool) -> None:
    if check:
        revisions = pending(url)
        for revision in revisions:
            typer.echo(f"To be applied: {revision}")
        sentences = [] if revisions else check_protection(url)
        for sentence in sentences:
            typer.echo(sentence)
        if revisions or sentences:
            sys.exit(1)
        typer.echo("The database is up to date.")
        return
    upgrade(url)
    server_url = ensure_server_role(url, settings.database_url)
    typer.echo(f"The database is up to date. Let the server connect by:\nDATABASE_URL={server_url}")
    if ":PASSWORD@" in server_url:
        typer.echo("PASSWORD is the one in DATABASE_URL where this command is run: it sets it.")


def _purge(settings: Settings) -> None:
    try:
        count = asyncio.run(purge_trash(str(settings.database_url), settings))
    except psycopg.Error as error:
        sys.exit(f"todo-api: the trash could not be purged: {error}")
    typer.echo(f"Removed for good: {count} tasks.")


def _run_server(settings: Settings, host: str, port: int, workers: int, *, reload: bool) -> None:
    uvicorn.run(
        "app.asgi:app",
        host=host,
        port=port,
        workers=workers,
        reload=reload,
        log_config=LOGGING_CONFIG if settings.logs_for_people else UVICORN_LOGS_JSON,
        log_level="debug" if settings.debug else "info",
        server_header=False,
        # Nothing here depends on who a proxy says that it is asking for.
        proxy_headers=False,
        access_log=False,
        http="app.http.connection:GuardedProtocol",
        ws="app.http.websocket_connection:GuardedWebSocket",
        ws_max_size=MESSAGE_MAX_BYTES,
        ws_per_message_deflate=False,
        timeout_graceful_shutdown=GRACE_PERIOD,
    )


def _require_free(host: str, port: int) -> None:
    """Exit before anything is started if the port is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            sys.exit(f"todo-api: cannot listen on {host}:{port}: {error.strerror}. Try --port.")


def _exit(_signal: int, _frame: FrameType | None) -> None:
    # uvicorn has stopped by now and hands the signal on: leave through every `with`, and let nobody
    # who signals again, as programs that start several others do, cut that short.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    sys.exit(0)


def _print_banner(started: Development, url: str) -> None:
    typer.echo(
        f"""
  Todo API
  GraphiQL   {url}
  Database   embedded PostgreSQL, kept in {started.settings.data_dir}
  Token      {started.token}
             of the user "{DEMO_USER}"; another's: todo-api token NAME
  Stop       Ctrl-C
"""
    )
