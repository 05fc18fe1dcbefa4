"""The states of a connection, for tests: how a client comes into each, and what it sends there."""

import json
from typing import NamedTuple

from websockets.frames import OP_CLOSE, OP_CONT, OP_PING, OP_TEXT, Close, Frame

from tests.database.test_live import HANDSHAKE

HEALTH = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
CHUNKED = b" HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
LONG = b" HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n"
QUERY = json.dumps({"query": "{ __typename }"}).encode()


class Case(NamedTuple):
    """How a client comes into a state, and what it may send in it without end."""

    sent: bytes
    """{token} in it is a good token."""
    answered: bytes
    """How the answer to that begins; empty: there is none yet."""
    unit: bytes
    said: bytes = b""
    """What ends the answers, when the state has ended by its time."""
    signs_in: bool = False
    """Whether the socket sends a good token."""
    then: bytes = b""
    """What is sent last."""


SIGNED_IN = b"\r\nHost: x\r\nContent-Type: application/json\r\nAuthorization: Bearer {token}\r\n"
REFUSED, PING = b"HTTP/1.1 400", Frame(OP_PING, b"").serialize(mask=True)


def frame(message: object) -> bytes:
    return Frame(OP_TEXT, json.dumps(message).encode()).serialize(mask=True)


def close(code: int, reason: str) -> bytes:
    return Frame(OP_CLOSE, Close(code, reason).serialize()).serialize(mask=False)


CASES = {
    "before its first request": Case(b"", b"", b"\r\n"),
    "between two requests": Case(HEALTH, b"HTTP/1.1 200", b"\r\n"),
    "in the name of a method": Case(b"GE", b"", b"T"),
    "in a URL": Case(b"GET /health?", b"", b"a"),
    "in a header's name": Case(b"GET / HTTP/1.1\r\nX", b"", b"a"),
    "in a header's value": Case(b"GET / HTTP/1.1\r\nX: ", b"", b"a"),
    "between two headers": Case(b"GET / HTTP/1.1\r\n", b"", b"a: b\r\n"),
    "in a second head": Case(HEALTH + b"GET / HTTP/1.1\r\nX: ", b"HTTP/1.1 200", b"a"),
    "in a body with a token": Case(
        b"POST /graphql HTTP/1.1" + SIGNED_IN + b"Content-Length: 99999999\r\n\r\n",
        b"",
        b"a",
        b"HTTP/1.1 408",
    ),
    "in a chunked body with a token": Case(
        b"POST /graphql HTTP/1.1" + SIGNED_IN + b"Transfer-Encoding: chunked\r\n\r\n",
        b"",
        b"1\r\na\r\n",
        b"HTTP/1.1 408",
    ),
    "in a chunk's size with a token": Case(
        b"POST /graphql HTTP/1.1" + SIGNED_IN + b"Transfer-Encoding: chunked\r\n\r\n1;",
        b"",
        b"a",
        b"HTTP/1.1 408",
    ),
    "in trailers with a token": Case(
        b"POST /graphql HTTP/1.1"
        + SIGNED_IN
        + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n" % (len(QUERY), QUERY),
        b"",
        b"a: b\r\n",
        b"HTTP/1.1 408",
    ),
    "answered 401 before a body": Case(b"POST /graphql" + LONG, b"HTTP/1.1 401", b"a"),
    "answered 200 before a body": Case(b"GET /health" + LONG, b"HTTP/1.1 200", b"a"),
    "answered 404 before a body": Case(b"POST /nothing" + LONG, b"HTTP/1.1 404", b"a"),
    "answered 405 before a body": Case(b"PUT /graphql" + LONG, b"HTTP/1.1 405", b"a"),
    "answered 307 before a body": Case(b"POST /graphql/" + LONG, b"HTTP/1.1 307", b"a"),
    "answered before the chunks": Case(
        b"POST /graphql" + CHUNKED, b"HTTP/1.1 401", b"400\r\n" + 1024 * b"a" + b"\r\n"
    ),
    "answered before the trailers": Case(
        b"POST /graphql" + CHUNKED + b"0\r\n", b"HTTP/1.1 401", b"a: b\r\n"
    ),
    "refused": Case(b"nonsense\r\n\r\n", REFUSED, b"a"),
    "refused a handshake by POST": Case(HANDSHAKE.replace(b"GET", b"POST"), REFUSED, PING),
    "refused a handshake of HTTP/1.0": Case(HANDSHAKE.replace(b"/1.1", b"/1.0"), REFUSED, PING),
    "refused a handshake with a body": Case(
        HANDSHAKE[:-2] + b"Content-Length: 9\r\n\r\n", REFUSED, PING
    ),
    "refused a handshake with chunks": Case(
        HANDSHAKE[:-2] + b"Transfer-Encoding: chunked\r\n\r\n", REFUSED, PING
    ),
    "refused a handshake with a long header": Case(
        HANDSHAKE[:-2] + b"X: " + 9000 * b"a" + b"\r\n\r\n", REFUSED, PING
    ),
    "refused a handshake with a long URL": Case(
        HANDSHAKE.replace(b"/graphql", b"/graphql?" + 9000 * b"a"), REFUSED, PING
    ),
    "on a WebSocket before connection_init": Case(
        HANDSHAKE,
        b"HTTP/1.1 101",
        PING,
        close(4408, "Connection initialisation timeout"),
    ),
    "amid a frame": Case(
        HANDSHAKE,
        b"HTTP/1.1 101",
        b"a",
        close(4408, "Connection initialisation timeout"),
        then=b"\x81",
    ),
    "on a WebSocket": Case(
        HANDSHAKE, b"HTTP/1.1 101", PING, close(1011, "keepalive ping timeout"), signs_in=True
    ),
    "on a WebSocket, amid a message in parts": Case(
        HANDSHAKE,
        b"HTTP/1.1 101",
        Frame(OP_CONT, b"", fin=False).serialize(mask=True),
        close(1011, "keepalive ping timeout"),
        signs_in=True,
        then=Frame(OP_TEXT, b"", fin=False).serialize(mask=True),
    ),
    "on a WebSocket that was closed": Case(
        HANDSHAKE,
        b"HTTP/1.1 101",
        PING,
        close(4400, "Invalid message: no object with a type"),
        then=frame(["no message"]),
    ),
}
"""By what the client is doing."""
