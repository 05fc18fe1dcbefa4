"""A primary and its synchronous standby, and a PgBouncer; what befalls them in production."""

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import psutil
import psycopg

from scripts.rehearse.clusters import free_port, run, until

DISK_BYTES = 160_000_000
"""The size of the primary's disk, which has all but the WAL."""

ACCESS = """
local all all trust
host all postgres 127.0.0.1/32 trust
host replication postgres 127.0.0.1/32 trust
host all all 127.0.0.1/32 scram-sha-256
"""
"""Whoever is not the superuser needs a password."""

# As root, PostgreSQL and PgBouncer do not start.
AS_POSTGRES = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []


class Node:
    """One PostgreSQL."""

    def __init__(self, programs: Path, data: Path, folder: Path) -> None:
        self.port = free_port()
        self.data = data
        self._folder = folder
        self._programs = programs

    def make(self, wal: Path) -> None:
        """Make an empty cluster whose WAL lies in another folder."""
        words = ["-A", "trust", "-U", "postgres", "-E", "UTF8", "-X", str(wal)]
        self._run("initdb", "-D", str(self.data), *words)
        (self.data / "pg_hba.conf").write_text(ACCESS)

    def make_standby(self, primary: "Node") -> None:
        """Copy the primary, to follow it under the name `standby`."""
        url = f"postgresql://postgres@127.0.0.1:{primary.port}?application_name=standby"
        self._run("pg_basebackup", "-R", "-D", str(self.data), "-d", url)

    def start(self) -> None:
        log = self._folder / f"postgres-{self.port}.log"
        options = f"-p {self.port} -k {self._folder} -c listen_addresses=127.0.0.1"
        self._control("-l", str(log), "-o", options, "start")

    def start_if_ended(self) -> bool:
        """Start it where it has ended by itself; return whether it had."""
        if (self.data / "postmaster.pid").exists():
            return False
        self.start()
        return True

    def promote(self) -> None:
        self._control("promote")

    def signal(self, number: int) -> None:
        """Send a signal to all processes at once."""
        for process in self._processes():
            with suppress(psutil.NoSuchProcess):
                process.send_signal(number)

    def stop(self) -> None:
        with suppress(OSError, psutil.NoSuchProcess):
            self.signal(signal.SIGCONT)
            self._control("-m", "immediate", "stop")

    def execute(self, statement: str, database: str = "todo") -> list[tuple[object, ...]]:
        """Execute a statement as the superuser; return its rows."""
        url = self.url(database)
        with psycopg.connect(url, autocommit=True, connect_timeout=5) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def url(self, database: str = "todo") -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def _processes(self) -> list[psutil.Process]:
        parent = psutil.Process(int((self.data / "postmaster.pid").read_text().split()[0]))
        return [parent, *parent.children(recursive=True)]

    def _control(self, *words: str) -> None:
        self._run("pg_ctl", "-w", "-D", str(self.data), *words)

    def _run(self, program: str, *words: str) -> None:
        run([*AS_POSTGRES, self._programs / program, *words])


class Pooler:
    """A PgBouncer in transaction mode before one of the nodes."""

    def __init__(self, program: str, folder: Path) -> None:
        self.port = free_port()
        self._program = program
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def configure(self, port: int, passwords: dict[str, str]) -> None:
        """Write whom it lets in, and the port that it leads to; it reads that if it runs."""
        users = "".join(f'"{name}" "{password}"\n' for name, password in passwords.items())
        (self._folder / "users").write_text(users)
        (self._folder / "pgbouncer.ini").write_text(
            f"[databases]\n* = host=127.0.0.1 port={port}\n[pgbouncer]\n"
            f"listen_addr = 127.0.0.1\nlisten_port = {self.port}\nunix_socket_dir =\n"
            f"auth_type = scram-sha-256\nauth_file = {self._folder}/users\n"
            "pool_mode = transaction\ndefault_pool_size = 10\nmax_client_conn = 200\n"
            # Logins that fail are tried again after this time; 15 seconds by default.
            f"server_login_retry = 1\nlogfile = {self._folder}/pgbouncer.log\n"
        )
        if self._process is not None:
            self._process.send_signal(signal.SIGHUP)

    def start(self) -> None:
        words = [self._program, "-q", str(self._folder / "pgbouncer.ini")]
        if os.getuid() == 0:
            words[1:1] = ["-u", "postgres"]
        self._process = subprocess.Popen(words, stderr=subprocess.DEVNULL)

    def stop(self, number: int = signal.SIGTERM) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait()
            self._process = None


class Disk:
    """A disk of its own, small enough to be filled."""

    def __init__(self, folder: Path) -> None:
        self._filler = folder / "filler"

    def fill(self) -> None:
        with suppress(OSError), self._filler.open("wb", buffering=0) as file:
            while True:
                # What is left of a page is written at last.
                file.write(bytes(4096))

    def empty(self) -> None:
        self._filler.unlink()


@contextmanager
def disk(folder: Path) -> Iterator[Disk | None]:
    """Mount a small file system on the folder; None where that may not be done."""
    options = f"size={DISK_BYTES},mode=0777"
    words = ["mount", "-t", "tmpfs", "-o", options, "rehearsal", str(folder)]
    if shutil.which("mount") is None or subprocess.run(words, check=False).returncode:
        yield None
        return
    try:
        yield Disk(folder)
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@contextmanager
def pair(programs: Path, folder: Path) -> Iterator[tuple[Node, Node, Disk | None]]:
    """Run a primary with an empty database `todo`, and a standby that it waits for."""
    for name in ("disk", "wal", "standby"):
        (folder / name).mkdir()
        (folder / name).chmod(0o777)
    folder.chmod(0o777)
    with ExitStack() as stack:
        small = stack.enter_context(disk(folder / "disk"))
        primary = Node(programs, folder / "disk" / "data", folder)
        standby = Node(programs, folder / "standby" / "data", folder)
        primary.make(folder / "wal" / "files")
        for node, act in ((primary, None), (standby, standby.make_standby)):
            if act is not None:
                act(primary)
            node.start()
            stack.callback(node.stop)
        primary.execute("CREATE DATABASE todo", "postgres")
        primary.execute("ALTER SYSTEM SET synchronous_standby_names = 'standby'")
        primary.execute("SELECT pg_reload_conf()")
        until(_is_true(primary, "SELECT sync_state = 'sync' FROM pg_stat_replication"))
        yield primary, standby, small


def _is_true(node: Node, question: str) -> Callable[[], bool]:
    return lambda: node.execute(question) == [(True,)]
