"""Several workers on one port: each is given time to start, and is replaced when it is silent.

uvicorn's supervisor kills a worker that has not answered for five seconds, and a worker does not
answer before it has imported the main program. On a busy machine none would ever start. It also
learns of a signal only after half a second, and ends connections of a worker that it replaces.
"""

import gc
import logging
import os
import select
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from socket import socket, socketpair
from types import FrameType

from uvicorn import Config
from uvicorn.supervisors.multiprocess import Multiprocess, Process

from app.gathering import MainProcess, join
from app.server import Server, Shutdown
from app.systemd import Systemd
from app.telemetry.metrics import Figures

STARTUP_FAILED = 3
"""uvicorn's exit code of a server that could not start, and would not the next time."""

STOP_SECONDS = 1.0
"""How long a worker that has not started may take to stop: nobody waits for its answers."""

CLOSE_SECONDS = 5.0
"""How long a worker may take to end after its grace, before it is killed."""

PING, RETIRE, SKIP = b"ping", b"retire", b"skip"
"""What a worker is asked by its parent: to answer, to make room for another, to stop at once."""

logger = logging.getLogger("uvicorn.error")


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


class Worker(Process):
    """A process that serves. It ends in order when its parent has ended."""

    def __init__(
        self,
        config: Config,
        sockets: list[socket],
        lifetime: Lifetime,
        pipe: "Connection[Figures | None, Figures] | None",
    ) -> None:
        """`pipe`: the end of this worker's for its numbers; None where nothing is measured."""
        super().__init__(config, sockets)
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
        """In the worker: serve. The thread that answers the parent shares the server."""
        # Until the application has started: imports make nothing but what stays.
        gc.disable()
        if self._pipe is not None:
            join(self._pipe)
        self._server = WorkerServer(self.config, self._lifetime.shutdown)
        super().target(sockets)

    def always_pong(self) -> None:
        """In the worker: answer until the parent has ended; nobody replaces the worker then."""
        self.parent_conn.close()
        with suppress(OSError, EOFError):
            while True:
                asked = self.child_conn.recv()
                if asked == RETIRE:
                    self.server.retire()
                elif asked == SKIP:
                    self.server.skip()
                else:
                    self.child_conn.send(self.server.started)
        self.server.end_drain()
        os.kill(os.getpid(), signal.SIGTERM)

    @property
    def server(self) -> WorkerServer:
        assert isinstance(self._server, WorkerServer)
        return self._server


