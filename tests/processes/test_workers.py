"""Several workers: slow to start, silent, replaced, and without their parent or fork server."""

import os
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import MappingProxyType

import httpx2
import psutil
import pytest

from tests.api import SECRET
from tests.databases import Database
from tests.http.test_serving import Process, started
from tests.repository import ROOT

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")

SLOW = """
import signal, sys, time
if "--multiprocessing-fork" in sys.argv:
    # As one that is importing: it would look at the signal afterwards.
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep({seconds})
    signal.signal(signal.SIGTERM, before)
"""
"""What slows a spawned process down before it has imported anything."""

SPAWNED = """
from app.processes import forking
forking.CAN_FORK = False
"""
"""What has each worker spawned, as on macOS."""

FORKS = sys.platform == "linux"
each_way = pytest.mark.parametrize("spawned", [False, True] if FORKS else [True])
only_forked = pytest.mark.skipif(not FORKS, reason="Workers are forked on Linux alone")


def spawned_by(pid: int) -> set[int]:
    """Return those children of a process that import what they run, or have such a parent."""
    found = set()
    # One may be ending.
    with suppress(psutil.NoSuchProcess):
        for child in psutil.Process(pid).children():
            with suppress(psutil.NoSuchProcess):
                if "--multiprocessing-fork" in child.cmdline():
                    found.add(child.pid)
    return found


def workers_of(server: Process, *, spawned: bool = not FORKS) -> set[int]:
    """Return the processes that serve, be they ready or not."""
    children = spawned_by(server.process.pid)
    return children if spawned else {pid for child in children for pid in spawned_by(child)}


def fork_server_of(server: Process) -> int:
    (pid,) = spawned_by(server.process.pid)
    return pid


@contextmanager
def serving(
    database: Database,
    folder: Path,
    settings: Mapping[str, str] = MappingProxyType({}),
    *,
    slow: float = 0,
    workers: int = 2,
    spawned: bool = False,
) -> Iterator[Process]:
    """Start workers; what imports the application needs so many seconds more to start."""
    # What nohup starts ignores hangups, and so does what that starts.
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    text = SLOW.format(seconds=slow) + (SPAWNED if spawned else "")
    (folder / "sitecustomize.py").write_text(text)
    environment = {
        "BETTER_AUTH_SECRET": SECRET,
        "DATABASE_URL": database.server_url,
        "PYTHONPATH": f"{folder}:{ROOT}",
        **settings,
    }
    command = ["todo-api", "serve", "--port", "{port}", "--workers", str(workers)]
    with started(command, environment, folder) as server:
        yield server


def wait_for(server: Process, words: str, times: int = 1) -> None:
    deadline = time.monotonic() + 60
    while server.said.count(words) < times:
        assert time.monotonic() < deadline, server.said
        time.sleep(0.05)


@each_way
def test_workers_that_are_slow_to_start_are_waited_for(
    data_folder: Path, database: Database, *, spawned: bool
) -> None:
    with serving(database, data_folder, slow=7, spawned=spawned) as server:
        while not spawned_by(server.process.pid):
            time.sleep(0.05)
        first = spawned_by(server.process.pid)
        wait_for(server, "Application startup complete", times=2)
        server.wait_until_ready()
        assert first <= spawned_by(server.process.pid)
        assert len(workers_of(server, spawned=spawned)) == 2
        assert "killed" not in server.said


def test_a_worker_that_does_not_start_in_time_is_replaced_with_a_warning(
    data_folder: Path, database: Database
) -> None:
    with serving(database, data_folder, {"WORKER_START_SECONDS": "0.5"}, slow=600) as server:
        wait_for(server, "has not started within WORKER_START_SECONDS (0.5 s), and was killed")
        assert '"level":"warning"' in server.said.replace(" ", "").lower()


@each_way
def test_a_server_that_is_starting_stops_at_once(
    data_folder: Path, database: Database, *, spawned: bool
) -> None:
    with serving(database, data_folder, slow=600, workers=3, spawned=spawned) as server:
        while len(spawned_by(server.process.pid)) < (3 if spawned else 1):
            time.sleep(0.05)
        family = psutil.Process(server.process.pid).children()
        assert server.stop(signal.SIGTERM) == 0
        _, alive = psutil.wait_procs(family, timeout=10)
        assert alive == []


def test_a_worker_that_is_silent_is_killed_with_a_warning(
    data_folder: Path, database: Database
) -> None:
    # One that is stopped before its first answer counts as one that has not started.
    with serving(database, data_folder, {"WORKER_START_SECONDS": "10"}) as server:
        wait_for(server, "Application startup complete", times=2)
        silent = max(workers_of(server))
        os.kill(silent, signal.SIGSTOP)
        wait_for(server, f"Worker [{silent}] ")
        wait_for(server, "and was killed")
        wait_for(server, "Application startup complete", times=3)
        assert silent not in workers_of(server)


