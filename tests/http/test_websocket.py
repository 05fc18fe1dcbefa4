"""graphql-transport-ws to the letter: each message, out of order and malformed, has its answer."""

import json
import logging
import signal
import socket as sockets
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import OP_BINARY, OP_CONT, OP_PING, OP_PONG, OP_TEXT, Frame
from websockets.server import ServerProtocol

from app.http import connections, states, websocket_connection
from app.http import websocket as socket_module
from models.user import UserId
from tests.api import CREATE, SECRET, Caller, Server, running_server, settings_for
from tests.database.test_live import HANDSHAKE, eventually
from tests.databases import Database
from tests.http.test_observability import talk
from tests.http.test_serving import started
from tests.sockets import FOLLOW, Socket, signed_in, socket_to

SUBSCRIBE: dict[str, Any] = {
    "id": "one",
    "type": "subscribe",
    "payload": {"query": "{ __typename }"},
}

MALFORMED: dict[str, str] = {
    "nothing": "",
    "no JSON": "{",
    "a string": '"ping"',
    "a number": "7",
    "null": "null",
    "true": "true",
    "a list": "[]",
    "a list of a message": '[{"type": "ping"}]',
    "no type": "{}",
    "a type that is null": '{"type": null}',
    "a type that is a number": '{"type": 7}',
    "an empty type": '{"type": ""}',
    "an unknown type": '{"type": "hello"}',
    "a type in capitals": '{"type": "PING"}',
    "a type of the server's: ack": '{"type": "connection_ack"}',
    "a type of the server's: next": '{"id": "one", "type": "next", "payload": {}}',
    "a type of the server's: error": '{"id": "one", "type": "error", "payload": []}',
    "a type of the legacy protocol: start": '{"id": "one", "type": "start", "payload": {}}',
    "a type of the legacy protocol: stop": '{"id": "one", "type": "stop"}',
    "a ping whose payload is a string": '{"type": "ping", "payload": "x"}',
    "a ping whose payload is a list": '{"type": "ping", "payload": []}',
    "a pong whose payload is a number": '{"type": "pong", "payload": 1}',
    "a subscription without an id": json.dumps({**SUBSCRIBE, "id": None}),
    "a subscription with an empty id": json.dumps({**SUBSCRIBE, "id": ""}),
    "a subscription with a number for an id": json.dumps({**SUBSCRIBE, "id": 1}),
    "a subscription without a payload": '{"id": "one", "type": "subscribe"}',
    "a subscription whose payload is null": '{"id": "one", "type": "subscribe", "payload": null}',
    "a subscription whose payload is a string": json.dumps({**SUBSCRIBE, "payload": "{}"}),
    "a subscription without a query": json.dumps({**SUBSCRIBE, "payload": {}}),
    "a subscription whose query is null": json.dumps({**SUBSCRIBE, "payload": {"query": None}}),
    "a subscription whose query is a number": json.dumps({**SUBSCRIBE, "payload": {"query": 1}}),
    "a subscription whose query is an object": json.dumps({**SUBSCRIBE, "payload": {"query": {}}}),
    "a subscription whose operation name is a number": json.dumps(
        {**SUBSCRIBE, "payload": {"query": "{ a }", "operationName": 1}}
    ),
    "a subscription whose variables are a list": json.dumps(
        {**SUBSCRIBE, "payload": {"query": "{ a }", "variables": []}}
    ),
    "a subscription whose variables are a string": json.dumps(
        {**SUBSCRIBE, "payload": {"query": "{ a }", "variables": "{}"}}
    ),
    "a subscription whose extensions are a list": json.dumps(
        {**SUBSCRIBE, "payload": {"query": "{ a }", "extensions": []}}
    ),
    "a completion without an id": '{"type": "complete"}',
    "a completion with a number for an id": '{"id": 1, "type": "complete"}',
    "a completion with an empty id": '{"id": "", "type": "complete"}',
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_message_closes_with_4400(server: Server, name: str) -> None:
    with signed_in(server, server.user().token) as socket:
        socket.connection.send(MALFORMED[name])
        code, reason = socket.closed()
    assert (code, reason.split(":")[0]) == (4400, "Invalid message")


@pytest.mark.parametrize("payload", ["x", 7, [], True])
def test_an_initialisation_whose_payload_is_no_object_closes_with_4400(
    server: Server, payload: object
) -> None:
    with socket_to(server.url) as socket:
        socket.say({"type": "connection_init", "payload": payload})
        assert socket.closed()[0] == 4400


def test_bytes_close_with_4400(server: Server) -> None:
    with signed_in(server, server.user().token) as socket:
        socket.connection.send(b'{"type": "ping"}')
        assert socket.closed()[0] == 4400


@pytest.mark.parametrize("subprotocol", [None, "graphql-ws", "chat"])
def test_another_subprotocol_closes_with_4406(server: Server, subprotocol: str | None) -> None:
    with socket_to(server.url, subprotocol=subprotocol) as socket:
        assert socket.closed() == (
            4406,
            "Subprotocol not acceptable: speak graphql-transport-ws",
        )


@pytest.mark.parametrize("origin", ["https://elsewhere.example", "null", "http://localhost:3001"])
def test_a_page_of_another_origin_gets_no_socket(server: Server, origin: str) -> None:
    with pytest.raises(InvalidStatus) as refused, socket_to(server.url, origin=origin):
        pass
    assert refused.value.response.status_code == 403


def test_a_page_of_an_allowed_origin_gets_one(server: Server) -> None:
    for origin in ("http://localhost:3000", server.url):
        with socket_to(server.url, origin=origin) as socket:
            socket.initiate(server.user().token)


@pytest.mark.parametrize(
    "payload",
    [
        None,
        {},
        {"Authorization": None},
        {"Authorization": 7},
        {"Authorization": ""},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer nonsense"},
        {"Authorization": "Basic abc"},
        {"Authorization": ["Bearer x"]},
        {"token": "x"},
    ],
)
def test_who_does_not_say_who_they_are_is_closed_with_4403(server: Server, payload: object) -> None:
    with socket_to(server.url) as socket:
        message = {"type": "connection_init", "payload": payload}
        socket.say(message if payload is not None else {"type": "connection_init"})
        assert socket.closed() == (4403, "Forbidden")


def test_two_authorizations_are_none(server: Server) -> None:
    value = f"Bearer {server.user().token}"
    with socket_to(server.url) as socket:
        payload = {"Authorization": value, "authorization": value}
        socket.say({"type": "connection_init", "payload": payload})
        assert socket.closed()[0] == 4403


def test_an_operation_before_the_acknowledgement_closes_with_4401(server: Server) -> None:
    with socket_to(server.url) as socket:
        socket.say(SUBSCRIBE)
        assert socket.closed() == (4401, "Unauthorized")


def test_a_second_initialisation_closes_with_4429(server: Server) -> None:
    with signed_in(server, server.user().token) as socket:
        socket.say({"type": "connection_init"})
        assert socket.closed() == (4429, "Too many initialisation requests")


def test_no_initialisation_closes_with_4408(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(states.UNINITIALISED, "seconds", 0.2)
    with socket_to(server.url) as socket:
        assert socket.closed() == (4408, "Connection initialisation timeout")


def test_an_id_in_use_closes_with_4409(server: Server) -> None:
    with signed_in(server, server.user().token) as socket:
        socket.follow()
        socket.follow()
        assert socket.closed() == (4409, "Subscriber for one already exists")


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
    monkeypatch.setattr(socket_module, "SOCKETS_MAX", 2)
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
    monkeypatch.setattr(socket_module, "OPERATIONS_MAX", 2)
    with signed_in(server, server.user().token) as socket:
        for id in ("one", "two", "three"):
            socket.follow(id=id)
        refused = socket.hear()
        assert (refused["id"], refused["type"]) == ("three", "error")
        assert refused["payload"][0]["extensions"]["code"] == "TOO_MANY_OPERATIONS"


def answers(socket: Socket, count: int) -> list[Any]:
    return [socket.hear() for _ in range(count)]


def test_pings_are_answered_before_and_after_the_initialisation(server: Server) -> None:
    with socket_to(server.url) as socket:
        socket.say({"type": "ping"})
        assert socket.hear() == {"type": "pong"}
        socket.initiate(server.user().token)
        socket.say({"type": "ping", "payload": {"at": 1}})
        assert socket.hear() == {"type": "pong", "payload": {"at": 1}}
        socket.say({"type": "pong"})
        socket.say({"type": "complete", "id": "never was"})
        socket.say({"type": "ping"})
        assert socket.hear() == {"type": "pong"}


def test_queries_and_mutations_are_answered_once(server: Server) -> None:
    with signed_in(server, server.user().token) as socket:
        socket.subscribe(CREATE, {"input": {"title": "Milk"}})
        created, complete = answers(socket, 2)
        assert created["payload"]["data"]["createTask"]["title"] == "Milk"
        assert complete == {"id": "one", "type": "complete"}
        # The id may be used again.
        socket.subscribe("{ tasks { nodes { title } } no: task(id: 1) { id } }")
        assert answers(socket, 2) == [
            {
                "id": "one",
                "type": "next",
                "payload": {"data": {"tasks": {"nodes": [{"title": "Milk"}]}, "no": None}},
            },
            {"id": "one", "type": "complete"},
        ]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("{", "GRAPHQL_PARSE_FAILED"),
        ("{ no }", "GRAPHQL_VALIDATION_FAILED"),
        ("subscription { no }", "GRAPHQL_VALIDATION_FAILED"),
        ("{ __schema { types { name } } }", "GRAPHQL_VALIDATION_FAILED"),
        ("query A { __typename } query B { __typename }", "BAD_REQUEST"),
        ("subscription { taskChanges { cursor } __typename }", "GRAPHQL_VALIDATION_FAILED"),
        ('subscription { taskChanges(after: "no") { cursor } }', "BAD_USER_INPUT"),
        ("subscription($a: String!) { taskChanges(after: $a) { cursor } }", "BAD_USER_INPUT"),
        ("{ a: task(id: 1) { id } " * 1 + "x " * 2000 + "}", "QUERY_TOO_COMPLEX"),
    ],
)
def test_what_cannot_be_executed_is_an_error_and_the_socket_goes_on(
    server: Server, query: str, code: str
) -> None:
    with signed_in(server, server.user().token) as socket:
        socket.subscribe(query)
        message = socket.hear()
        assert (message["id"], message["type"]) == ("one", "error")
        assert message["payload"][0]["extensions"]["code"] == code
        socket.subscribe("{ __typename }")
        assert socket.hear()["payload"] == {"data": {"__typename": "Query"}}


