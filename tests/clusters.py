"""Databases of their own on the cluster that `TEST_DATABASE_URL` names, not distributed yet."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import psycopg

from tests.databases import GIVEN, Database, Given, at

NODES = "SELECT nodename, nodeport FROM pg_dist_node WHERE noderole = 'primary' ORDER BY groupid"
"""The coordinator is the first."""


def _at(host: str, port: int, name: str) -> str:
    return urlunsplit(urlsplit(at(str(GIVEN), host, port))._replace(path=f"/{name}"))


@contextmanager
def cluster_database(*, with_workers: bool = True) -> Iterator[Database]:
    """Make an empty database on each node, and these a cluster; drop it in the end."""
    name = f"test_{uuid4().hex}"
    with psycopg.connect(str(GIVEN)) as connection:
        nodes = connection.execute(NODES).fetchall()
    with ExitStack() as made:
        for host, port in nodes:
            node = made.enter_context(psycopg.connect(_at(host, port, "postgres"), autocommit=True))
            node.execute(f"CREATE DATABASE {name}".encode())
            made.callback(node.execute, f"DROP DATABASE {name} WITH (FORCE)".encode())
            with psycopg.connect(_at(host, port, name)) as connection:
                connection.execute("CREATE EXTENSION citus")
        host, port = nodes[0]
        url = _at(host, port, name)
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("SELECT citus_set_coordinator_host(%s, %s)", nodes[0])
            for worker in nodes[1:] if with_workers else []:
                connection.execute("SELECT citus_add_node(%s, %s)", worker)
        yield Database(Given(url), name)