@each_way
def test_workers_end_when_their_parent_is_killed(
    data_folder: Path, database: Database, *, spawned: bool
) -> None:
    # Nobody is told to ask elsewhere: they do not drain.
    settings = {"SHUTDOWN_DRAIN_SECONDS": "600"}
    with serving(database, data_folder, settings, spawned=spawned) as server:
        wait_for(server, "Application startup complete", times=2)
        family = psutil.Process(server.process.pid).children(recursive=True)
        server.process.kill()
        _, alive = psutil.wait_procs(family, timeout=30)
        assert alive == []
        assert server.said.count("Application shutdown complete") == 2
        with pytest.raises(httpx2.ConnectError):
            server.get("/health")


@each_way
def test_a_hangup_replaces_the_workers_and_fails_no_request(
    data_folder: Path, database: Database, *, spawned: bool
) -> None:
    with serving(database, data_folder, slow=6, spawned=spawned) as server:
        wait_for(server, "Application startup complete", times=2)
        old, count = workers_of(server, spawned=spawned), 0
        server.process.send_signal(signal.SIGHUP)
        while len((now := workers_of(server, spawned=spawned)) - old) < 2 or len(now) > 2:
            assert server.get("/health").status_code == 200
            count += 1
            time.sleep(0.02)
        assert count > 10
        assert workers_of(server, spawned=spawned).isdisjoint(old)
        assert "killed" not in server.said


@only_forked
def test_a_worker_is_replaced_by_what_was_imported_before(
    data_folder: Path, database: Database
) -> None:
    with serving(database, data_folder) as server:
        wait_for(server, "Application startup complete", times=2)
        fork_server = fork_server_of(server)
        # Of its threads none is in what it forks, so a lock that one holds would be held for ever.
        assert psutil.Process(fork_server).num_threads() == 1
        (data_folder / "sitecustomize.py").write_text(SLOW.format(seconds=600))
        killed = min(workers_of(server))
        os.kill(killed, signal.SIGKILL)
        wait_for(server, f"Worker [{killed}] has ended with exit code -9")
        wait_for(server, "Application startup complete", times=3)
        assert fork_server_of(server) == fork_server
        assert len(workers_of(server)) == 2


@only_forked
def test_workers_live_on_when_their_fork_server_is_killed_and_another_forks_the_next(
    data_folder: Path, database: Database
) -> None:
    with serving(database, data_folder) as server:
        wait_for(server, "Application startup complete", times=2)
        first, second = workers_of(server)
        os.kill(fork_server_of(server), signal.SIGKILL)
        while spawned_by(server.process.pid):
            time.sleep(0.02)
        server.wait_until_ready()
        assert "has ended" not in server.said
        os.kill(first, signal.SIGKILL)
        wait_for(server, f"Worker [{first}] has ended with exit code 255")
        wait_for(server, "Application startup complete", times=3)
        assert len(workers_of(server)) == 1
        assert psutil.pid_exists(second)
        assert server.stop(signal.SIGTERM) == 0
        # That of the second, too, has been waited for.
        assert server.said.count("Application shutdown complete") == 2


@only_forked
def test_a_hangup_imports_the_application_anew(data_folder: Path, database: Database) -> None:
    with serving(database, data_folder) as server:
        wait_for(server, "Application startup complete", times=2)
        (old,) = spawned_by(server.process.pid)
        server.process.send_signal(signal.SIGHUP)
        wait_for(server, "Application startup complete", times=4)
        while old in (now := spawned_by(server.process.pid)):
            time.sleep(0.02)
        assert len(now) == 1


def test_a_server_that_replaces_its_workers_still_stops(
    data_folder: Path, database: Database
) -> None:
    with serving(database, data_folder, {"WORKER_START_SECONDS": "600"}) as server:
        wait_for(server, "Application startup complete", times=2)
        (data_folder / "sitecustomize.py").write_text(SLOW.format(seconds=600))
        old = spawned_by(server.process.pid)
        server.process.send_signal(signal.SIGHUP)
        while spawned_by(server.process.pid) == old:
            time.sleep(0.05)
        assert server.stop(signal.SIGTERM) == 0


def test_a_hangup_does_no_harm_to_one_worker_alone(data_folder: Path, database: Database) -> None:
    with serving(database, data_folder, workers=1) as server:
        server.wait_until_ready()
        server.process.send_signal(signal.SIGHUP)
        wait_for(server, "SIGHUP is ignored")
        server.wait_until_ready()


def test_workers_that_cannot_start_end_the_server(data_folder: Path, database: Database) -> None:
    superuser = database.superuser_url
    with serving(database, data_folder, {"DATABASE_URL": superuser}) as server:
        assert server.process.wait(60) == 3
        assert "cannot start: the server stops" in server.said
