"""The page `/metrics`: the numbers of all workers, for who has the token."""

import hmac
from collections.abc import Awaitable, Callable, Sequence

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from app.telemetry.exposition import text_of
from app.telemetry.metrics import Figures
from auth.bearer import bearer_token


class MetricsPage:
    """Answers in Prometheus's text, or as OpenMetrics where that is accepted."""

    def __init__(self, token: str, figures: Callable[[], Awaitable[Figures]]) -> None:
        self._token = token
        self._figures = figures

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope)
        if has_token(request.headers.getlist("authorization"), self._token):
            figures = await self._figures()
            media_type, text = text_of(figures, request.headers.get("accept", ""))
            response = Response(text, headers={"content-type": media_type})
        else:
            response = Response(status_code=401, headers={"www-authenticate": "Bearer"})
        await response(scope, receive, send)


def has_token(authorization: Sequence[str], token: str) -> bool:
    """Return whether the values of the header `Authorization` are the token alone."""
    given = bearer_token(authorization)
    return given is not None and hmac.compare_digest(given.encode(), token.encode())
