"""Requests that are answered straight from their connection are answered as by the application."""

import asyncio
import json
import random
import re
import socket
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from types import SimpleNamespace
from typing import IO, Any, NamedTuple, cast

import pytest
from starlette.types import Scope
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from app.http.connection import GuardedProtocol
from app.http.direct import Direct, Write
from app.http.middleware import Observer
from app.settings import GRAPHQL_PATH
from tests.api import Server, running_server, settings_for
from tests.databases import Database
from tests.http.test_observability import read_all, talk

ORIGIN = "https://app.example.com"
USER = "user-of-both-ways"
CHANGING = re.compile(rb"\r\n(date: [^\r]+|x-request-id: [0-9a-f]{32})(?=\r\n)")
"""What differs from answer to answer: the time, and an id that the server made."""


class Case(NamedTuple):
    """What a client sends on a connection that it has closed after the last answer."""

    reads: Sequence[bytes]
    """What comes together; {token} stands for a good token."""
    direct: int
    """How many requests of it are answered directly."""


def post(
    query: str = "{ __typename }",
    *headers: str,
    close: bool = True,
    version: str = "1.1",
    body: bytes | None = None,
    path: str = GRAPHQL_PATH,
) -> bytes:
    body = json.dumps({"query": query}).encode() if body is None else body
    lines = [f"POST {path} HTTP/{version}", "Host: x", f"Content-Length: {len(body)}"]
    names = {header.partition(":")[0].lower() for header in headers}
    if "authorization" not in names:
        lines.append("Authorization: Bearer {token}")
    if "content-type" not in names:
        lines.append("Content-Type: application/json")
    if close:
        lines.append("Connection: close")
    return "\r\n".join([*lines, *headers, "", ""]).encode() + body


def chunked(body: bytes) -> bytes:
    head = post(body=b"").replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
    return head + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)


TYPENAME = json.dumps({"query": "{ __typename }"}).encode()
LONG = "{ __schema { types { name description fields { name description } } } }"
ANSWER = 1_000_000
"""Bytes; more than the answer to that."""
CASES = {
    "the smallest": Case([post()], 1),
    "one that waits for the database": Case([post("{ tasks { nodes { id } } }")], 1),
    "a change": Case([post('mutation { toggleTask(input: {id: "1"}) { __typename } }')], 1),
    "errors of fields": Case([post('{ task(id: "1") { id } a: task(id: "x") { id } }')], 1),
    "a document that is none": Case([post("{")], 1),
    "no JSON": Case([post(body=b"{")], 1),
    "no body": Case([post(body=b"")], 1),
    "half a surrogate": Case([post(body=b'{"query": "{ a\\ud800 }"}')], 1),
    "a body that is too large": Case([post(body=b" " * 150_000)], -1),
    "another type": Case([post("{ __typename }", "Content-Type: text/plain")], 1),
    "a compressed body": Case([post("{ __typename }", "Content-Encoding: gzip")], 1),
    "a subscription": Case([post("subscription { taskChanges { __typename } }")], 1),
    "no token": Case([post("{ __typename }", "Authorization: ")], 1),
    "a bad token": Case([post("{ __typename }", "Authorization: Bearer x")], 1),
    "two tokens": Case([post("{ __typename }", "Authorization: x", "Authorization: y")], 1),
    "a type of answer": Case([post("{", "Accept: application/graphql-response+json")], 1),
    "no type of answer": Case([post("{ __typename }", "Accept: text/csv")], 1),
    "HTML": Case([post("{ __typename }", "Accept: text/html")], 1),
    "an id": Case([post("{ __typename }", "X-Request-ID: mine-1")], 1),
    "no plain id": Case([post("{ __typename }", "X-Request-ID: a b")], 1),
    "compressed": Case([post(LONG, "Accept-Encoding: gzip")], 1),
    "long": Case([post(LONG)], 1),
    "a page that may": Case([post("{ __typename }", f"Origin: {ORIGIN}")], 1),
    "a page that may, of much": Case([post(LONG, f"Origin: {ORIGIN}")], 1),
    "a page that may, refused": Case([post("{", f"Origin: {ORIGIN}", "Authorization: x")], 1),
    "a page that may not": Case([post("{ __typename }", "Origin: https://other.example")], 1),
    "a page of this server": Case([post("{ __typename }", "Origin: http://x")], 1),
    "two pages": Case(
        [post("{ __typename }", "Origin: https://other.example", f"Origin: {ORIGIN}")], 1
    ),
    "two pages, the other way round": Case(
        [post("{ __typename }", f"Origin: {ORIGIN}", "Origin: https://other.example")], 1
    ),
    "HTTP/1.0": Case([post(version="1.0", close=False)], 1),
    "chunks": Case([chunked(TYPENAME)], 1),
    "a bad chunk": Case([chunked(TYPENAME).replace(b"\r\n0\r\n", b"\r\nx\r\n")], 0),
    "two after each other": Case([post(close=False), post()], 2),
    "two at once": Case([post(close=False) + post()], 1),
    "two at once, the first waits": Case(
        [post("{ tasks { nodes { id } } }", close=False) + post()], 1
    ),
    "one and the head of another": Case([post(close=False) + post()[:-40], post()[-40:]], -1),
    "a body later": Case([post()[:-10], post()[-10:]], 0),
    "a head in two": Case([post()[:40], post()[40:]], 1),
    "asked to go on": Case([post("{ __typename }", "Expect: 100-continue")], 0),
    "a wish for another protocol": Case(
        [post("{ __typename }", "Connection: upgrade", "Upgrade: h2c")], 1
    ),
    "a query": Case([post(path=f"{GRAPHQL_PATH}?a=b")], 0),
    "an escaped path": Case([post(path="/graphq%6C")], 0),
    "another path": Case([post(path="/health")], 0),
    "another method": Case([post().replace(b"POST", b"PUT ", 1).replace(b"PUT  ", b"PUT ")], 0),
}


