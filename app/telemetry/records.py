"""Records of requests: what the log says of each, in one line."""

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
"""What is asked often and says little."""

OPERATION_NAME_MAX_LENGTH = 64
PATH_MAX_LENGTH = 64

HASH_LENGTH = 12
"""Hexadecimal digits of a hash in the log: enough to find things by, too few to turn around."""

DIGESTS_KEPT = 4096

GATHERING_TIME = 0.1
"""Seconds that a request's line may wait for others before it is written."""


@dataclass(slots=True)
class RequestRecord:
    """What the log line of a request says. Never a token, a document, or a variable."""

    id: str
    user: str | None = None
    operation: str | None = None
    document: str | None = None
    code: str | None = None


@lru_cache(DIGESTS_KEPT)
def digest(text: str) -> str:
    """Return a short hash, to tell things apart by without telling what they are."""
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:HASH_LENGTH]


class RequestLog:
    """Writes a line for each request.

    Where nobody but the server itself reads its log, lines are gathered for a moment and written at
    once: a write for each would cost as much as all else that is done for a small request.
    """

    def __init__(self) -> None:
        self._stream: TextIO | None = None
        self._start = token_hex(8)
        self._numbers = itertools.count()
        self._lines: list[tuple[float, int, dict[str, object]]] = []

    def gather_for(self, stream: TextIO) -> None:
        """Write JSON to the stream from now on, past the `logging` module."""
        self._stream = stream

    def new_id(self) -> str:
        """Return an id that no other request has."""
        return f"{self._start}{next(self._numbers):016x}"

    def add(self, scope: Scope, record: RequestRecord, status: int, milliseconds: float) -> None:
        level = logging.DEBUG if scope["path"].startswith(QUIET_PATHS) else logging.INFO
        if not logger.isEnabledFor(level):
            return
        told: dict[str, object] = {"id": record.id, "path": scope["path"][:PATH_MAX_LENGTH]}
        if record.operation is not None:
            told["op"] = record.operation
        if record.document is not None:
            told["doc"] = record.document
        if record.user is not None:
            told["user"] = record.user
        if record.code is not None:
            told["code"] = record.code
        told["status"] = status
        told["ms"] = milliseconds
        if self._stream is None:
            logger.log(level, "request", extra={"told": told})
            return
        if not self._lines:
            asyncio.get_running_loop().call_later(GATHERING_TIME, self.flush)
        self._lines.append((time.time(), level, told))

    def flush(self) -> None:
        """Write what has been gathered."""
        if self._lines and self._stream is not None:
            lines, self._lines = self._lines, []
            self._stream.write("".join(map(_line, lines)))
            self._stream.flush()


def _line(gathered: tuple[float, int, dict[str, object]]) -> str:
    seconds, level, told = gathered
    start = f'{{"at":"{written_time(seconds)}","level":"{_level(level)}",'
    return start + orjson.dumps(told).decode()[1:] + "\n"


@cache
def _level(level: int) -> str:
    return logging.getLevelName(level).lower()


def written_time(seconds: float) -> str:
    whole = int(seconds)
    return f"{_time_to_the_second(whole)}.{int((seconds - whole) * 1000):03d}+00:00"


@lru_cache(16)
def _time_to_the_second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()[:19]
