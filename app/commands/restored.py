"""The command to be run once after a database was restored from a backup."""

from typing import Annotated

import typer

from app.commands.migrate import owner_url
from app.database.installation import MARGIN, begin_after_restore
from app.settings import settings_or_exit


def restored(
    margin: Annotated[
        int, typer.Option(min=0, help="How many ids to leave out, for those that were lost.")
    ] = MARGIN,
    ids_from: Annotated[
        int | None,
        typer.Option(min=1, help="Instead: the greatest id known to have been given out."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """After a restore, before a server starts: no client goes on from before, no id comes twice."""
    if not yes:
        typer.confirm(
            "Every client will read all its tasks anew. Was this database restored?", abort=True
        )
    with owner_url(settings_or_exit()) as url:
        next_id = begin_after_restore(url, margin, ids_from)
    typer.echo(
        "Clients that follow changes will read all their tasks anew. Idempotency keys older than a "
        "day are deleted. "
        + (
            "New tasks' ids are greater than all that were given out."
            if next_id is None
            else f"The next task's id is {next_id} or greater."
        )
    )
