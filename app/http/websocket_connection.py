"""uvicorn's WebSocket protocol, with limits on each state of a connection, and on its frames.

A frame is a message, a part of one, a ping, a pong or a close. The application sees whole messages
only, so it cannot count the others, and they cost as much.
"""

import asyncio
from asyncio.transports import BaseTransport
from http import HTTPStatus
from math import inf
from typing import cast

from starlette.types import Scope
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame

from app.http.connections import Connections, is_signed_in
from app.http.draining import Draining
from app.http.states import CLOSING, HANDSHAKE, OPEN, UNREAD, State
from app.http.transport import CoalescedTransport
from app.http.websocket_messages import CloseCode

FRAMES_PER_SECOND = 100
"""Frames of any kind on one socket."""

UNINITIALISED_FRAMES = 10
"""Frames of any kind before a good token has come."""

PARTS_MAX = 1000
"""Frames that a message may come in."""

PARSED_AT_ONCE = 2048
"""Bytes; some 340 of the smallest frames, which is two milliseconds of work."""


class GuardedWebSocket(WebSocketsSansIOProtocol):
    """Ends each state of a socket that lasts too long, or in which too many frames come."""

    state = HANDSHAKE
    deadline = inf
    """When the state ends, on the event loop's clock."""
    _second, _frames = 0, 0
    """A second of the event loop's clock, and how many frames came in it."""

    def connection_made(self, transport: BaseTransport) -> None:
        super().connection_made(transport)
        self.close_timeout = CLOSING.seconds
        self._coalesced = cast("CoalescedTransport", transport)
        self._coalesced.when_closed = self._close
        self._all: Connections = self.app_state["connections"]
        self._draining: Draining = self.app_state["draining"]
        self._draining.sockets += 1
        # It takes the place of the connection that the handshake came by.
        self._all.add(self, self.config.forwarded_allow_ips)
        self._enter(HANDSHAKE)

    def connection_lost(self, exc: Exception | None) -> None:
        self._all.remove(self)
        self._draining.sockets -= 1
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """Close it when the server stops, with 1012, but not together with all others."""
        self.loop.call_later(self._draining.next_turn(), self._shut_down)

    def _shut_down(self) -> None:
        if not self.transport.is_closing():
            super().shutdown()

    def expire(self, now: float) -> None:
        """End the state, unless the client reads what it is sent."""
        if self.state is not UNREAD:
            self.transport.abort()
        elif self._coalesced.is_read():
            self.deadline = now + UNREAD.seconds
        else:
            self._refuse(CloseCode.TRY_AGAIN_LATER, "Too slow")

    def is_idle(self) -> bool:
        """Return whether it is open, but no good token has come."""
        return self.state in (HANDSHAKE, OPEN, UNREAD) and not self.is_known()

    def is_known(self) -> bool:
        """Return whether a good token has come."""
        return self.state in (OPEN, UNREAD) and is_signed_in(cast("Scope", self.scope))

    def end(self) -> None:
        self.transport.abort()

    def start_keepalive(self) -> None:
        # The handshake is done.
        self._enter(OPEN)
        super().start_keepalive()
        if self._draining.closes_sockets:
            # Its handshake was still on its way when the others were told.
            self.shutdown()

    def pause_writing(self) -> None:
        super().pause_writing()
        if self.state is OPEN:
            self._enter(UNREAD)
            self._coalesced.is_read()
            self.transport.pause_reading()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self.state is UNREAD:
            self._enter(OPEN)
            self._coalesced.begin_to_look()
            if not self.read_paused:
                self.transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        # Of what was read at once there may be so much that to parse it would hold up everybody.
        for start in range(0, len(data), PARSED_AT_ONCE):
            if self.transport.is_closing():
                return
            super().data_received(data[start : start + PARSED_AT_ONCE])
        if not self.handshake_initiated and self.conn.handshake_exc is not None:
            # The library refuses what it cannot parse, but says nothing.
            self._say_bad_request()

    def handle_events(self) -> None:
        # The first event is the handshake.
        if self.handshake_initiated and self._are_too_many(len(self.conn.events)):
            self._refuse(CloseCode.POLICY_VIOLATION, "Too many messages")
        else:
            super().handle_events()

    def _are_too_many(self, frames: int) -> bool:
        self._frames += frames
        if not self.is_known():
            return self._frames > UNINITIALISED_FRAMES
        second = int(self.loop.time())
        if second != self._second:
            self._second, self._frames = second, frames
        return self._frames > FRAMES_PER_SECOND

    def handle_cont(self, event: Frame) -> None:
        if len(self.frames) < PARTS_MAX:
            super().handle_cont(event)
        elif self.state is not CLOSING:
            self._refuse(CloseCode.POLICY_VIOLATION, "Too many parts")

    def _say_bad_request(self) -> None:
        response = self.conn.reject(HTTPStatus.BAD_REQUEST, "This is no handshake of a WebSocket.")
        self.transport.write(response.serialize())
        self.transport.close()

    def _refuse(self, code: CloseCode, reason: str) -> None:
        self.conn.fail(code, reason)
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        # Whatever the application still sends, nobody is there.
        self.close_sent = self.disconnected = True
        self.writable.set()
        # Closed at once, with bytes unread, the client might lose what was sent to it last.
        self._enter(CLOSING)
        self.transport.pause_reading()
        self.read_paused = False
        self.transport.close()

    def _enter(self, state: State) -> None:
        self.state = state
        self.deadline = self.loop.time() + state.seconds

    def _close(self, transport: asyncio.Transport) -> None:
        # A refusal completes the handshake, too, but uvicorn would log an error.
        self.handshake_complete = True
        if self.state is not CLOSING:
            self._enter(CLOSING)
            transport.close()
