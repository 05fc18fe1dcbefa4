"""What is told of a request: an id and safe headers to the client, one short line to the log."""

import json
import logging
import signal
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path

import pytest

from app.http import connections, states
from app.telemetry.log import JsonLines, ReadableLines
from app.telemetry.records import digest
from tests.api import SECRET, TOGGLE, Caller, Server, running_server, settings_for
from tests.databases import Database
from tests.http.test_serving import started
from tests.locks import held_task, until_waiting


def lines(caplog: pytest.LogCaptureFixture) -> list[dict[str, object]]:
    """Return what is told of requests; a line is written just after its answer is sent."""
    deadline = time.monotonic() + 10
    while True:
        found = [record.values for record in caplog.records if hasattr(record, "values")]
        if found or time.monotonic() > deadline:
            return found
        time.sleep(0.005)


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO)
    return caplog


def test_a_request_is_one_line_that_keeps_secrets(
    server: Server, told: pytest.LogCaptureFixture
) -> None:
    user = server.user()
    query = 'query Secret($id: ID!) { task(id: $id) { id } tasks(after: "hush") { totalCount } }'
    response = user.post(query, {"id": "confidential"})
    (line,) = lines(told)
    assert line == {
        "id": response.headers["x-request-id"],
        "path": "/graphql",
        "op": "Secret",
        "doc": digest(query),
        "user": digest(str(user.user_id)),
        "code": "BAD_USER_INPUT",
        "status": 200,
        "ms": line["ms"],
    }
    text = "\n".join(JsonLines().format(record) for record in told.records)
    for secret in ("confidential", "hush", "task", str(user.user_id), str(user.token), "Bearer"):
        assert secret not in text


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("{", "GRAPHQL_PARSE_FAILED"),
        ("{ no }", "GRAPHQL_VALIDATION_FAILED"),
        ("{ __typename }", None),
    ],
)
def test_the_line_has_the_code_of_what_went_wrong(
    server: Server, told: pytest.LogCaptureFixture, query: str, code: str | None
) -> None:
    server.user().post(query)
    assert [line.get("code") for line in lines(told)] == [code]


def test_probes_and_files_of_a_page_leave_no_line(
    server: Server, told: pytest.LogCaptureFixture
) -> None:
    for path in ("/health", "/ready", "/graphql/assets/edition/page.js", "/"):
        server.bearer(None).http.get(path)
    assert [line["path"] for line in lines(told)] == ["/"]


def test_a_bad_request_makes_no_more_log_than_it_has_bytes(
    server: Server, told: pytest.LogCaptureFixture
) -> None:
    user = server.user()
    for query in ("{ " + "nothing " * 900 + "}", "{", "query " + "x" * 3000 + " { no }"):
        told.clear()
        response = user.post(query, headers={"X-Request-ID": "short"})
        request = response.request
        received = len(request.content) + sum(len(k) + len(v) + 4 for k, v in request.headers.raw)
        assert lines(told)
        logged = sum(len(JsonLines().format(record)) + 1 for record in told.records)
        assert 0 < logged <= received


@pytest.mark.parametrize("id", ["abc-123", "req_1.2:3", "x" * 64])
def test_a_sane_request_id_is_taken_and_returned(server: Server, id: str) -> None:
    response = server.user().post("{ __typename }", headers={"X-Request-ID": id})
    assert response.headers["x-request-id"] == id


@pytest.mark.parametrize("id", ["", "two words", "x" * 65, "a;b", "{}", "é"])
def test_an_odd_request_id_is_replaced(server: Server, id: str) -> None:
    headers = [(b"X-Request-ID", id.encode())]
    response = server.bearer(None).http.get("/", headers=headers)
    assert len(response.headers["x-request-id"]) == 32


