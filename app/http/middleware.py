"""The middleware that gives each request an id, safe headers and a line in the log."""

import re
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.http.draining import Draining
from app.http.headers import with_safe_headers
from app.telemetry.metrics import Metrics
from app.telemetry.records import RequestRecord, current_record
from app.telemetry.request_log import RequestLog
from app.telemetry.traces import Traces

REQUEST_ID = re.compile(r"[\w.:-]{1,64}", re.ASCII)


def record_of(scope: Scope) -> RequestRecord:
    """Return the record of a request."""
    record: RequestRecord = scope["state"]["record"]
    return record


class Observed:
    """Gives each request an id, and each answer its headers; logs, counts and traces it."""

    def __init__(
        self,
        app: ASGIApp,
        log: RequestLog,
        draining: Draining,
        metrics: Metrics | None,
        traces: Traces | None,
    ) -> None:
        self._app = app
        self.log = log
        self._draining = draining
        self._metrics = metrics
        self._traces = traces

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        record = RequestRecord(_given_id(scope) or self.log.new_id())
        scope.setdefault("state", {})["record"] = record
        current_record.set(record)
        metrics, method = self._metrics, ""
        if metrics is not None:
            method = metrics.began(scope["method"])
        span = None if self._traces is None else self._traces.begin(scope, record)
        began, status = time.perf_counter(), 0

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = with_safe_headers(message["headers"], record.id)
                if self._draining.closes_connections:
                    # uvicorn closes the connection then.
                    message["headers"].append((b"connection", b"close"))
            await send(message)

        try:
            await self._app(scope, receive, send_with_headers)
        finally:
            seconds = time.perf_counter() - began
            if metrics is not None:
                metrics.answered(method, scope, status, seconds)
                metrics.ended(record, seconds)
            if self._traces is not None:
                self._traces.end(span, scope, record, status)
            self.log.add(scope, record, status, seconds)


def _given_id(scope: Scope) -> str | None:
    """Return the id that the client or a proxy gave the request, if it is short and plain."""
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            given: str = value.decode("latin-1")
            return given if REQUEST_ID.fullmatch(given) else None
    return None
