"""Traces: spans of requests and of statements, as parts of the client's trace, without secrets."""

import json
import logging
import signal
import socketserver
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import httpx2
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from app.telemetry.records import RequestRecord, StatementRecord
from app.telemetry.traces import Traces
from tests.api import CREATE, NO_CERTIFICATES, SECRET, Server, running_server, settings_for
from tests.databases import Database
from tests.http.test_serving import started
from tests.sockets import signed_in, socket_to

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SAMPLED = f"00-{TRACE}-{PARENT}-01"


class Collector:
    """Takes spans by OTLP over HTTP."""

    def __init__(self) -> None:
        self.spans: list[Any] = []
        self.bodies = b""
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                assert self.path == "/v1/traces"
                body = self.rfile.read(int(self.headers["content-length"]))
                request = ExportTraceServiceRequest.FromString(body)
                collector.bodies += body
                for resource in request.resource_spans:
                    for scope in resource.scope_spans:
                        collector.spans += scope.spans
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def of(self, trace_id: str) -> list[Any]:
        return [span for span in self.spans if span.trace_id.hex() == trace_id]


@pytest.fixture
def collector() -> Iterator[Collector]:
    collector = Collector()
    thread = threading.Thread(target=collector.server.serve_forever, args=(0.05,))
    thread.start()
    yield collector
    collector.server.shutdown()
    collector.server.server_close()
    thread.join()


def attributes(span: Any) -> dict[str, Any]:
    return {each.key: each.value.string_value or each.value.int_value for each in span.attributes}


