"""The command that distributes the tables over several nodes by Citus, and brings them back."""

from typing import Annotated

import typer

from app.commands.migrate import owner_url
from app.database.distribution import SHARDS, bring_back, obstacles, spread
from app.database.owner import connected
from app.failure import Failure
from app.settings import settings_or_exit


def distribute(
    check: Annotated[
        bool, typer.Option("--check", help="Only say what stands in the way; exit 1 if anything.")
    ] = False,
    undo: Annotated[
        bool, typer.Option("--undo", help="Bring all rows back to the coordinator.")
    ] = False,
    shards: Annotated[
        int,
        typer.Option(
            "--shards", min=1, max=1024, help="How many parts a table has, once and for all."
        ),
    ] = SHARDS,
) -> None:
    """Distribute the tables over the nodes of a Citus cluster, each user's rows on one of them."""
    if check and undo:
        raise Failure("Give one of --check and --undo.")
    settings = settings_or_exit()
    with owner_url(settings) as url:
        if check:
            with connected(url, "It could not be looked at") as connection:
                sentences = obstacles(connection, url, settings.database_role)
            for sentence in sentences or ["Nothing stands in the way."]:
                typer.echo(sentence)
            raise typer.Exit(1 if sentences else 0)
        done = bring_back(url) if undo else spread(url, settings.database_role, shards)
    for sentence in done or ["There was nothing to do."]:
        typer.echo(sentence)
