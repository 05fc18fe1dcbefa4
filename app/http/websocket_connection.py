"""uvicorn's WebSocket protocol, with an end to its patience: for frames that are too many.

A frame is a message, a part of one, a ping, a pong or a close. The application sees whole messages
only, so it cannot count the others, and they cost as much.
"""

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame

from app.http.websocket_messages import CloseCode

FRAMES_PER_SECOND = 100
"""Frames of any kind on one socket."""

PARTS_MAX = 1000
"""Frames that a message may come in."""

PARSED_AT_ONCE = 2048
"""Bytes; some 340 of the smallest frames, which is two milliseconds of work."""

CLOSE_TIMEOUT = 1.0
"""Seconds that a client is given to read why its socket is closed."""


class GuardedWebSocket(WebSocketsSansIOProtocol):
    """Closes sockets on which too many frames come, or a message in too many parts."""

    _second, _frames = 0, 0
    """A second of the event loop's clock, and how many frames came in it."""
    _is_refused = False
    """Whether nothing more is parsed, whatever still comes."""

    def data_received(self, data: bytes) -> None:
        # Of what was read at once there may be so much that to parse it would hold up everybody.
        for start in range(0, len(data), PARSED_AT_ONCE):
            if self._is_refused or self.transport.is_closing():
                return
            super().data_received(data[start : start + PARSED_AT_ONCE])

    def handle_events(self) -> None:
        second = int(self.loop.time())
        if second != self._second:
            self._second, self._frames = second, 0
        # The first event is the handshake.
        if self.handshake_initiated:
            self._frames += len(self.conn.events)
        if self._frames > FRAMES_PER_SECOND:
            self._refuse("Too many messages")
        else:
            super().handle_events()

    def handle_cont(self, event: Frame) -> None:
        if len(self.frames) < PARTS_MAX:
            super().handle_cont(event)
        elif not self._is_refused:
            self._refuse("Too many parts")

    def _refuse(self, reason: str) -> None:
        self._is_refused = True
        self.conn.fail(CloseCode.POLICY_VIOLATION, reason)
        self.transport.write(b"".join(self.conn.data_to_send()))
        code = CloseCode.POLICY_VIOLATION
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        # Whatever the application still sends, nobody is there.
        self.close_sent = self.disconnected = True
        # Closed at once, with bytes unread, the client might lose what was sent to it last.
        self.transport.pause_reading()
        self.read_paused = False
        if self.close_timer is not None:
            self.close_timer.cancel()
        self.close_timer = self.loop.call_later(CLOSE_TIMEOUT, self.transport.abort)
