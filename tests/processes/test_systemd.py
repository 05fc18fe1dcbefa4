"""What systemd is told, on a socket that is there in its place."""

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from app.processes.systemd import Systemd
from app.processes.workers import report
from tests.databases import Database
from tests.processes.test_workers import serving

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no systemd")


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bound:
        bound.bind(str(tmp_path / "notify"))
        bound.settimeout(60)
        yield bound


def environment_of(listener: socket.socket, microseconds: int = 100_000) -> dict[str, str]:
    return {"NOTIFY_SOCKET": listener.getsockname(), "WATCHDOG_USEC": str(microseconds)}


def said(listener: socket.socket) -> list[bytes]:
    """Return what has been said and not heard yet."""
    heard = []
    listener.setblocking(False)
    while True:
        try:
            heard.append(listener.recv(100))
        except BlockingIOError:
            return heard


@pytest.mark.parametrize("workers", [1, 2])
def test_systemd_is_told_that_the_server_is_ready_works_and_stops(
    data_folder: Path, database: Database, listener: socket.socket, workers: int
) -> None:
    environment = environment_of(listener)
    with serving(database, data_folder, environment, workers=workers) as server:
        heard: list[bytes] = []
        while heard.count(b"WATCHDOG=1") < 3 or b"READY=1" not in heard:
            heard.append(listener.recv(100))
        assert server.said.count("Application startup complete") == workers
        assert server.get("/ready").status_code == 200
        assert server.stop(signal.SIGTERM) == 0
        heard += said(listener)
    assert heard.count(b"READY=1") == heard.count(b"STOPPING=1") == 1
    assert set(heard[heard.index(b"STOPPING=1") :]) <= {b"STOPPING=1", b"WATCHDOG=1"}
    assert set(heard) == {b"READY=1", b"STOPPING=1", b"WATCHDOG=1"}


def test_workers_that_start_are_not_ready_and_silent_ones_do_not_work(
    listener: socket.socket,
) -> None:
    # Half a microsecond later it may be said again.
    systemd = Systemd(environment_of(listener, microseconds=1))
    starting: Any = SimpleNamespace(has_started=False, is_silent=False)
    serving: Any = SimpleNamespace(has_started=True, is_silent=False)
    silent: Any = SimpleNamespace(has_started=True, is_silent=True)
    report(systemd, [serving, starting])
    assert said(listener) == [b"WATCHDOG=1"]
    report(systemd, [serving, silent])
    assert said(listener) == [b"READY=1"]
    report(systemd, [serving, serving])
    assert said(listener) == [b"WATCHDOG=1"]


def test_a_name_in_the_abstract_namespace_is_understood() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        name = f"todo-api-{os.getpid()}"
        listener.bind(f"\0{name}")
        Systemd({"NOTIFY_SOCKET": f"@{name}"}).ready()
        assert listener.recv(100) == b"READY=1"


def test_nobody_is_told_where_there_is_no_systemd(listener: socket.socket) -> None:
    for systemd in (Systemd({}), Systemd({"NOTIFY_SOCKET": f"{listener.getsockname()}-gone"})):
        systemd.ready()
        systemd.alive()
        systemd.stopping()
    assert said(listener) == []
