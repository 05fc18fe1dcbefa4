"""The start: what a request finds of the application that has started, and how a start fails."""

import logging
import sys

from starlette.types import ASGIApp, Message, Receive, Scope, Send

logger = logging.getLogger(__name__)

PROTOCOL = "app.http.connection"
"""The module that uvicorn imports by its name, as nobody else does, if it is told to."""


def warn_without_limits() -> None:
    """Log what a server lacks that uvicorn alone has started."""
    if PROTOCOL not in sys.modules:
        logger.warning(
            "Nothing bounds heads, idle connections, WebSocket frames and the number of "
            "connections: keep strangers away, or start the server by `todo-api serve`."
        )


class FromState:
    """The ASGI application that the lifespan has put into its state, by its name there.

    Routes are made before the application starts; what they lead to needs parts of a started one.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await scope["state"][self._name](scope, receive, send)


class ReadableStartupFailure:
    """Ends a refused start with its sentence, where Starlette would log a traceback."""

    def __init__(self, app: ASGIApp, refusals: tuple[type[Exception], ...]) -> None:
        """`refusals`: the errors whose message is such a sentence."""
        self._app = app
        self._refusals = refusals

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            await self._app(scope, receive, send)
            return

        async def hold_failure(message: Message) -> None:
            if message["type"] != "lifespan.startup.failed":
                await send(message)

        try:
            await self._app(scope, receive, hold_failure)
        except self._refusals as error:
            await send({"type": "lifespan.startup.failed", "message": str(error)})
        except BaseException as error:
            await send({"type": "lifespan.startup.failed", "message": repr(error)})
            raise
