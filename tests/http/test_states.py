"""Each state of a connection ends: in silence, by a byte at a time, by a flood, by a hang-up."""

import asyncio
import json
import logging
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest

from app.http import connections, endpoint, states
from app.http.connection import GuardedProtocol
from app.http.request import accepted_media_type
from app.http.websocket_connection import GuardedWebSocket
from app.operations.execution import Executor
from tests.api import TOGGLE, Caller, Server, running_server, settings_for
from tests.database.test_live import HANDSHAKE, eventually
from tests.databases import Database
from tests.http.state_cases import CASES, SIGNED_IN, Case, frame
from tests.http.test_observability import read_all, talk
from tests.locks import held_task
from tests.sockets import signed_in, socket_to

SECONDS = 1.0
"""How long each state lasts here."""

PATIENCE = 8.0
"""Seconds to wait for an end; uvicorn's own times are longer."""

TAKEN_MAX = 1024 * 1024
"""Bytes that a state may take: its most, and what one read of a socket may add to that.

A body that comes byte by byte is framed by five times its own size.
"""

SENT = 16 * 1024 * 1024
"""Bytes of a flood; far more than lie unread between a client and a server."""


@dataclass
class Taken:
    """How much came, of all clients."""

    bytes: int = 0


@pytest.fixture(scope="module")
def taken() -> Iterator[Taken]:
    counted = Taken()

    def count(kind: type[GuardedProtocol] | type[GuardedWebSocket]) -> None:
        take = kind.data_received

        def counting(protocol: Any, data: bytes) -> None:
            counted.bytes += len(data)
            take(protocol, data)

        patch.setattr(kind, "data_received", counting)

    with pytest.MonkeyPatch.context() as patch:
        count(GuardedProtocol)
        count(GuardedWebSocket)
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
            server.config.ws_ping_interval = server.config.ws_ping_timeout = SECONDS
            yield server


def open_connections(server: Server) -> int:
    return len(server.connections._open)


@contextmanager
def entered(server: Server, case: Case) -> Iterator[socket.socket]:
    token = server.token(f"user-{uuid4().hex}")
    with closing(talk(server)) as line:
        line.sendall(case.sent.replace(b"{token}", token.encode()))
        line.settimeout(PATIENCE)
        if case.answered:
            assert line.recv(65536).startswith(case.answered)
        if case.signs_in:
            payload = {"Authorization": f"Bearer {token}"}
            line.sendall(frame({"type": "connection_init", "payload": payload}))
            assert b"connection_ack" in line.recv(65536)
        line.sendall(case.then)
        yield line


def until_hung_up(line: socket.socket) -> bytes:
    answer = b""
    with suppress(ConnectionResetError):
        while chunk := line.recv(65536):
            answer += chunk
    return answer


def of_each_case(outcome: Callable[[str], object]) -> dict[str, object]:
    """Return what comes of each case; all wait at the same time."""
    with ThreadPoolExecutor(len(CASES)) as threads:
        return dict(zip(CASES, threads.map(outcome, CASES), strict=True))


def test_each_state_ends_in_silence(brief: Server) -> None:
    def is_right(name: str) -> bool:
        with entered(brief, CASES[name]) as line:
            # Where nobody hangs up, this raises TimeoutError.
            answer, said = until_hung_up(line), CASES[name].said
        return (said in answer) if said else answer == b""

    assert of_each_case(is_right) == dict.fromkeys(CASES, True)
    eventually(lambda: open_connections(brief), 0)


def test_no_state_is_prolonged_by_one_byte_more(brief: Server) -> None:
    def has_ended(name: str) -> bool:
        deadline = time.monotonic() + PATIENCE
        with entered(brief, CASES[name]) as line:
            line.settimeout(0.1)
            while time.monotonic() < deadline:
                try:
                    line.sendall(CASES[name].unit)
                    if not line.recv(65536):
                        return True
                except TimeoutError:
                    pass
                except OSError:
                    return True
        return False

    assert of_each_case(has_ended) == dict.fromkeys(CASES, True)