class Workers(Multiprocess):
    """Keeps so many workers at work on the same sockets until a signal stops them."""

    # `_start` makes all of them.
    processes: list[Worker]  # type: ignore[assignment]

    def __init__(
        self,
        config: Config,
        sockets: list[socket],
        lifetime: Lifetime,
        systemd: Systemd,
        numbers: MainProcess | None = None,
    ) -> None:
        """`numbers`: where those of the workers are kept; None where nothing is measured."""
        super().__init__(config, sockets)
        self._lifetime = lifetime
        self._systemd = systemd
        self._numbers = numbers
        self._is_restart_wanted = False
        self._retired: list[Worker] = []
        """Those that were replaced, or are too many, and end."""
        # A signal ends `_pause`.
        self._awoken, self._awaken = socketpair()
        self._awaken.setblocking(False)
        signal.set_wakeup_fd(self._awaken.fileno())

    def serve(self) -> None:
        """Run until the end; exit with uvicorn's code if a worker cannot start."""
        self.run()
        if any(worker.exitcode == STARTUP_FAILED for worker in self.processes):
            sys.exit(STARTUP_FAILED)

    def run(self) -> None:
        logger.info("Started parent process [%d]", os.getpid())
        self.init_processes()
        while not self.should_exit.is_set():
            self._pause(0.5)
            self.keep_subprocess_alive()
            self._report()
        self._systemd.stopping()
        # As long as it were open here, the kernel would take connections that nobody accepts.
        for listener in self.sockets:
            listener.close()
        self.terminate_all()
        self.join_all()
        logger.info("Stopping parent process [%d]", os.getpid())

    def init_processes(self) -> None:
        self.processes += [self._start() for _ in range(self.processes_num)]

    def join_all(self) -> None:
        """Wait until all have ended; kill those that take too long."""
        began = time.monotonic()
        while running := [each for each in self._all() if each.process.is_alive()]:
            self._pause(0.1)
            self._systemd.alive()
            for worker in running:
                # One that has started meanwhile may have connections: it is not cut.
                worker.is_alive()
                worker.kill_if_late(began)

    def handle_int(self) -> None:
        self._stop_or_skip("SIGINT")

    def handle_term(self) -> None:
        self._stop_or_skip("SIGTERM")

    def handle_hup(self) -> None:
        # Not at once: whoever waits for a new worker handles signals, too.
        self._is_restart_wanted = True

    def handle_ttin(self) -> None:
        logger.info("Received SIGTTIN, increasing the number of processes.")
        self.processes_num += 1
        self.processes.append(self._start())

    def handle_ttou(self) -> None:
        if self.processes_num > 1:
            logger.info("Received SIGTTOU, decreasing the number of processes.")
            self.processes_num -= 1
            self._retire(self.processes.pop())

    def keep_subprocess_alive(self) -> None:
        """Replace each worker that has ended or is silent; restart all where that is wanted."""
        if self._is_restart_wanted:
            self._is_restart_wanted = False
            logger.info("Received SIGHUP, replacing the workers one by one.")
            self.restart_all()
        self._retired = [worker for worker in self._retired if worker.process.is_alive()]
        for index, worker in enumerate(self.processes):
            if self.should_exit.is_set():
                return
            if worker.is_alive(self.config.timeout_worker_healthcheck):
                continue
            word, reason = worker.end()
            if worker.exitcode == STARTUP_FAILED:
                logger.error("Worker [%s] cannot start: the server stops.", worker.pid)
                self.should_exit.set()
                return
            logger.warning("Worker [%s] %s. Another one is started.", worker.pid, reason)
            if self._numbers is not None:
                self._numbers.count_restart(word)
            self.processes[index] = self._start()

    def restart_all(self) -> None:
        """Replace each worker: the new one serves before the old one is asked to end."""
        for index, old in enumerate(self.processes):
            new = self._start()
            if not self._is_ready_in_time(new):
                _, reason = new.end()
                if not self.should_exit.is_set():
                    logger.error(
                        "The new worker [%s] %s. Worker [%s] and those after it stay.",
                        new.pid,
                        reason,
                        old.pid,
                    )
                return
            self.processes[index] = new
            self._retire(old)
            while old.process.is_alive() and not self.should_exit.is_set():
                self._pause(0.1)
                self._report()

    def _is_ready_in_time(self, worker: Worker) -> bool:
        while not self.should_exit.is_set():
            self._pause(0.1)
            self._report()
            if not worker.is_alive(self.config.timeout_worker_healthcheck):
                return False
            if worker.has_started:
                return True
        return False

    def _start(self) -> Worker:
        pipe = None if self._numbers is None else self._numbers.add()
        worker = Worker(self.config, self.sockets, self._lifetime, pipe)
        worker.start()
        return worker

    def _retire(self, worker: Worker) -> None:
        self._retired.append(worker)
        worker.ask(RETIRE)

    def _all(self) -> list[Worker]:
        return [*self.processes, *self._retired]

    def terminate_all(self) -> None:
        for worker in self._all():
            worker.terminate()

    def _stop_or_skip(self, name: str) -> None:
        if not self.should_exit.is_set():
            logger.info("Received %s, stopping.", name)
            self.should_exit.set()
            return
        logger.info("Received %s again, stopping at once.", name)
        for worker in self._all():
            worker.ask(SKIP)

    def _pause(self, seconds: float) -> None:
        """Wait for so long, or until a signal comes; then do what the signals ask for."""
        if select.select([self._awoken], [], [], seconds)[0]:
            self._awoken.recv(1024)
        self.handle_signals()

    def _report(self) -> None:
        report(self._systemd, self.processes)


def report(systemd: Systemd, workers: Sequence[Worker]) -> None:
    """Tell systemd when all workers are ready; and that the service works, while all answer."""
    if all(worker.has_started for worker in workers):
        systemd.ready()
    if not any(worker.is_silent for worker in workers):
        systemd.alive()
