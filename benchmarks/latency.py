"""Latencies at fixed rates: requests come when they are due, whether others are answered or not.

Who asks again only once they are answered ask less often whenever the server is slow, and so tell
little of how long others would have waited then. Here the time counts from when a request was due.
"""

import select
import socket
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import cycle

from benchmarks.figures import table
from benchmarks.load import LENGTH, OK, Request, WrongAnswer
from benchmarks.measuring import measure
from benchmarks.servers import Subject
from benchmarks.workload import Operation, asked

PARTS = (0.25, 0.5, 0.75)
"""The rates, as parts of what a server can do."""

CONNECTIONS_MAX = 256
"""Connections that are opened; a request that finds none free waits, and its time counts on."""

READ_SIZE = 256 * 1024
SHOWN = (0.5, 0.99, 0.999)


@dataclass(frozen=True)
class Latency:
    """How long the requests took that came at one rate."""

    subject: str
    part: float
    """Of what the server can do."""
    rate: float
    """Requests a second."""
    p50: float
    """Milliseconds, as the others."""
    p99: float
    p999: float


def latencies(
    subjects: Sequence[Subject], operation: Operation, *, users: int, rounds: int, seconds: float
) -> Iterator[Latency]:
    """Ask each server at each rate, for so many seconds in each of the rounds.

    Raises:
        WrongAnswer: an answer is wrong.
        ConnectionError: one did not come.
    """
    rates = {
        each.name: measure(each, operation, users=users, seconds=seconds).rate for each in subjects
    }
    for part in PARTS:
        took: dict[str, list[float]] = {subject.name: [] for subject in subjects}
        for _ in range(rounds):
            for subject in subjects:
                requests = list(asked(operation, users, subject.words).values())
                rate = rates[subject.name] * part
                took[subject.name] += paced(subject.port, requests, rate, seconds)
        for name, found in took.items():
            found.sort()
            shown = [found[int(len(found) * share)] * 1e3 for share in SHOWN]
            yield Latency(name, part, rates[name] * part, *shown)


def paced(port: int, requests: Sequence[Request], rate: float, seconds: float) -> list[float]:
    """Ask so many times a second; return how many seconds each took from when it was due.

    Raises:
        WrongAnswer: an answer was not 200, or had errors.
        ConnectionError: the server hung up, or answers in chunks.
    """
    upcoming = cycle([request.on_the_wire() for request in requests])
    took: list[float] = []
    with ExitStack() as stack:
        # By `select`, whose time is in microseconds where that of an event loop is in milliseconds.
        idle = deque(
            stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            for _ in range(CONNECTIONS_MAX)
        )
        for connection in idle:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        busy: dict[socket.socket, tuple[float, bytearray]] = {}
        began = time.perf_counter()
        sent, count = 0, max(1, round(rate * seconds))
        while len(took) < count:
            due = began + sent / rate
            if sent < count and idle and due <= time.perf_counter():
                connection = idle.pop()
                connection.sendall(next(upcoming))
                busy[connection] = due, bytearray()
                sent += 1
                continue
            is_waiting = sent < count and idle
            pause = max(due - time.perf_counter(), 0) if is_waiting else None
            for connection in select.select(busy, (), (), pause)[0]:
                due, received = busy[connection]
                received += connection.recv(READ_SIZE) or _hung_up()
                if _is_whole(received):
                    took.append(time.perf_counter() - due)
                    del busy[connection]
                    idle.append(connection)
    return took


def _hung_up() -> bytes:
    raise ConnectionResetError("The server hung up.")


def _is_whole(received: bytearray) -> bool:
    """Return whether an answer has come whole.

    Raises:
        WrongAnswer: it is not 200, or has errors.
        ConnectionError: it comes in chunks.
    """
    head, end, body = received.partition(b"\r\n\r\n")
    if not end:
        return False
    length = LENGTH.search(head)
    if length is None:
        raise ConnectionError("The server answers in chunks, which this does not read.")
    if len(body) < int(length[1]):
        return False
    if not head.startswith(OK) or b'"errors"' in body:
        raise WrongAnswer(body[:300].decode(errors="replace"))
    return True


def latency_table(measured: Sequence[Latency]) -> str:
    """Return a row for each server and rate."""
    rows = {
        f"{each.subject}, {each.part:g} of what it can": [
            f"{each.rate:,.0f}",
            *(f"{value:.1f}" for value in (each.p50, each.p99, each.p999)),
        ]
        for each in measured
    }
    return table("At a fixed rate, ms", ["requests/s", "p50", "p99", "p99.9"], rows)
