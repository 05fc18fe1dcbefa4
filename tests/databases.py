"""PostgreSQL for tests: one server for the whole run, and databases on it, migrated or empty."""

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit, urlunsplit
from uuid import uuid4

import psycopg
import pytest

from app.database.cluster.obstacles import distributed_tables
from app.database.embedded import EmbeddedPostgres, embedded_postgres
from app.database.migration import finish, upgrade
from app.database.urls import SERVER_ROLE

TEMPLATE = "migrated"

ODD_SETTINGS = ("DateStyle = 'SQL, DMY'", "TimeZone = 'Asia/Kathmandu'")
"""What the server's sessions begin with: whoever forgets to set these is noticed everywhere.

`CREATE DATABASE … TEMPLATE` copies no settings, so each copy gets them, as does one that is given.
"""

AS_THE_SERVER = "-c DateStyle=ISO -c TimeZone=UTC"
"""The `options` of a test's own session that is to be as the server prepares its own."""


GIVEN = os.environ.get("TEST_DATABASE_URL", "").replace(
    "{worker}", os.environ.get("PYTEST_XDIST_WORKER", "gw0")
)
"""A migrated database to run the tests on that need none of their own, as its owner's URL: such as
that of a cluster, which is not made by copying. Where each worker has its own, `{worker}` stands
for `gw0` and so on."""


def _names_a_cluster() -> bool:
    if not GIVEN:
        return False
    with psycopg.connect(GIVEN) as connection:
        return "users" in distributed_tables(connection)


IS_CLUSTER = _names_a_cluster()

CLUSTER_ONLY = pytest.mark.skipif(
    not IS_CLUSTER, reason="needs a cluster of Citus, named by TEST_DATABASE_URL"
)
"""What can be seen on a cluster alone."""


def one_node(reason: str) -> pytest.MarkDecorator:
    """Mark what cannot hold on a cluster, and say why."""
    return pytest.mark.skipif(IS_CLUSTER, reason=f"on one node alone: {reason}")


def at(url: str, host: str, port: int) -> str:
    """Return the URL of the same database at another node of a cluster."""
    parts = urlsplit(url)
    who = parts.netloc.rpartition("@")[0]
    return urlunsplit(parts._replace(netloc=f"{who}@{host}:{port}"))


@dataclass(frozen=True)
class Given:
    """The server of the database that `TEST_DATABASE_URL` names."""

    url_of_owner: str

    def superuser_url(self, _name: str) -> str:
        # What a test sets for its transaction is to hold on each node.
        return f"{self.url_of_owner}?options=-c%20citus.propagate_set_commands%3Dlocal"

    def create_database(self, _name: str, *, template: str | None = None) -> None:
        pytest.skip(f"needs a database of its own, made of {template}")

    def url(self, role: str, _name: str) -> str:
        parts = urlsplit(self.url_of_owner)
        # With a query, as by a socket, to which a test may add more.
        return urlunsplit(
            parts._replace(
                netloc=f"{role}@{parts.netloc.rpartition('@')[2]}", query="sslmode=prefer"
            )
        )


@dataclass(frozen=True)
class Database:
    """A database, and the URLs of those who come to it."""

    postgres: EmbeddedPostgres | Given
    name: str

    @property
    def superuser_url(self) -> str:
        return self.postgres.superuser_url(self.name)

    @property
    def socket(self) -> str:
        """The folder of the server's socket."""
        found = parse_qs(urlsplit(self.superuser_url).query).get("host")
        if found is None:
            pytest.skip("needs a server of its own, by its socket")
        return found[0]

    @property
    def server_url(self) -> str:
        return self.url_of(SERVER_ROLE)

    @property
    def urls_of_nodes(self) -> list[str]:
        """The superuser's URL of each node of a cluster; without one, that of the server."""
        if not IS_CLUSTER:
            return [self.superuser_url]
        with psycopg.connect(self.superuser_url) as connection:
            nodes = connection.execute("SELECT nodename, nodeport FROM pg_dist_node").fetchall()
        return [at(self.superuser_url, *node) for node in nodes]

    def place_of(self, owner: str) -> tuple[int, str, int]:
        """Return the shard of an owner on a cluster, and the host and port of its node."""
        text = """
            SELECT shardid, nodename, nodeport
            FROM pg_dist_placement JOIN pg_dist_node USING (groupid)
            WHERE shardid = get_shard_id_for_distribution_column('users', %s::text)
        """
        with psycopg.connect(self.superuser_url) as connection:
            ((shard, host, port),) = connection.execute(text, [owner]).fetchall()
        return shard, host, port

    def server_url_at(self, owner: str) -> str:
        """Return the server's URL of the node with an owner's rows."""
        return at(self.server_url, *self.place_of(owner)[1:]) if IS_CLUSTER else self.server_url

    def url_of(self, role: str) -> str:
        return self.postgres.url(role, self.name)


