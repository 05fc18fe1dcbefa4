"""A standby of a PostgreSQL of its own, by streaming replication."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import psycopg

from app.database.embedded import EmbeddedPostgres, embedded_postgres
from app.database.migration import upgrade
from app.database.urls import SERVER_ROLE
from tests.databases import Database

OF_SERVER = """
SELECT setting, current_setting('data_directory') FROM pg_config() WHERE name = 'BINDIR'
"""
PATIENCE = 30.0
"""Seconds that anything may take."""


def where(url: str) -> tuple[Path, Path]:
    """Return the folder of a server's programs, and that of its data."""
    with psycopg.connect(url) as connection:
        found = connection.execute(OF_SERVER).fetchone()
    assert found is not None
    return Path(found[0]), Path(found[1])


class Standby:
    """A standby, reached by TCP."""

    def __init__(self, primary: EmbeddedPostgres, folder: Path) -> None:
        """Copy the primary's data into the folder; the standby is not started yet."""
        self._programs, data = where(primary.superuser_url("postgres"))
        self._data = folder / "standby"
        # As root, PostgreSQL does not start.
        self._other = ["runuser", "-u", data.owner(), "--"] if os.geteuid() == 0 else []
        self._data.mkdir()
        shutil.chown(self._data, data.owner())
        self._data.chmod(0o700)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self._run(
            "pg_basebackup",
            "--write-recovery-conf",
            "--checkpoint=fast",
            "--no-sync",
            f"--dbname={primary.superuser_url('postgres')}",
            f"--pgdata={self._data}",
        )

    def url(self, name: str, role: str = SERVER_ROLE, port: int | None = None) -> str:
        """Return a URL of a database. `port`: of a proxy before it."""
        return f"postgresql://{role}@127.0.0.1:{port or self.port}/{name}"

    def start(self) -> None:
        options = f"-p {self.port} -h 127.0.0.1 -k '' -c fsync=off"
        self._run(
            "pg_ctl", "-w", "-D", self._data, "-l", self._data / "log", "-o", options, "start"
        )

    def stop(self) -> None:
        if (self._data / "postmaster.pid").exists():
            self._run("pg_ctl", "-w", "-D", self._data, "-m", "immediate", "stop")

    def kill(self) -> None:
        """End it at once, with all its processes, as a machine does that fails."""
        postmaster = psutil.Process(int((self._data / "postmaster.pid").read_text().split()[0]))
        processes = [postmaster, *postmaster.children()]
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(processes, PATIENCE)
        (self._data / "postmaster.pid").unlink()

    def pause(self) -> None:
        """Have it receive what the primary sends, and show nothing of it."""
        self._execute("SELECT pg_wal_replay_pause()")
        deadline = time.monotonic() + PATIENCE
        while self._execute("SELECT pg_get_wal_replay_pause_state()") != "paused":
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def restore(self) -> None:
        """Have it run, and replay, whatever became of it."""
        if not (self._data / "postmaster.pid").exists():
            self.start()
        self.resume()

    def resume(self) -> None:
        self._execute("SELECT pg_wal_replay_resume()")

    def _execute(self, query: str) -> object:
        with psycopg.connect(self.url("postgres", "postgres"), autocommit=True) as connection:
            record = connection.execute(query.encode()).fetchone()
        return None if record is None else record[0]

    def _run(self, program: str, *words: str | Path) -> None:
        subprocess.run(
            [*self._other, self._programs / program, *words],
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
        )


@contextmanager
def primary_and_standby(folder: Path) -> Iterator[tuple[Database, Standby]]:
    """Run a primary with a migrated database, and a standby of it, below the folder."""
    with embedded_postgres(folder) as postgres:
        postgres.create_database("todo")
        upgrade(postgres.superuser_url("todo"))
        standby = Standby(postgres, folder)
        standby.start()
        try:
            yield Database(postgres, "todo"), standby
        finally:
            standby.stop()
