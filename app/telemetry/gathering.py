"""The numbers of several workers, at their main process: it keeps them, and tells each of all.

Each worker has a pipe to it, and each pipe a thread there, so that a worker that stops in the
middle of a message holds up nobody. Nothing is written to files, and what a worker had counted
stays counted when it ends.
"""

import asyncio
import itertools
import threading
from collections.abc import Iterator
from contextlib import suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Protocol

from app.telemetry.merged import add_ended, merged
from app.telemetry.metrics import METRICS, Figures

REASONS = ("ended", "not started", "silent")
"""Why workers are replaced."""

ALONE = "1"
"""The name of a worker that is the only one."""


class Gathering(Protocol):
    """Where a worker leaves its numbers, and finds those of all."""

    async def publish(self, figures: Figures) -> None:
        """Leave the numbers of this worker."""
        ...

    async def figures(self) -> Figures:
        """Return those of all workers, as they were left last."""
        ...


class Alone:
    """The numbers of a worker that is the only one."""

    def __init__(self) -> None:
        self._figures: Figures = {name: {} for name in METRICS}

    async def publish(self, figures: Figures) -> None:
        self._figures = figures

    async def figures(self) -> Figures:
        return self.now()

    def now(self) -> Figures:
        return merged([(ALONE, self._figures)])


class Member:
    """The numbers of a worker among several: its end of the pipe to the main process."""

    def __init__(self, pipe: "Connection[Figures | None, Figures]") -> None:
        self._pipe = pipe
        self._turn = asyncio.Lock()

    async def publish(self, figures: Figures) -> None:
        async with self._turn:
            # Where the main process has ended, this one is about to.
            with suppress(OSError):
                await asyncio.to_thread(self._pipe.send, figures)

    async def figures(self) -> Figures:
        async with self._turn:
            return await asyncio.to_thread(self._ask)

    def _ask(self) -> Figures:
        self._pipe.send(None)
        return self._pipe.recv()


class MainProcess:
    """Keeps the numbers of all workers."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ended: Figures = {}
        self._figures: dict[int, Figures] = {}
        """Those of each worker that lives, by its number, empty before it has left some."""

    def figures(self) -> Figures:
        with self._lock:
            workers = [(str(number), figures) for number, figures in self._figures.items()]
            return merged(workers, self._ended)

    def count_restart(self, reason: str) -> None:
        """Count a worker that is replaced for one of the `REASONS`."""
        with self._lock:
            restarts = self._ended.setdefault("todo_api_worker_restarts_total", {})
            restarts[(reason,)] = [restarts.get((reason,), [0])[0] + 1]

    def add(self) -> "Connection[Figures | None, Figures]":
        """Return a new worker's end of a pipe, which is to be closed here once the worker has it.

        The worker is named by the smallest number that is free.
        """
        ours, theirs = Pipe()
        with self._lock:
            number = next(n for n in itertools.count(1) if n not in self._figures)
            self._figures[number] = {}
        threading.Thread(
            target=self._receive, args=(ours, number), name=f"metrics {number}", daemon=True
        ).start()
        return theirs

    def _receive(self, pipe: "Connection[Figures, Figures | None]", number: int) -> None:
        with suppress(OSError, EOFError):
            while True:
                message = pipe.recv()
                if message is None:
                    pipe.send(self.figures())
                    continue
                with self._lock:
                    self._figures[number] = message
        pipe.close()
        with self._lock:
            add_ended(self._ended, str(number), self._figures.pop(number))


def no_restarts() -> Iterator[tuple[str, tuple[str, ...], float]]:
    """Yield that no worker was replaced, as far as a worker knows."""
    for reason in REASONS:
        yield "todo_api_worker_restarts_total", (reason,), 0
