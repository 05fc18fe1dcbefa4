"""The command that writes what a user has into a file that programs read."""

import asyncio
import sys
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from app.commands.export_user import write_whole
from app.commands.for_user import find, identity_of, servers_database, with_a_database
from app.exchange import todoist
from app.exchange.comparing import missing
from app.exchange.exporting import collected
from app.exchange.formats import FORMATS, WRITTEN
from app.exchange.items import Contents, Options, Unreadable
from app.settings import Settings, settings_or_exit
from auth.identity import Identity


def export(
    user: Annotated[str, typer.Option("--user", metavar="ID", help="The user's id.")],
    format: Annotated[str, typer.Option(help=f"One of {', '.join(WRITTEN)}.")] = "json",
    trash: Annotated[
        bool, typer.Option("--trash", help="With what is in the trash, where the format can.")
    ] = False,
    spreadsheet: Annotated[
        bool,
        typer.Option(
            "--spreadsheet", help="With csv: no spreadsheet takes a cell for a formula of its own."
        ),
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write to this file, which only you may read."),
    ] = None,
) -> None:
    """Print what a user has, for this or another program to read: lists, tasks and rules."""
    write = FORMATS[format].write if format in FORMATS else None
    if write is None:
        raise typer.BadParameter(f"It is one of {', '.join(WRITTEN)}.", param_hint="--format")
    if spreadsheet and format != "csv":
        raise typer.BadParameter("It is for --format csv alone.", param_hint="--spreadsheet")
    if spreadsheet:
        write = partial(todoist.write, for_spreadsheet=True)
    identity = identity_of(user)
    with with_a_database(settings_or_exit()) as settings:
        contents = asyncio.run(_collect(settings, identity, trash=trash))
    data = write(contents)
    if out is None:
        sys.stdout.buffer.write(data)
    else:
        write_whole(out, [data])
    if format != "json":
        _tell_what_is_missing(format, contents, data)


def _tell_what_is_missing(format: str, contents: Contents, data: bytes) -> None:
    """Say on stderr of what the file has less than there is; it is read back to know."""
    read = todoist.read if format == "csv" else FORMATS[format].read
    assert read is not None
    try:
        lost = missing(contents, read(data, Options(UTC, datetime.now(UTC).date())))
    except Unreadable as error:
        typer.echo(f"No import takes this file: {error}", err=True)
        return
    if lost:
        parts = ", ".join(f"{name} {count:,}" for name, count in lost.items())
        typer.echo(f"Missing in the file, since {format} cannot say it: {parts}.", err=True)


async def _collect(settings: Settings, identity: Identity, *, trash: bool) -> Contents:
    async with servers_database(settings) as database:
        await find(database, identity)
        return await collected(database, identity.user_id, trash=trash)
