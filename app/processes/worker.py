"""A worker: a process that serves, and what its parent asks it and knows of it.

uvicorn's supervisor kills a worker that has not answered for five seconds, and a worker does not
answer before it has imported the main program. On a busy machine none would ever start.
"""

import gc
import os
import signal
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pkgutil import resolve_name
from socket import socket
from types import FrameType
from typing import Any, TypeAlias

from uvicorn import Config
from uvicorn.supervisors.multiprocess import Process

from app.processes.forking import Forked, ForkServer
from app.processes.server import Server, Shutdown
from app.telemetry.gathering import Member
from app.telemetry.metrics import Figures

STOP_SECONDS = 1.0
"""How long a worker that has not started may take to stop: nobody waits for its answers."""

CLOSE_SECONDS = 5.0
"""How long a worker may take to end after its grace, before it is killed."""

Pipe: TypeAlias = "Connection[Figures | None, Figures] | None"
"""A worker's end of the pipe by which its numbers are gathered; None where nothing is measured."""

PING, RETIRE, SKIP = b"ping", b"retire", b"skip"
"""What a worker is asked by its parent: to answer, to make room for another, to stop at once."""


@dataclass(frozen=True, slots=True)
class Lifetime:
    """How workers start and stop."""

    start_seconds: float
    """How long one may take to start."""
    shutdown: Shutdown


class WorkerServer(Server):
    """The server of a worker. Its parent alone has it skip what is left of its end.

    Signals come more than once: Ctrl-C, and systemd by default, reach all processes themselves.
    """

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if not self.should_exit:
            super().handle_exit(sig, frame)

    def answer(self, parent: "Connection[bool, bytes]") -> None:
        """Answer the parent until it has ended; nobody replaces the worker then."""
        with suppress(OSError, EOFError):
            while True:
                asked = parent.recv()
                if asked == RETIRE:
                    self.retire()
                elif asked == SKIP:
                    self.skip()
                else:
                    parent.send(self.started)
        self.end_drain()
        os.kill(os.getpid(), signal.SIGTERM)


class Worker(Process):
    """A process that serves. It ends in order when its parent has ended."""

    process: Forked | SpawnProcess  # type: ignore[assignment]

    def __init__(
        self,
        config: Config,
        sockets: list[socket],
        lifetime: Lifetime,
        pipe: Pipe,
        forks: ForkServer | None,
    ) -> None:
        """`config`: of an application that a factory makes, which is named.

        `pipe`: the end of this worker's for its numbers; None where nothing is measured.
        `forks`: what forks it; None: it is spawned, and imports everything itself.
        """
        super().__init__(config, sockets)
        if forks is not None:
            self.process = Forked(forks, [end for end in (self.child_conn, pipe) if end])
        self._pipe = pipe
        self.has_started = False
        self.is_silent = False
        """Whether it has not answered the last question."""
        self._lifetime = lifetime
        self._start_until = time.monotonic() + lifetime.start_seconds
        self._asked_at: float | None = None
        """When it was asked; None once it has answered."""

    def is_alive(self, timeout: float = 5) -> bool:
        """Tell whether it is starting in time, or has answered within so many seconds.

        It is asked, and an answer that has come is read: this never waits.
        """
        if not self.process.is_alive():
            return False
        now = time.monotonic()
        # Of one that is ending, the end is seen next time.
        with suppress(OSError, EOFError):
            while self.parent_conn.poll():
                self.has_started = bool(self.parent_conn.recv())
                self._asked_at = None
            self.is_silent = self.has_started and self._asked_at is not None
            if self._asked_at is None:
                self.parent_conn.send(PING)
                self._asked_at = now
        if not self.has_started and now < self._start_until:
            return True
        return self._asked_at is None or now - self._asked_at < timeout

    def start(self) -> None:
        super().start()
        if self._pipe is not None:
            self._pipe.close()

    def ask(self, what: bytes) -> None:
        """Ask the worker for something, unless it has ended."""
        with suppress(OSError):
            self.parent_conn.send(what)

    def terminate(self) -> None:
        """Have it stop: it drains first. It can still be asked to skip that."""
        with suppress(ProcessLookupError):
            if self.process.is_alive() and self.pid is not None:
                os.kill(self.pid, signal.SIGTERM)

    def end(self) -> tuple[str, str]:
        """Kill it if it runs; return why it had to be replaced, in a word and as a sentence's end.

        The word is one of `gathering.REASONS`.
        """
        was_running = self.process.is_alive()
        self.kill()
        self.process.join()
        if not was_running:
            return "ended", f"has ended with exit code {self.exitcode}"
        if not self.has_started:
            return "not started", (
                "has not started within WORKER_START_SECONDS "
                f"({self._lifetime.start_seconds:g} s), and was killed"
            )
        return "silent", "did not answer in time, and was killed"

    def kill_if_late(self, began: float) -> None:
        """Kill it if it has had its time to stop since `began`."""
        stop = self._lifetime.shutdown
        seconds = stop.drain + stop.grace + CLOSE_SECONDS if self.has_started else STOP_SECONDS
        if time.monotonic() - began > seconds:
            self.process.kill()

    def target(self, sockets: list[socket] | None = None) -> None:
        """In a worker that was spawned: serve. The thread that answers shares the server."""
        self.parent_conn.close()
        self._server = _server(self.config, self._lifetime.shutdown, self._pipe)
        super().target(sockets)

    def always_pong(self) -> None:
        assert isinstance(self._server, WorkerServer)
        self._server.answer(self.child_conn)


def serve_forked(
    config: Config,
    shutdown: Shutdown,
    sockets: list[socket],
    parent: "Connection[bool, bytes]",
    pipe: Pipe = None,
) -> None:
    """In a worker that was forked: serve, and answer the parent."""
    config.configure_logging()
    server = _server(config, shutdown, pipe)
    threading.Thread(target=server.answer, args=[parent], daemon=True).start()
    server.run(sockets)


def _server(config: Config, shutdown: Shutdown, pipe: Pipe) -> WorkerServer:
    # Until the application has started: imports make nothing but what stays.
    gc.disable()
    if pipe is not None:
        assert isinstance(config.app, str)
        config.app = partial(_make, config.app, Member(pipe))
    return WorkerServer(config, shutdown)


def _make(factory: str, member: Member) -> Any:  # noqa: ANN401 -- any ASGI application
    """Make the application of a worker that leaves its numbers there."""
    return resolve_name(factory)(gathering=member)
