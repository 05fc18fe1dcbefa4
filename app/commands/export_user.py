"""The command that exports all that is one user's."""

import sys
from collections.abc import Iterable
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
        else:
            write_whole(out, (line.encode() for line in lines))


def write_whole(path: Path, parts: Iterable[bytes]) -> None:
    """Write a file that only its owner may read.

    Raises:
        Failure: it cannot be written; then nothing of it is there.
    """
    try:
        with NamedTemporaryFile(dir=path.parent, prefix=".export-", delete=False) as file:
            part = Path(file.name)
            try:
                file.writelines(parts)
            except BaseException:
                part.unlink()
                raise
        part.replace(path)
    except OSError as error:
        raise Failure(f"{path} cannot be written: {error.strerror}") from error