def test_a_subscription_over_http_is_refused(server: Server) -> None:
    response = server.user().post(FOLLOW)
    assert response.status_code == 400
    assert response.json()["errors"][0]["extensions"]["code"] == "BAD_REQUEST"


def test_a_completed_operation_says_no_more_and_its_id_is_free(server: Server) -> None:
    user = server.user()
    with signed_in(server, user.token) as socket:
        socket.follow()
        socket.say({"id": "one", "type": "complete"})
        user.create("unheard")
        socket.follow(id="one")
        socket.say({"type": "ping"})
        assert socket.hear() == {"type": "pong"}


def test_a_socket_ends_with_its_token(server: Server) -> None:
    token = server.token(f"user-{time.time_ns()}", lifetime=timedelta(seconds=2))
    with signed_in(server, token) as socket:
        socket.follow()
        began = time.monotonic()
        assert socket.closed() == (4403, "The token is over")
        assert time.monotonic() - began < 10


def test_a_server_that_stops_says_so_and_does_not_wait(
    migrated_database: Database, tmp_path: Path
) -> None:
    environment = {"DATABASE_URL": migrated_database.server_url, "BETTER_AUTH_SECRET": SECRET}
    command = ["todo-api", "serve", "--port", "{port}"]
    with started(command, environment, tmp_path) as process:
        process.wait_until_ready()
        with socket_to(f"http://127.0.0.1:{process.port}") as socket:
            socket.say({"type": "ping"})
            assert socket.hear() == {"type": "pong"}
            process.process.send_signal(signal.SIGTERM)
            assert socket.closed()[0] == 1012
        assert process.process.wait(20) == 0


