"""What is told of a request: its id and safe headers to the client, one line to the log."""

import hashlib
import json
import logging
import re
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import uuid4

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

logger = logging.getLogger(__name__)

ROOMS = ("app", "auth")
"""The packages that log."""

SANE_REQUEST_ID = re.compile(r"[\w.:-]{1,64}", re.ASCII)
OPERATION_NAME_MAX_LENGTH = 64
HASH_LENGTH = 12
"""Hexadecimal digits of a hash in the log: enough to find things by, too few to turn around."""

HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}
JSON_POLICY = "default-src 'none'; frame-ancestors 'none'"
PAGE_POLICY = "frame-ancestors 'none'"


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


def digest(text: str) -> str:
    """Return a short hash, to tell things apart by without telling what they are."""
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:HASH_LENGTH]


class Observed:
    """Gives each request an id, each answer its headers, and the log one line."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        record = RequestRecord(given if SANE_REQUEST_ID.fullmatch(given) else uuid4().hex)
        scope.setdefault("state", {})["record"] = record
        began, status = time.perf_counter(), 0

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                _add_headers(MutableHeaders(scope=message), record.id)
            await send(message)

        try:
            await self._app(scope, receive, send_with_headers)
        finally:
            milliseconds = round((time.perf_counter() - began) * 1000, 1)
            _log(scope, record, status, milliseconds)


def _add_headers(headers: MutableHeaders, request_id: str) -> None:
    headers["x-request-id"] = request_id
    for name, value in HEADERS.items():
        headers.setdefault(name, value)
    is_page = headers.get("content-type", "").startswith("text/html")
    headers.setdefault("content-security-policy", PAGE_POLICY if is_page else JSON_POLICY)


def _log(scope: Scope, record: RequestRecord, status: int, milliseconds: float) -> None:
    said = {
        "id": record.id,
        "path": scope["path"][:OPERATION_NAME_MAX_LENGTH],
        "op": record.operation,
        "doc": record.document,
        "user": record.user,
        "code": record.code,
        "status": status,
        "ms": milliseconds,
    }
    told = {name: value for name, value in said.items() if value is not None}
    level = logging.DEBUG if scope["path"] in ("/health", "/ready") else logging.INFO
    logger.log(level, "request", extra={"told": told})


class JsonLines(logging.Formatter):
    """One JSON object a line, for programs."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
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


def configure_logging(*, readable: bool, debug: bool) -> None:
    """Have the server's own packages log to stderr, unless somebody has arranged it otherwise."""
    for room in ROOMS:
        room_logger = logging.getLogger(room)
        room_logger.setLevel(logging.DEBUG if debug else logging.INFO)
        if not room_logger.handlers:
            handler = logging.StreamHandler(sys.stderr)
            handler.setFormatter(ReadableLines() if readable else JsonLines())
            room_logger.addHandler(handler)
