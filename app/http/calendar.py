"""The calendars of users, at addresses that let in whoever knows them.

What is there for nobody (a wrong secret, a revoked link, a deleted user, any other text) gets one
answer, that of a path which does not exist.
"""

import hashlib
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Protocol

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from app.http.deadlines import Deadlines
from app.http.icalendar import (
    END,
    MEDIA_TYPE,
    hash_of_owner,
    lines_of_head,
    lines_of_task,
    octets,
)
from app.http.middleware import record_of
from app.operations.budget import Budget, RateLimited
from app.telemetry.records import digest
from graphql_schema.errors import ErrorCode
from models.calendar_link import CALENDAR_SUFFIX, Calendar
from models.database import DatabaseUnavailable
from models.task import TaskRow

METHODS = ("GET", "HEAD")
FRESH_SECONDS = 3600
"""For so long a program need not ask again. No cache that others use may keep it."""

RETRY_AFTER = 1
"""Seconds that a client is asked to wait when the database is away."""


class Calendars(Protocol):
    """Finds calendars and reads them, as `resolvers.calendars` does."""

    async def find(self, address: str) -> Calendar | None:
        """Return the calendar of an address; None where there is none."""
        ...

    async def note_use(self, calendar: Calendar) -> None:
        """Note that the calendar is read."""
        ...

    def tasks(self, calendar: Calendar) -> AsyncIterator[Sequence[TaskRow]]:
        """Yield what is in the calendar, some at a time."""
        ...


class CalendarFeed:
    """Serves calendars as iCalendar, with an ETag. It looks at no token."""

    def __init__(
        self, calendars: Calendars, budget: Budget | None, timeout: float, version: str
    ) -> None:
        """`timeout`: seconds that an answer may take. `version`: of the code that writes it."""
        self._calendars = calendars
        self._budget = budget
        self._deadlines = Deadlines(timeout)
        self._version = version

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope)
        try:
            response = await self._deadlines.keep(self._answer(request))
        except (DatabaseUnavailable, TimeoutError):
            record_of(scope).code = ErrorCode.SERVICE_UNAVAILABLE.value
            headers = {"retry-after": str(RETRY_AFTER)}
            response = _told(503, "The calendar cannot be read right now.", headers)
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        if request.method not in METHODS:
            return _told(405, "Method Not Allowed", {"allow": ", ".join(METHODS)})
        name = request.path_params["name"]
        address = name.removesuffix(CALENDAR_SUFFIX)
        calendar = None if address == name else await self._calendars.find(address)
        if calendar is None:
            return _told(404, "Not Found")
        record = record_of(request.scope)
        record.user = digest(calendar.owner)
        # From here on it is known whose it is. Strangers who guess cost their owner nothing.
        if self._budget is not None:
            try:
                self._budget.spend(calendar.owner, 1)
            except RateLimited as refused:
                record.code = refused.code.value
                return _told(429, refused.message, {"retry-after": str(refused.retry_after)})
        await self._calendars.note_use(calendar)
        etag = self._etag(calendar)
        headers = {"etag": etag, "cache-control": f"private, max-age={FRESH_SECONDS}"}
        if _is_known(request.headers.getlist("if-none-match"), etag):
            return Response(status_code=304, headers=headers)
        return Response(await self._written(calendar), media_type=MEDIA_TYPE, headers=headers)

    async def _written(self, calendar: Calendar) -> bytes:
        """Return the calendar, once what it has is paid for: a point for each task."""
        owner_hash = hash_of_owner(calendar.owner)
        parts = [octets(lines_of_head(calendar.name))]
        async for tasks in self._calendars.tasks(calendar):
            if self._budget is not None and tasks:
                self._budget.take(calendar.owner, len(tasks))
            parts += [octets(lines_of_task(task, owner_hash)) for task in tasks]
        parts.append(octets([END]))
        return b"".join(parts)

    def _etag(self, calendar: Calendar) -> str:
        """Return a tag that changes with whatever the calendar shows, and perhaps with more."""
        shown = (self._version, calendar.link_id, calendar.name, calendar.edition)
        return f'"{hashlib.sha256(repr(shown).encode()).hexdigest()[:32]}"'


def _is_known(given: Sequence[str], etag: str) -> bool:
    """Tell whether `If-None-Match` names the tag (RFC 9110, 13.1.2: compared weakly)."""
    tags = {tag.strip().removeprefix("W/") for each in given for tag in each.split(",")}
    return etag in tags or "*" in tags


def _told(status: int, sentence: str, headers: Mapping[str, str] | None = None) -> Response:
    """Return an answer without a calendar, as FastAPI's own."""
    return JSONResponse({"detail": sentence}, status, headers)
