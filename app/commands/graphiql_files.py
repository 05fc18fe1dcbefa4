"""The command that fetches GraphiQL's files."""

import asyncio

import typer

from app.graphiql.files import fetch


def graphiql_files() -> None:
    """Fetch GraphiQL's files by npm now, so that the page works without internet later."""
    typer.echo(f"GraphiQL's files are in {asyncio.run(fetch())}.")