@pytest.fixture(scope="module")
def servers(database: Database) -> Iterator[tuple[Server, Server]]:
    """Two servers: one answers directly where it can."""
    both = [
        settings_for(
            database.server_url,
            answer_directly=directly,
            cors_origins=[ORIGIN],
            introspection=True,
        )
        for directly in (True, False)
    ]
    with running_server(both[0]) as direct, running_server(both[1]) as plain:
        yield direct, plain


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The bodies of all requests that are answered directly from now on."""
    bodies: list[bytes] = []
    answer = Direct.answer

    async def counting(direct: Direct, scope: Scope, body: bytes, write: Write) -> None:
        bodies.append(body)
        await answer(direct, scope, body, write)

    monkeypatch.setattr(Direct, "answer", counting)
    return bodies


def said(server: Server, reads: Sequence[bytes]) -> bytes:
    """Return all that a server says to what comes in so many reads."""
    token = server.token(USER).encode()
    with closing(talk(server)) as line:
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for number, read in enumerate(reads):
            if number:
                time.sleep(0.2)
            line.sendall(read.replace(b"{token}", token))
        return read_all(line)


@pytest.mark.parametrize("name", CASES)
def test_both_ways_say_the_same(
    servers: tuple[Server, Server], asked: list[bytes], name: str
) -> None:
    case = CASES[name]
    direct, plain = servers
    answer = said(direct, case.reads)
    if case.direct >= 0:
        assert len(asked) == case.direct
    assert answer.startswith(b"HTTP/1.1 ")
    assert CHANGING.sub(b"", answer) == CHANGING.sub(b"", said(plain, case.reads))


def test_a_page_may_read_an_answer(servers: tuple[Server, Server], asked: list[bytes]) -> None:
    answer = said(servers[0], CASES["a page that may, of much"].reads)
    assert b"\r\naccess-control-allow-origin: https://app.example.com\r\n" in answer
    assert b"\r\nvary: accept-encoding, Origin\r\n" in answer
    assert len(asked) == 1


def test_what_fails_in_this_server_itself_is_told_and_the_connection_closed(
    database: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Observer, "headers", fail)
    with running_server(settings_for(database.server_url, answer_directly=True)) as server:
        answer = said(server, [post(close=False)])
    assert answer.startswith(b"HTTP/1.1 500 Internal Server Error\r\n")
    assert b"\r\nconnection: close\r\n" in answer
    assert answer.endswith(b"\r\n\r\nInternal Server Error")
    assert "ZeroDivisionError" in caplog.text


def test_a_large_body_is_not_kept_until_the_next_request(
    servers: tuple[Server, Server], asked: list[bytes]
) -> None:
    large = post(body=TYPENAME + b" " * 50_000, close=False).replace(
        b"{token}", servers[0].token(USER).encode()
    )
    with closing(talk(servers[0])) as line:
        # As a whole, or it is no business of this.
        while not asked:
            line.sendall(large)
            assert line.recv(65536).startswith(b"HTTP/1.1 200")
        (protocol,) = servers[0]._server.server_state.connections
        assert isinstance(protocol, GuardedProtocol)
        assert not protocol.cycle.body


class Wrapped:
    """What somebody has put around the application."""

    def __init__(self, app: Any) -> None:
        self.app = app


def test_requests_that_something_else_is_to_see_are_not_answered_directly() -> None:
    app = object()
    direct = Direct(cast("Any", app), GRAPHQL_PATH, *cast("Any", [None] * 3))

    def serves(of: object = app, **changes: object) -> bool:
        config = {"access_log": False, "reset_contextvars": False, **changes}
        connection = {"root_path": "", "limit_concurrency": None, **changes}
        connection |= {"app": of, "config": SimpleNamespace(**config)}
        return direct.serves(cast("Any", SimpleNamespace(**connection)))

    assert serves()
    assert serves(ProxyHeadersMiddleware(cast("Any", app)))
    assert not serves(Wrapped(app))
    assert not serves(ProxyHeadersMiddleware(cast("Any", Wrapped(app))))
    assert not serves(root_path="/below")
    assert not serves(limit_concurrency=10)
    assert not serves(access_log=True)
    assert not serves(reset_contextvars=True)


def test_pages_of_all_origins_may_read_answers(database: Database) -> None:
    told = []
    for directly in (True, False):
        settings = settings_for(database.server_url, answer_directly=directly, cors_origins=["*"])
        with running_server(settings) as server:
            told.append(CHANGING.sub(b"", said(server, CASES["a page that may not"].reads)))
    assert told[0] == told[1]
    assert b"\r\naccess-control-allow-origin: *\r\n" in told[0]


def test_what_follows_the_last_answer_of_a_connection_is_not_carried_out(
    database: Database, asked: list[bytes]
) -> None:
    with running_server(settings_for(database.server_url, introspection=True)) as server:
        server._server.lifespan.state["draining"].closes_connections = True
        user = server.user()
        new = 'mutation { createTask(input: {title: "Late"}) { __typename } }'
        token = server.token(str(user.user_id)).encode()
        sent = (post(LONG, close=False) + post(new)).replace(b"{token}", token)
        with closing(unread(server)) as line:
            line.sendall(sent)
            time.sleep(0.3)
            answer = read_all(line)
        assert answer.count(b"HTTP/1.1 ") == 1
        assert user.data("{ tasks { totalCount } }")["tasks"]["totalCount"] == 0
        assert asked
        assert not any(b"Late" in body for body in asked)


async def ended(_: Direct, __: Scope, ___: bytes, write: Write) -> None:
    """Be cancelled, as when the server has waited long enough for a request."""
    raise asyncio.CancelledError


async def broken(_: Direct, __: Scope, ___: bytes, write: Write) -> None:
    """Have an answer with a header that cannot be sent."""
    write(200, [(b"x", cast("bytes", "no bytes"))], b"")


@pytest.mark.parametrize("answer", [ended, broken])
def test_who_asks_is_told_what_ends_a_request(
    servers: tuple[Server, Server], monkeypatch: pytest.MonkeyPatch, answer: Any
) -> None:
    monkeypatch.setattr(Direct, "answer", answer)
    told = said(servers[0], [post(close=False)])
    assert told.startswith(b"HTTP/1.1 500 ")
    assert b"\r\nconnection: close\r\n" in told


def unread(server: Server) -> socket.socket:
    """Connect as a client that takes little at a time."""
    line = socket.socket()
    line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    line.settimeout(20)
    line.connect(("127.0.0.1", int(server.url.rpartition(":")[2])))
    return line


def test_a_client_that_does_not_read_waits_for_its_turn(
    servers: tuple[Server, Server], asked: list[bytes]
) -> None:
    token = servers[0].token(USER).encode()
    one = post(LONG, close=False).replace(b"{token}", token)
    with closing(unread(servers[0])) as line:
        for _ in range(400):
            line.sendall(one)
            time.sleep(0.002)
        (protocol,) = servers[0]._server.server_state.connections
        assert isinstance(protocol, GuardedProtocol)
        waiting = protocol.transport.get_write_buffer_size()
    # What the client has not read holds up the next.
    assert 0 < waiting < 2 * ANSWER
    assert len(asked) < 300


def test_a_pipeline_may_be_cut_anywhere(servers: tuple[Server, Server]) -> None:
    kept = chunked(TYPENAME).replace(b"Connection: close\r\n", b"")
    sent = post("{ tasks { nodes { id } } }", close=False) + kept + post(close=False) + post()
    token = servers[0].token(USER).encode()
    sent = sent.replace(b"{token}", token)
    expected = CHANGING.sub(b"", said(servers[1], [sent]))
    assert expected.count(b"HTTP/1.1 200") == 4
    for cut in range(1, len(sent), 7):
        with closing(talk(servers[0])) as line:
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            line.sendall(sent[:cut])
            time.sleep(0.002)
            line.sendall(sent[cut:])
            assert CHANGING.sub(b"", read_all(line)) == expected


def test_each_gets_their_own_answers_on_connections_that_all_share(
    servers: tuple[Server, Server],
) -> None:
    server, query = servers[0], "{ tasks { nodes { id title } } }"
    users = [server.user() for _ in range(20)]
    own = [user.create(title=f"Of {number}")["id"] for number, user in enumerate(users)]
    asked = [
        post(query, close=False).replace(b"{token}", server.token(str(user.user_id)).encode())
        for user in users
    ]

    def ask(seed: int) -> None:
        chance = random.Random(seed)
        with closing(talk(server)) as line, line.makefile("rb") as answers:
            for _ in range(30):
                turns = [chance.randrange(len(users)) for _ in range(chance.choice([1, 1, 2, 3]))]
                line.sendall(b"".join(asked[turn] for turn in turns))
                for turn in turns:
                    (task,) = json.loads(body_of(answers))["data"]["tasks"]["nodes"]
                    assert task == {"id": own[turn], "title": f"Of {turn}"}

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(ask, range(8)))


def body_of(answers: IO[bytes]) -> bytes:
    """Read the next answer of a connection, and return its body."""
    length = 0
    while (line := answers.readline()) != b"\r\n":
        name, _, value = line.partition(b":")
        if name == b"content-length":
            length = int(value)
    return answers.read(length)
