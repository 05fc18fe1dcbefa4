"""Each state of a connection ends: in silence, by a byte at a time, by a flood, by a hang-up."""

import json
import logging
import socket
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import NamedTuple

import psycopg
import pytest

from app.http import connections, endpoint, states
from app.http.connection import GuardedProtocol
from app.http.request import accepted_media_type
from tests.api import TOGGLE, Server, running_server, settings_for
from tests.database.test_live import eventually
from tests.databases import Database
from tests.http.test_observability import talk

SECONDS = 0.4
"""How long each state lasts here."""

TAKEN_MAX = 1024 * 1024
"""Bytes that a state may take: its most, and what one read of a socket may add to that.

A body that comes byte by byte is framed by five times its own size.
"""

SENT = 16 * 1024 * 1024
"""Bytes of a flood; far more than lie unread between a client and a server."""

HEALTH = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
CHUNKED = b" HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
LONG = b" HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n"
QUERY = json.dumps({"query": "{ __typename }"}).encode()


class Door(NamedTuple):
    """How a client comes into a state, and what it may send in it without end."""

    sent: bytes
    """{token} in it is a good token."""
    answered: bytes
    """How the answer to that begins; empty: there is none yet."""
    unit: bytes
    said: bytes = b""
    """How the last answer begins, when the state has ended by its time."""


SIGNED_IN = b"\r\nHost: x\r\nContent-Type: application/json\r\nAuthorization: Bearer {token}\r\n"
DOORS = {
    "before its first request": Door(b"", b"", b"\r\n"),
    "between two requests": Door(HEALTH, b"HTTP/1.1 200", b"\r\n"),
    "in the name of a method": Door(b"GE", b"", b"T"),
    "in a URL": Door(b"GET /health?", b"", b"a"),
    "in a header's name": Door(b"GET / HTTP/1.1\r\nX", b"", b"a"),
    "in a header's value": Door(b"GET / HTTP/1.1\r\nX: ", b"", b"a"),
    "between two headers": Door(b"GET / HTTP/1.1\r\n", b"", b"a: b\r\n"),
    "in a second head": Door(HEALTH + b"GET / HTTP/1.1\r\nX: ", b"HTTP/1.1 200", b"a"),
    "in a body with a token": Door(
        b"POST /graphql HTTP/1.1" + SIGNED_IN + b"Content-Length: 99999999\r\n\r\n",
        b"",
        b"a",
        b"HTTP/1.1 408",
    ),
    "in a chunked body with a token": Door(
        b"POST /graphql HTTP/1.1" + SIGNED_IN + b"Transfer-Encoding: chunked\r\n\r\n",
        b"",
        b"1\r\na\r\n",
        b"HTTP/1.1 408",
    ),
    "in a chunk's size with a token": Door(
        b"POST /graphql HTTP/1.1" + SIGNED_IN + b"Transfer-Encoding: chunked\r\n\r\n1;",
        b"",
        b"a",
        b"HTTP/1.1 408",
    ),
    "in trailers with a token": Door(
        b"POST /graphql HTTP/1.1"
        + SIGNED_IN
        + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n" % (len(QUERY), QUERY),
        b"",
        b"a: b\r\n",
        b"HTTP/1.1 408",
    ),
    "answered 401 before a body": Door(b"POST /graphql" + LONG, b"HTTP/1.1 401", b"a"),
    "answered 200 before a body": Door(b"GET /health" + LONG, b"HTTP/1.1 200", b"a"),
    "answered 404 before a body": Door(b"POST /nothing" + LONG, b"HTTP/1.1 404", b"a"),
    "answered 405 before a body": Door(b"PUT /graphql" + LONG, b"HTTP/1.1 405", b"a"),
    "answered 307 before a body": Door(b"POST /graphql/" + LONG, b"HTTP/1.1 307", b"a"),
    "answered before the chunks": Door(
        b"POST /graphql" + CHUNKED, b"HTTP/1.1 401", b"400\r\n" + 1024 * b"a" + b"\r\n"
    ),
    "answered before the trailers": Door(
        b"POST /graphql" + CHUNKED + b"0\r\n", b"HTTP/1.1 401", b"a: b\r\n"
    ),
    "refused": Door(b"nonsense\r\n\r\n", b"HTTP/1.1 400", b"a"),
}
"""By what the client is doing."""