def test_a_request_and_its_statements_are_spans_of_the_clients_trace(
    database: Database, collector: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    settings = settings_for(database.server_url, otel_exporter_otlp_endpoint=collector.url)
    with running_server(settings) as server:
        user = server.user()
        variables = {"input": {"title": "a secret title"}}
        user.post(CREATE, variables, headers={"traceparent": SAMPLED})
        user.post(CREATE, variables, headers={"traceparent": SAMPLED.replace("4bf9", "5bf9")})
        user.http.get("/health", headers={"traceparent": SAMPLED.replace("4bf9", "6bf9")})
        user.post('{ tasks(after: "x") { totalCount } }')
    lines = [record.values for record in caplog.records if hasattr(record, "values")]
    parent, *_ = [span for span in collector.of(TRACE) if span.kind == 2]
    assert parent.name == "mutation"
    assert parent.parent_span_id.hex() == PARENT
    told = attributes(parent)
    assert told["graphql.operation.name"] == "Create"
    assert told["graphql.operation.type"] == "mutation"
    assert told["http.response.status_code"] == 200
    assert told["graphql.document.hash"]
    children = [span for span in collector.of(TRACE) if span.kind == 3]
    assert "create_tasks" in [span.name for span in children]
    for child in children:
        assert child.parent_span_id == parent.span_id
        assert attributes(child)["db.query.summary"] == child.name
        assert parent.start_time_unix_nano <= child.start_time_unix_nano + 1_000_000
        assert child.start_time_unix_nano <= child.end_time_unix_nano
        assert child.end_time_unix_nano <= parent.end_time_unix_nano + 1_000_000
    # Probes have none.
    assert collector.of(TRACE.replace("4bf9", "5bf9"))
    assert not collector.of(TRACE.replace("4bf9", "6bf9"))
    own = [span for span in collector.spans if span.trace_id.hex() != TRACE]
    assert {attributes(span).get("error.type") for span in own} >= {"BAD_USER_INPUT"}
    assert all(part not in collector.bodies for part in (b"secret", b"INSERT", b"totalCount"))
    ids = [(line["trace_id"], line["span_id"]) for line in lines]
    assert ids[0] == (TRACE, parent.span_id.hex())
    assert ids[1][0] == TRACE.replace("4bf9", "5bf9")


def test_operations_of_a_socket_are_spans_of_the_trace_that_its_handshake_names(
    database: Database, collector: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    settings = settings_for(database.server_url, otel_exporter_otlp_endpoint=collector.url)
    with running_server(settings) as server:
        user = server.user()
        with socket_to(server.url, headers={"traceparent": SAMPLED}) as socket:
            socket.initiate(user.token)
            socket.subscribe(CREATE, {"input": {"title": "a secret title"}})
            assert [socket.hear()["type"] for _ in range(2)] == ["next", "complete"]
            socket.follow(id="two")
            socket.subscribe(CREATE, {"input": {"title": "b"}}, id="four")
            heard = [socket.hear()["id"] for _ in range(3)]
            assert sorted(heard) == ["four", "four", "two"]
            socket.say({"id": "two", "type": "complete"})
            socket.subscribe("{", id="three")
            assert socket.hear()["type"] == "error"
        with signed_in(server, user.token) as socket:
            socket.subscribe("{ me { id } }")
            assert [socket.hear()["type"] for _ in range(2)] == ["next", "complete"]
    spans = {span.name: span for span in collector.of(TRACE) if span.kind == 2}
    assert set(spans) == {"mutation", "subscription", "websocket"}
    assert {span.parent_span_id.hex() for span in spans.values()} == {PARENT}
    told = attributes(spans["mutation"])
    assert told["graphql.operation.name"] == "Create"
    assert told["graphql.document.hash"]
    assert told["url.path"] == "/graphql"
    assert told["network.protocol.name"] == "websocket"
    assert not [name for name in told if name.startswith("http.")]
    assert attributes(spans["websocket"])["error.type"] == "GRAPHQL_PARSE_FAILED"
    made = {s.parent_span_id for s in collector.of(TRACE) if s.name == "create_tasks"}
    mutations = {s.span_id for s in collector.of(TRACE) if s.name == "mutation"}
    assert made == mutations
    assert len(mutations) == 2
    own = [span for span in collector.spans if span.trace_id.hex() != TRACE and span.kind == 2]
    assert [(span.name, span.parent_span_id) for span in own] == [("query", b"")]
    assert b"secret" not in collector.bodies
    lines = [record.values for record in caplog.records if hasattr(record, "values")]
    by_span = {line["span_id"]: line["trace_id"] for line in lines if "span_id" in line}
    assert {by_span[span.span_id.hex()] for span in spans.values()} == {TRACE}


RATIO = {"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0"}


@pytest.mark.parametrize(
    ("environment", "flag", "is_kept"),
    [
        ({}, "01", True),
        ({}, "00", True),
        ({"OTEL_TRACES_SAMPLER": "always_off"}, "01", False),
        (RATIO, "01", False),
        (RATIO | {"OTEL_TRACES_SAMPLER_ARG": "1"}, "00", True),
        (RATIO | {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio"}, "01", True),
        ({"OTEL_TRACES_SAMPLER": "ParentBased_Always_On"}, "00", False),
    ],
)
def test_whether_a_trace_is_kept_the_client_says_only_where_it_is_trusted(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], flag: str, is_kept: bool
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    kept = spans_of(f"00-{TRACE}-{PARENT}-{flag}")
    # The span of the statement is kept with its request's.
    assert len(kept) == (2 if is_kept else 0)
    assert {f"{span.context.trace_id:032x}" for span in kept} <= {TRACE}


def test_the_share_that_is_kept_does_not_follow_from_the_id_that_a_client_chooses(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`traceidratio` keeps those whose last 64 bits are a small number."""
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "traceidratio")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "0.5")
    small = f"00-{TRACE[:16]}{1:016x}-{PARENT}-01"
    kept = len(spans_of(*[small] * 200)) / 2
    # That all are kept, or next to all, is as likely as 1 in 10^20.
    assert 30 <= kept <= 170


def spans_of(*parents: str) -> list[Any]:
    """Return the spans of requests with these `traceparent`s, and a statement each."""
    exporter = InMemorySpanExporter()
    traces = Traces(exporter, "1")
    for parent in parents:
        scope: dict[str, Any] = {"type": "http", "method": "POST", "path": "/graphql"}
        scope["headers"] = [(b"traceparent", parent.encode())]
        record = RequestRecord("1", statements=[StatementRecord("list", 0, 0, "")])
        span = traces.begin(scope, record)
        assert record.trace_id == parent[3:35]
        traces.end(span, scope, record, 200)
    traces.close()
    return list(exporter.get_finished_spans())


def test_headers_that_cannot_be_read_are_not_logged(
    database: Database, collector: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    """Anybody can send them, as many as they like, and each is some KiB long."""
    settings = settings_for(database.server_url, otel_exporter_otlp_endpoint=collector.url)
    with running_server(settings) as server:
        http = server.bearer(None).http
        for state in ("hush=" + "\t" * 100 + "x", "hush," * 40, "hush=" + "x" * 9000):
            assert http.get("/", headers={"traceparent": SAMPLED, "tracestate": state}).is_success
        assert http.get("/", headers={"traceparent": "hush" * 200}).is_success
    assert len(collector.of(TRACE)) == 3
    assert [record for record in caplog.records if record.name.startswith("opentelemetry")] == []


def test_without_an_endpoint_nothing_is_traced_whatever_else_is_set(
    server: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OTEL_SERVICE_NAME", "else")
    caplog.set_level(logging.INFO)
    server.user().post("{ __typename }", headers={"traceparent": SAMPLED})
    deadline = time.monotonic() + 10
    while not (lines := [r.values for r in caplog.records if hasattr(r, "values")]):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert "trace_id" not in lines[0]


@pytest.mark.parametrize("endpoint", ["a collector", ""])
def test_requests_for_graphql_never_pass_fastapi(
    database: Database, collector: Collector, monkeypatch: pytest.MonkeyPatch, endpoint: str
) -> None:
    """FastAPI has telemetry of its own, which OTEL_* and a provider would turn on."""
    passed = []

    class Noted(Exception):
        pass

    async def note(*_: object, **__: object) -> None:
        passed.append(1)
        raise Noted

    given = {"otel_exporter_otlp_endpoint": collector.url} if endpoint else {}
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    monkeypatch.setattr("fastapi.telemetry._asgi.NativeTelemetry.__call__", note)
    with running_server(settings_for(database.server_url, **given)) as server:
        assert server.user().data("{ __typename }") == {"__typename": "Query"}
    assert not passed


def test_a_traceback_has_the_ids_of_its_request(
    tmp_path: Path, database: Database, collector: Collector
) -> None:
    environment = {
        "DATABASE_URL": database.server_url,
        "BETTER_AUTH_SECRET": SECRET,
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
        "BETTER_AUTH_URL": "http://127.0.0.1:1",
    }
    with started(["todo-api", "serve", "--port", "{port}"], environment, tmp_path) as server:
        server.wait_until_ready()
        httpx2.post(
            f"http://127.0.0.1:{server.port}/graphql",
            json={"query": "{ __typename }"},
            # Its key must be fetched, and cannot be: that is a line of its own in the log.
            headers={
                "traceparent": SAMPLED,
                "Authorization": "Bearer eyJhbGciOiJFUzI1NiIsImtpZCI6IngifQ.eyJzdWIiOiJ4In0.AAAA",
            },
            verify=NO_CERTIFICATES,
        )
        server.stop(signal.SIGTERM)
    lines = [json.loads(line) for line in server.said.splitlines()]
    traced = [line for line in lines if line.get("trace_id") == TRACE]
    assert {line["level"] for line in traced} >= {"warning", "info"}, server.said
    assert collector.of(TRACE)
