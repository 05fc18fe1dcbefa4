"""The command that deletes one user, with all that is theirs."""

from datetime import timedelta
from typing import Annotated

import typer

from app.commands.migrate import owner_url
from app.database.people import delete
from app.settings import settings_or_exit


def delete_user(
    user: Annotated[str, typer.Argument(metavar="ID", help="The user's id.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete a user and all that is theirs, for good; exit 1 if there is no such user."""
    if not yes:
        typer.confirm(f"Delete the user {user}, and all that is theirs, for good?", abort=True)
    settings = settings_or_exit()
    tokens_live = timedelta(minutes=settings.jwt_expiration_minutes)
    with owner_url(settings) as url:
        deleted = delete(url, user, tokens_live)
    typer.echo(
        f"Deleted: the user {user}, with {deleted.tasks} tasks. Until "
        f"{deleted.remembered_until:%Y-%m-%d} their tokens from before are refused. Backups keep "
        "all of it until they expire, and the auth server keeps its own account."
    )