@dataclass
class Taken:
    """How much came, of all clients."""

    bytes: int = 0


@pytest.fixture(scope="module")
def taken() -> Iterator[Taken]:
    counted, take = Taken(), GuardedProtocol.data_received

    def counting(protocol: GuardedProtocol, data: bytes) -> None:
        counted.bytes += len(data)
        take(protocol, data)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(GuardedProtocol, "data_received", counting)
        yield counted


@pytest.fixture(scope="module")
def brief(database: Database, taken: Taken) -> Iterator[Server]:
    """A server in which no state lasts long."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(connections, "TICK", 0.05)
        for state in vars(states).values():
            if isinstance(state, states.State) and state is not states.OPEN:
                patch.setattr(state, "seconds", SECONDS)
        settings = settings_for(database.server_url, request_timeout=SECONDS)
        with running_server(settings) as server:
            yield server


def open_connections(server: Server) -> int:
    return len(server.connections._open)


def enter(server: Server, door: Door) -> socket.socket:
    line = talk(server)
    token = str(server.user().token).encode()
    line.sendall(door.sent.replace(b"{token}", token))
    if door.answered:
        assert line.recv(65536).startswith(door.answered)
    return line


def until_hung_up(line: socket.socket) -> bytes:
    answer = b""
    with suppress(ConnectionResetError):
        while chunk := line.recv(65536):
            answer += chunk
    return answer


@pytest.mark.parametrize("name", DOORS)
def test_a_state_ends_in_silence(brief: Server, name: str) -> None:
    with closing(enter(brief, DOORS[name])) as line:
        # Where nobody hangs up, the test's own time is over.
        answer = until_hung_up(line)
    assert answer.startswith(DOORS[name].said)
    assert answer.count(b"HTTP/1.1") == bool(DOORS[name].said)
    eventually(lambda: open_connections(brief), 0)


@pytest.mark.parametrize("name", DOORS)
def test_no_state_is_prolonged_by_one_byte_more(brief: Server, name: str) -> None:
    door, deadline = DOORS[name], time.monotonic() + 20
    with closing(enter(brief, door)) as line:
        line.settimeout(0.05)
        while time.monotonic() < deadline:
            try:
                line.sendall(door.unit)
                if not line.recv(65536):
                    break
            except TimeoutError:
                pass
            except OSError:
                break
        else:
            pytest.fail("nobody has hung up")


@pytest.mark.parametrize("name", DOORS)
def test_no_state_takes_much(brief: Server, taken: Taken, name: str) -> None:
    before, door = taken.bytes, DOORS[name]
    with closing(enter(brief, door)) as line:
        with suppress(ConnectionError):
            line.sendall(door.unit * (SENT // len(door.unit)))
            pytest.fail("all was taken")
        answer = until_hung_up(line)
    assert taken.bytes - before <= TAKEN_MAX
    assert not door.answered or name == "in a second head" or answer == b""
    assert brief.bearer(None).http.get("/health").status_code == 200


@pytest.mark.parametrize("name", DOORS)
def test_who_hangs_up_is_forgotten(
    brief: Server, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    enter(brief, DOORS[name]).close()
    eventually(lambda: open_connections(brief), 0)
    assert [record for record in caplog.records if record.levelno > logging.WARNING] == []


@pytest.fixture
def brief_but_for_answers(brief: Server, database: Database) -> Iterator[Server]:
    """A server whose answers may take their time."""
    with running_server(settings_for(database.server_url)) as server:
        yield server


def test_a_slow_reader_is_sent_all(brief_but_for_answers: Server) -> None:
    """An answer takes many times as long as one may stay unread."""
    server, user = brief_but_for_answers, brief_but_for_answers.user()
    for _ in range(40):
        user.create(description="\u00e4" * 1000)
    fields = " ".join(f"a{n}: tasks {{ nodes {{ description }} }}" for n in range(45))
    body = json.dumps({"query": f"{{ {fields} }}"}).encode()
    (listening,) = server._server.servers[0].sockets
    with socket.socket() as line:
        # Else all of it has place in the kernel's buffers.
        for side, size in ((listening, socket.SO_SNDBUF), (line, socket.SO_RCVBUF)):
            side.setsockopt(socket.SOL_SOCKET, size, 65536)
        line.connect(("127.0.0.1", int(server.url.rpartition(":")[2])))
        line.settimeout(20)
        head = b"POST /graphql HTTP/1.1\r\nContent-Length: %d\r\nConnection: close" % len(body)
        line.sendall(head + SIGNED_IN.replace(b"{token}", str(user.token).encode()) + b"\r\n")
        line.sendall(body)
        read, began = 0, time.monotonic()
        while chunk := line.recv(65536):
            read += len(chunk)
            if time.monotonic() - began < 4 * SECONDS:
                time.sleep(0.05)

    assert read > 40 * 45 * 2000


def test_who_is_refused_may_send_on_for_a_moment(brief: Server) -> None:
    """A connection that breaks while they send would keep many clients from reading why."""
    head = b"POST /graphql HTTP/1.1" + SIGNED_IN + b"Content-Length: 1000000\r\n\r\n"
    with closing(talk(brief)) as line:
        line.sendall(head.replace(b"{token}", str(brief.user().token).encode()) + b"a" * 150_000)
        assert line.recv(65536).startswith(b"HTTP/1.1 413")
        for _ in range(20):
            line.sendall(b"a" * 1000)
            time.sleep(0.005)


@pytest.mark.parametrize("more", [b"", b"a" * SENT], ids=["in silence", "in a flood"])
def test_a_head_that_does_not_end_costs_no_earlier_answer(
    brief: Server,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    taken: Taken,
    more: bytes,
) -> None:
    """The answer takes longer than the head behind it may, and that has no end."""
    monkeypatch.setattr(states.HEAD, "seconds", 0.1)
    user = brief.user()
    task = user.create()
    body = json.dumps({"query": TOGGLE, "variables": {"input": {"id": task["id"]}}}).encode()
    head = b"POST /graphql HTTP/1.1" + SIGNED_IN.replace(b"{token}", str(user.token).encode())
    length = b"Content-Length: %d\r\n\r\n" % len(body)
    with psycopg.connect(database.superuser_url) as connection, closing(talk(brief)) as line:
        connection.execute("SELECT FROM tasks WHERE id = %s FOR UPDATE", [task["id"]])
        line.sendall(head + length + body + b"GET /health?")
        before = taken.bytes
        line.settimeout(0.2)
        with suppress(TimeoutError):
            line.sendall(more)
        line.settimeout(20)
        answer = until_hung_up(line)
    assert taken.bytes - before <= TAKEN_MAX
    assert answer.startswith(b"HTTP/1.1 504")
    assert answer.count(b"HTTP/1.1") == 1


def test_an_accept_header_is_read_of_who_has_a_token_and_only_if_it_is_short(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []

    def reading(accept: str) -> str | None:
        read.append(accept)
        return accepted_media_type(accept)

    monkeypatch.setattr(endpoint, "accepted_media_type", reading)
    long = "image/png," * 1500
    assert server.bearer(None).post("{ me }", headers={"Accept": long}).status_code == 401
    assert read == []
    answer = server.user().post("{ __typename }", headers={"Accept": long})
    assert (answer.status_code, read) == (200, [long])
    assert server.user().post("{ __typename }", headers={"Accept": "image/png"}).status_code == 406
