"""Traces: a span for each request and each of its statements, by OpenTelemetry's SDK.

Spans have no document, no variable and no value of a statement. The SDK comes with the extra
`otel`, is imported when it is needed, and reads `OTEL_TRACES_SAMPLER` and the like itself.

The conventions: https://opentelemetry.io/docs/specs/semconv/graphql/graphql-spans/.
"""

import logging
import os
import time
from collections.abc import Collection
from importlib import import_module
from typing import Any

from starlette.types import Scope

from app.telemetry.records import QUIET_PATHS, RequestRecord, StatementRecord, shown_path

SERVICE = "todo-api"

FAULT_STATUS = 500
FAULTS = {"INTERNAL_SERVER_ERROR", "SERVICE_UNAVAILABLE", "TIMEOUT"}
"""Codes of errors that are the server's own fault, though the status be 200."""

API = "opentelemetry.trace"

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
        self._provider = sdk.TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(batches.BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer(SERVICE, version)
        self._propagator = propagation.TraceContextTextMapPropagator()

    def begin(self, scope: Scope, record: RequestRecord) -> Span | None:
        """Begin the span of a request, and note its ids; return None for probes.

        It is a part of the trace that `traceparent` names, and is kept if that says so.
        """
        if scope["path"].startswith(QUIET_PATHS):
            return None
        given = {
            name.decode("latin-1"): value.decode("latin-1")
            for name, value in scope["headers"]
            if name in (b"traceparent", b"tracestate")
        }
        parent = self._propagator.extract(given) if given else None
        span = self._tracer.start_span(
            scope["method"], context=parent, kind=self._api.SpanKind.SERVER
        )
        context = span.get_span_context()
        record.trace_id = f"{context.trace_id:032x}"
        record.span_id = f"{context.span_id:016x}"
        return span

    def end(self, span: Span, scope: Scope, record: RequestRecord, status: int) -> None:
        """End the span of a request, with those of its statements."""
        if not span.is_recording():
            return
        codes = set(record.code.split(",")) if record.code else set()
        told = {
            "http.request.method": scope["method"],
            "url.path": shown_path(scope["path"]),
            "http.response.status_code": status,
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


def exporter_to(endpoint: str) -> object:
    """Return what sends spans to an OTLP endpoint, by HTTP and protobuf."""
    module = import_module("opentelemetry.exporter.otlp.proto.http.trace_exporter")
    exporter: object = module.OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces")
    return exporter
