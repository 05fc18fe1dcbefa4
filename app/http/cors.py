"""Cross-origin requests: answers to an origin that is not allowed have no CORS headers."""

from collections.abc import Sequence

from starlette.middleware.cors import CORSMiddleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from app.http.origins import Origins


class StrictCORSMiddleware(CORSMiddleware):
    """Starlette's middleware, without CORS headers for an origin that is not allowed."""

    def __init__(
        self, app: ASGIApp, origins: Origins, methods: Sequence[str], exposed: Sequence[str]
    ) -> None:
        """`exposed`: the headers of an answer that a page may read."""
        super().__init__(
            app,
            allow_origins=tuple(origins.named),
            allow_methods=methods,
            allow_headers=["*"],
            expose_headers=exposed,
        )
        self._origins = origins

    def is_allowed_origin(self, origin: str) -> bool:
        return self._origins.allow_other(origin)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope.get("headers", ()))
        if scope["type"] != "http" or b"origin" not in headers:
            await self.app(scope, receive, send)
        elif self._origins.allow(scope):
            await super().__call__(scope, receive, send)
        elif scope["method"] == "OPTIONS" and b"access-control-request-method" in headers:
            refused = PlainTextResponse("This origin is not allowed.", 400, {"vary": "Origin"})
            await refused(scope, receive, send)
        else:
            await self.app(scope, receive, send)
