"""What ends a command with a sentence, not a traceback."""

from pathlib import Path


class Failure(Exception):
    """Something that whoever runs the program can mend; the message is a sentence for them."""


class MigrationFailed(Failure):
    """A migration did not come to its end; says why, and whether anything was changed."""


def make_folder(folder: Path) -> None:
    """Make a folder for data, unless it is there.

    Raises:
        Failure: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Failure(
            f"{folder} cannot be a folder for data: {error.strerror}. Set DATA_DIR to another path."
        ) from error
