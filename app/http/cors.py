"""Cross-origin requests: answers to an origin that is not allowed have no CORS headers."""

from collections.abc import Sequence

from starlette import datastructures
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.http.headers import Headers
from app.http.origins import Origins

ANY = "*"
"""Stands for all origins."""


class CrossOrigin:
    """Who may read answers: pages of some origins, or of all."""

    def __init__(self, origins: Origins, exposed: Sequence[str]) -> None:
        """`exposed`: the headers of an answer that a page may read."""
        self.origins = origins
        self._exposed = (b"access-control-expose-headers", ", ".join(exposed).encode())

    def headers(self, headers: Headers, origin: bytes) -> Headers:
        """Return the headers of an answer with those for a page of this origin, which may ask."""
        vary = [value for name, value in headers if name == b"vary"]
        readable = [header for header in headers if header[0] != b"vary"]
        readable.append(self._exposed)
        if ANY in self.origins.named:
            readable.append((b"access-control-allow-origin", ANY.encode()))
        elif self.origins.allow_other(origin.decode("latin-1")):
            readable.append((b"access-control-allow-origin", origin))
        readable.append((b"vary", b", ".join([*vary, b"Origin"])))
        return readable


class StrictCORSMiddleware(CORSMiddleware):
    """Starlette's middleware, without CORS headers for an origin that is not allowed."""

    def __init__(self, app: ASGIApp, cross_origin: CrossOrigin, methods: Sequence[str]) -> None:
        super().__init__(
            app,
            allow_origins=tuple(cross_origin.origins.named),
            allow_methods=methods,
            allow_headers=["*"],
        )
        self._cross_origin = cross_origin
        self._origins = cross_origin.origins

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

    async def send(
        self, message: Message, send: Send, request_headers: datastructures.Headers
    ) -> None:
        if message["type"] == "http.response.start":
            # Of several the last, as `Origins.allow` takes it.
            origin = request_headers.getlist("origin")[-1].encode("latin-1")
            message["headers"] = self._cross_origin.headers(message["headers"], origin)
        await send(message)
