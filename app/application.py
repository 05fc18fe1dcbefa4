"""FastAPI's application, with a short way to GraphQL."""

import os
from typing import Any

from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send


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
