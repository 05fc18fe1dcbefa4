"""The schema as a file, for programs that generate typed clients."""

import hashlib

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from app.http.origins import is_of_this_machine
from auth.keys import KeysUnavailable
from auth.refusals import Unauthenticated


class SchemaFile:
    """Serves the schema in GraphQL's schema definition language, with an ETag."""

    def __init__(self, sdl: str, *, open_to_this_machine: bool) -> None:
        """`open_to_this_machine`: whether programs on this machine need no token."""
        self._sdl = sdl
        self._etag = f'"{hashlib.sha256(sdl.encode()).hexdigest()[:32]}"'
        self._open_to_this_machine = open_to_this_machine

    async def answer(self, request: Request) -> Response:
        """Answer a request; 401 without a valid token where one is needed."""
        if not (self._open_to_this_machine and is_of_this_machine(request.scope)):
            try:
                await request.state.running.get_context(request.headers.getlist("authorization"))
            except Unauthenticated as error:
                headers = {"www-authenticate": error.challenge}
                raise HTTPException(401, error.message, headers) from None
            except KeysUnavailable:
                message = "Tokens cannot be verified right now; try again."
                raise HTTPException(503, message, {"retry-after": "1"}) from None
        headers = {"etag": self._etag, "cache-control": "no-cache"}
        if request.headers.get("if-none-match") == self._etag:
            return Response(status_code=304, headers=headers)
        return PlainTextResponse(self._sdl, headers=headers)
