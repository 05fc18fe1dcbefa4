"""The network to the database fails: nothing acknowledged is lost, and nothing is written twice."""

import time
from collections.abc import Callable, Iterator

import psycopg
import pytest

from app.database.urls import SERVER_ROLE
from tests.api import running_server, settings_for
from tests.counts import Count
from tests.database.test_faults import REQUEST_TIMEOUT, Load
from tests.databases import Database
from tests.proxy import Proxy, proxy_before

LOST = 200
"""Answers to lose on the way."""


@pytest.fixture
def proxy(migrated_database: Database) -> Iterator[Proxy]:
    with proxy_before(migrated_database) as proxy:
        yield proxy


def cut(proxy: Proxy) -> None:
    for _ in range(10):
        proxy.cut()
        time.sleep(0.1)


def hang(proxy: Proxy) -> None:
    proxy.hang()
    time.sleep(3)
    proxy.flow()


def delay(proxy: Proxy) -> None:
    proxy.delay = 0.5
    time.sleep(3)
    proxy.delay = 0


def lose_answers(proxy: Proxy) -> None:
    proxy.lose = b"lose "
    deadline = time.monotonic() + 60
    while proxy.lost < LOST:
        assert time.monotonic() < deadline, proxy.lost
        time.sleep(0.05)
    proxy.lose = None


@pytest.mark.parametrize("fault", [cut, hang, delay, lose_answers])
def test_whatever_the_network_does_a_write_is_there_once(
    migrated_database: Database, proxy: Proxy, count: Count, fault: Callable[[Proxy], None]
) -> None:
    settings = settings_for(
        proxy.url(SERVER_ROLE, migrated_database),
        request_timeout=REQUEST_TIMEOUT,
        database_statement_timeout=2.0,
        database_pool_timeout=1.0,
    )
    with running_server(settings) as server:
        kept, lost = Load(server), Load(server, prefix="lose ")
        with kept.running(), lost.running():
            time.sleep(0.3)
            fault(proxy)
            recovered = kept.goes_on()
        alive = server.bearer(None).http.get("/health").status_code
    with psycopg.connect(migrated_database.superuser_url) as connection:
        stored = [title for (title,) in connection.execute("SELECT title FROM tasks").fetchall()]

    acknowledged = {*kept.acknowledged, *lost.acknowledged}
    missing = acknowledged - set(stored)
    duplicated = len(stored) - len(set(stored))
    unknown = set(stored) - acknowledged
    count("writes acknowledged while the network failed", len(acknowledged))
    count("acknowledged writes that were lost", len(missing))
    count("writes that were there twice", duplicated)
    count("writes committed whose answers the network lost", len(unknown))
    assert (missing, duplicated, kept.unexpected, lost.unexpected) == (set(), 0, [], [])
    # Where several statements share a connection, the answer lost may be an earlier one's.
    assert fault is not lose_answers or len(unknown) > LOST / 4
    assert recovered
    assert alive == 200
    assert max(kept.slowest, lost.slowest) < REQUEST_TIMEOUT + 1
