"""Servers under measurement: this one, started as in production, and others that run already."""

import os
import signal
import socket
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import psutil
import typer

from benchmarks.load import Request, answers
from benchmarks.workload import OPERATIONS, SECRET, task_id, token_of, user_id

WORDS = Path(__file__).with_name("words.toml")
PATIENCE = 60.0
"""Seconds that a server is given to answer for the first time."""


class NotServing(Exception):
    """The server ended, or did not answer in time."""


@dataclass(frozen=True)
class Subject:
    """A server under measurement."""

    name: str
    port: int
    process: psutil.Process
    words: Mapping[str, str] = field(default_factory=dict)
    """The documents of those operations that it has other words for."""

    def cpu(self) -> "Cpu":
        return Cpu.of(self.process)

    def memory(self) -> float:
        """Return the resident memory of it and its children, in MiB."""
        processes = [self.process, *self.process.children(recursive=True)]
        return sum(process.memory_info().rss for process in processes) / 2**20


@dataclass(frozen=True)
class Cpu:
    """The CPU seconds that a process and its children have used, each of them."""

    seconds: Mapping[int, float]

    @classmethod
    def of(cls, process: psutil.Process) -> "Cpu":
        seconds = {}
        for each in [process, *process.children(recursive=True)]:
            times = each.cpu_times()
            seconds[each.pid] = times.user + times.system
        return cls(seconds)

    def since(self, earlier: "Cpu") -> float:
        """Return what was used in between, but for children that have ended."""
        return sum(seconds - earlier.seconds.get(pid, 0.0) for pid, seconds in self.seconds.items())


@contextmanager
def our_server(
    name: str, database_url: str, settings: Mapping[str, str], *, workers: int = 1
) -> Iterator[Subject]:
    """Start this server as in production, and yield it once it answers.

    Raises:
        NotServing: it does not.
    """
    port = _free_port()
    environment = {
        **os.environ,
        "DATABASE_URL": database_url,
        "BETTER_AUTH_SECRET": SECRET,
        # Counted as always, but never reached by the few users of a measurement.
        "RATE_LIMIT": str(10**9),
        "SHUTDOWN_DRAIN_SECONDS": "0",
        **settings,
    }
    # As after an installation, modules are compiled.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    process = subprocess.Popen(  # noqa: S603 -- it is this program's own
        [
            *(Path(sys.executable).with_name("todo-api"), "serve"),
            *("--port", str(port), "--workers", str(workers)),
        ],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_for_an_answer(process, port)
        yield Subject(name, port, psutil.Process(process.pid))
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def peer(given: str) -> Subject:
    """Find a server that runs on this machine: NAME=PORT, or NAME=PORT:WORDS.

    Raises:
        typer.BadParameter: it is not there, or nobody knows the words.
    """
    name, _, place = given.rpartition("=")
    port, _, dialect = place.partition(":")
    known = tomllib.loads(WORDS.read_text())
    dialect = dialect or "plain"
    if not name or not port.isdecimal() or dialect not in known:
        raise typer.BadParameter(f"{given!r} is not NAME=PORT or NAME=PORT:WORDS; see {WORDS}")
    for connection in psutil.net_connections("tcp"):
        is_there = connection.laddr and connection.laddr.port == int(port)
        if is_there and connection.status == psutil.CONN_LISTEN and connection.pid:
            return Subject(name, int(port), psutil.Process(connection.pid), known[dialect])
    raise typer.BadParameter(f"{name}: nobody whom this user may look at listens on port {port}")


def _wait_for_an_answer(process: "subprocess.Popen[bytes]", port: int) -> None:
    request = OPERATIONS[1].request(task_id(0, 0, users=1), token_of(user_id(0)), words={})
    deadline = time.monotonic() + PATIENCE
    while not _is_answered(port, request) and process.poll() is None:
        if time.monotonic() > deadline:
            raise NotServing(f"No answer within {PATIENCE:g} seconds.")
        time.sleep(0.01)
    # Also when there was an answer: another may listen on the port.
    if process.poll() is not None:
        raise NotServing(f"It ended, with {process.returncode}: `todo-api doctor` may say why.")


def _is_answered(port: int, request: Request) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
        answers(port, [request])
    except (OSError, httpx2.TransportError):
        return False
    return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
