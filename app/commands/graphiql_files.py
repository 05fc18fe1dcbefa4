"""The command that fetches GraphiQL's files."""

import asyncio
from pathlib import Path

import typer

from app.graphiql.files import fetch
from app.graphiql.packing import pack_by_brotli


def graphiql_files() -> None:
    """Fetch GraphiQL's files by npm now, so that the page works without internet later."""
    typer.echo(f"GraphiQL's files are in {asyncio.run(_fetch_and_pack())}.")


async def _fetch_and_pack() -> Path:
    folder = await fetch()
    await pack_by_brotli(folder)
    return folder
