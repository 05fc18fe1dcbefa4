"""The command that distributes the tables over several nodes by Citus, and brings them back."""

import asyncio
from typing import Annotated

import psycopg
import typer
from psycopg import AsyncConnection

from app.commands.migrate import logins_of, owner_url
from app.database.cluster.distribution import SHARDS, bring_back, spread
from app.database.cluster.obstacles import Obstacle, distributed_tables, obstacles
from app.database.cluster.plan import plan_of
from app.database.owner import connected
from app.database.protection import objections
from app.database.urls import libpq_url, said_of
from app.failure import Failure
from app.settings import Settings, settings_or_exit


def distribute(
    check: Annotated[
        bool, typer.Option("--check", help="Only say what stands in the way; exit 1 if anything.")
    ] = False,
    plan: Annotated[
        bool,
        typer.Option(
            "--plan", help="Only say what would be done, and about how long all would wait."
        ),
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
    if check + plan + undo > 1:
        raise Failure("Give one of --check, --plan and --undo.")
    settings = settings_or_exit()
    with owner_url(settings) as url:
        if check:
            _check(url, settings)
        elif plan:
            for line in plan_of(url, shards).lines():
                typer.echo(line)
        elif undo:
            _tell(bring_back(url, settings.database_role, logins_of(settings)))
        else:
            done = spread(url, settings.database_role, shards, logins_of(settings))
            _tell(done)
            if done:
                _check(url, settings)


def _tell(done: list[str]) -> None:
    for sentence in done or ["There was nothing to do."]:
        typer.echo(sentence)


def _check(url: str, settings: Settings) -> None:
    """Say what stands in the way, or what a server would refuse of a cluster that is there.

    Raises:
        typer.Exit: there is something.
    """
    with connected(url, "It could not be looked at") as connection:
        found = obstacles(connection, url, settings.database_role)
        is_there = distributed_tables(connection)
    if is_there and settings.database_url is not None:
        found += _refused_by_servers(settings, str(settings.database_url))
    for obstacle in found:
        typer.echo(obstacle)
    if any(obstacle.hinders for obstacle in found):
        raise typer.Exit(1)
    typer.echo("Servers keep users apart there." if is_there else "Nothing stands in the way.")


def _refused_by_servers(settings: Settings, url: str) -> list[Obstacle]:
    async def look() -> list[str]:
        async with await AsyncConnection.connect(libpq_url(url), autocommit=True) as connection:
            return await objections(connection, settings.database_role)

    try:
        return [Obstacle(sentence) for sentence in asyncio.run(look())]
    except psycopg.Error as error:
        sentence = f"What a server would find could not be looked at: {said_of(error, url)}"
        return [Obstacle(sentence)]
