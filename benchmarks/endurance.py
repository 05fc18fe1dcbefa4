"""Whether the server's memory stays as it is under load, and how soon it answers when started."""

import random
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.figures import table
from benchmarks.load import load
from benchmarks.servers import Cpu, Subject, our_server
from benchmarks.workload import OPERATIONS, asked

EVERY = 5.0
"""Seconds from one look at the memory to the next."""

ROWS = 10


@dataclass(frozen=True)
class Moment:
    """The server's memory at one moment under load."""

    seconds: float
    requests: int
    """How many it has answered by then."""
    memory: float
    """Resident, in MiB."""


def endurance(subject: Subject, *, users: int, seconds: float) -> Iterator[Moment]:
    """Ask for everything at once, for so many seconds, and look at the memory every few.

    Raises:
        WrongAnswer: an answer is wrong.
        ConnectionError: one did not come.
    """
    requests = [
        request
        for operation in OPERATIONS
        for request in asked(operation, users, subject.words).values()
    ]
    # Of one operation after the other, 32 connections would ask the same at a time.
    random.Random(1).shuffle(requests)  # noqa: S311 -- no secret
    began, count = time.monotonic(), 0
    while (now := time.monotonic() - began) < seconds:
        yield Moment(now, count, subject.memory())
        count += load(subject.port, requests, EVERY, smallest=1).requests
    yield Moment(now, count, subject.memory())


def endurance_table(moments: Sequence[Moment]) -> str:
    """Return some of the moments, first and last among them, and the most memory of all."""
    some = moments[:: max(1, len(moments) // ROWS)]
    shown = some if some[-1] is moments[-1] else [*some, moments[-1]]
    rows = {
        f"{moment.seconds / 60:.1f}": [f"{moment.requests:,}", f"{moment.memory:.1f}"]
        for moment in shown
    }
    rows["most"] = ["", f"{max(moment.memory for moment in moments):.1f}"]
    return table("Minutes", ["requests", "memory, MiB"], rows)


def starts(
    database_url: str, times: int, settings: Mapping[str, str]
) -> Iterator[tuple[float, float]]:
    """Yield, for each of so many starts, the seconds to the first answer, and those of CPU.

    Raises:
        NotServing: there was none.
    """
    for _ in range(times):
        began = time.monotonic()
        with our_server("", database_url, settings) as subject:
            yield time.monotonic() - began, subject.cpu().since(Cpu({}))
