"""What surrounds a body, chunks and trailers, has a limit; and no refusal is misplaced."""

import json
import socket
import time
from collections.abc import Sequence
from contextlib import closing
from urllib.parse import urlsplit

import pytest
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from tests.api import Server
from tests.http.test_observability import read_all, talk

HEAD_MAX_BYTES, HEADERS_MAX, BODY_MAX_BYTES = 16 * 1024, 100, 100 * 1024
SENT = 16 * 1024 * 1024
"""Bytes; far more than lie unread between a client and a server."""

TAKEN_MAX = 1024 * 1024
CHUNKED = b" HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
BODY = json.dumps({"query": "{ __typename }"}).encode()
HALF = b"a" * (HEAD_MAX_BYTES // 2)


class Taken:
    """Counts the bytes that are handed to the parser."""

    bytes = 0


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> Taken:
    counted, take = Taken(), HttpToolsProtocol.data_received

    def counting(protocol: HttpToolsProtocol, data: bytes) -> None:
        counted.bytes += len(data)
        take(protocol, data)

    monkeypatch.setattr(HttpToolsProtocol, "data_received", counting)
    return counted


def rest_after_flood(line: socket.socket, unit: bytes) -> bytes:
    """Send something again and again until the server hangs up; return what it still said."""
    with pytest.raises((ConnectionResetError, BrokenPipeError)):
        line.sendall(unit * (SENT // len(unit)))
    try:
        return read_all(line)
    except ConnectionResetError:
        return b""


@pytest.mark.parametrize(
    ("line", "status"),
    [("POST /graphql", 401), ("GET /health", 200), ("PUT /graphql", 405), ("POST /graphql/", 307)],
)
def test_trailers_without_end_are_cut_off_and_nothing_is_answered_twice(
    server: Server, taken: Taken, line: str, status: int
) -> None:
    with closing(talk(server)) as connection:
        connection.sendall(line.encode() + CHUNKED + b"0\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 %d" % status)
        assert rest_after_flood(connection, b"a: b\r\n") == b""
    assert taken.bytes <= TAKEN_MAX


@pytest.mark.parametrize(
    ("begun", "unit"),
    [
        (b"0\r\n", b"a"),
        (b"0\r\na: ", b"b"),
        (b"5;", b"a"),
        (b"", b"0"),
        (b"", b"1;" + b"a" * 100 + b"\r\nx\r\n"),
        (b"10000\r\n" + b"x" * 0x10000 + b"\r\n0\r\na: ", b"b"),
        (b"0\r\n\r\n", b"\r\n"),
    ],
    ids=[
        "a trailer's name",
        "a trailer's value",
        "a chunk's extension",
        "a chunk's size",
        "the extensions of small chunks",
        "a trailer's value after a large body",
        "empty lines after a request",
    ],
)
def test_what_surrounds_a_body_has_an_end(
    server: Server, taken: Taken, begun: bytes, unit: bytes
) -> None:
    with closing(talk(server)) as connection:
        connection.sendall(b"POST /graphql" + CHUNKED + begun)
        assert connection.recv(65536).startswith(b"HTTP/1.1 401")
        assert rest_after_flood(connection, unit) == b""
    assert taken.bytes <= TAKEN_MAX


def answer_to(
    server: Server,
    token: str | None = None,
    *,
    body: bytes = BODY,
    chunk: int = 100,
    trailers: Sequence[bytes] = (),
) -> bytes:
    """Send a request of six headers, its body in chunks of that many bytes; return the answer."""
    lines = [
        b"POST /graphql HTTP/1.1",
        b"Host: x",
        b"Connection: close",
        b"Content-Type: application/json",
        b"Accept: application/json",
        b"X-Token: none" if token is None else b"Authorization: Bearer " + token.encode(),
        b"Transfer-Encoding: chunked",
        b"",
    ]
    for start in range(0, len(body), chunk):
        part = body[start : start + chunk]
        lines += [b"%x" % len(part), part]
    with closing(talk(server)) as connection:
        connection.sendall(b"\r\n".join([*lines, b"0", *trailers, b"\r\n"]))
        return read_all(connection)


def test_a_body_may_come_byte_by_byte(server: Server) -> None:
    answer = answer_to(server, server.user().token, body=BODY.ljust(BODY_MAX_BYTES), chunk=1)
    assert answer.startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    ("trailers", "status"),
    [
        ([b"a: b"] * (HEADERS_MAX - 6), 200),
        ([b"a: b"] * (HEADERS_MAX - 5), 400),
        ([b"a: " + HALF], 200),
        ([b"a: " + HALF, b"b: " + HALF], 400),
    ],
    ids=["many", "too many", "large", "too large"],
)
def test_trailers_share_the_limits_of_the_head(
    server: Server, trailers: Sequence[bytes], status: int
) -> None:
    answer = answer_to(server, server.user().token, trailers=trailers)
    assert answer.startswith(b"HTTP/1.1 %d" % status)


def test_a_url_is_part_of_the_head(server: Server) -> None:
    for url, status in ((HALF, 200), (HALF + HALF, 400)):
        with closing(talk(server)) as connection:
            connection.sendall(
                b"GET /health?" + url + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
            )
            assert read_all(connection).startswith(b"HTTP/1.1 %d" % status)


def test_a_trailer_is_no_header(server: Server) -> None:
    trailer = f"Authorization: Bearer {server.user().token}".encode()
    answer = answer_to(server, trailers=[trailer])
    assert answer.startswith(b"HTTP/1.1 401")


def test_a_refusal_is_not_taken_for_the_answer_to_another(server: Server) -> None:
    health = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
    for before, status in ((b"", b"HTTP/1.1 400"), (health, b"HTTP/1.1 200")):
        with closing(talk(server)) as connection:
            connection.sendall(before + b"GET / HTTP/1.1\r\nX: " + HALF + HALF + b"\r\n\r\n")
            answer = read_all(connection)
            assert answer[:12] == status
            assert answer.count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize(
    ("version", "headers", "status"),
    [
        (b"1.1", b"Host: x", 200),
        (b"1.1", b"X: y", 400),
        (b"1.1", b"Host: x\r\nHost: x", 400),
        (b"1.0", b"X: y", 200),
        (b"1.0", b"Host: x\r\nHost: y", 400),
        (b"1.1", b"Host: x\r\nTransfer-Encoding: chunked", 200),
        (b"1.1", b"Host: x\r\nTransfer-Encoding: Chunked", 200),
        (b"1.1", b"Host: x\r\nTransfer-Encoding: identity, chunked", 400),
        (b"1.1", b"Host: x\r\nTransfer-Encoding: gzip, chunked", 400),
        (b"1.1", b"Host: x\r\nTransfer-Encoding: gzip\r\nTransfer-Encoding: chunked", 400),
        (b"1.0", b"Transfer-Encoding: chunked", 400),
    ],
)
def test_a_head_that_two_servers_could_read_differently_is_refused(
    server: Server, version: bytes, headers: bytes, status: int
) -> None:
    with closing(talk(server)) as connection:
        line = b"GET /health HTTP/" + version + b"\r\nConnection: close\r\n"
        connection.sendall(line + headers + b"\r\n\r\n" + b"0\r\n\r\n" * (b"Encoding" in headers))
        assert read_all(connection).startswith(b"HTTP/1.1 %d" % status)


BODY = b'{"query": "{ me { id } }"}'
MANY_UPGRADES = 2000
"""More than Python could nest calls."""

UPGRADES = [b"h2c", b"foo", b"TLS/1.0", b"websocket\r\nUpgrade: h2c"]


@pytest.mark.parametrize("upgrade", UPGRADES)
@pytest.mark.parametrize("is_chunked", [False, True])
@pytest.mark.parametrize("is_split", [False, True])
def test_a_wish_for_another_protocol_changes_nothing(
    server: Server, upgrade: bytes, is_chunked: bool, is_split: bool
) -> None:
    """As clients send it that speak HTTP/2, too: what follows the head is its body."""
    user = server.user()
    assert user.user_id is not None
    framing = b"Transfer-Encoding: chunked" if is_chunked else b"Content-Length: %d" % len(BODY)
    body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY) if is_chunked else BODY
    head = (
        b"POST /graphql HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer %s\r\n"
        b"Content-Type: application/json\r\nConnection: Upgrade\r\nUpgrade: %s\r\n%s\r\n\r\n"
    ) % (str(user.token).encode(), upgrade, framing)
    behind = b"GET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    with socket.create_connection(("127.0.0.1", urlsplit(server.url).port or 0)) as connection:
        connection.settimeout(30)
        connection.sendall(head)
        if is_split:
            time.sleep(0.1)
        connection.sendall(body + behind)
        answers = b"".join(iter(lambda: connection.recv(65536), b""))
    assert answers.count(b"HTTP/1.1 200 OK") == 2
    assert answers.index(user.user_id.encode()) < answers.index(b'{"status":"ok"}')


def test_many_wishes_at_once_are_all_answered(server: Server) -> None:
    one = b"GET /health HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: foo\r\n\r\n"
    last = b"GET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    with socket.create_connection(("127.0.0.1", urlsplit(server.url).port or 0)) as connection:
        connection.settimeout(60)
        connection.sendall(one * MANY_UPGRADES + last)
        answers = b"".join(iter(lambda: connection.recv(65536), b""))
    assert answers.count(b"HTTP/1.1 200 OK") == MANY_UPGRADES + 1
