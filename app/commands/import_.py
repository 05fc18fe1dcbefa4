"""The command that adds what a file has to what a user has."""

import asyncio
import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, tzinfo
from enum import Enum
from pathlib import Path
from typing import Annotated, NamedTuple
from zoneinfo import ZoneInfo

import typer

from app.commands.for_user import (
    find,
    identity_of,
    is_there,
    servers_database,
    with_a_database,
)
from app.exchange import todoist
from app.exchange.detection import format_of
from app.exchange.formats import FORMATS, READ
from app.exchange.items import Contents, Options, Unreadable
from app.exchange.planning import Plan
from app.exchange.storing import Import, source_of
from app.exchange.texts import BYTES_MAX
from app.failure import Failure
from app.lifespan import make_quota
from app.settings import Settings, settings_or_exit
from auth.identity import Identity
from models.text import one_line

TITLES_SHOWN = 3
"""Of what is lost or changed in one way."""

TITLE_SHOWN_MAX = 60
"""Characters of such a title."""


class Sections(Enum):
    """What becomes of sections."""

    LABELS = "labels"


class _Asked(NamedTuple):
    """What is to be imported, and how."""

    contents: Contents
    source: str
    identity: Identity
    creates_user: bool
    limit: int | None
    is_dry: bool


def import_(
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="What to import.")
    ],
    user: Annotated[str, typer.Option("--user", metavar="ID", help="The user's id.")],
    format: Annotated[
        str | None,
        typer.Option(help=f"One of {', '.join(READ)}; left out, it is found by the content."),
    ] = None,
    timezone: Annotated[
        str, typer.Option(help="Where instants of the file become days, such as Europe/Berlin.")
    ] = "UTC",
    today: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"],
            metavar="DATE",
            help="From when on what has a rule and no date is due; left out, the day it is there.",
        ),
    ] = None,
    list_name: Annotated[
        str | None,
        typer.Option("--list", metavar="NAME", help="For tasks whose file names no list."),
    ] = None,
    sections: Annotated[
        Sections | None, typer.Option(help="What becomes of sections; left out, nothing.")
    ] = None,
    create_user: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Add the user, so called, where there is none."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be added, and what lost.")
    ] = False,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Add so many tasks at most, to try it.")
    ] = None,
) -> None:
    """Add what a file has to what a user has, each task once; exit 1 if it cannot be read."""
    zone = _zone(timezone)
    day = datetime.now(zone).date() if today is None else today.date()
    identity = identity_of(user, create_user)
    name, data = _read(file, format)
    if name == "todoist":
        # A file of one project has its name, and nothing in it. A pipe has none.
        list_name = list_name or (todoist.list_named(file.stem) if file.is_file() else None)
    options = Options(zone, day, list_name, sections is Sections.LABELS)
    read = FORMATS[name].read
    assert read is not None
    try:
        contents = read(data, options)
    except Unreadable as error:
        raise Failure(f"{file} cannot be read as {name}: {error}") from error
    source = source_of(name, contents, data)
    asked = _Asked(contents, source, identity, create_user is not None, limit, dry_run)
    # It may be long, and is needed no more.
    del data
    with with_a_database(settings_or_exit()) as settings:
        plan = asyncio.run(_run(settings, asked))
    for line in _report(plan, is_dry=dry_run):
        typer.echo(line)


def _zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, LookupError) as error:
        raise typer.BadParameter(f"There is no zone {name}.", param_hint="--timezone") from error


def _read(file: Path, format: str | None) -> tuple[str, bytes]:
    """Return the format of a file, and its content."""
    if format is not None and format not in READ:
        raise typer.BadParameter(f"It is one of {', '.join(READ)}.", param_hint="--format")
    too_long = Failure(f"{file} cannot be read: it has more than {BYTES_MAX:,} bytes.")
    if file.stat().st_size > BYTES_MAX:
        raise too_long
    with file.open("rb") as opened:
        # A pipe does not say beforehand how much comes.
        data = opened.read(BYTES_MAX + 1)
    if len(data) > BYTES_MAX:
        raise too_long
    try:
        return format or format_of(data), data
    except Unreadable as error:
        raise Failure(f"{file} cannot be read: {error}") from error


async def _run(settings: Settings, asked: _Asked) -> Plan:
    async with servers_database(settings) as database:
        owner = asked.identity.user_id
        work = Import(database, owner, asked.source, asked.contents, make_quota(settings))
        is_new = asked.creates_user and not await is_there(database, asked.identity)
        if not (asked.is_dry and is_new):
            await find(database, asked.identity, or_add=asked.creates_user)
        plan = await work.plan(asked.limit)
        if asked.is_dry:
            return plan
        showing = asyncio.create_task(_show(work, len(plan.items)))
        try:
            last = await work.run(plan, asked.limit)
            return replace(plan, losses=last.losses)
        finally:
            showing.cancel()
            with suppress(asyncio.CancelledError):
                await showing


async def _show(work: Import, count: int) -> None:
    """Show each second how far it is: by a bar on a terminal, else by lines."""
    if not sys.stderr.isatty():
        while True:
            await asyncio.sleep(1)
            typer.echo(f"{work.added:,} of {count:,}", err=True)
    with typer.progressbar(length=count, file=sys.stderr) as bar:
        while True:
            try:
                await asyncio.sleep(0.2)
            finally:
                bar.update(work.added - bar.pos)


def _report(plan: Plan, *, is_dry: bool) -> Iterator[str]:
    counts = {**plan.counts()}
    there = counts.pop("already there")
    done = "Nothing was written. To be added" if is_dry else "Added"
    yield f"{done}: {', '.join(f'{name} {count:,}' for name, count in counts.items())}."
    if there:
        yield f"Already there: {there:,}."
    titles: defaultdict[str, list[str]] = defaultdict(list)
    for loss in plan.losses:
        titles[loss.kind].append(loss.title)
    if titles:
        yield "Lost or changed, in the whole file:" if there else "Lost or changed:"
    for kind, lost in titles.items():
        some = ", ".join(f"“{_shown(title)}”" for title in lost[:TITLES_SHOWN])
        yield f"- {kind} {len(lost):,}: {some}{', …' if len(lost) > TITLES_SHOWN else ''}"


def _shown(title: str) -> str:
    """Return a title of the file as a terminal may show it."""
    line = one_line(title).encode("utf-8", "replace").decode()
    return line if len(line) <= TITLE_SHOWN_MAX else f"{line[: TITLE_SHOWN_MAX - 1]}…"
