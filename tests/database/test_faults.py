"""The database fails in every way it can, under load: nothing that was acknowledged is lost."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import httpx2
import psutil
import psycopg
import pytest

from app.database.embedded import EmbeddedPostgres, EmbeddedUnavailable, embedded_postgres
from app.database.migration import upgrade
from app.database.urls import SERVER_ROLE
from tests.api import CREATE, Server, running_server, settings_for
from tests.counts import Count

REQUEST_TIMEOUT = 4.0
STATEMENT_TIMEOUT = 1.0
WRITERS = 4


class Victim:
    """A PostgreSQL of this test's own, to be killed, stopped and started again."""

    def __init__(self, folder: Path, postgres: EmbeddedPostgres) -> None:
        self.folder = folder
        self.postgres = postgres

    @property
    def url(self) -> str:
        return self.postgres.superuser_url("todo")

    @property
    def postmaster(self) -> psutil.Process:
        pid_file = self.folder / "postgres" / "postmaster.pid"
        return psutil.Process(int(pid_file.read_text().splitlines()[0]))

    def processes(self) -> list[psutil.Process]:
        return [self.postmaster, *self.postmaster.children()]

    def backend(self) -> int:
        """Return the process of a connection of the server's."""
        with psycopg.connect(self.url) as connection:
            found = connection.execute(
                "SELECT pid FROM pg_stat_activity "
                "WHERE application_name ~ '^todo-api/[0-9.]+$' LIMIT 1"
            ).fetchone()
        assert found is not None
        return int(found[0])

    def start_again(self) -> None:
        """Start it after a crash, as whoever runs it would."""
        deadline = time.monotonic() + 30
        with ExitStack() as stack:
            while True:
                try:
                    stack.enter_context(embedded_postgres(self.folder))
                except EmbeddedUnavailable:
                    assert time.monotonic() < deadline
                    time.sleep(0.2)
                else:
                    # The fixture holds it too, so leaving here does not stop it.
                    return


@pytest.fixture
def victim(data_folder: Path) -> Iterator[Victim]:
    with embedded_postgres(data_folder) as postgres:
        postgres.create_database("todo")
        upgrade(postgres.superuser_url("todo"))
        yield Victim(data_folder, postgres)


@dataclass
class Load:
    """Writers that add tasks without end, and note what was acknowledged. They retry nothing."""

    server: Server
    prefix: str = ""
    """What titles begin with."""
    acknowledged: list[str] = field(default_factory=list)
    refused: int = 0
    slowest: float = 0.0
    pause: float = 0.0
    unexpected: list[str] = field(default_factory=list)
    done: threading.Event = field(default_factory=threading.Event)

    def write(self) -> None:
        user = self.server.user()
        last = time.monotonic()
        while not self.done.is_set():
            title, began = self.prefix + uuid4().hex, time.monotonic()
            try:
                response = user.post(CREATE, {"input": {"title": title}})
            except httpx2.TransportError as error:
                self.unexpected.append(repr(error))
                continue
            now = time.monotonic()
            self.slowest = max(self.slowest, now - began)
            result = response.json()
            if "errors" not in result:
                self.acknowledged.append(title)
                self.pause = max(self.pause, now - last)
                last = now
                continue
            self.refused += 1
            codes = {error["extensions"]["code"] for error in result["errors"]}
            if not codes <= {"SERVICE_UNAVAILABLE", "TIMEOUT"}:
                self.unexpected.append(str(result))
            time.sleep(0.02)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Have the writers at work, and what they have under way answered in the end."""
        writers = [threading.Thread(target=self.write) for _ in range(WRITERS)]
        for writer in writers:
            writer.start()
        try:
            yield
        finally:
            self.done.set()
            for writer in writers:
                writer.join()

    def goes_on(self) -> bool:
        """Wait until more is acknowledged; return whether it ever was."""
        before = len(self.acknowledged)
        deadline = time.monotonic() + 20
        while len(self.acknowledged) < before + 20 and time.monotonic() < deadline:
            time.sleep(0.05)
        return len(self.acknowledged) > before


def kill_a_backend(victim: Victim) -> None:
    os.kill(victim.backend(), signal.SIGKILL)


def kill_the_postmaster(victim: Victim) -> None:
    children = victim.postmaster.children()
    victim.postmaster.kill()
    psutil.wait_procs(children, timeout=20)
    victim.start_again()


def restart_immediately(victim: Victim) -> None:
    processes = victim.processes()
    victim.postmaster.send_signal(signal.SIGQUIT)
    psutil.wait_procs(processes, timeout=20)
    victim.start_again()


def stop_for_a_while(victim: Victim) -> None:
    processes = victim.processes()
    for process in processes:
        process.suspend()
    time.sleep(3)
    for process in processes:
        process.resume()


@pytest.mark.parametrize(
    "fault", [kill_a_backend, kill_the_postmaster, restart_immediately, stop_for_a_while]
)
def test_what_was_acknowledged_is_there_once(
    victim: Victim, count: Count, fault: Callable[[Victim], None]
) -> None:
    settings = settings_for(
        victim.postgres.url(SERVER_ROLE, "todo"),
        request_timeout=REQUEST_TIMEOUT,
        database_statement_timeout=STATEMENT_TIMEOUT,
        database_pool_timeout=1.0,
    )
    with running_server(settings) as server:
        load = Load(server)
        with load.running():
            time.sleep(0.5)
            fault(victim)
            recovered = load.goes_on()
        alive = server.bearer(None).http.get("/health").status_code
    with psycopg.connect(victim.url) as connection:
        stored = [title for (title,) in connection.execute("SELECT title FROM tasks").fetchall()]

    lost = set(load.acknowledged) - set(stored)
    duplicated = len(stored) - len(set(stored))
    count("writes acknowledged while the database failed", len(load.acknowledged))
    count("acknowledged writes that were lost", len(lost))
    count("writes that were there twice", duplicated)
    count("writes refused while the database failed", load.refused)
    count(
        f"longest pause, milliseconds: {fault.__name__.replace('_', ' ')}", int(load.pause * 1000)
    )
    assert (lost, duplicated, load.unexpected) == (set(), 0, [])
    assert recovered
    assert alive == 200
    assert load.slowest < REQUEST_TIMEOUT + 1