@pytest.mark.parametrize("path", ["/", "/health", "/ready", "/docs", "/graphql", "/nothing"])
def test_every_answer_has_safe_headers(server: Server, path: str) -> None:
    headers = server.bearer(None).http.get(path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-store"
    assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert "server" not in headers or "uvicorn" in headers["server"]


def test_a_foreign_origin_gets_no_cors_headers(server: Server) -> None:
    user = server.user()
    for origin in ("https://evil.example", "null", "http://localhost:3000.evil.example", "x", ""):
        answers = [
            user.post("{ __typename }", headers={"Origin": origin}),
            user.http.options(
                "/graphql", headers={"Origin": origin, "Access-Control-Request-Method": "POST"}
            ),
        ]
        for answer in answers:
            assert [n for n in answer.headers if n.startswith("access-control")] == []


def test_lines_are_json_for_programs_and_words_for_people() -> None:
    record = logging.LogRecord("app", logging.INFO, "", 0, "request", None, None)
    told = {"id": "7", "path": "/graphql", "op": "List", "status": 200, "ms": 1.5}
    record.__dict__["values"] = told
    line = json.loads(JsonLines().format(record))
    assert line.pop("at").endswith("+00:00")
    assert line == {"level": "info", **told}
    assert ReadableLines().format(record) == "INFO:     id=7 /graphql List 200 ms=1.5"
    broken = logging.LogRecord("app", logging.ERROR, "", 0, "it\nbroke", None, None)
    assert "\n" not in JsonLines().format(broken)


def test_a_request_that_takes_too_long_is_given_up_with_its_statement(
    database: Database,
) -> None:
    settings = settings_for(database.server_url, request_timeout=1.5)
    with running_server(settings) as server:
        user = server.user()
        task = user.create()
        with held_task(database, user.user_id, task["id"]) as connection:
            response = user.post(TOGGLE, {"input": {"id": task["id"]}})
            assert response.status_code == 504
            assert response.json()["errors"][0]["extensions"] == {"code": "TIMEOUT"}
            until_waiting(database, connection, 0)
        assert user.get(task["id"]) == task


def test_a_body_that_never_comes_is_not_waited_for(database: Database) -> None:
    with running_server(settings_for(database.server_url, request_timeout=0.3)) as server:
        user = server.user()
        with closing(talk(server)) as line:
            line.sendall(
                b"POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                b"Authorization: Bearer " + str(user.token).encode() + b"\r\n"
                b"Content-Length: 99\r\n\r\n{"
            )
            answer = read_all(line)
        assert answer.startswith(b"HTTP/1.1 408")
        assert b"REQUEST_TIMEOUT" in answer


def talk(server: Server) -> socket.socket:
    port = int(server.url.rpartition(":")[2])
    return socket.create_connection(("127.0.0.1", port), timeout=20)


def read_all(line: socket.socket) -> bytes:
    answer = b""
    while chunk := line.recv(65536):
        answer += chunk
    return answer


@pytest.fixture
def guarded(database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for state in (states.NEW, states.HEAD):
        monkeypatch.setattr(state, "seconds", 0.5)
    with running_server(settings_for(database.server_url)) as server:
        yield server


def test_heads_that_do_not_end_are_cut_off(guarded: Server) -> None:
    """Four hundred of them, half sent or not at all, while somebody asks as usual."""
    user = guarded.user()
    user.create()
    halves = [b"", b"P", b"POST /graphql HTTP/1.1\r\n", b"POST /graphql HTTP/1.1\r\nHost: x\r\nX: "]
    held = [talk(guarded) for _ in range(400)]
    try:
        for n, line in enumerate(held):
            line.sendall(halves[n % len(halves)])
        assert user.page()["totalCount"] == 1
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(read_all, held))
    finally:
        for line in held:
            line.close()
    assert set(answers) == {b""}
    assert user.page()["totalCount"] == 1


def test_an_idle_connection_is_closed_and_one_in_use_is_not(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ask(line: socket.socket) -> None:
        line.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = b""
        while not answer.endswith(b"}"):
            chunk = line.recv(65536)
            assert chunk, "closed"
            answer += chunk

    monkeypatch.setattr(connections, "TICK", 0.05)
    with running_server(settings_for(database.server_url)) as server:
        monkeypatch.setattr(states.IDLE, "seconds", 1)
        with closing(talk(server)) as idle, closing(talk(server)) as used:
            ask(idle)
            for _ in range(5):
                ask(used)
                time.sleep(0.4)
            idle.settimeout(0)
            assert idle.recv(1) == b""
            ask(used)
            assert read_all(used) == b""


@pytest.mark.parametrize(
    "rest", [b"", b"\r\n", b"ab"], ids=["nothing", "an empty line", "some of the body"]
)
def test_what_comes_after_the_answer_keeps_no_connection_open(
    database: Database, monkeypatch: pytest.MonkeyPatch, rest: bytes
) -> None:
    is_body = rest == b"ab"
    head = b"POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (5 * is_body)
    monkeypatch.setattr(connections, "TICK", 0.05)
    with running_server(settings_for(database.server_url)) as server:
        monkeypatch.setattr(states.IDLE, "seconds", 0.5)
        monkeypatch.setattr(states.REST, "seconds", 0.5)
        with closing(talk(server)) as line:
            line.sendall(head)
            assert line.recv(65536).startswith(b"HTTP/1.1 401 ")
            if rest:
                line.sendall(rest)
            # It ends by the timeout of the test if nobody closes it.
            assert read_all(line) == b""


def test_a_client_that_reads_no_answers_is_let_go(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "TICK", 0.05)
    monkeypatch.setattr(states.UNREAD, "seconds", 0.5)
    many = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n" * 500
    with running_server(settings_for(database.server_url)) as server, socket.socket() as line:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        line.connect(("127.0.0.1", int(server.url.rpartition(":")[2])))
        line.settimeout(1)
        with suppress(TimeoutError, ConnectionError):
            for _ in range(1000):
                line.sendall(many)
        deadline = time.monotonic() + 20
        while left := len(server._server.server_state.connections):
            assert time.monotonic() < deadline, left
            time.sleep(0.05)


@pytest.mark.parametrize("earlier", [0, 1], ids=["first", "second"])
@pytest.mark.parametrize(
    "head",
    [
        b"X: " + b"x" * 20_000,
        b"X: " + b"x" * 70_000,
        b"\r\n".join(b"X-%d: 1" % n for n in range(200)),
        b"\r\n".join(b"X-%d: %s" % (n, b"x" * 1000) for n in range(50)),
        b"X" * 70_000 + b": 1",
    ],
    ids=["a value", "a long value", "many headers", "many long headers", "a long name"],
)
def test_a_head_that_is_too_large_is_refused(guarded: Server, head: bytes, earlier: int) -> None:
    with closing(talk(guarded)) as line:
        for _ in range(earlier):
            line.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
            assert line.recv(65536).startswith(b"HTTP/1.1 200")
        line.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n" + head + b"\r\n\r\n")
        try:
            answer = read_all(line)
        except ConnectionResetError:
            answer = b""
    assert not answer.startswith(b"HTTP/1.1 200")


def test_a_large_body_is_no_large_head(guarded: Server) -> None:
    user = guarded.user()
    query = "{ __typename }" + "#" * 90_000
    for _ in range(2):
        assert user.data(query) == {"__typename": "Query"}


@pytest.mark.parametrize(
    "command",
    [
        "todo-api serve --port {port} --workers 2",
        "uvicorn --factory app.factory:create_app --port {port}",
    ],
)
def test_in_production_every_line_of_the_log_is_json(
    tmp_path: Path, database: Database, command: str
) -> None:
    environment = {"DATABASE_URL": database.server_url, "BETTER_AUTH_SECRET": SECRET}
    with started(command.split(), environment, tmp_path) as server:
        server.wait_until_ready()
        caller = Caller(f"http://127.0.0.1:{server.port}", None, None)
        caller.post("{ me { id } }", headers={"X-Request-ID": "find-me"})
        caller.http.close()
        server.stop(signal.SIGTERM)
    told = [json.loads(line) for line in server.said.splitlines()]
    (line,) = [line for line in told if line.get("id") == "find-me"]
    assert (line["code"], line["status"]) == ("UNAUTHENTICATED", 401)
    # What uvicorn says of itself is among them.
    assert any("Uvicorn running" in line.get("message", "") for line in told)
    assert {"at", "level"} <= set.intersection(*map(set, told))


def test_a_log_that_somebody_has_arranged_stays_as_it_is(
    tmp_path: Path, database: Database
) -> None:
    config = tmp_path / "log.json"
    config.write_text(
        json.dumps(
            {
                "version": 1,
                "disable_existing_loggers": False,
                "formatters": {"own": {"format": "own: %(message)s"}},
                "handlers": {"own": {"class": "logging.StreamHandler", "formatter": "own"}},
                "root": {"handlers": ["own"], "level": "INFO"},
            }
        )
    )
    environment = {"DATABASE_URL": database.server_url, "BETTER_AUTH_SECRET": SECRET}
    command = f"uvicorn app.asgi:app --port {{port}} --log-config {config}"
    with started(command.split(), environment, tmp_path) as server:
        server.wait_until_ready()
        server.stop(signal.SIGTERM)
    assert {line.partition(":")[0] for line in server.said.splitlines()} == {"own"}
