"""FastAPI's application, with requests for GraphQL handed straight to their endpoint."""

from typing import Any

from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Receive, Scope, Send


class Dispatch:
    """Hands HTTP requests for one path to an ASGI application, and all others to another."""

    def __init__(self, path: str, app: ASGIApp, others: ASGIApp) -> None:
        self._path = path
        self._app = app
        self._others = others

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_for_app = scope["type"] == "http" and scope["path"] == self._path
        await (self._app if is_for_app else self._others)(scope, receive, send)


class Application(FastAPI):
    """FastAPI, with one path that goes from its middleware straight to an ASGI application.

    What FastAPI does between its middleware and a route costs more than a small request.
    """

    def __init__(self, path: str, app: ASGIApp, **settings: Any) -> None:  # noqa: ANN401 -- FastAPI's
        super().__init__(**settings)
        self._path = path
        self._app = app
        self.own_middleware: list[Middleware] = []
        """The middleware that it comes with, the outermost first."""

    @property
    def has_only_its_own_middleware(self) -> bool:
        """Return whether nobody has added any."""
        return self.user_middleware == self.own_middleware

    def build_middleware_stack(self) -> ASGIApp:
        """Return the application with all middleware, as Starlette has it, around the dispatch."""
        middleware, self.user_middleware = self.user_middleware, []
        app: ASGIApp = Dispatch(self._path, self._app, super().build_middleware_stack())
        self.user_middleware = middleware
        for cls, args, kwargs in reversed(middleware):
            app = cls(app, *args, **kwargs)
        return app
