"""The command that prints the URL of the database, for other programs that use it."""

from typing import Annotated

import typer

from app.database.embedded import DATABASE, embedded_postgres
from app.settings import settings_or_exit


def database_url(
    admin: Annotated[
        bool, typer.Option("--admin", help="As the role that owns the tables, as for Better Auth.")
    ] = False,
) -> None:
    """Print the database's URL; of the embedded one while a server runs on it."""
    settings = settings_or_exit()
    if settings.database_url is not None:
        typer.echo((settings.migration_database_url if admin else None) or settings.database_url)
        return
    with embedded_postgres(settings.data_dir) as postgres:
        role = settings.database_role
        typer.echo(postgres.superuser_url(DATABASE) if admin else postgres.url(role, DATABASE))
