"""Answers requests for GraphQL straight from the connection: no task, no ASGI messages.

By the same functions as the application, in the order of its middleware: what is observed, who may
read the answer, the endpoint. What this leaves out (a task, a scope's way through each middleware,
messages, and checks of headers that are all this server's own) costs more than a small request.

All else goes the application's way: other paths and methods, a body that comes in several reads, a
second request before the first is answered, a client that does not read; and all requests, where
middleware was added to the application (`add_middleware`) or stands around it.
"""

import logging
from collections.abc import Callable
from typing import cast

from starlette.types import ASGIApp, Message, Scope
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from app.http.cors import CrossOrigin
from app.http.driven import Driven
from app.http.endpoint import GraphQLEndpoint
from app.http.headers import Headers
from app.http.middleware import Observer
from app.http.request import head_of

logger = logging.getLogger(__name__)

Write = Callable[[int, Headers, bytes], None]
"""Writes an answer: its status, headers and body."""

FAILED = [
    (b"content-type", b"text/plain; charset=utf-8"),
    (b"content-length", b"21"),
    (b"connection", b"close"),
]
"""The headers of the answer where this server itself failed."""


class Direct:
    """What the application does with a request for GraphQL, in one step."""

    def __init__(
        self,
        app: ASGIApp,
        path: str,
        endpoint: GraphQLEndpoint,
        cross_origin: CrossOrigin,
        observer: Observer,
    ) -> None:
        """`app`: the application that it stands for. `path`: that of its endpoint."""
        self.app = app
        self.path = path.encode()
        self._endpoint = endpoint
        self._cross_origin = cross_origin
        self._observer = observer

    def serves(self, protocol: HttpToolsProtocol) -> bool:
        """Return whether nothing else is to see the requests of a connection.

        Middleware around the application is, as is what uvicorn does where it is told to.
        """
        app: object = protocol.app
        if isinstance(app, ProxyHeadersMiddleware):
            # It corrects the client's address and the scheme, which nothing on this way reads.
            app = app.app
        config = protocol.config
        return (
            app is self.app
            and not protocol.root_path
            and not config.access_log
            and protocol.limit_concurrency is None
            and not config.reset_contextvars
        )

    def exchange(self, protocol: HttpToolsProtocol) -> "Exchange | None":
        """Complete the request's scope, and return what answers it; None: the application does.

        Its head has come.
        """
        parser, path = protocol.parser, protocol.url
        if (
            path != self.path
            or parser.get_method() != b"POST"
            or parser.should_upgrade()
            or protocol.expect_100_continue
            or protocol.flow.write_paused
        ):
            return None
        scope, version = cast("Scope", protocol.scope), parser.get_http_version()
        scope["http_version"] = version
        scope["method"] = "POST"
        scope["path"], scope["raw_path"], scope["query_string"] = path.decode(), path, b""
        keep_alive = version != "1.0" and parser.should_keep_alive()
        return Exchange(self, scope, protocol, keep_alive=keep_alive)

    async def answer(self, scope: Scope, body: bytes, write: Write) -> None:
        """Write the answer to a request that is there as a whole."""

        async def receive() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        observation, status = self._observer.begin(scope), 0
        try:
            head = head_of(scope)
            status, headers, content = await self._endpoint.answer(head, scope, receive)
            if head.origin is not None and self._cross_origin.origins.allow(scope):
                headers = self._cross_origin.headers(headers, head.origin)
            write(status, self._observer.headers(observation, headers), content)
        finally:
            self._observer.end(observation, scope, status)


class Nobody:
    """An event for which nobody waits, such as that the client has gone."""

    def set(self) -> None:
        """Do nothing."""


NOBODY = Nobody()


class Exchange:
    """A request and its answer. uvicorn's protocol takes it for its own `RequestResponseCycle`."""

    __slots__ = (
        "_direct",
        "_protocol",
        "_scope",
        "body",
        "disconnected",
        "keep_alive",
        "message_event",
        "more_body",
        "response_complete",
        "response_started",
    )

    def __init__(
        self, direct: Direct, scope: Scope, protocol: HttpToolsProtocol, *, keep_alive: bool
    ) -> None:
        self._direct = direct
        self._scope = scope
        self._protocol = protocol
        self.keep_alive = keep_alive
        self.body = bytearray()
        self.more_body = True
        self.disconnected = self.response_started = self.response_complete = False
        self.message_event = NOBODY

    def begin(self) -> None:
        """Begin to answer, now that the body has come."""
        driven = Driven(self._answer(), self._protocol.loop)
        driven.begin()
        if not driven.done():
            tasks = cast("set[Driven]", self._protocol.tasks)
            tasks.add(driven)
            driven.when_over = tasks.discard

    async def _answer(self) -> None:
        # It is not kept until the next request.
        body, self.body = bytes(self.body), bytearray()
        try:
            await self._direct.answer(self._scope, body, self._write)
        except BaseException:
            # As uvicorn does with what no application should raise, and when it stops.
            logger.exception("Exception while a request was answered")
            if not self.response_started:
                self._write(500, FAILED, b"Internal Server Error")

    def _write(self, status: int, headers: Headers, body: bytes) -> None:
        if self.disconnected:
            return
        protocol, transport = self._protocol, self._protocol.transport
        lines = [STATUS_LINE[status]]
        says_close = False
        for name, value in (*protocol.server_state.default_headers, *headers):
            lines += (name, b": ", value, b"\r\n")
            says_close = says_close or (name == b"connection" and value == b"close")
        if says_close:
            self.keep_alive = False
        elif not self.keep_alive:
            lines.append(b"connection: close\r\n")
        lines += (b"\r\n", body)
        text = b"".join(lines)
        self.response_started = self.response_complete = True
        transport.write(text)
        if not self.keep_alive:
            transport.close()
        protocol.on_response_complete()
