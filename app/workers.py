"""Several workers on one port: each is given time to start, and is replaced when it is silent.

uvicorn's supervisor kills a worker that has not answered for five seconds, and a worker does not
answer before it has imported the main program. On a busy machine none would ever start.
"""

import logging
import os
import signal
import sys
import time
from contextlib import suppress
from multiprocessing.connection import Connection
from socket import socket

from uvicorn import Config
from uvicorn.supervisors.multiprocess import Multiprocess, Process

from app.gathering import MainProcess, join
from app.telemetry.metrics import Figures

STARTUP_FAILED = 3
"""uvicorn's exit code of a server that could not start, and would not the next time."""

STOP_SECONDS = 1.0
"""How long a worker that has not started may take to stop: nobody waits for its answers."""

logger = logging.getLogger("uvicorn.error")


class Worker(Process):
    """A process that serves. It ends in order when its parent has ended."""

    def __init__(
        self,
        config: Config,
        sockets: list[socket],
        start_seconds: float,
        pipe: "Connection[Figures | None, Figures] | None",
    ) -> None:
        """`pipe`: the end of this worker's for its numbers; None where nothing is measured."""
        super().__init__(config, sockets)
        self._pipe = pipe
        self.has_started = False
        self.start_seconds = start_seconds
        self._start_until = time.monotonic() + start_seconds
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
            if self._asked_at is None:
                self.parent_conn.send(b"ping")
                self._asked_at = now
        if not self.has_started and now < self._start_until:
            return True
        return self._asked_at is None or now - self._asked_at < timeout

    def start(self) -> None:
        super().start()
        if self._pipe is not None:
            self._pipe.close()

    def target(self, sockets: list[socket] | None = None) -> None:
        """In the worker: serve."""
        if self._pipe is not None:
            join(self._pipe)
        super().target(sockets)

    def always_pong(self) -> None:
        """In the worker: answer until the parent has ended, or closes its end of the pipe."""
        self.parent_conn.close()
        with suppress(OSError, EOFError):
            while True:
                self.pong()
        os.kill(os.getpid(), signal.SIGTERM)

    def end(self) -> tuple[str, str]:
        """Kill it if it runs; return why it had to be replaced, in a word and as a sentence's end.

        The word is one of `gathering.REASONS`.
        """
        is_silent = self.process.is_alive()
        self.kill()
        self.process.join()
        if not is_silent:
            return "ended", f"has ended with exit code {self.exitcode}"
        if not self.has_started:
            return "not started", (
                f"has not started within WORKER_START_SECONDS ({self.start_seconds:g} s), and was "
                "killed"
            )
        return "silent", "did not answer in time, and was killed"


class Workers(Multiprocess):
    """Keeps so many workers at work on the same sockets until a signal stops them."""

    # `_start` makes all of them.
    processes: list[Worker]  # type: ignore[assignment]

    def __init__(
        self,
        config: Config,
        sockets: list[socket],
        start_seconds: float,
        numbers: MainProcess | None = None,
    ) -> None:
        """`numbers`: where those of the workers are kept; None where nothing is measured."""
        super().__init__(config, sockets)
        self._numbers = numbers
        self._start_seconds = start_seconds
        self._is_restart_wanted = False

    def serve(self) -> None:
        """Run until the end; exit with uvicorn's code if a worker cannot start."""
        self.run()
        if any(worker.exitcode == STARTUP_FAILED for worker in self.processes):
            sys.exit(STARTUP_FAILED)

    def init_processes(self) -> None:
        self.processes += [self._start() for _ in range(self.processes_num)]

    def join_all(self) -> None:
        for worker in self.processes:
            if not worker.has_started:
                worker.process.join(STOP_SECONDS)
                worker.process.kill()
            worker.join()

    def handle_hup(self) -> None:
        # Not at once: whoever waits for a new worker handles signals, too.
        self._is_restart_wanted = True

    def handle_ttin(self) -> None:
        logger.info("Received SIGTTIN, increasing the number of processes.")
        self.processes_num += 1
        self.processes.append(self._start())

    def keep_subprocess_alive(self) -> None:
        """Replace each worker that has ended or is silent; restart all where that is wanted."""
        if self._is_restart_wanted:
            self._is_restart_wanted = False
            logger.info("Received SIGHUP, replacing the workers one by one.")
            self.restart_all()
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
            old.terminate()
            while old.process.is_alive():
                old.process.join(0.1)
                self.handle_signals()

    def _is_ready_in_time(self, worker: Worker) -> bool:
        while not self.should_exit.wait(0.1):
            self.handle_signals()
            if not worker.is_alive(self.config.timeout_worker_healthcheck):
                return False
            if worker.has_started:
                return True
        return False

    def _start(self) -> Worker:
        pipe = None if self._numbers is None else self._numbers.add()
        worker = Worker(self.config, self.sockets, self._start_seconds, pipe)
        worker.start()
        return worker
