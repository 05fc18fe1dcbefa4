"""PgBouncer in transaction mode before a database, where sessions are shared."""

import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from tests.databases import Database

ON_PATH = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
INSTALLED = os.environ.get("PGBOUNCER", ON_PATH)
"""The program; `PGBOUNCER` names another than the one that is found."""
KEEPS_TOGETHER = (1, 21)
"""The first version that keeps pipelines together, and passes prepared statements on."""


def version_of(program: str) -> tuple[int, int]:
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"PgBouncer (\d+)\.(\d+)", said)
    assert found is not None
    return int(found[1]), int(found[2])


@dataclass(frozen=True, slots=True)
class Bouncer:
    """A PgBouncer that runs."""

    port: int
    database: Database
    process: subprocess.Popen[bytes]

    def url(self, role: str = "todo_api", port: int | None = None) -> str:
        """Return a URL through it, or through a proxy before it at that port."""
        return f"postgresql://{role}@127.0.0.1:{port or self.port}/{self.database.name}"


@contextmanager
def bouncer_before(database: Database, program: str, connections: int = 2) -> Iterator[Bouncer]:
    """Run a PgBouncer that opens so many connections to the database."""
    postgres_socket = Path(database.socket)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder = Path(tempfile.mkdtemp(prefix="pgbouncer-"))
    (folder / "users").write_text('"todo_api" ""\n"postgres" ""\n')
    prepared = "max_prepared_statements = 100" if version_of(program) >= KEEPS_TOGETHER else ""
    (folder / "ini").write_text(
        f"""[databases]
        * = host={postgres_socket}
        [pgbouncer]
        listen_addr = 127.0.0.1
        listen_port = {port}
        unix_socket_dir =
        auth_type = trust
        auth_file = {folder}/users
        pool_mode = transaction
        default_pool_size = {connections}
        max_client_conn = 200
        logfile = {folder}/log
        {prepared}
        """.replace("\n        ", "\n")
    )
    command = [program, "-q", str(folder / "ini")]
    if os.geteuid() == 0:
        # It does not run as root, so it runs as who may reach PostgreSQL's socket.
        shutil.chown(folder, postgres_socket.owner())
        command[1:1] = ["-u", postgres_socket.owner()]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    bouncer = Bouncer(port, database, process)
    try:
        for _ in range(200):
            try:
                psycopg.connect(bouncer.url(), connect_timeout=2).close()
            except psycopg.OperationalError:
                assert process.poll() is None, (folder / "log").read_text()
                time.sleep(0.02)
            else:
                break
        yield bouncer
    finally:
        process.terminate()
        process.wait(10)
        shutil.rmtree(folder)
