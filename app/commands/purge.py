"""The command that purges the trash."""

import asyncio
import sys

import psycopg
import typer

from app.database.purge import purge as purge_trash
from app.database.urls import said_of
from app.development import development
from app.settings import Settings, settings_or_exit


def purge() -> None:
    """Remove for good what has been in the trash for TRASH_RETENTION_DAYS, as servers do hourly."""
    settings = settings_or_exit()
    if settings.database_url is not None:
        _purge(settings)
        return
    with development(settings) as started:
        _purge(started.settings)


def _purge(settings: Settings) -> None:
    url = str(settings.database_url)
    try:
        count = asyncio.run(purge_trash(url, settings))
    except psycopg.Error as error:
        sys.exit(f"todo-api: the trash could not be purged: {said_of(error, url)}")
    typer.echo(f"Removed for good: {count} tasks.")
