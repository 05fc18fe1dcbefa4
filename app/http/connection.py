"""uvicorn's HTTP protocol, with limits on each state of a connection.

The application limits the bodies themselves, and the time to an answer.
"""

import asyncio
from math import inf
from typing import cast

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser
from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from app.http.connections import Connections, is_signed_in
from app.http.direct import Direct, Exchange
from app.http.states import (
    ANSWERING,
    BODY,
    CLOSING,
    HANDSHAKE,
    HEAD,
    IDLE,
    NEW,
    REST,
    UNREAD,
    State,
)
from app.http.transport import CoalescedTransport

HEADERS_MAX = 100
"""Headers and trailers of a request."""

NOTED = frozenset({b"expect", b"host", b"transfer-encoding"})
"""Headers that this protocol reads."""

FRAMING_PER_BYTE = 8
"""Bytes that may frame each byte of a body; a chunk of one byte is framed by five."""


FIRST_REQUEST = 1.0
"""Seconds for the first request of a connection that is new when the server closes its port."""

FULL = b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\nretry-after: 1\r\n\r\n"
"""The answer to a connection that is one too many."""


class HeadRefused(Exception):
    """A request has too much in its head or trailers, or what two parsers could read differently.

    The parser hands it on, and uvicorn answers 400 and closes.
    """


