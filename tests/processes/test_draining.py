"""Servers that stop: they drain, so that no request is lost, and what they are told is heard."""

import asyncio
import errno
import http.client
import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from app.http.draining import Draining
from auth.signing import make_token
from scripts.rehearse.clients import Connection, ask_on
from scripts.rehearse.roll import roll
from scripts.rehearse.servers import SECRET, Server
from tests.databases import Database
from tests.http.test_serving import Process, started
from tests.processes.test_workers import serving, wait_for
from tests.sockets import Socket, signed_in_at

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")

FOREVER = "600"
"""Seconds that no test has the patience for."""

NEVER_ENDING = (
    b"POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    b"Content-Length: 9\r\n\r\n{"
)

HANDSHAKE = (
    b"GET /graphql HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    b"Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n"
)


@contextmanager
def one_server(database: Database, folder: Path, drain: str, **settings: str) -> Iterator[Process]:
    environment = {
        "BETTER_AUTH_SECRET": SECRET,
        "DATABASE_URL": database.server_url,
        "SHUTDOWN_DRAIN_SECONDS": drain,
        **settings,
    }
    with started(["todo-api", "serve", "--port", "{port}"], environment, folder) as server:
        server.wait_until_ready()
        yield server


def token() -> str:
    return make_token(
        SECRET, user_id="ada", lifetime=timedelta(hours=1), issuer=None, audience=None
    )


def wait_until_draining(server: Process) -> None:
    while server.get("/ready").status_code != 503:
        time.sleep(0.01)


def wait_until_refused(server: Process) -> None:
    while True:
        with socket.socket() as probe:
            # Otherwise it fails where connections wait for an acceptance that does not come.
            if probe.connect_ex(("127.0.0.1", server.port)) == errno.ECONNREFUSED:
                return
        time.sleep(0.01)


@contextmanager
def following(server: Process) -> Iterator[Socket]:
    with signed_in_at(f"http://127.0.0.1:{server.port}", token()) as opened:
        opened.follow()
        yield opened


def test_a_server_that_drains_serves_on_but_ends_each_connection(
    data_folder: Path, database: Database
) -> None:
    with (
        one_server(database, data_folder, "3") as server,
        following(server) as follower,
        closing(http.client.HTTPConnection("127.0.0.1", server.port)) as kept,
    ):
        kept.request("GET", "/health")
        before = kept.getresponse()
        before.read()
        assert before.getheader("connection") is None
        server.process.send_signal(signal.SIGTERM)
        wait_until_draining(server)
        ready = server.get("/ready").json()
        assert (ready["status"], ready["reason"]) == ("unavailable", "draining")
        assert ready["database"] is True
        kept.request("GET", "/health")
        last = kept.getresponse()
        assert (last.status, last.getheader("connection")) == (200, "close")
        assert last.read()
        # A connection that is new, and sockets that are open, are served as before.
        assert server.ask(token(), "{ tasks { totalCount } }").status_code == 200
        follower.say({"type": "ping"})
        assert follower.hear() == {"type": "pong"}
        assert follower.closed()[0] == 1012
        assert server.process.wait(60) == 0
    assert "Cut when" not in server.said


def test_the_port_of_several_workers_is_closed_while_a_request_ends(
    data_folder: Path, database: Database
) -> None:
    settings = {
        "BETTER_AUTH_SECRET": SECRET,
        "SHUTDOWN_DRAIN_SECONDS": "0",
        "SHUTDOWN_GRACE_SECONDS": FOREVER,
        "REQUEST_TIMEOUT": "300",
    }
    with serving(database, data_folder, settings) as server:
        wait_for(server, "Application startup complete", times=2)
        with socket.create_connection(("127.0.0.1", server.port)) as asking:
            # Without a token it would be answered before its body has come.
            bearer = f"\r\nAuthorization: Bearer {token()}\r\n\r\n".encode()
            asking.sendall(NEVER_ENDING.replace(b"\r\n\r\n", bearer))
            server.process.send_signal(signal.SIGTERM)
            wait_until_refused(server)
            assert server.process.poll() is None
            assert server.stop(signal.SIGTERM) == 0


@pytest.mark.parametrize("workers", [1, 2])
def test_a_second_signal_skips_the_drain(
    data_folder: Path, database: Database, workers: int
) -> None:
    settings = {"SHUTDOWN_DRAIN_SECONDS": FOREVER, "SHUTDOWN_GRACE_SECONDS": FOREVER}
    with serving(database, data_folder, settings, workers=workers) as server:
        wait_for(server, "Application startup complete", times=workers)
        server.wait_until_ready()
        server.process.send_signal(signal.SIGTERM)
        wait_until_draining(server)
        assert server.process.poll() is None
        assert server.stop(signal.SIGTERM) == 0
        assert server.said.count("Application shutdown complete") == workers


def test_a_signal_to_all_processes_at_once_is_not_a_second_one(
    data_folder: Path, database: Database
) -> None:
    """As Ctrl-C and systemd may send it; the main process sends its workers another one."""
    settings = {"SHUTDOWN_DRAIN_SECONDS": "2"}
    with serving(database, data_folder, settings) as server:
        wait_for(server, "Application startup complete", times=2)
        os.killpg(server.process.pid, signal.SIGINT)
        wait_until_draining(server)
        assert server.get("/health").status_code == 200
        assert server.process.wait(60) == 0


def test_a_connection_that_is_new_when_the_port_is_closed_is_answered(
    data_folder: Path, database: Database
) -> None:
    with one_server(database, data_folder, "0") as server:
        with closing(http.client.HTTPConnection("127.0.0.1", server.port)) as new:
            new.connect()
            server.process.send_signal(signal.SIGTERM)
            wait_until_refused(server)
            new.request("GET", "/health")
            answer = new.getresponse()
            assert (answer.status, answer.getheader("connection")) == (200, "close")
            assert answer.read()
        assert server.process.wait(60) == 0


def test_a_socket_whose_handshake_ends_when_the_port_is_closed_is_closed_too(
    data_folder: Path, database: Database
) -> None:
    with (
        one_server(database, data_folder, "0", SHUTDOWN_GRACE_SECONDS="30") as server,
        socket.create_connection(("127.0.0.1", server.port), 20) as late,
    ):
        late.sendall(HANDSHAKE[:-2])
        # It has come when what was sent afterwards is answered.
        assert server.get("/health").status_code == 200
        server.process.send_signal(signal.SIGTERM)
        wait_until_refused(server)
        late.sendall(HANDSHAKE[-2:])
        came = b""
        while part := late.recv(4096):
            came += part
        assert came.startswith(b"HTTP/1.1 101")
        assert came.endswith(b"\x88\x02" + (1012).to_bytes(2, "big"))
        assert server.process.wait(60) == 0
    assert "Cut when" not in server.said


def test_what_does_not_end_in_its_grace_is_cut_and_counted(
    data_folder: Path, database: Database
) -> None:
    with one_server(
        database, data_folder, "0", SHUTDOWN_GRACE_SECONDS="0.5", REQUEST_TIMEOUT="300"
    ) as server:
        head = f"Authorization: Bearer {token()}\r\nContent-Length".encode()
        with socket.create_connection(("127.0.0.1", server.port)) as slow:
            slow.sendall(NEVER_ENDING.replace(b"Content-Length", head))
            # It has come when what was sent afterwards is answered.
            assert server.get("/health").status_code == 200
            assert server.stop(signal.SIGTERM) == 0
    assert "Cut when the server stopped: 1 connections, with 1 requests" in server.said
    assert "Traceback" not in server.said


def test_sockets_are_closed_one_after_the_other() -> None:
    few, many = Draining(), Draining()
    few.sockets, many.sockets = 3, 10_000
    few.spread(8)
    assert [few.next_turn() for _ in range(3)] == pytest.approx([0, 0.01, 0.02])
    many.spread(8)
    turns = [many.next_turn() for _ in range(10_000)]
    assert turns == sorted(turns)
    assert turns[5000] == pytest.approx(4)
    assert turns[-1] < 8


async def test_no_request_fails_while_servers_are_restarted_by_turns(
    data_folder: Path, database: Database
) -> None:
    settings = {"SHUTDOWN_DRAIN_SECONDS": "1"}
    servers = [Server(database.server_url, data_folder, 1, settings) for _ in range(2)]
    try:
        for server in servers:
            await server.wait_until_ready()
        result = await roll(servers, [server.port for server in servers], rate=100, least=500)
    finally:
        for server in servers:
            server.kill()
    assert not result.failed
    assert result.sent.total() >= 500


async def test_no_request_fails_on_the_connections_of_workers_that_are_replaced(
    data_folder: Path, database: Database
) -> None:
    settings = {"BETTER_AUTH_SECRET": SECRET, "SHUTDOWN_DRAIN_SECONDS": FOREVER}
    with serving(database, data_folder, settings) as server:
        wait_for(server, "Application startup complete", times=2)
        replaced = asyncio.Event()
        connections = [Connection([server.port]) for _ in range(20)]
        asking = asyncio.create_task(ask_on(connections, 50, SECRET, replaced, least=100))
        await asyncio.sleep(0.5)
        server.process.send_signal(signal.SIGHUP)
        await asyncio.to_thread(wait_for, server, "Application shutdown complete", 2)
        replaced.set()
        result = await asking
        server.process.send_signal(signal.SIGTERM)
        wait_until_draining(server)
        assert server.stop(signal.SIGTERM) == 0
    assert not result.failed
    assert result.sent.total() >= 100
