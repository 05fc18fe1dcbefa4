"""The embedded PostgreSQL: shared by who wants it, stopped by whoever leaves last."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from app.database.embedded import PACKAGE, EmbeddedPostgres, EmbeddedUnavailable, embedded_postgres
from tests.repository import ROOT

Holder = subprocess.Popen[str]
HOLD = """
import sys
import signal
from pathlib import Path
import psycopg
from app.database.embedded import embedded_postgres
# What a shell starts in the background ignores interrupts.
signal.signal(signal.SIGINT, signal.default_int_handler)
with embedded_postgres(Path(sys.argv[1])) as postgres:
    try:
        print("holds", flush=True)
        sys.stdin.read()
    except KeyboardInterrupt:
        psycopg.connect(postgres.superuser_url("postgres")).close()
        print("still holds", flush=True)
"""


@pytest.fixture(scope="module")
def data() -> Iterator[Path]:
    """A folder for a server that starts quickly: it has started before."""
    # Not in tmp_path: a socket's path must be short, and every folder above it readable.
    folder = Path(tempfile.mkdtemp(prefix="todo-api-"))
    with embedded_postgres(folder):
        pass
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def hold(data: Path) -> Iterator[Callable[[], Holder]]:
    """Start processes that hold the server, each in a terminal of its own, as it were."""
    holders: list[Holder] = []
    environment = {k: v for k, v in os.environ.items() if k != "XDG_RUNTIME_DIR"}

    def start() -> Holder:
        holder = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", HOLD, str(data)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
            cwd=ROOT,
            env=environment,
        )
        holders.append(holder)
        assert holder.stdout is not None
        assert holder.stdout.readline() == "holds\n"
        return holder

    yield start
    for holder in holders:
        holder.kill()
        holder.communicate()


def is_running(data: Path) -> bool:
    return (data / "postgres" / "postmaster.pid").exists()


def answers(postgres: EmbeddedPostgres) -> bool:
    with psycopg.connect(postgres.superuser_url("postgres")) as connection:
        return connection.execute("SELECT true").fetchone() == (True,)


def test_it_can_be_held_twice_in_a_process(data: Path) -> None:
    with embedded_postgres(data):
        with embedded_postgres(data):
            pass
        with embedded_postgres(data) as postgres:
            assert answers(postgres)
        assert answers(postgres)
    assert not is_running(data)


def test_threads_that_come_and_go_do_not_pull_it_from_under_each_other(data: Path) -> None:
    def come_and_go(_: int) -> bool:
        with embedded_postgres(data) as postgres:
            return answers(postgres)

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(come_and_go, range(12)))
    assert not is_running(data)


def test_the_last_process_to_leave_stops_it(data: Path, hold: Callable[[], Holder]) -> None:
    first, second = hold(), hold()
    first.communicate()
    assert is_running(data)
    second.communicate()
    assert (first.returncode, second.returncode) == (0, 0)
    assert not is_running(data)


def test_an_interrupt_stops_the_holder_first(data: Path, hold: Callable[[], Holder]) -> None:
    holder = hold()
    os.killpg(holder.pid, signal.SIGINT)
    assert holder.communicate()[0] == "still holds\n"
    assert not is_running(data)


def test_a_killed_process_does_not_count(data: Path, hold: Callable[[], Holder]) -> None:
    killed, other = hold(), hold()
    killed.kill()
    killed.wait()
    other.communicate()
    assert not is_running(data)
    alone = hold()
    alone.kill()
    alone.wait()
    assert is_running(data)
    with embedded_postgres(data) as postgres:
        assert answers(postgres)
    assert not is_running(data)


def test_a_database_is_made_once(postgres: EmbeddedPostgres) -> None:
    name = f"made once {os.getpid()}"
    assert postgres.create_database(name) is True
    assert postgres.create_database(name) is False
    with psycopg.connect(postgres.superuser_url("postgres"), autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{name}"')


def test_without_the_package_it_is_said_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, PACKAGE, None)
    with (
        pytest.raises(EmbeddedUnavailable, match=r"DATABASE_URL is not set.*`uv sync --no-dev`"),
        embedded_postgres(tmp_path),
    ):
        pass


@pytest.mark.parametrize(
    ("folder", "advice"),
    [("plain", r"see .*/plain/postgres/log, or"), ("with space", "a path without spaces")],
)
def test_when_it_does_not_start_it_is_said_where_to_look(folder: str, advice: str) -> None:
    # Files of a version that the package has no server for.
    data = Path(tempfile.mkdtemp(prefix="todo-api-")) / folder
    (data / "postgres").mkdir(parents=True)
    (data / "postgres" / "PG_VERSION").write_text("9")
    with pytest.raises(EmbeddedUnavailable, match=advice), embedded_postgres(data):
        pass
    shutil.rmtree(data.parent)