class GuardedProtocol(HttpToolsProtocol):
    """Ends each state of a connection that lasts too long, or in which too much comes."""

    state = NEW
    deadline = inf
    """When the state ends, on the event loop's clock."""
    _taken = 0
    """Bytes that came in this state; in a body, those that are none of it."""
    _head_bytes = 0
    """Bytes of the names and values of the headers and trailers that came with the request."""
    _hosts = 0
    """Headers of the request that name a host."""
    _is_over = False
    """Whether nothing more is parsed, whatever still comes."""
    _head_again = b""
    """The head of a request that asked for another protocol, without that wish."""
    _direct: Direct | None = None
    """What answers requests for GraphQL without the application; None: it answers all."""
    _exchange: Exchange | None = None
    """What will answer the latest request so, once its body has come."""
    _may_be_direct = True
    """False once a request of this read was answered so: those behind it are the application's."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._coalesced = CoalescedTransport(transport, self.loop, self._close)
        super().connection_made(cast("asyncio.Transport", self._coalesced))
        self._enter(NEW)
        self._all: Connections = self.app_state["connections"]
        direct: Direct | None = self.app_state.get("direct")
        if direct is not None and direct.serves(self):
            self._direct = direct
        if not self._all.add(self, self.config.forwarded_allow_ips):
            self.transport.write(FULL)
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._all.remove(self)
        super().connection_lost(exc)

    def expire(self, now: float) -> None:
        """End the state, unless it waits for this side, or for an answer that is being read."""
        is_read = self._coalesced.is_read()
        if is_read:
            self.deadline = now + UNREAD.seconds
        elif is_read is None and (self.state in (BODY, ANSWERING) or self.flow.read_paused):
            self.deadline = now + self.state.seconds
        elif is_read is None and not self._is_answered():
            # A head that does not end, behind requests that are being answered.
            self.cycle.keep_alive = False
            self.deadline = now + self.state.seconds
        else:
            self.transport.abort()

    def is_idle(self) -> bool:
        """Return whether no answer is worked on or waits to be read."""
        is_waiting = self.state in (NEW, IDLE, HEAD, REST) and self._is_answered()
        return is_waiting and not self.transport.get_write_buffer_size()

    def is_known(self) -> bool:
        """Return whether a good token came with the latest request."""
        return self.scope is not None and is_signed_in(cast("Scope", self.scope))

    def end(self) -> None:
        self.transport.abort()

    def shutdown(self) -> None:
        """End it when the server stops, but answer what has come of a request, or is on its way."""
        if self.state is NEW:
            self.deadline = min(self.deadline, self.loop.time() + FIRST_REQUEST)
        elif self.state not in (HEAD, REST):
            super().shutdown()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._coalesced.is_read()
        self.deadline = self.loop.time() + UNREAD.seconds

    def resume_writing(self) -> None:
        super().resume_writing()
        self._coalesced.begin_to_look()

    def handle_websocket_upgrade(self) -> None:
        if not self._is_answered() or not self._is_handshake():
            self.send_400_response("A WebSocket begins with a GET of HTTP/1.1 that has no body.")
            return
        self._all.remove(self)
        self.state = HANDSHAKE
        super().handle_websocket_upgrade()

    def data_received(self, data: bytes) -> None:
        self._taken += len(data)
        self._may_be_direct = True
        if not self._is_over:
            self._parse(data)
        if self._taken > self.state.bytes:
            if self.state is REST:
                self.transport.abort()
            else:
                self.send_400_response("The request's head, or what frames its body, is too large.")

    def _parse(self, data: bytes) -> None:
        """Do as uvicorn does, but ignore a wish for another protocol than WebSocket.

        RFC 9110, 7.8 lets a server do so. The parser takes what follows the head of such a request
        for no body, but for the other protocol: so it is given the head again without the wish.
        """
        rest = memoryview(data)
        try:
            while (taken := self._feed(rest)) is not None:
                rest = rest[taken:]
            self._leave_to_application()
        except HttpParserError:
            self._leave_to_application()
            self.logger.warning("Invalid HTTP request received.")
            self.send_400_response("Invalid HTTP request received.")

    def _feed(self, data: memoryview) -> int | None:
        """Hand bytes to the parser; return how many it took if it must be given the others again.

        Raises:
            HttpParserError: they are no request.
        """
        try:
            self.parser.feed_data(data)
        except HttpParserUpgrade as upgrade:
            if not self._head_again:
                self.handle_websocket_upgrade()
                return None
            head, self._head_again = self._head_again, b""
            self.parser = HttpRequestParser(self)
            self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
            self.parser.feed_data(head)
            taken: int = upgrade.args[0]
            return taken
        return None

    def _without_upgrade(self) -> bytes:
        """Return the head of the request once more, without `Upgrade`."""
        version = self.parser.get_http_version().encode()
        lines = [b" ".join((self.parser.get_method(), self.url, b"HTTP/" + version))]
        lines += [name + b": " + value for name, value in self.headers if name != b"upgrade"]
        return b"\r\n".join([*lines, b"", b""])

    def send_400_response(self, msg: str) -> None:
        """Refuse what came, and say so unless that would be taken for the answer to another.

        Requests that came before are answered; then the connection is closed.
        """
        self._is_over = True
        if self._is_answered():
            if self.state in (NEW, HEAD, ANSWERING):
                super().send_400_response(msg)
            else:
                self.transport.close()
        elif self.state is BODY and not self.pipeline and not self.cycle.response_started:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
            super().send_400_response(msg)
        else:
            self.cycle.keep_alive = False
            self.flow.pause_reading()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._enter(HEAD)
        self._head_bytes = self._hosts = 0
        self._coalesced.begin_to_look()

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head_bytes += len(name) + len(value)
        if self._head_bytes > HEAD.bytes or len(self.headers) >= HEADERS_MAX:
            raise HeadRefused
        # As uvicorn does; to call it for each header would cost more than this.
        name = name.lower()
        if name in NOTED:
            self._note(name, value)
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        if self._head_bytes + len(self.url) > HEAD.bytes:
            raise HeadRefused
        if self._hosts != 1 and (self._hosts or self.parser.get_http_version() != "1.0"):
            # RFC 9112, 3.2.
            raise HeadRefused
        if self.parser.should_upgrade() and not self._should_upgrade():
            self._head_again = self._without_upgrade()
            return
        if self.transport.is_closing():
            # The answer before was the last one: what follows it is not carried out.
            raise HeadRefused
        if self._direct is not None and self._may_be_direct and self._is_answered():
            self._exchange = self._direct.exchange(self)
        if self._exchange is None:
            super().on_headers_complete()
        else:
            self.cycle = cast("RequestResponseCycle", self._exchange)
        self._enter(BODY)
        # Trailers are counted with the headers, but the application must not take them for some.
        self.headers = self.headers.copy()

    def on_body(self, body: bytes) -> None:
        if self.state is BODY:
            # Nothing is saved up: a large body allows for nothing that comes after it.
            self._taken = max(0, self._taken - len(body) * (1 + FRAMING_PER_BYTE))
        super().on_body(body)

    def on_message_complete(self) -> None:
        if self._head_again:
            return
        super().on_message_complete()
        if self.state is BODY:
            self._enter(ANSWERING)
        else:
            # It was answered before its end: the time since then counts on.
            self.state, self._taken = IDLE, 0
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            self._may_be_direct = False
            exchange.begin()

    def on_response_complete(self) -> None:
        # As uvicorn does, but that it sets a timer for each request, and cancels it at the next.
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        elif self.state is BODY:
            self._enter(REST)
        elif self.state is ANSWERING:
            self._enter(IDLE)

    def _leave_to_application(self) -> None:
        """Have the application answer the request whose body is still to come, if there is one."""
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            self.cycle = None  # type: ignore[assignment]
            super().on_headers_complete()
            super().on_body(bytes(exchange.body))

    def _note(self, name: bytes, value: bytes) -> None:
        value = value.lower()
        if name == b"host":
            self._hosts += 1
        elif name == b"expect":
            self.expect_100_continue = value == b"100-continue"
        elif value != b"chunked" or self.parser.get_http_version() != "1.1":
            # RFC 9112, 6.1 and 7: no other coding is known here, and HTTP/1.0 knew none.
            raise HeadRefused

    def _enter(self, state: State) -> None:
        self.state = state
        self.deadline = self.loop.time() + state.seconds
        self._taken = 0

    def _is_handshake(self) -> bool:
        """Return whether a request that asks for a WebSocket may: such a request has no body."""
        names = [name for name, _ in self.headers]
        return (
            self.scope["method"] == "GET"
            and self.scope["http_version"] == "1.1"
            and b"content-length" not in names
            and b"transfer-encoding" not in names
        )

    def _is_answered(self) -> bool:
        """Return whether all requests are answered whose heads have come."""
        return self.cycle is None or self.cycle.response_complete

    def _close(self, transport: asyncio.Transport) -> None:
        if (self._is_over or self.state is BODY) and transport.can_write_eof():
            # Closed at once, with bytes unread, the client might lose the answer.
            self._is_over = True
            self._enter(REST)
            transport.write_eof()
            self.flow.resume_reading()
        else:
            self._enter(CLOSING)
            transport.close()
