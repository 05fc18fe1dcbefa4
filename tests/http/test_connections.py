"""More clients come than there is room for: who does nothing makes room for who asks."""

import logging
import shlex
import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from app.http.connections import Connections, is_proxy
from tests.api import SECRET, Server, running_server, settings_for
from tests.databases import Database
from tests.http.state_cases import HEALTH, SIGNED_IN
from tests.http.test_observability import talk
from tests.http.test_serving import BIN, started
from tests.sockets import signed_in, socket_to

MINE = "203.0.113.200"
NO_PROXY = "127.0.0.1"


class Client:
    """A connection that tells what became of it."""

    deadline = 0.0

    def __init__(self, host: str = MINE, *, idle: bool = True, known: bool = False) -> None:
        self.client: tuple[str, int] | None = (host, 1)
        self.idle, self.known, self.ended = idle, known, False

    def is_idle(self) -> bool:
        return self.idle

    def is_known(self) -> bool:
        return self.known

    def expire(self, now: float) -> None:
        raise AssertionError(now)

    def end(self) -> None:
        self.ended = True


def hosts(count: int, **given: Any) -> list[Client]:
    return [Client(f"203.0.113.{number}", **given) for number in range(count)]


async def test_the_oldest_idle_one_without_a_token_goes_first() -> None:
    all_connections = Connections(6)
    working, known, first, second = (
        Client("198.51.100.1", idle=False),
        Client("198.51.100.2", known=True),
        *hosts(2),
    )
    others = hosts(2, idle=False)
    for client in (working, known, first, second, *others):
        assert all_connections.add(client, NO_PROXY)
    for expected in (first, second, known):
        assert all_connections.add(Client(idle=False), NO_PROXY)
        assert expected.ended
    assert not working.ended
    assert not any(client.ended for client in others)
    # Nobody is idle.
    assert not all_connections.add(Client(), NO_PROXY)
    assert len(all_connections) == 6


async def test_one_address_has_a_quarter_of_all_unless_it_is_a_proxys() -> None:
    all_connections = Connections(40)
    mine = [Client() for _ in range(10)]
    for client in mine:
        assert all_connections.add(client, NO_PROXY)
    assert all_connections.add(Client(), NO_PROXY)
    assert [client.ended for client in mine] == [True] + [False] * 9
    assert all_connections.add(Client("198.51.100.1"), NO_PROXY)
    assert all_connections.add(Client(), "203.0.113.0/24")
    assert [client.ended for client in mine].count(True) == 1
    for client in mine:
        client.idle = False
    busy = Connections(4)
    assert busy.add(Client(idle=False), NO_PROXY)
    assert not busy.add(Client(), NO_PROXY)


async def test_who_has_left_counts_no_more() -> None:
    all_connections = Connections(2)
    first, second, third = hosts(3, idle=False)
    assert all_connections.add(first, NO_PROXY)
    assert all_connections.add(second, NO_PROXY)
    assert not all_connections.add(third, NO_PROXY)
    for _ in range(2):
        all_connections.remove(first)
    assert all_connections.add(third, NO_PROXY)
    assert len(all_connections) == 2
    of_one_address = Connections(4)
    gone, there = Client(idle=False), Client(idle=False)
    assert of_one_address.add(gone, NO_PROXY)
    for _ in range(2):
        of_one_address.remove(gone)
    assert of_one_address.add(there, NO_PROXY)
    assert not of_one_address.add(Client(), NO_PROXY)


async def test_that_there_are_many_is_logged_once_a_minute(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING)
    all_connections = Connections(1)
    assert [all_connections.add(client, NO_PROXY) for client in hosts(5)] == [True] * 5
    (record,) = caplog.records
    assert "as many as there may be" in record.getMessage()


@pytest.mark.parametrize(
    ("address", "proxies", "expected"),
    [
        ("127.0.0.1", "", True),
        ("::1", "10.0.0.1", True),
        ("10.0.0.1", "10.0.0.1", True),
        ("10.0.0.2", "10.0.0.1", False),
        ("10.0.0.2", "192.0.2.1, 10.0.0.0/8", True),
        ("10.0.0.2", "*", True),
        ("10.0.0.2", "a name", False),
        ("2001:db8::1", "10.0.0.0/8,2001:db8::/32", True),
    ],
)
def test_proxies_are_addresses_and_networks(address: str, proxies: str, expected: bool) -> None:
    assert is_proxy(address, proxies) == expected


@contextmanager
def full(database: Database, most: int) -> Iterator[Server]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("app.factory.most_connections", lambda _reserved: most)
        with running_server(settings_for(database.server_url)) as server:
            yield server


def ask(server: Server, token: str | None = None) -> socket.socket:
    """Ask on a new connection, and leave that open."""
    line = talk(server)
    head = HEALTH
    if token is not None:
        headers = SIGNED_IN.replace(b"{token}", token.encode())
        head = b"GET /graphql?query={__typename} HTTP/1.1" + headers + b"\r\n"
    line.sendall(head)
    assert line.recv(65536).startswith(b"HTTP/1.1 200")
    return line


def is_open(line: socket.socket) -> bool:
    line.settimeout(0.2)
    try:
        return line.recv(1) != b""
    except TimeoutError:
        return True


def test_who_asks_has_room_and_who_has_a_token_keeps_it(database: Database) -> None:
    with full(database, 8) as server, ExitStack() as stack:
        token = server.token("user-of-a-room")
        known = stack.enter_context(closing(ask(server, token)))
        follower = stack.enter_context(signed_in(server, token))
        for _ in range(12):
            stack.enter_context(closing(talk(server)))
            stack.enter_context(socket_to(server.url))
        for _ in range(6):
            stack.enter_context(closing(ask(server)))
        assert is_open(known)
        follower.subscribe("{ __typename }")
        assert follower.hear()["payload"] == {"data": {"__typename": "Query"}}
        assert len(server.connections) <= 8


def test_where_nobody_is_idle_one_more_is_told_so(database: Database) -> None:
    with full(database, 2) as server, ExitStack() as stack:
        for number in range(2):
            stack.enter_context(signed_in(server, server.token(f"user-{number}")))
        with closing(talk(server)) as line:
            assert line.recv(65536).startswith(b"HTTP/1.1 503")


def test_silent_connections_leave_descriptors_for_others_and_for_the_database(
    database: Database, tmp_path: Path
) -> None:
    environment = {"DATABASE_URL": database.server_url, "BETTER_AUTH_SECRET": SECRET}
    serve = f"ulimit -n 128; exec {shlex.quote(str(BIN / 'todo-api'))} serve --port {{port}}"
    with started(["/bin/sh", "-c", serve], environment, tmp_path) as process, ExitStack() as stack:
        process.wait_until_ready()
        for _ in range(180):
            line = socket.create_connection(("127.0.0.1", process.port), timeout=20)
            stack.enter_context(closing(line))
        ready = [process.get("/ready") for _ in range(20)]
        assert [answer.status_code for answer in ready] == [200] * 20
        assert process.said.count("as many as there may be") == 1
