"""uvicorn's HTTP protocol, with an end to its patience: for heads that are slow or too large."""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_TIMEOUT = 10.0
"""Seconds from a connection, or from a request's first byte, to the end of the request's head."""

HEAD_MAX_BYTES = 16 * 1024
HEADERS_MAX = 100


class HeadTooLarge(Exception):
    """The head of a request has too many headers, or too many bytes."""


class GuardedProtocol(HttpToolsProtocol):
    """Closes connections whose request heads do not end, and refuses heads that are too large."""

    _patience: asyncio.TimerHandle | None = None
    _unread = 0
    """Bytes received since the head under way began; 0 when there is none."""
    _headers = 0
    _header_bytes = 0

    def connection_made(self, transport: Any) -> None:  # noqa: ANN401 -- as in uvicorn
        super().connection_made(transport)
        self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._patience is not None:
            self._unread += len(data)
            if self._unread > HEAD_MAX_BYTES + len(data):
                self.send_400_response("The request's head is too large.")
                return
        super().data_received(data)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._headers = self._header_bytes = 0
        if self._patience is None:
            self._wait_for_head()

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers += 1
        self._header_bytes += len(name) + len(value)
        if self._headers > HEADERS_MAX or self._header_bytes > HEAD_MAX_BYTES:
            # The parser hands it on, and uvicorn answers 400 and closes.
            raise HeadTooLarge
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._stop_waiting()
        super().on_headers_complete()

    def _wait_for_head(self) -> None:
        self._unread = 0
        self._patience = self.loop.call_later(HEAD_TIMEOUT, self._give_up)

    def _stop_waiting(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _give_up(self) -> None:
        self._patience = None
        if not self.transport.is_closing():
            self.transport.close()
