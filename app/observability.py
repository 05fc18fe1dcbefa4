"""What is told of a request: its id and safe headers to the client, one line to the log."""

import asyncio
import hashlib
import itertools
import json
import logging
import re
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, lru_cache
from secrets import token_hex
from typing import TextIO

import orjson
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.logging import ColourizedFormatter

logger = logging.getLogger(__name__)

ROOMS = ("app", "auth")
"""The packages that log."""

UVICORN_LOGGERS = ("uvicorn", "uvicorn.access")
"""Those of uvicorn's that have handlers."""

QUIET_PATHS = ("/health", "/ready", "/graphql/assets/")
"""What is asked often and says little."""

SANE_REQUEST_ID = re.compile(r"[\w.:-]{1,64}", re.ASCII)
OPERATION_NAME_MAX_LENGTH = 64
PATH_MAX_LENGTH = 64
HASH_LENGTH = 12
"""Hexadecimal digits of a hash in the log: enough to find things by, too few to turn around."""

DIGESTS_KEPT = 4096

GATHERING_TIME = 0.1
"""Seconds that a request's line may wait for others before it is written."""

HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}
JSON_POLICY = "default-src 'none'; frame-ancestors 'none'"
PAGE_POLICY = "frame-ancestors 'none'"
JSON_HEADERS, _PAGE_HEADERS = (
    [
        (name.encode(), value.encode())
        for name, value in {**HEADERS, "content-security-policy": policy}.items()
    ]
    for policy in (JSON_POLICY, PAGE_POLICY)
)


@dataclass(slots=True)
class RequestRecord:
    """What the log line of a request says. Never a token, a document, or a variable."""

    id: str
    user: str | None = None
    operation: str | None = None
    document: str | None = None
    code: str | None = None


def record_of(scope: Scope) -> RequestRecord:
    """Return the record of the request that is under way."""
    record: RequestRecord = scope["state"]["record"]
    return record


@lru_cache(DIGESTS_KEPT)
def digest(text: str) -> str:
    """Return a short hash, to tell things apart by without telling what they are."""
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:HASH_LENGTH]


class Observed:
    """Gives each request an id, each answer its headers, and the log one line."""

    def __init__(self, app: ASGIApp, log: "RequestLog") -> None:
        self._app = app
        self.log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        record = RequestRecord(_given_id(scope) or self.log.new_id())
        scope.setdefault("state", {})["record"] = record
        began, status = time.perf_counter(), 0

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = _with_safe_headers(message["headers"], record.id)
            await send(message)

        try:
            await self._app(scope, receive, send_with_headers)
        finally:
            milliseconds = round((time.perf_counter() - began) * 1000, 1)
            self.log.add(scope, record, status, milliseconds)


def _given_id(scope: Scope) -> str | None:
    """Return the id that the client or a proxy gave the request, if it is sane."""
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            given: str = value.decode("latin-1")
            return given if SANE_REQUEST_ID.fullmatch(given) else None
    return None


def _with_safe_headers(
    headers: Iterable[tuple[bytes, bytes]], request_id: str
) -> list[tuple[bytes, bytes]]:
    given = dict(headers)
    is_page = given.get(b"content-type", b"").startswith(b"text/html")
    safe = _PAGE_HEADERS if is_page else JSON_HEADERS
    missing = [header for header in safe if header[0] not in given]
    return [*headers, *missing, (b"x-request-id", request_id.encode())]


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
    start = f'{{"at":"{_time(seconds)}","level":"{_level(level)}",'
    return start + orjson.dumps(told).decode()[1:] + "\n"


@cache
def _level(level: int) -> str:
    return logging.getLevelName(level).lower()


def _time(seconds: float) -> str:
    whole = int(seconds)
    return f"{_time_to_the_second(whole)}.{int((seconds - whole) * 1000):03d}+00:00"


@lru_cache(16)
def _time_to_the_second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()[:19]


class JsonLines(logging.Formatter):
    """One JSON object a line, for programs."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "at": _time(record.created),
            "level": record.levelname.lower(),
        }
        if hasattr(record, "told"):
            line |= record.told
        else:
            line |= {"message": record.getMessage()}
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, separators=(",", ":"))


class ReadableLines(logging.Formatter):
    """One short line, for people."""

    def format(self, record: logging.LogRecord) -> str:
        told = getattr(record, "told", None)
        if told is not None:
            record.msg = " ".join(
                str(value) if name in ("status", "op", "code", "path") else f"{name}={value}"
                for name, value in told.items()
            )
        return f"{record.levelname + ':':<9} {super().format(record)}"


UVICORN_LOGS_JSON: dict[str, object] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"lines": {"()": f"{__name__}.{JsonLines.__name__}"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "lines"}},
    "loggers": {"uvicorn": {"handlers": ["stderr"], "level": "INFO", "propagate": False}},
}
"""A `log_config` for uvicorn, whose main process never sees the application."""


def configure_logging(requests: RequestLog, *, readable: bool, debug: bool) -> None:
    """Have everything logged to stderr in one way, unless somebody has arranged it otherwise."""
    for room in ROOMS:
        logging.getLogger(room).setLevel(logging.DEBUG if debug else logging.INFO)
    if not logging.root.handlers:
        stderr = logging.StreamHandler(sys.stderr)
        stderr.setFormatter(ReadableLines() if readable else JsonLines())
        logging.root.addHandler(stderr)
        if not readable:
            requests.gather_for(sys.stderr)
    if readable:
        return
    for name in UVICORN_LOGGERS:
        for handler in logging.getLogger(name).handlers:
            if isinstance(handler.formatter, ColourizedFormatter):
                # It is uvicorn's own, so nobody has chosen it.
                handler.setFormatter(JsonLines())
