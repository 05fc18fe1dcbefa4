"""The command that exports all that is one user's."""

import sys
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Annotated

import typer

from app.commands.migrate import owner_url
from app.database.people import exported
from app.failure import Failure
from app.settings import settings_or_exit


def export_user(
    user: Annotated[str, typer.Argument(metavar="ID", help="The user's id.")],
    out: Annotated[
        Path | None, typer.Option(help="Write to this file, which only you may read.")
    ] = None,
) -> None:
    """Print all that is a user's, as lines of JSON; exit 1 if there is no such user."""
    with owner_url(settings_or_exit()) as url:
        lines = exported(url, user)
        if out is None:
            sys.stdout.writelines(lines)
            return
        try:
            # Not there before it is whole.
            with NamedTemporaryFile(
                "w", encoding="utf-8", dir=out.parent, prefix=".export-", delete=False
            ) as file:
                part = Path(file.name)
                try:
                    file.writelines(lines)
                except BaseException:
                    part.unlink()
                    raise
            part.replace(out)
        except OSError as error:
            raise Failure(f"{out} cannot be written: {error.strerror}") from error
