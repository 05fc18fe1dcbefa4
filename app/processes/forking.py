"""A fork server: a process that has imported the application once, and forks the workers.

What it has imported is in memory once for all of them, but for the pages that a worker writes. It
opens nothing, has one thread, and makes no part of an application: each worker makes its own, so
that nothing is in two of them that must be in one alone.
"""

import gc
import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib import import_module
from multiprocessing import Pipe, get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkProcess
from socket import recv_fds, send_fds, socket, socketpair
from typing import Any, TypeAlias

CAN_FORK = sys.platform == "linux"
"""Windows cannot, and libraries of macOS do not bear it."""

ENDS_MAX = 8
"""How many descriptors are sent for one process at most."""

UNKNOWN = 255
"""The exit code of a process whose end its fork server did not see, as multiprocessing has it."""

End: TypeAlias = "Connection[Any, Any]"
"""An end of a pipe."""

Run = Callable[..., None]
"""What a forked process does, given the sockets and its ends of pipes."""


class ForkServer:
    """The fork server, for its parent. It forks the code as it was when this was made."""

    def __init__(self, modules: Sequence[str], run: Run, sockets: Sequence[socket]) -> None:
        """`modules`: what it imports. `run` and the sockets are pickled."""
        self._asking, asked = socketpair()
        arguments = (asked, modules, run, sockets)
        self.process = get_context("spawn").Process(target=_serve, args=arguments)
        self.process.start()
        asked.close()

    def fork(self, ends: Sequence[End]) -> None:
        """Ask for a process that has these. If it has ended, they are closed there."""
        with suppress(OSError):
            send_fds(self._asking, [b"."], [end.fileno() for end in ends])

    def close(self) -> None:
        """Fork no more, and leave the sockets: it ends after the last process that it forked."""
        self._asking.close()


class Forked:
    """A process of a fork server, with what its parent asks of one of multiprocessing's."""

    def __init__(self, server: ForkServer, ends: Sequence[End]) -> None:
        self._server = server
        self._ends = ends
        self._is_forked = False
        self.pid = server.process.pid
        """The fork server's, until that has forked."""
        self.exitcode: int | None = None

    def start(self) -> None:
        self._status, theirs = Pipe(duplex=False)
        self._server.fork([theirs, *self._ends])
        theirs.close()

    def is_alive(self) -> bool:
        """Tell whether it runs, or is still to be forked."""
        try:
            while self.exitcode is None and self._status.poll():
                number = self._status.recv()
                if self._is_forked:
                    self.exitcode = number
                else:
                    self.pid, self._is_forked = number, True
        except (EOFError, OSError):
            # The fork server has ended. What it had forked before has lived on, until now.
            self._server.process.join(1)
            code = None if self._is_forked else self._server.process.exitcode
            self.exitcode = UNKNOWN if code is None else code
        return self.exitcode is None

    def kill(self) -> None:
        """Kill it; if it is still to be forked, kill the fork server, which is late."""
        if self.is_alive() and self.pid is not None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            self.exitcode = -signal.SIGKILL

    def join(self) -> None:
        while self.is_alive():
            wait([self._status])


def _serve(asked: socket, modules: Sequence[str], run: Run, sockets: Sequence[socket]) -> None:
    """In the fork server: fork whenever asked, and tell who has ended."""
    # A terminal interrupts all its processes, and systemd ends all: the parent will tell workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # What the garbage collector visits it writes to, and pages that are written to are not shared.
    gc.disable()
    for module in modules:
        import_module(module)
    gc.freeze()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    forked: dict[Any, tuple[ForkProcess, End]] = {}
    is_asked = True
    while is_asked or forked:
        for ready in wait([*forked, asked] if is_asked else [*forked]):
            if ready is not asked:
                process, status = forked.pop(ready)
                process.join()
                _tell(status, process.exitcode)
                status.close()
            elif handles := recv_fds(asked, 1, ENDS_MAX)[1]:
                ends: list[End] = [Connection(handle) for handle in handles]
                status = ends.pop(0)
                inherited = [asked, *(status for _, status in forked.values())]
                process = ForkProcess(target=_work, args=(run, sockets, ends, status, inherited))
                process.start()
                forked[process.sentinel] = process, status
                _tell(status, process.pid)
                for end in ends:
                    end.close()
            else:
                is_asked = False
                # As long as one were open, the kernel would take connections that nobody accepts.
                for each in (asked, *sockets):
                    each.close()


def _tell(status: End, number: int | None) -> None:
    # The parent may have ended, or no longer want to know.
    with suppress(OSError):
        status.send(number)


def _work(
    run: Run,
    sockets: Sequence[socket],
    ends: Sequence[End],
    _status: End,
    inherited: "Sequence[socket | End]",
) -> None:
    """In the forked process. As long as it has `_status`, its parent knows that it runs."""
    for each in inherited:
        each.close()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    # The parent says that it was interrupted.
    with suppress(KeyboardInterrupt):
        run(sockets, *ends)
