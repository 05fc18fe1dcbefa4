"""The start: what a request finds of the application that has started, and how a start fails."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send


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
