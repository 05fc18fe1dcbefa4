"""The middleware that gives each request an id, safe headers and a line in the log."""

import re
import time
from dataclasses import dataclass

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.http.draining import Draining
from app.http.headers import Headers, with_safe_headers
from app.telemetry.metrics import Metrics
from app.telemetry.records import RequestRecord, current_record
from app.telemetry.request_log import RequestLog
from app.telemetry.traces import Span, Traces

REQUEST_ID = re.compile(r"[\w.:-]{1,64}", re.ASCII)


def record_of(scope: Scope) -> RequestRecord:
    """Return the record of a request."""
    record: RequestRecord = scope["state"]["record"]
    return record


@dataclass(slots=True)
class Observation:
    """A request under way, as it is observed."""

    record: RequestRecord
    method: str
    """As a label of metrics; empty where nothing is measured."""
    span: Span | None
    began: float
    """On the clock of `time.perf_counter`."""


class Observer:
    """Gives each request an id, and each answer its headers; logs, counts and traces it."""

    def __init__(
        self,
        log: RequestLog,
        draining: Draining,
        metrics: Metrics | None,
        traces: Traces | None,
    ) -> None:
        self.log = log
        self._draining = draining
        self._metrics = metrics
        self._traces = traces

    def begin(self, scope: Scope) -> Observation:
        """Note that a request has begun. Its record is in the scope's state from now on."""
        record = RequestRecord(_given_id(scope) or self.log.new_id())
        scope.setdefault("state", {})["record"] = record
        current_record.set(record)
        method = "" if self._metrics is None else self._metrics.began(scope["method"])
        span = None if self._traces is None else self._traces.begin(scope, record)
        return Observation(record, method, span, time.perf_counter())

    def headers(self, observation: Observation, headers: Headers) -> list[tuple[bytes, bytes]]:
        """Return the headers of an answer with those that every answer has."""
        complete = with_safe_headers(headers, observation.record.id)
        if self._draining.closes_connections:
            # Who serves closes the connection then.
            complete.append((b"connection", b"close"))
        return complete

    def end(self, observation: Observation, scope: Scope, status: int) -> None:
        """Note how a request was answered; 0: it was not."""
        seconds = time.perf_counter() - observation.began
        record, metrics = observation.record, self._metrics
        if metrics is not None:
            metrics.answered(observation.method, scope, status, seconds)
            metrics.ended(record, seconds)
        if self._traces is not None:
            self._traces.end(observation.span, scope, record, status)
        self.log.add(scope, record, status, seconds)


class Observed:
    """Has each request observed."""

    def __init__(self, app: ASGIApp, observer: Observer) -> None:
        self._app = app
        self._observer = observer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        observer = self._observer
        observation, status = observer.begin(scope), 0

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = observer.headers(observation, message["headers"])
            await send(message)

        try:
            await self._app(scope, receive, send_with_headers)
        finally:
            observer.end(observation, scope, status)


def _given_id(scope: Scope) -> str | None:
    """Return the id that the client or a proxy gave the request, if it is short and plain."""
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            given: str = value.decode("latin-1")
            return given if REQUEST_ID.fullmatch(given) else None
    return None
