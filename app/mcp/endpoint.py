"""Where assistants are served: says who, reads the body, and hands the request to the SDK.

The same tokens as elsewhere, the same limit of a body, and origins are looked at as the protocol
demands (Model Context Protocol 2025-11-25, Transports, Security Warning).
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response
from starlette.types import Message, Receive, Scope, Send

from app.http.deadlines import Deadlines
from app.http.endpoint import STATUS, body_too_slow, headers_of, unverifiable
from app.http.middleware import record_of
from app.http.origins import Origins
from app.http.request import RequestRefused, head_of, read_body
from app.http.sizes import REQUEST_MAX_BYTES
from app.mcp.calls import Calls
from app.mcp.metadata import Metadata
from app.mcp.server import REFUSED, ToolServer
from app.operations.budget import Budget
from app.operations.execution import Executor
from app.telemetry.records import digest
from auth.context import ContextGetter
from auth.keys import KeysUnavailable
from auth.refusals import InsufficientScope, Unauthenticated
from graphql_schema.errors import CodedError, ErrorCode

Headers = Sequence[tuple[bytes, bytes]]


class AssistantsEndpoint:
    """Serves the protocol over HTTP: one POST, one answer in JSON, and nothing kept between two."""

    def __init__(
        self,
        get_context: ContextGetter,
        origins: Origins,
        sessions: StreamableHTTPSessionManager,
        metadata: Metadata | None,
        timeout: float,
    ) -> None:
        """`timeout`: seconds that a body may take to arrive."""
        self._get_context = get_context
        self._origins = origins
        self._sessions = sessions
        self._metadata = metadata
        self._deadlines = Deadlines(timeout)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        head, record = head_of(scope), record_of(scope)
        try:
            if head.method != "POST":
                # There is no stream to listen to, and no session to end.
                raise RequestRefused(ErrorCode.METHOD_NOT_ALLOWED, "Send messages by POST.")
            if not self._origins.allow(scope):
                raise RequestRefused(ErrorCode.FORBIDDEN, "This origin is not allowed.")
            context = await self._get_context(head.authorization)
            record.user = digest(context.user_id)
            body = await self._deadlines.keep(read_body(receive))
        except TimeoutError:
            refusal: CodedError = body_too_slow()
        except CodedError as error:
            refusal = error
        except KeysUnavailable as error:
            refusal = unverifiable(error)
        except ClientDisconnect:
            return
        else:
            scope["state"]["context"] = context
            await self._sessions.handle_request(
                scope, _replaying(body, receive), self._with_status(scope, send)
            )
            return
        record.note([refusal])
        await self._refused(refusal)(scope, receive, send)

    def _with_status(self, scope: Scope, send: Send) -> Send:
        """Return a `send` that gives an answer the status of what a handler refused."""

        async def send_with_status(message: Message) -> None:
            refusal = scope["state"].get("refusal")
            if refusal is not None and message["type"] == "http.response.start":
                message["status"] = STATUS[refusal.code]
                challenge = self._challenge(refusal).encode()
                message["headers"] = [*message["headers"], (b"www-authenticate", challenge)]
            await send(message)

        return send_with_status

    def _challenge(self, refusal: Unauthenticated | InsufficientScope) -> str:
        if self._metadata is None:
            return refusal.challenge
        return self._metadata.challenge(refusal)

    def _refused(self, refusal: CodedError) -> Response:
        headers = headers_of(refusal, allow="POST")
        if isinstance(refusal, Unauthenticated):
            headers["www-authenticate"] = self._challenge(refusal)
        error = {"code": REFUSED, "message": refusal.message, "data": refusal.extensions}
        content: dict[str, Any] = {"jsonrpc": "2.0", "id": None, "error": error}
        return JSONResponse(content, STATUS.get(refusal.code, 400), headers)


def _replaying(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that brings a body which has been read already."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_again() -> Message:
        return messages.pop() if messages else await receive()

    return receive_again


@asynccontextmanager
async def serving(
    get_context: ContextGetter,
    executor: Executor,
    budget: Budget | None,
    origins: Origins,
    metadata: Metadata | None,
    seconds: float,
    version: str,
) -> AsyncIterator[AssistantsEndpoint]:
    """Serve assistants for as long as the context lasts.

    `seconds`: how long a call may take, and a body to arrive.
    """
    tools = ToolServer(Calls(executor, seconds), budget, version)
    sessions = StreamableHTTPSessionManager(
        tools.server,
        json_response=True,
        stateless=True,
        max_request_body_size=REQUEST_MAX_BYTES,
    )
    async with sessions.run():
        yield AssistantsEndpoint(get_context, origins, sessions, metadata, seconds)