def rename(database: Database, user: Caller, name: str) -> None:
    with psycopg.connect(database.superuser_url) as connection:
        connection.execute("UPDATE users SET name = %s WHERE id = %s", [name, user.user_id])


def test_each_operation_on_a_socket_reads_the_user_anew(server: Server, database: Database) -> None:
    user, name = server.user(), "{ me { name } }"
    user.data(name)
    with signed_in(server, user.token) as socket:
        for number in range(3):
            rename(database, user, f"Ada {number}")
            socket.subscribe(name)
            answer, _ = answers(socket, 2)
            assert answer["payload"] == {"data": {"me": {"name": f"Ada {number}"}}}


def test_a_user_whose_sockets_are_gone_is_forgotten(server: Server) -> None:
    user = server.user()
    with signed_in(server, user.token), signed_in(server, user.token):
        assert server.socket.of_users[UserId(str(user.user_id))] == 2
    eventually(lambda: user.user_id in server.socket.of_users, False)


def test_a_socket_on_a_connection_that_was_used_before_stays_open(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "TICK", 0.05)
    monkeypatch.setattr(states.IDLE, "seconds", 1)
    with running_server(settings_for(database.server_url)) as server, closing(talk(server)) as line:
        line.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        while not line.recv(65536).endswith(b"}"):
            pass
        line.sendall(HANDSHAKE)
        assert line.recv(65536).startswith(b"HTTP/1.1 101 ")
        time.sleep(1.5)
        line.settimeout(0)
        with pytest.raises(BlockingIOError):
            line.recv(1)


def test_what_is_nested_too_deeply_to_be_sent_back_ends_the_socket(server: Server) -> None:
    for depth, code in ((300, None), (1010, 4400), (5000, 4400)):
        deep = "[" * depth + "]" * depth
        with socket_to(server.url) as socket:
            socket.connection.send(f'{{"type": "ping", "payload": {{"a": {deep}}}}}')
            if code is None:
                assert socket.hear()["type"] == "pong"
            else:
                assert socket.closed()[0] == code


def test_a_reason_that_has_long_characters_fits_into_a_close(server: Server) -> None:
    id = "\u00e4" * 64
    with signed_in(server, server.user().token) as socket:
        for _ in range(2):
            socket.follow(id=id)
        with pytest.raises(ConnectionClosed) as closed:
            socket.hear()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4409
