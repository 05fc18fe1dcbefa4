"""What Prometheus reads: the numbers as text, by prometheus_client, and a listener for them alone.

prometheus_client comes with the extra `metrics`, and is imported when it is needed.
"""

import hmac
import socket
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from importlib import import_module
from itertools import accumulate
from socketserver import TCPServer, ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server
from wsgiref.types import StartResponse, WSGIEnvironment

from app.telemetry.metrics import BOUNDS, METRICS, Figures, Kind

LIBRARY = "prometheus_client"

LISTENER_PATIENCE = 10.0
"""Seconds that a client of the listener may take to ask."""

LISTENER_CLIENTS = 16
"""Clients of the listener at once: each has a thread, and a descriptor that others would lack."""

_BOUNDS = [*map(str, BOUNDS), "+Inf"]


def text_of(figures: Figures, accept: str) -> tuple[str, bytes]:
    """Return a media type and the text: OpenMetrics where the client accepts it."""
    choose = _module("exposition").choose_encoder
    try:
        encode, media_type = choose(accept)
    except (ValueError, TypeError):
        # What it accepts has a version that is none.
        encode, media_type = choose("")
    return media_type, encode(_Collected(figures))


def process_figures() -> Iterator[tuple[str, tuple[str, ...], float]]:
    """Yield the numbers of this process; none where the system does not tell them."""
    for family in _process_collector().collect():
        for sample in family.samples:
            if sample.name in METRICS:
                yield sample.name, (), sample.value


class _Collected:
    """Figures, as prometheus_client takes metrics from a registry."""

    def __init__(self, figures: Figures) -> None:
        self._figures = figures

    def collect(self) -> Iterator[Any]:
        core = _module("core")
        for name, (kind, says, labels, _) in METRICS.items():
            rows = sorted(self._figures[name].items())
            if kind is Kind.HISTOGRAM:
                family = core.HistogramMetricFamily(name, says, labels=labels)
                for values, row in rows:
                    buckets = list(zip(_BOUNDS, accumulate(row[:-1]), strict=True))
                    family.add_metric(values, buckets, row[-1])
            else:
                make = core.CounterMetricFamily if kind is Kind.COUNTER else core.GaugeMetricFamily
                family = make(name, says, labels=labels)
                for values, row in rows:
                    family.add_metric(values, row[0])
            yield family


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True

    def __init__(self, *arguments: Any, **named: Any) -> None:  # noqa: ANN401 -- as socketserver's
        self._places = threading.BoundedSemaphore(LISTENER_CLIENTS)
        super().__init__(*arguments, **named)

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401
        if self._places.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:  # noqa: ANN401
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401
        """Log nothing of a client that has left: the default is a traceback."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)

    def server_bind(self) -> None:
        # As WSGIServer does, but that it asks the network for the name of the address.
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]
        self.setup_environ()


class _ServerOfIPv6(_Server):
    address_family = socket.AF_INET6


class _Handler(WSGIRequestHandler):
    timeout = LISTENER_PATIENCE

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing: a request comes every few seconds."""


def listen(host: str, port: int, token: str | None, figures: Callable[[], Figures]) -> None:
    """Answer `/metrics` at an address of its own, in a thread, until the process ends.

    `token`: the bearer token that is asked for; None: none is.

    Raises:
        OSError: the address cannot be listened on.
    """

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        status, headers, body = "404 Not Found", [("Content-Type", "text/plain")], b""
        if environ["PATH_INFO"] == "/metrics":
            if token is None or is_bearer(environ.get("HTTP_AUTHORIZATION", ""), token):
                media_type, body = text_of(figures(), environ.get("HTTP_ACCEPT", ""))
                status, headers = "200 OK", [("Content-Type", media_type)]
            else:
                status, headers = "401 Unauthorized", [("WWW-Authenticate", "Bearer")]
        start_response(status, [*headers, ("Content-Length", str(len(body)))])
        return [body]

    kind = _ServerOfIPv6 if ":" in host else _Server
    server = make_server(host, port, answer, server_class=kind, handler_class=_Handler)
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()


def is_bearer(authorization: str, token: str) -> bool:
    """Return whether the header `Authorization` has the token."""
    scheme, _, given = authorization.partition(" ")
    return scheme.lower() == "bearer" and hmac.compare_digest(given.encode(), token.encode())


@cache
def _process_collector() -> Any:  # noqa: ANN401 -- the library is imported by name
    return _module("process_collector").ProcessCollector(registry=None)


def _module(name: str) -> Any:  # noqa: ANN401 -- the library is imported by name
    return import_module(f"{LIBRARY}.{name}")
