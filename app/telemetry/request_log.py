"""The log of requests: a line for each, or for a share of them."""

import asyncio
import itertools
import logging
import math
import random
import time
from datetime import UTC, datetime
from functools import cache, lru_cache
from secrets import token_hex
from typing import TextIO

import orjson
from starlette.types import Scope

from app.telemetry.records import RequestRecord, shown_path

logger = logging.getLogger(__name__)

QUIET_PATHS = ("/health", "/metrics", "/ready", "/graphql/assets/")
"""Paths whose requests are logged at the level DEBUG."""

PATH_MAX_LENGTH = 64

BAD_STATUS = 400
"""The smallest status of a request that failed."""

BUFFERING_TIME = 0.1
"""Seconds that a line may wait for others before it is written."""


class RequestLog:
    """Writes a line for each request, or for a share of those that went well and were not slow.

    A slow one's line is a warning that has its statements. Once it has a stream of its own it
    buffers lines for a moment: a system call for each line would cost as much as all the other work
    of a small request.
    """

    def __init__(self, share: float = 1.0, slow_ms: float = math.inf) -> None:
        """`slow_ms`: milliseconds from which on a query or a mutation is slow."""
        self._share = share
        self._slow_ms = slow_ms
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

    def add(self, scope: Scope, record: RequestRecord, status: int, seconds: float) -> None:
        """Log an answered request; the status 101 stands for an operation of a socket."""
        milliseconds = round(seconds * 1000, 1)
        is_slow = milliseconds >= self._slow_ms and record.kind in ("query", "mutation")
        if is_slow:
            level = logging.WARNING
        elif scope["path"].startswith(QUIET_PATHS):
            level = logging.DEBUG
        else:
            level = logging.INFO
        if not logger.isEnabledFor(level) or not (is_slow or self._is_drawn(record, status)):
            return
        values: dict[str, object] = {
            "id": record.id,
            "path": shown_path(scope["path"])[:PATH_MAX_LENGTH],
            **record.told(),
            "status": status,
            "ms": milliseconds,
        }
        if record.trace_id is not None:
            values |= {"trace_id": record.trace_id, "span_id": record.span_id}
        if is_slow:
            values["statements"] = [statement.told() for statement in record.statements]
        if self._stream is None:
            logger.log(level, "request", extra={"values": values})
            return
        if not self._lines:
            asyncio.get_running_loop().call_later(BUFFERING_TIME, self.flush)
        self._lines.append((time.time(), level, values))

    def _is_drawn(self, record: RequestRecord, status: int) -> bool:
        """Return whether to log a request that is not slow: if it failed, or by chance."""
        is_good = record.code is None and status < BAD_STATUS
        return self._share == 1 or not is_good or random.random() < self._share  # noqa: S311

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


def shown(text: str) -> str:
    """Return the text with what a terminal obeys, or does not show, as escapes.

    These are the characters of the categories C and Z, but the space.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode-escape").decode() for c in text)
