"""uvicorn's HTTP protocol, with limits on heads, trailers, the framing of bodies, and idle time.

The application limits the bodies themselves.
"""

import asyncio
from typing import cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app.http.transport import CoalescedTransport

HEAD_TIMEOUT = 10.0
"""Seconds from a connection, or from a request's first byte, to the end of the request's head."""

UNREAD_TIMEOUT = 30.0
"""Seconds that a client may leave what is sent to it unread."""

HEAD_MAX_BYTES = 16 * 1024
"""Bytes of a request's URL, and of the names and values of its headers and trailers."""

HEADERS_MAX = 100
"""Headers and trailers of a request."""

FRAMING_PER_BYTE = 8
"""Bytes that may frame each byte of a body; a chunk of one byte is framed by five."""


class HeadTooLarge(Exception):
    """A request has too many headers and trailers, or too many bytes in them."""


class GuardedProtocol(HttpToolsProtocol):
    """Closes connections that stay idle or in a head for too long; refuses what is too large."""

    _head_timer: asyncio.TimerHandle | None = None
    _in_head = True
    _head_bytes = 0
    """Bytes of the names and values of the headers and trailers that came with the request."""
    _framing = 0
    """Bytes that came since the request began and are no body, less what its body allows for."""
    _is_refused = False
    """Whether nothing more is parsed, whatever still comes."""
    _is_upgraded = False
    """Whether a WebSocket has taken the connection over."""
    _unread_timer: asyncio.TimerHandle | None = None
    _answered_at = 0.0
    """When the latest request was answered, on the event loop's clock."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        coalesced = cast("asyncio.Transport", CoalescedTransport(transport, self.loop))
        super().connection_made(coalesced)
        self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        self._stop_unread_timer()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._unread_timer = self.loop.call_later(UNREAD_TIMEOUT, self.transport.abort)

    def resume_writing(self) -> None:
        self._stop_unread_timer()
        super().resume_writing()

    def handle_websocket_upgrade(self) -> None:
        self._is_upgraded = True
        super().handle_websocket_upgrade()

    def data_received(self, data: bytes) -> None:
        if self._is_refused:
            return
        self._framing += len(data)
        super().data_received(data)
        if self._is_upgraded:
            self._stop_waiting()
            return
        if self._framing > HEAD_MAX_BYTES and not self._is_refused:
            self.send_400_response("The request's head, or what frames its body, is too large.")
        if not self._in_head:
            self._stop_waiting()
            self._keep_idle_limit()
        elif self._head_timer is None:
            self._wait_for_head()

    def send_400_response(self, msg: str) -> None:
        """Refuse what came, and say so unless that would be taken for the answer to another."""
        self._is_refused = True
        if self.cycle is None:
            may_say = True
        elif self._in_head:
            may_say = self.cycle.response_complete
        else:
            may_say = not self.pipeline and not self.cycle.response_started
        if may_say:
            super().send_400_response(msg)
        else:
            self.transport.close()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head = True
        self._head_bytes = self._framing = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head_bytes += len(name) + len(value)
        if self._head_bytes > HEAD_MAX_BYTES or len(self.headers) >= HEADERS_MAX:
            # The parser hands it on, and uvicorn answers 400 and closes.
            raise HeadTooLarge
        # As uvicorn does; to call it for each header would cost more than this.
        name = name.lower()
        if name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        if self._head_bytes + len(self.url) > HEAD_MAX_BYTES:
            raise HeadTooLarge
        super().on_headers_complete()
        self._in_head = False
        # Trailers are counted with the headers, but the application must not take them for some.
        self.headers = self.headers.copy()

    def on_body(self, body: bytes) -> None:
        # Nothing is saved up: a large body allows for nothing that comes after it.
        self._framing = max(0, self._framing - len(body) * (1 + FRAMING_PER_BYTE))
        super().on_body(body)

    def on_response_complete(self) -> None:
        self._answered_at = self.loop.time()
        super().on_response_complete()

    def _keep_idle_limit(self) -> None:
        """Start the idle timer again if bytes that begin no request have stopped it."""
        if (
            self.timeout_keep_alive_task is None
            and not self._in_head
            and self.cycle is not None
            and self.cycle.response_complete
        ):
            self.timeout_keep_alive_task = self.loop.call_at(
                self._answered_at + self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def _stop_unread_timer(self) -> None:
        if self._unread_timer is not None:
            self._unread_timer.cancel()
            self._unread_timer = None

    def _wait_for_head(self) -> None:
        self._head_timer = self.loop.call_later(HEAD_TIMEOUT, self.timeout_keep_alive_handler)

    def _stop_waiting(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None
