"""A socket takes so much, so fast, and no more; what ends it says so in a reason that fits."""

import json
import logging
import socket as sockets
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.frames import OP_BINARY, OP_CONT, OP_PING, OP_PONG, OP_TEXT, Frame
from websockets.server import ServerProtocol

from app.http import websocket_connection, websocket_operations, websocket_protocol
from tests.api import CREATE, Server
from tests.database.test_live import HANDSHAKE
from tests.http.test_observability import talk
from tests.sockets import signed_in, socket_to


@pytest.mark.parametrize("size", [150_000, 250_000])
def test_a_large_message_closes_with_1009(server: Server, size: int) -> None:
    with signed_in(server, server.user().token) as socket:
        socket.say({"type": "ping", "payload": {"x": "x" * size}})
        assert socket.closed()[0] == 1009


def test_a_request_has_the_same_size_at_most_as_by_http(server: Server) -> None:
    user = server.user()
    with signed_in(server, user.token) as socket:
        socket.follow(id="other")
        for length, is_served in ((100_000, True), (34_000 * 3, True), (103_000, False)):
            query = "{ __typename }" + "#" * length
            assert (user.post(query).status_code == 200) == is_served
            socket.subscribe(query)
            answer = socket.hear()
            if is_served:
                assert answer["payload"] == {"data": {"__typename": "Query"}}
                assert socket.hear()["type"] == "complete"
            else:
                assert (answer["id"], answer["type"]) == ("one", "error")
                assert answer["payload"][0]["extensions"]["code"] == "PAYLOAD_TOO_LARGE"
        # The socket has lived through it, and so has what it follows.
        user.create()
        assert socket.event()["node"]["version"] == 1


@pytest.mark.parametrize(
    ("variables", "said"),
    [({"title": "\ud800"}, "InvalidInput"), ({"title": "a", "\ud800": 1}, "BAD_USER_INPUT")],
    ids=["in a title", "in a name"],
)
def test_half_a_surrogate_is_read_as_by_http(
    server: Server, variables: dict[str, Any], said: str
) -> None:
    user = server.user()
    by_http = user.execute(CREATE, {"input": variables})
    with signed_in(server, user.token) as socket:
        socket.subscribe(CREATE, {"input": variables})
        message = socket.hear()
    answers = message["payload"] if message["type"] == "next" else {"errors": message["payload"]}
    assert answers == by_http
    assert said in json.dumps(by_http)


def test_many_messages_a_second_close_with_1008(server: Server) -> None:
    with signed_in(server, server.user().token) as socket:
        # The server may close before the last of them is on its way.
        with suppress(ConnectionClosed):
            for _ in range(3 * websocket_connection.FRAMES_PER_SECOND):
                socket.say({"type": "pong"})
        assert socket.closed() == (1008, "Too many messages")


PING = b'{"type": "ping"}'
FLOOD = 2 * 1024 * 1024
"""Bytes."""

FRAMES_AT_MOST = 1000
"""Frames of a flood that may be parsed; there are a hundred thousand in it, and more."""


@pytest.mark.parametrize(
    ("first", "frame"),
    [
        (None, Frame(OP_PING, b"")),
        (None, Frame(OP_PONG, b"")),
        (Frame(OP_TEXT, b"", fin=False), Frame(OP_CONT, b"", fin=False)),
        (None, Frame(OP_TEXT, PING)),
        (None, Frame(OP_BINARY, b"")),
    ],
    ids=["pings", "pongs", "parts", "messages", "bytes"],
)
def test_frames_of_any_kind_are_limited_and_no_more_of_them_are_parsed(
    server: Server,
    parsed: list[Frame],
    caplog: pytest.LogCaptureFixture,
    first: Frame | None,
    frame: Frame,
) -> None:
    unit = frame.serialize(mask=True)
    with closing(talk(server)) as line:
        line.sendall(HANDSHAKE)
        assert b"101 Switching Protocols" in line.recv(1000)
        sent = unit * (FLOOD // len(unit))
        # The server may not even read them all.
        with ThreadPoolExecutor(1) as thread, suppress(ConnectionResetError, BrokenPipeError):
            answer = thread.submit(read_until_hung_up, line)
            line.sendall((first.serialize(mask=True) if first else b"") + sent)
    assert b"\x03\xf0Too many messages" in answer.result()
    assert len(parsed) <= FRAMES_AT_MOST
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


def read_until_hung_up(line: sockets.socket) -> bytes:
    answer = b""
    with suppress(ConnectionResetError):
        while chunk := line.recv(65536):
            answer += chunk
    return answer


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[Frame]:
    """Frames that were parsed."""
    frames, take = list[Frame](), ServerProtocol.recv_frame

    def counting(protocol: ServerProtocol, frame: Frame) -> None:
        frames.append(frame)
        take(protocol, frame)

    monkeypatch.setattr(ServerProtocol, "recv_frame", counting)
    return frames


def test_parts_of_a_message_are_limited(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket_connection, "FRAMES_PER_SECOND", 10_000)
    # To say that there are no more of them, an empty one is sent.
    parts = [PING.decode(), *[" "] * (websocket_connection.PARTS_MAX - 2)]
    with signed_in(server, server.user().token) as socket:
        socket.connection.send(parts)
        assert socket.hear() == {"type": "pong"}
        with suppress(ConnectionClosed):
            socket.connection.send([*parts, " "])
        assert socket.closed() == (1008, "Too many parts")


def test_sockets_of_a_user_are_limited(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket_protocol, "SOCKETS_MAX", 2)
    user, other = server.user(), server.user()
    with signed_in(server, user.token), signed_in(server, user.token):
        with socket_to(server.url) as third:
            value = f"Bearer {user.token}"
            third.say({"type": "connection_init", "payload": {"Authorization": value}})
            assert third.closed() == (1013, "Too many sockets")
        with signed_in(server, other.token):
            pass
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            with signed_in(server, user.token):
                break
        except AssertionError:
            time.sleep(0.02)


def test_operations_on_a_socket_are_limited(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(websocket_operations, "OPERATIONS_MAX", 2)
    with signed_in(server, server.user().token) as socket:
        for id in ("one", "two", "three"):
            socket.follow(id=id)
        refused = socket.hear()
        assert (refused["id"], refused["type"]) == ("three", "error")
        assert refused["payload"][0]["extensions"]["code"] == "TOO_MANY_OPERATIONS"


def test_what_is_nested_deeply_is_sent_back_or_ends_the_socket(server: Server) -> None:
    """How deep is too deep depends on Python: that of 3.13 writes what that of 3.11 does not."""
    for depth in (300, 1010, 5000):
        deep = "[" * depth + "]" * depth
        with socket_to(server.url) as socket:
            socket.connection.send(f'{{"type": "ping", "payload": {{"a": {deep}}}}}')
            answer = "closed"
            with suppress(ConnectionClosed):
                answer = socket.hear()["type"]
            assert answer in (("pong",) if depth == 300 else ("pong", "closed"))
            if answer == "closed":
                assert socket.connection.close_code == 4400


@pytest.mark.parametrize("letter", ["a", "\u00e4", "\u20ac", "\U0001f600"])
@pytest.mark.parametrize("length", [1, 40, 64, 5_000])
def test_a_reason_is_cut_where_a_character_ends(server: Server, letter: str, length: int) -> None:
    with signed_in(server, server.user().token) as socket:
        for _ in range(2):
            socket.follow(id=letter * length)
        code, reason = socket.closed()
    assert code == 4409
    assert reason.startswith(f"Subscriber for {letter}")
    assert len(reason.encode()) <= 123