@pytest.fixture(scope="session")
def postgres() -> Iterator[EmbeddedPostgres]:
    """The server that all workers of this run share; the last one to end stops it."""
    if GIVEN:
        pytest.skip("needs a database of its own")
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID") or uuid4().hex
    folder = Path(os.environ.get("TEST_DATABASES", tempfile.gettempdir())) / f"todo-api-{run[:12]}"
    folder.mkdir(exist_ok=True)
    with embedded_postgres(folder) as server:
        with psycopg.connect(server.superuser_url("postgres"), autocommit=True) as connection:
            # These data need not outlive a power cut.
            connection.execute("ALTER SYSTEM SET fsync = off")
            connection.execute("SELECT pg_reload_conf()")
        yield server
    if not (folder / "postgres" / "postmaster.pid").exists():
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def folder_for_postgres() -> Iterator[Path]:
    """Make an empty folder that a server may keep an embedded PostgreSQL in.

    Not tmp_path, which pytest closes to others at the start of a run: as root, PostgreSQL is one.
    """
    folder = Path(tempfile.mkdtemp(prefix="todo-api-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def data_folder() -> Iterator[Path]:
    """A folder for the embedded PostgreSQL of one test."""
    with folder_for_postgres() as folder:
        yield folder


@pytest.fixture(scope="session")
def template(postgres: EmbeddedPostgres) -> str:
    """The name of a migrated database to copy."""
    postgres.create_database(TEMPLATE)
    upgrade(postgres.superuser_url(TEMPLATE))
    if os.environ.get("FINISHED") == "on":
        # As it is once no older code works on it, for which the steps that wait are applied.
        finish(postgres.superuser_url(TEMPLATE))
    return TEMPLATE


def copy_of(postgres: EmbeddedPostgres, template: str) -> Database:
    name = f"test_{uuid4().hex}"
    while True:
        try:
            postgres.create_database(name, template=template)
        except psycopg.errors.ObjectInUse:
            # Another worker is at the template.
            time.sleep(0.02)
        else:
            break
    database = Database(postgres, name)
    if template == TEMPLATE:
        make_odd(database)
    return database


def make_odd(database: Database) -> None:
    with psycopg.connect(database.superuser_url) as connection:
        # Other workers of the run may be at a database that was given.
        connection.execute("SELECT pg_advisory_xact_lock(1)")
        for setting in ODD_SETTINGS:
            connection.execute(
                f"ALTER ROLE {SERVER_ROLE} IN DATABASE {database.name} SET {setting}"
            )


@pytest.fixture(scope="session")
def database(request: pytest.FixtureRequest) -> Database:
    """A migrated database that the tests of one worker share: each test makes its own users."""
    if GIVEN:
        given = Database(Given(GIVEN), urlsplit(GIVEN).path.lstrip("/"))
        make_odd(given)
        return given
    return copy_of(request.getfixturevalue("postgres"), request.getfixturevalue("template"))


@pytest.fixture
def migrated_database(postgres: EmbeddedPostgres, template: str) -> Database:
    """A migrated database for one test alone."""
    return copy_of(postgres, template)


@pytest.fixture
def finished_database(migrated_database: Database) -> Database:
    """A migrated database for one test alone, on which no older code works any more."""
    finish(migrated_database.superuser_url)
    return migrated_database


@pytest.fixture
def fresh_database(postgres: EmbeddedPostgres) -> Database:
    """An empty database for one test alone."""
    return copy_of(postgres, "template1")


@contextmanager
def without_triggers(database: Database) -> Iterator[psycopg.Connection[Any]]:
    """Yield a connection that writes what no client can, and commit it."""
    with psycopg.connect(database.superuser_url) as connection:
        connection.execute("SET LOCAL session_replication_role = replica")
        yield connection


def act_as(connection: psycopg.Connection[Any], owner: str | None, **settings: str) -> None:
    """Have a transaction act as an owner, on whichever node of a cluster the rows lie.

    `settings`: others of its own, by their names without `app.`.
    """
    more = [each for name, value in settings.items() for each in (f"app.{name}", value)]
    connection.execute("SELECT act_as(%s, '0', %s)", [owner, more])


def role_of_better_auth(connection: psycopg.Connection[Any]) -> None:
    """Make the role `better_auth`, which owns nothing yet; the server's databases share it."""
    connection.execute(
        "DO $$ BEGIN CREATE ROLE better_auth LOGIN; "
        "EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$"
    )
