"""Several workers on one port, kept by their parent: who is silent or has ended is replaced.

uvicorn's supervisor learns of a signal only after half a second, and ends connections of a worker
that it replaces.
"""

import logging
import os
import select
import signal
import sys
import time
from collections.abc import Sequence
from functools import partial
from socket import socket, socketpair

from uvicorn import Config
from uvicorn.supervisors.multiprocess import Multiprocess

from app.processes.forking import CAN_FORK, ForkServer
from app.processes.systemd import Systemd
from app.processes.worker import RETIRE, SKIP, Lifetime, Worker, serve_forked
from app.telemetry.gathering import MainProcess

STARTUP_FAILED = 3
"""uvicorn's exit code of a server that could not start, and would not the next time."""

logger = logging.getLogger("uvicorn.error")


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
        self._forks = self._fork_server()
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
        if self._forks is not None:
            self._forks.close()
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
        before, self._forks = self._forks, self._fork_server()
        if not self._is_each_replaced():
            # Whoever ends from now on is replaced by what has worked.
            before, self._forks = self._forks, before
        if before is not None:
            before.close()

    def _is_each_replaced(self) -> bool:
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
                return False
            self.processes[index] = new
            self._retire(old)
            while old.process.is_alive() and not self.should_exit.is_set():
                self._pause(0.1)
                self._report()
        return True

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
        if self._forks is not None and not self._forks.process.is_alive():
            self._forks = self._fork_server()
        pipe = None if self._numbers is None else self._numbers.add()
        worker = Worker(self.config, self.sockets, self._lifetime, pipe, self._forks)
        worker.start()
        return worker

    def _fork_server(self) -> ForkServer | None:
        if not CAN_FORK:
            return None
        named = (self.config.app, self.config.http, self.config.ws)
        modules = [name.partition(":")[0] for name in named if isinstance(name, str)]
        run = partial(serve_forked, self.config, self._lifetime.shutdown)
        return ForkServer(modules, run, self.sockets)

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
