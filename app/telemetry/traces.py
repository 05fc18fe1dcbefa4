"""Traces: a span for each request or operation of a socket, and for each of its statements.

Spans have no document, no variable and no value of a statement. OpenTelemetry's SDK comes with the
extra `otel`, is imported when it is needed, and reads `OTEL_TRACES_SAMPLER` and the like itself.

Whoever calls may name the trace, which costs nothing, but not have it exported: both the sampled
flag and the trace's id, by which `traceidratio` decides, are the client's words. So the sampler is
asked as for a trace that begins here, unless its name says by `parentbased_` that callers decide.

The conventions: https://opentelemetry.io/docs/specs/semconv/graphql/graphql-spans/.
"""

import logging
import os
import random
import time
from collections.abc import Collection
from importlib import import_module
from typing import Any

from starlette.types import Scope

from app.telemetry.records import RequestRecord, StatementRecord, shown_path
from app.telemetry.request_log import QUIET_PATHS

SERVICE = "todo-api"

FAULT_STATUS = 500
FAULTS = {"INTERNAL_SERVER_ERROR", "SERVICE_UNAVAILABLE", "TIMEOUT"}
"""Codes of errors that are the server's own fault, though the status be 200."""

API = "opentelemetry.trace"

SOCKET = "websocket"
"""The type of a socket's scope; it names the span of an operation that was not executed."""

SAMPLER = "OTEL_TRACES_SAMPLER"
TRUSTS_CALLERS = "parentbased_"
"""With what the names of samplers begin that do as `traceparent` says."""

Span = Any
"""OpenTelemetry's."""


class Traces:
    """Makes spans and has them sent in batches, by a thread of the SDK's."""

    def __init__(self, exporter: object, version: str, trusted: Collection[str] = ()) -> None:
        """`exporter`: where spans go. `trusted`: names of operations that name spans."""
        self._trusted = trusted
        self._api = import_module(API)
        # It logs headers of requests that it cannot read, as anybody can send them.
        logging.getLogger(API).setLevel(logging.ERROR)
        sdk = import_module("opentelemetry.sdk.trace")
        resources = import_module("opentelemetry.sdk.resources")
        batches = import_module("opentelemetry.sdk.trace.export")
        propagation = import_module("opentelemetry.trace.propagation.tracecontext")
        name = os.environ.get("OTEL_SERVICE_NAME", SERVICE)
        resource = resources.Resource.create({"service.name": name, "service.version": version})
        sampling = import_module("opentelemetry.sdk.trace.sampling")
        self._provider = sdk.TracerProvider(resource=resource, shutdown_on_exit=False)
        self._trusts_callers = os.environ.get(SAMPLER, "").lower().startswith(TRUSTS_CALLERS)
        # It is asked here, before there is a span: the SDK would make one for each request.
        self._sampler = self._provider.sampler
        self._provider.sampler = sampling.ALWAYS_ON
        self._nothing = import_module("opentelemetry.context").Context()
        self._provider.add_span_processor(batches.BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer(SERVICE, version)
        self._propagator = propagation.TraceContextTextMapPropagator()

    def begin(self, scope: Scope, record: RequestRecord) -> Span | None:
        """Note the ids of a request or an operation, and begin its span; None: it has none.

        Probes have neither. It is a part of the trace that `traceparent` names. Whether it has a
        span the sampler decides.
        """
        if scope["path"].startswith(QUIET_PATHS):
            return None
        given = {
            name.decode("latin-1"): value.decode("latin-1")
            for name, value in scope["headers"]
            if name in (b"traceparent", b"tracestate")
        }
        parent = self._propagator.extract(given) if given else None
        named = self._api.get_current_span(parent).get_span_context() if given else None
        if named is None or not named.is_valid:
            parent = named = None
        trace, own = named.trace_id if named else _random(128), _random(64)
        if not self._is_kept(parent, trace):
            record.trace_id, record.span_id = f"{trace:032x}", f"{own:016x}"
            return None
        span = self._tracer.start_span(
            scope.get("method", SOCKET), context=parent, kind=self._api.SpanKind.SERVER
        )
        context = span.get_span_context()
        record.trace_id = f"{context.trace_id:032x}"
        record.span_id = f"{context.span_id:016x}"
        return span

    def _is_kept(self, parent: object, trace: int) -> bool:
        """Ask the sampler, as for a trace that begins here where callers are not trusted."""
        if parent is None or not self._trusts_callers:
            parent, trace = self._nothing, trace if parent is None else _random(128)
        kept: bool = self._sampler.should_sample(parent, trace, "").decision.is_sampled()
        return kept

    def end(self, span: Span | None, scope: Scope, record: RequestRecord, status: int) -> None:
        """End a span as `begin` returned it, with those of the statements."""
        if span is None:
            return
        codes = set(record.code.split(",")) if record.code else set()
        told = {
            **_transport(scope, status),
            "url.path": shown_path(scope["path"]),
            "graphql.operation.type": record.kind,
            "graphql.operation.name": record.operation,
            "graphql.document.hash": record.document,
            "error.type": record.code,
        }
        span.set_attributes({name: value for name, value in told.items() if value is not None})
        if record.kind is not None:
            is_trusted = record.operation in self._trusted
            span.update_name(f"{record.kind} {record.operation}" if is_trusted else record.kind)
        if status >= FAULT_STATUS or codes & FAULTS:
            span.set_status(self._api.StatusCode.ERROR)
        # Statements are timed by another clock than spans are.
        offset = time.time_ns() - time.perf_counter_ns()
        parent = self._api.set_span_in_context(span)
        for statement in record.statements:
            self._add(statement, parent, offset)
        span.end()

    def close(self) -> None:
        """Send what is left. It may take some seconds where nobody takes it."""
        self._provider.shutdown()

    def _add(self, statement: StatementRecord, parent: object, offset: int) -> None:
        began = int(statement.began * 1e9) + offset
        told = {"db.system.name": "postgresql", "db.query.summary": statement.name}
        if statement.error:
            told["error.type"] = statement.error
        child = self._tracer.start_span(
            statement.name,
            context=parent,
            kind=self._api.SpanKind.CLIENT,
            attributes=told,
            start_time=began,
        )
        if statement.error:
            child.set_status(self._api.StatusCode.ERROR)
        child.end(began + int(statement.seconds * 1e9))


def _transport(scope: Scope, status: int) -> dict[str, object]:
    if scope["type"] == SOCKET:
        # The method and the status are those of the socket, which many operations share.
        return {"network.protocol.name": SOCKET}
    return {"http.request.method": scope["method"], "http.response.status_code": status}


def _random(bits: int) -> int:
    """Return an id that is not 0, which W3C's Trace Context forbids."""
    return random.getrandbits(bits) or 1


def exporter_to(endpoint: str) -> object:
    """Return what sends spans to an OTLP endpoint, by HTTP and protobuf."""
    module = import_module("opentelemetry.exporter.otlp.proto.http.trace_exporter")
    exporter: object = module.OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces")
    return exporter
