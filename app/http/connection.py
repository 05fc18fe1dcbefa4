"""uvicorn's HTTP protocol, with an end to its patience: for heads that are slow or too large.

How large a body may be is the application's to say; here is said how much may surround it.
"""

import asyncio
from functools import lru_cache
from typing import Any

from uvicorn._types import ASGI3Application, ASGISendEvent, HTTPResponseStartEvent
from uvicorn.protocols.http.httptools_impl import (
    HEADER_RE,
    HEADER_VALUE_RE,
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

HEAD_TIMEOUT = 10.0
"""Seconds from a connection, or from a request's first byte, to the end of the request's head."""

LINGER = 15.0
"""Seconds that what was written may take to leave once a connection is closed."""

HEAD_MAX_BYTES = 16 * 1024
"""Bytes of a request's URL, and of the names and values of its headers and trailers."""

HEADERS_MAX = 100
"""Headers and trailers of a request."""

FRAMING_PER_BYTE = 8
"""Bytes that may frame each byte of a body; a chunk of one byte is framed by five."""

UNUSUAL = (b"connection", b"transfer-encoding")
"""Headers of a response that say how it is sent."""

HEADER_LINES_KEPT = 256


class HeadTooLarge(Exception):
    """A request has too many headers and trailers, or too many bytes in them."""


class GatheredWrites:
    """A transport that sends what is written in one turn of the event loop all at once.

    uvicorn writes a response's head and its body one after the other; sending them one by one would
    cost more than making them. And who is answered asks again: if all of a turn are answered at its
    end, they are heard together in the next.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._pieces: list[bytes] = []

    def write(self, data: bytes) -> None:
        if not self._pieces:
            self._loop.call_soon(self.flush)
        self._pieces.append(data)

    def flush(self) -> None:
        pieces, self._pieces = self._pieces, []
        # Nothing follows the end, not even an answer that was under way.
        if pieces and not self._transport.is_closing():
            self._transport.write(b"".join(pieces))

    def close(self) -> None:
        self.flush()
        self._transport.close()
        # Whoever does not read what is left of it would keep the connection for ever.
        self._loop.call_later(LINGER, self._transport.abort)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 -- whatever a transport has
        return getattr(self._transport, name)


class WholeResponse(RequestResponseCycle):
    """Writes a response that comes in one piece as one; uvicorn looks into each header, each time.

    Whatever else an application sends goes uvicorn's way.
    """

    _start: HTTPResponseStartEvent | None = None

    async def send(self, message: ASGISendEvent) -> None:
        if message["type"] == "http.response.start" and not self.response_started:
            self._start, self.response_started = message, True
            return
        start, self._start = self._start, None
        if start is not None and not self._is_written(start, message):
            self.response_started = False
            await super().send(start)
        if not self.response_complete:
            await super().send(message)

    def _is_written(self, start: HTTPResponseStartEvent, message: ASGISendEvent) -> bool:
        """Write both messages if they are a whole response, and all is as usual."""
        if (
            message["type"] != "http.response.body"
            or message.get("more_body")
            or self.scope["method"] == "HEAD"
            or not self.keep_alive
            or self.disconnected
            or self.flow.write_paused
            or self.access_log
        ):
            return False
        body = message.get("body", b"")
        lines = [STATUS_LINE[start["status"]]]
        has_length = False
        for name, value in (*self.default_headers, *start["headers"]):
            if name in UNUSUAL:
                return False
            if name == b"content-length":
                has_length = value == b"%d" % len(body)
            # Lengths and ids are too many to be kept; there is nothing in them that could be wrong.
            is_plain = value.isalnum()
            lines.append(_start(name) + value + b"\r\n" if is_plain else _line(name, value))
        if not has_length:
            return False
        self.transport.write(b"".join([*lines, b"\r\n", body]))
        self.response_complete = True
        self.message_event.set()
        self.on_response()
        return True


@lru_cache(HEADER_LINES_KEPT)
def _start(name: bytes) -> bytes:
    """Return how the line of a header starts.

    Raises:
        RuntimeError: as uvicorn has it, for what would be read as another header.
    """
    if HEADER_RE.search(name):
        raise RuntimeError("Invalid HTTP header name.")
    return name.lower() + b": "


@lru_cache(HEADER_LINES_KEPT)
def _line(name: bytes, value: bytes) -> bytes:
    """Return the line of a header.

    Raises:
        RuntimeError: as uvicorn has it, for what would be read as another header.
    """
    if HEADER_VALUE_RE.search(value):
        raise RuntimeError("Invalid HTTP header value.")
    return _start(name) + value + b"\r\n"


class GuardedProtocol(HttpToolsProtocol):
    """Closes connections whose request heads do not end, and refuses what is too large.

    That may be a head, trailers, or what frames a body.
    """

    _patience: asyncio.TimerHandle | None = None
    _in_head = True
    _head_bytes = 0
    """Bytes of the names and values of the headers and trailers that came with the request."""
    _framing = 0
    """Bytes that came since the request began and are no body, less what its body allows for."""
    _is_refused = False
    """Whether nothing more is parsed, whatever still comes."""
    _idle_since: float | None = None
    """When the connection last had been answered; None while there is a request under way."""
    _idle_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:  # noqa: ANN401 -- as in uvicorn
        super().connection_made(GatheredWrites(transport, self.loop))  # type: ignore[arg-type]
        self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._is_refused:
            return
        self._framing += len(data)
        super().data_received(data)
        if self._framing > HEAD_MAX_BYTES and not self._is_refused:
            self.send_400_response("The request's head, or what frames its body, is too large.")
        if not self._in_head:
            self._stop_waiting()
        elif self._patience is None:
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
        if self.pipeline or self.transport.is_closing():
            super().on_response_complete()
            return
        self.server_state.total_requests += 1
        self.flow.resume_reading()
        self._idle_since = self.loop.time()
        if self._idle_timer is None:
            self._idle_timer = self.loop.call_later(self.timeout_keep_alive, self._look_if_idle)

    def _unset_keepalive_if_required(self) -> None:
        # The timer stays: to set one after each request and take it back before the next would cost
        # more than to look once in a while.
        self._idle_since = None

    def _look_if_idle(self) -> None:
        self._idle_timer = None
        if self._idle_since is None:
            return
        rest = self._idle_since + self.timeout_keep_alive - self.loop.time()
        if rest > 0:
            self._idle_timer = self.loop.call_later(rest, self._look_if_idle)
        else:
            self.timeout_keep_alive_handler()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        # uvicorn makes it, and has no setting for its class.
        cycle.__class__ = WholeResponse
        super()._start_asgi_task(cycle, app)

    def _wait_for_head(self) -> None:
        self._patience = self.loop.call_later(HEAD_TIMEOUT, self._give_up)

    def _stop_waiting(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _give_up(self) -> None:
        self._patience = None
        if not self.transport.is_closing():
            self.transport.close()
