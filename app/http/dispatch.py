"""FastAPI's application, with a short way to GraphQL."""

import os
import time
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send

from app.http.endpoint import GraphQLEndpoint
from app.http.headers import JSON_HEADERS
from app.http.request import Head
from app.telemetry.records import RequestLog, RequestRecord


class ShortWay:
    """What the middleware does for a usual request, all at once: ids, headers, a line in the log.

    Any other request is handed on, to where all this is done step by step.
    """

    def __init__(
        self,
        endpoint: GraphQLEndpoint,
        log: RequestLog,
        origins: Mapping[bytes, Sequence[tuple[bytes, bytes]]],
        long_way: ASGIApp,
    ) -> None:
        """`origins` are those whose pages may ask, with the headers that tell them so."""
        self._endpoint = endpoint
        self._log = log
        self._told: dict[bytes | None, Sequence[tuple[bytes, bytes]]] = {None: ()}
        self._told.update(origins.items())
        self._long_way = long_way

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        given = dict(scope["headers"])
        origin = given.get(b"origin")
        if (
            scope["method"] != "POST"
            or len(given) < len(scope["headers"])
            or origin not in self._told
            or b"x-request-id" in given
        ):
            await self._long_way(scope, receive, send)
            return
        began, status = time.perf_counter(), 0
        record = RequestRecord(self._log.new_id())
        authorization = given.get(b"authorization")
        head = Head(
            "POST",
            () if authorization is None else (authorization.decode("latin-1"),),
            given.get(b"accept", b"").decode("latin-1"),
            given.get(b"content-type", b"").decode("latin-1"),
        )
        try:
            status, headers, body = await self._endpoint.answer(head, scope, receive, record)
            headers = [
                *headers,
                *self._told[origin],
                *JSON_HEADERS,
                (b"x-request-id", record.id.encode()),
            ]
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": body})
        except ClientDisconnect:
            return
        finally:
            milliseconds = round((time.perf_counter() - began) * 1000, 1)
            self._log.add(scope, record, status, milliseconds)


class Application(FastAPI):
    """Hands requests for one path straight on: what FastAPI does with others costs more than these.

    Where somebody has added middleware, or has OpenTelemetry trace the server, they take FastAPI's
    way like all others.
    """

    def __init__(self, **settings: Any) -> None:  # noqa: ANN401 -- FastAPI's
        super().__init__(**settings)
        self._path: str | None = None
        self._app: ASGIApp | None = None
        self._own_middleware = 0

    def shorten_way(self, path: str, app: ASGIApp) -> None:
        """Hand requests for the path to an ASGI application that needs no middleware before it."""
        if not any(name.startswith("OTEL_") for name in os.environ):
            self._path, self._app = path, app
            self._own_middleware = len(self.user_middleware)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if (
            self._app is not None
            and scope["type"] == "http"
            and scope["path"] == self._path
            and len(self.user_middleware) == self._own_middleware
        ):
            await self._app(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)
