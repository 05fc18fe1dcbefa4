"""Records of requests: what the log, metrics and traces tell of them."""

import hashlib
import re
from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple, Protocol

OPERATION_NAME_MAX_LENGTH = 64

_SECRET_PATH = re.compile(r"(.*?/calendar/).+", re.IGNORECASE | re.DOTALL)
"""Paths whose end lets in whoever knows it, also where a proxy has put something in front."""

_ADDRESS = re.compile(r"[\w-]{2,}\.[\w-]{43}(?![\w-])", re.ASCII)
"""What such an end looks like, under whichever path it is asked for by mistake."""

_ADDRESS_MIN_LENGTH = 46

HASH_LENGTH = 12
"""Hexadecimal digits of a hash in the log: enough to find lines by, too few to reverse it."""

DIGESTS_KEPT = 4096
"""Hashes that are remembered."""

STATEMENTS_MAX = 50
"""Statements that are noted of a request."""


class Coded(Protocol):
    """An error of GraphQL, whose library the process that starts workers does not import."""

    @property
    def extensions(self) -> Mapping[str, Any] | None: ...


class StatementRecord(NamedTuple):
    """A statement that the database ran, or tried to."""

    name: str
    began: float
    """On the clock of `time.perf_counter`."""
    seconds: float
    error: str
    """Its SQLSTATE or name; empty: none."""
    node: str = ""
    """The node of a cluster that was asked, which may have passed it on; empty: there is one."""

    def told(self) -> dict[str, object]:
        """Return what the log says of it."""
        told: dict[str, object] = {"name": self.name, "ms": round(self.seconds * 1000, 1)}
        if self.node:
            told["node"] = self.node
        if self.error:
            told["error"] = self.error
        return told


@dataclass(slots=True)
class RequestRecord:
    """What is told of a request. It never holds a token, a document, or a variable."""

    id: str
    user: str | None = None
    operation: str | None = None
    kind: str | None = None
    """`query`, `mutation` or `subscription`; None: nothing was executed."""
    document: str | None = None
    code: str | None = None
    """The codes of its errors, parted by commas."""
    closed: int | None = None
    """Of a socket that has ended, the code that the server closed with; 0: the client did."""
    trace_id: str | None = None
    span_id: str | None = None
    failures: list[str] = field(default_factory=list)
    """The types of the failures that mutations returned as data."""
    statements: list[StatementRecord] = field(default_factory=list)
    """The first that were run for it."""

    def told(self) -> dict[str, object]:
        """Return what the log says of it, but for how it was answered."""
        told: dict[str, object] = {}
        if self.operation is not None:
            told["op"] = self.operation
        if self.document is not None:
            told["doc"] = self.document
        if self.user is not None:
            told["user"] = self.user
        if self.code is not None:
            told["code"] = self.code
        elif self.closed:
            told["code"] = str(self.closed)
        return told

    def note(self, errors: Iterable[Coded]) -> set[object]:
        """Note the codes of errors, and return them."""
        codes = {(error.extensions or {}).get("code") for error in errors}
        self.code = ",".join(sorted(str(code) for code in codes))
        return codes


current_record: ContextVar[RequestRecord | None] = ContextVar("current_record", default=None)
"""The record of the request, or of the operation of a socket, that is worked on."""


def shown_path(path: str) -> str:
    """Return a path as it may be told: of the address of a calendar only that it is one."""
    found = _SECRET_PATH.fullmatch(path) if "/calendar/" in path.lower() else None
    if found is not None:
        return f"{found[1]}…"
    return path if len(path) < _ADDRESS_MIN_LENGTH else _ADDRESS.sub("…", path)


@lru_cache(DIGESTS_KEPT)
def digest(text: str) -> str:
    """Return a short hash of a text, by which log lines can be compared without showing it."""
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:HASH_LENGTH]
