"""The command that migrates the database, and makes the role that the server connects as."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from app.database.embedded import DATABASE, embedded_postgres
from app.database.installation import check_sequence, complete_migration
from app.database.mending import mend
from app.database.migration import pending, upgrade, upgrade_sql
from app.database.protection import check_protection
from app.database.roles import ensure_server_role, keep_public_out
from app.database.urls import SERVER_ROLE
from app.settings import Settings, settings_or_exit


def migrate(
    check: Annotated[
        bool, typer.Option("--check", help="Only say what is to be done; exit 1 if anything is.")
    ] = False,
    sql: Annotated[
        bool, typer.Option("--sql", help="Only print the SQL of all migrations.")
    ] = False,
    keep_public_connect: Annotated[
        bool,
        typer.Option(
            "--keep-public-connect",
            help="With DATABASE_ROLE: let every role of the cluster connect to the database.",
        ),
    ] = False,
) -> None:
    """Bring the database up to date, and make the role that the server connects as."""
    settings = settings_or_exit()
    if sql:
        typer.echo(upgrade_sql(settings.database_role))
        return
    with owner_url(settings) as url:
        migrate_at(url, settings, check=check, keep_public_connect=keep_public_connect)


@contextmanager
def owner_url(settings: Settings) -> Iterator[str]:
    """Yield the URL of the database as the role that owns it; start an embedded one if need be."""
    url = settings.migration_database_url or settings.database_url
    if url is not None:
        yield str(url)
        return
    with embedded_postgres(settings.data_dir) as postgres:
        postgres.create_database(DATABASE)
        yield postgres.superuser_url(DATABASE)


def migrate_at(
    url: str, settings: Settings, *, check: bool, keep_public_connect: bool = False
) -> None:
    """Bring a database up to date, or only say what is to be done.

    Raises:
        SystemExit: something is to be done, or something is left that is not mended.
        MigrationFailed: it could not be done.
    """
    if check:
        _check_at(url, settings)
        return
    role = settings.database_role
    upgrade(url, role=role)
    mended = mend(url, role)
    for sentence in mended.done:
        typer.echo(sentence)
    sequence = complete_migration(url, settings.trash_retention_days)
    if sequence.is_behind:
        typer.echo(f"{sequence} It was moved on.")
    server_url = ensure_server_role(url, settings.database_url, role)
    if role != SERVER_ROLE and not keep_public_connect:
        for sentence in keep_public_out(url):
            typer.echo(sentence)
    for sentence in mended.left:
        typer.echo(sentence)
    if mended.left:
        sys.exit(1)
    typer.echo(f"The database is up to date. Let the server connect by:\nDATABASE_URL={server_url}")
    if ":PASSWORD@" in server_url:
        typer.echo("PASSWORD is the one in DATABASE_URL where this command is run: it sets it.")


def _check_at(url: str, settings: Settings) -> None:
    revisions = pending(url)
    for revision in revisions:
        typer.echo(f"To be applied: {revision}")
    sentences = [] if revisions else check_protection(url, settings.database_role)
    if not revisions and (sequence := check_sequence(url)).is_behind:
        sentences.append(f"{sequence} `todo-api migrate` moves it on.")
    for sentence in sentences:
        typer.echo(sentence)
    if revisions or sentences:
        sys.exit(1)
    typer.echo("The database is up to date.")
