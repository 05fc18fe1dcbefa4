"""Programs that are run once, such as npm."""

import asyncio
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LOG = "program.log"
TIME_LIMIT = 120
"""Seconds that a program may take."""


async def run_program(command: list[str], folder: Path) -> bool:
    """Run a program in a folder to its end, and return whether it succeeded.

    What it says is in the folder's `LOG`. Whoever is cancelled meanwhile leaves nothing running.

    Raises:
        TimeoutExpired: it took longer than `TIME_LIMIT`, and was ended.
        OSError: it could not be started.
    """
    with _running(command, folder) as process:
        # A thread waits, since not every event loop on Windows can.
        return await asyncio.to_thread(process.wait, TIME_LIMIT) == 0


@contextmanager
def _running(command: list[str], folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    with (folder / LOG).open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 -- the callers' words are constants and paths
            command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
