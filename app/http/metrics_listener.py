"""The listener of `/metrics`: an HTTP server of its own, in a thread, for the numbers alone.

Of several workers, their main process has it.
"""

import socket
import sys
import threading
from collections.abc import Callable, Iterable
from socketserver import TCPServer, ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server
from wsgiref.types import StartResponse, WSGIEnvironment

from app.http.metrics_page import has_token
from app.telemetry.exposition import text_of
from app.telemetry.metrics import Figures

PATIENCE = 10.0
"""Seconds that a client may take to ask."""

CLIENTS_MAX = 16
"""Clients at once: each has a thread, and a descriptor that others would lack."""


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True

    def __init__(self, *arguments: Any, **named: Any) -> None:  # noqa: ANN401 -- as socketserver's
        self._places = threading.BoundedSemaphore(CLIENTS_MAX)
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
    timeout = PATIENCE

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
            if token is None or has_token([environ.get("HTTP_AUTHORIZATION", "")], token):
                media_type, body = text_of(figures(), environ.get("HTTP_ACCEPT", ""))
                status, headers = "200 OK", [("Content-Type", media_type)]
            else:
                status, headers = "401 Unauthorized", [("WWW-Authenticate", "Bearer")]
        start_response(status, [*headers, ("Content-Length", str(len(body)))])
        return [body]

    kind = _ServerOfIPv6 if ":" in host else _Server
    server = make_server(host, port, answer, server_class=kind, handler_class=_Handler)
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()