@pytest.mark.parametrize("name", CASES)
def test_no_state_takes_much(brief: Server, taken: Taken, name: str) -> None:
    case = CASES[name]
    with entered(brief, case) as line:
        before = taken.bytes
        with suppress(ConnectionError):
            line.sendall(case.unit * (SENT // len(case.unit)))
            pytest.fail("all was taken")
        answer = until_hung_up(line)
    assert taken.bytes - before <= TAKEN_MAX
    # A request that is answered is not answered again.
    assert answer.count(b"HTTP/1.1") <= (not case.answered or name == "in a second head")
    assert brief.bearer(None).http.get("/health").status_code == 200


@pytest.mark.parametrize("name", CASES)
def test_who_hangs_up_is_forgotten(
    brief: Server, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    with entered(brief, CASES[name]):
        pass
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


def toggle(user: Caller, task: Any) -> bytes:
    """Return a request that is answered late if the task is locked."""
    body = json.dumps({"query": TOGGLE, "variables": {"input": {"id": task["id"]}}}).encode()
    head = b"POST /graphql HTTP/1.1" + SIGNED_IN.replace(b"{token}", str(user.token).encode())
    return head + b"Content-Length: %d\r\n\r\n" % len(body) + body


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
    with held_task(database, user.user_id, task["id"]), closing(talk(brief)) as line:
        line.sendall(toggle(user, task) + b"GET /health?")
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


def test_a_handshake_behind_a_request_that_is_being_answered_is_refused(
    brief: Server, database: Database
) -> None:
    """Else the answer would lie among the frames."""
    user = brief.user()
    task = user.create()
    with held_task(database, user.user_id, task["id"]), closing(talk(brief)) as line:
        line.sendall(toggle(user, task) + HANDSHAKE)
        answer = read_all(line)
    assert answer.startswith(b"HTTP/1.1 504")
    assert answer.count(b"HTTP/1.1") == 1


def initiated(server: Server, user: Caller) -> socket.socket:
    """Open a WebSocket whose client reads little at a time."""
    (listening,) = server._server.servers[0].sockets
    line = socket.socket()
    for side, size in ((listening, socket.SO_SNDBUF), (line, socket.SO_RCVBUF)):
        side.setsockopt(socket.SOL_SOCKET, size, 65536)
    line.connect(("127.0.0.1", int(server.url.rpartition(":")[2])))
    line.settimeout(PATIENCE)
    line.sendall(HANDSHAKE)
    assert line.recv(65536).startswith(b"HTTP/1.1 101")
    payload = {"Authorization": f"Bearer {user.token}"}
    line.sendall(frame({"type": "connection_init", "payload": payload}))
    assert b"connection_ack" in line.recv(65536)
    return line


def subscribe(id: str, query: str) -> bytes:
    return frame({"id": id, "type": "subscribe", "payload": {"query": query}})


def test_who_does_not_read_has_nothing_more_done_for_them(
    brief_but_for_answers: Server,
) -> None:
    server, user = brief_but_for_answers, brief_but_for_answers.user()
    for _ in range(40):
        user.create(description="x" * 1000)
    fields = " ".join(f"a{n}: tasks {{ nodes {{ description }} }}" for n in range(45))
    with closing(initiated(server, user)) as line:
        line.sendall(subscribe("large", f"{{ {fields} }}"))
        # It has begun to come, and is far larger than what lies between the two sides.
        assert line.recv(1)
        mutation = 'mutation { createTask(input: {title: "more"}) { __typename } }'
        line.sendall(subscribe("more", mutation))
        # Nothing of it is read until the server has had enough of that.
        eventually(lambda: open_connections(server), 0)
    assert user.page()["totalCount"] == 40


def test_a_few_answers_of_a_socket_are_worked_on_at_once(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    working, most, result = 0, 0, Executor._result

    async def counting(*given: Any) -> Any:
        nonlocal working, most
        working += 1
        most = max(most, working)
        await asyncio.sleep(0.02)
        working -= 1
        return await result(*given)

    monkeypatch.setattr(Executor, "_result", counting)
    with signed_in(server, server.user().token) as client:
        # What is followed takes no turn.
        for number in range(4):
            client.follow(id=f"followed {number}")
        for number in range(10):
            client.subscribe("{ __typename }", id=f"{number}")
        for _ in range(20):
            client.hear()
    assert most == 3


def test_few_frames_are_taken_before_a_token(server: Server) -> None:
    with socket_to(server.url) as client:
        for _ in range(11):
            client.say({"type": "pong"})
        assert client.closed() == (1008, "Too many messages")
    with signed_in(server, server.user().token) as client:
        for _ in range(20):
            client.say({"type": "ping"})
            assert client.hear() == {"type": "pong"}
