"""graphql-transport-ws to the letter: each message, out of order and malformed, has its answer."""

import json
import logging
import signal
import time
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from websockets.exceptions import InvalidStatus

from app.http import connections, states
from app.telemetry.records import digest
from models.user import UserId
from tests.api import CREATE, SECRET, Caller, Server, running_server, settings_for
from tests.database.test_live import HANDSHAKE, eventually
from tests.databases import Database
from tests.http import state_cases
from tests.http.test_observability import read_all, talk
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


@pytest.mark.parametrize("host", ["elsewhere.example:8000", "127.0.0.1.elsewhere.example"])
def test_a_page_gets_no_socket_because_its_name_leads_here(server: Server, host: str) -> None:
    """Whoever has the name can change where it leads after the page was loaded."""
    handshake = HANDSHAKE.replace(b"localhost", f"{host}\r\nOrigin: http://{host}".encode())
    with closing(talk(server)) as line:
        line.sendall(handshake)
        assert line.recv(65536).startswith(b"HTTP/1.1 403")


@pytest.mark.parametrize(
    ("path", "status"), [("/graphql", 101), ("/graphql/", 101), ("/other", 404), ("/", 404)]
)
def test_a_socket_is_where_requests_are(
    server: Server, caplog: pytest.LogCaptureFixture, path: str, status: int
) -> None:
    with closing(talk(server)) as line:
        line.sendall(HANDSHAKE.replace(b"/graphql", path.encode()))
        assert line.recv(65536).startswith(b"HTTP/1.1 %d" % status)
        if status != 101:
            assert read_all(line) == b""
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


def test_a_socket_is_one_line_that_keeps_its_query(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    uvicorn_log = logging.getLogger("uvicorn.error")
    uvicorn_log.setLevel(logging.INFO)
    user = server.user()
    for path, status in (("/graphql", 101), ("/other", 404)):
        caplog.clear()
        with closing(talk(server)) as line:
            line.sendall(HANDSHAKE.replace(b"/graphql", f"{path}?token=SECRET".encode()))
            assert line.recv(65536).startswith(b"HTTP/1.1 %d" % status)
            if status == 101:
                payload = {"Authorization": f"Bearer {user.token}"}
                line.sendall(state_cases.frame({"type": "connection_init", "payload": payload}))
                line.sendall(state_cases.frame(["no message"]))
            read_all(line)
        eventually(lambda: [r for r in caplog.records if hasattr(r, "values")] != [], True)
        (values,) = [record.values for record in caplog.records if hasattr(record, "values")]
        line_of_it = {"path": path, "status": status, "id": values["id"], "ms": values["ms"]}
        if status == 101:
            line_of_it |= {"user": digest(str(user.user_id)), "code": "4400"}
        assert values == line_of_it
        assert "SECRET" not in caplog.text


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
        assert server.socket.shared.of_users[UserId(str(user.user_id))] == 2
    eventually(lambda: user.user_id in server.socket.shared.of_users, False)


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
