"""Records of requests, and the log that writes a line for each."""

import asyncio
import hashlib
import itertools
import logging
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, lru_cache
from secrets import token_hex
from typing import TextIO

import orjson
from starlette.types import Scope

logger = logging.getLogger(__name__)

QUIET_PATHS = ("/health", "/ready", "/graphql/assets/")
"""Paths whose requests are logged at the level DEBUG."""

OPERATION_NAME_MAX_LENGTH = 64
PATH_MAX_LENGTH = 64

HASH_LENGTH = 12
"""Hexadecimal digits of a hash in the log: enough to find lines by, too few to reverse it."""

DIGESTS_KEPT = 4096
"""Hashes that are remembered."""

BUFFERING_TIME = 0.1
"""Seconds that a line may wait for others before it is written."""


@dataclass(slots=True)
class RequestRecord:
    """What the log says of a request. It never holds a token, a document, or a variable."""

    id: str
    user: str | None = None
    operation: str | None = None
    document: str | None = None
    code: str | None = None


def shown(text: str) -> str:
    """Return the text with what a terminal obeys, or does not show, as escapes.

    These are the characters of the categories C and Z, but the space.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode-escape").decode() for c in text)


@lru_cache(DIGESTS_KEPT)
def digest(text: str) -> str:
    """Return a short hash of a text, by which log lines can be compared without showing it."""
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:HASH_LENGTH]


class RequestLog:
    """Writes a line for each request.

    Once it has a stream of its own it buffers lines for a moment: a system call for each line would
    cost as much as all the other work of a small request.
    """

    def __init__(self) -> None:
        self._stream: TextIO | None = None
        self._start = token_hex(8)
        self._numbers = itertools.count()
        self._lines: list[tuple[float, int, dict[str, object]]] = []

    def write_to(self, stream: TextIO) -> None:
        """Write lines of JSON to the stream from now on, without the `logging` module."""
        self._stream = stream

    def new_id(self) -> str:
        """Return an id that no other request has."""
        return f"{self._start}{next(self._numbers):016x}"

    def add(self, scope: Scope, record: RequestRecord, status: int, milliseconds: float) -> None:
        """Log an answered request; the status 101 stands for an operation of a socket."""
        level = logging.DEBUG if scope["path"].startswith(QUIET_PATHS) else logging.INFO
        if not logger.isEnabledFor(level):
            return
        values: dict[str, object] = {"id": record.id, "path": scope["path"][:PATH_MAX_LENGTH]}
        if record.operation is not None:
            values["op"] = record.operation
        if record.document is not None:
            values["doc"] = record.document
        if record.user is not None:
            values["user"] = record.user
        if record.code is not None:
            values["code"] = record.code
        values["status"] = status
        values["ms"] = milliseconds
        if self._stream is None:
            logger.log(level, "request", extra={"values": values})
            return
        if not self._lines:
            asyncio.get_running_loop().call_later(BUFFERING_TIME, self.flush)
        self._lines.append((time.time(), level, values))

    def flush(self) -> None:
        """Write the buffered lines."""
        if self._lines and self._stream is not None:
            lines, self._lines = self._lines, []
            self._stream.write("".join(map(_line, lines)))
            self._stream.flush()


def _line(request: tuple[float, int, dict[str, object]]) -> str:
    seconds, level, values = request
    start = f'{{"at":"{written_time(seconds)}","level":"{_level(level)}",'
    told = {name: shown(v) if isinstance(v, str) else v for name, v in values.items()}
    return start + orjson.dumps(told).decode()[1:] + "\n"


@cache
def _level(level: int) -> str:
    return logging.getLevelName(level).lower()


def written_time(seconds: float) -> str:
    """Return a time, in seconds since the epoch, in the form of RFC 3339, in UTC."""
    whole = int(seconds)
    return f"{_time_to_the_second(whole)}.{int((seconds - whole) * 1000):03d}+00:00"


@lru_cache(16)
def _time_to_the_second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()[:19]
