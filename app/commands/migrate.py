"""The command that migrates the database, and makes the role that the server connects as."""

import sys
from typing import Annotated

import typer

from app.database.embedded import DATABASE, embedded_postgres
from app.database.migration import pending, upgrade, upgrade_sql
from app.database.protection import check_protection
from app.database.roles import ensure_server_role
from app.settings import Settings, settings_or_exit


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
            migrate_at(postgres.superuser_url(DATABASE), settings, check=check)
        return
    url = settings.migration_database_url or settings.database_url
    migrate_at(str(url), settings, check=check)


def migrate_at(url: str, settings: Settings, *, check: bool) -> None:
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
