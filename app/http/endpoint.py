"""The GraphQL endpoint: an ASGI application that says who first, then what, then answers."""

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from graphql import ExecutionResult, GraphQLError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from app.http.compression import compressed
from app.http.deadlines import Deadlines
from app.http.headers import Headers
from app.http.json_text import write_answer
from app.http.middleware import record_of
from app.http.request import (
    IDENTITY,
    PLAIN_JSON,
    RESPONSE_JSON,
    EncodingRefused,
    Head,
    RequestRefused,
    accepted_media_type,
    accepts_html,
    head_of,
    read_request,
    takes_gzip,
)
from app.operations.budget import RateLimited
from app.operations.documents import RequestFailed
from app.operations.execution import Executor, coded
from app.operations.persisted import PersistedQueries
from app.telemetry.records import RequestRecord, digest
from auth.context import Context, ContextGetter
from auth.keys import KeysUnavailable
from auth.refusals import CHALLENGE, InsufficientScope, Unauthenticated
from graphql_schema.errors import CodedError, ErrorCode

logger = logging.getLogger(__name__)

METHODS = ("GET", "POST")
RETRY_AFTER = 1
"""Seconds that a client is asked to wait when something behind the server is away."""

STATUS = {
    # No failure, but a question to the client: Apollo Server's status, which all clients know.
    ErrorCode.PERSISTED_QUERY_NOT_FOUND: 200,
    ErrorCode.PERSISTED_QUERY_NOT_SUPPORTED: 200,
    ErrorCode.UNAUTHENTICATED: 401,
    ErrorCode.FORBIDDEN: 403,
    ErrorCode.OPERATION_NOT_ALLOWED: 403,
    ErrorCode.METHOD_NOT_ALLOWED: 405,
    ErrorCode.NOT_ACCEPTABLE: 406,
    ErrorCode.REQUEST_TIMEOUT: 408,
    ErrorCode.PAYLOAD_TOO_LARGE: 413,
    ErrorCode.UNSUPPORTED_MEDIA_TYPE: 415,
    ErrorCode.RATE_LIMITED: 429,
    ErrorCode.INTERNAL_SERVER_ERROR: 500,
    ErrorCode.SERVICE_UNAVAILABLE: 503,
    ErrorCode.TIMEOUT: 504,
}
"""The HTTP status of a request that was not executed, by its error's code; 400 for the others."""

OK_AS_PLAIN_JSON = {
    ErrorCode.GRAPHQL_PARSE_FAILED,
    ErrorCode.GRAPHQL_VALIDATION_FAILED,
    ErrorCode.QUERY_TOO_COMPLEX,
    ErrorCode.BAD_USER_INPUT,
    ErrorCode.RESPONSE_TOO_LARGE,
}
"""What GraphQL over HTTP has answered with 200 where the client takes `application/json` alone."""


Answer = tuple[int, Headers, bytes]
"""A status, headers, and a body."""


class GraphQLEndpoint:
    """Serves GraphQL over HTTP, and a page to try it in where there is one."""

    def __init__(
        self,
        get_context: ContextGetter,
        executor: Executor,
        persisted: PersistedQueries,
        timeout: float,
        page: Callable[[Request], Awaitable[Response]] | None,
        *,
        compresses: bool,
    ) -> None:
        """`timeout`: seconds to an answer. `compresses`: answers, for clients that take it."""
        self._get_context = get_context
        self._executor = executor
        self._persisted = persisted
        self._deadlines = Deadlines(timeout)
        self._page = page
        self._compresses = compresses

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        head = head_of(scope)
        if self._page and head.method == "GET" and accepts_html(head.accept):
            page = await self._page(Request(scope, receive))
            await page(scope, receive, send)
            return
        try:
            status, headers, body = await self.answer(head, scope, receive)
        except ClientDisconnect:
            return
        start = {"type": "http.response.start", "status": status, "headers": headers}
        await send(start)
        await send({"type": "http.response.body", "body": body})

    async def answer(self, head: Head, scope: Scope, receive: Receive) -> Answer:
        """Return the answer to a request, whatever it is.

        Raises:
            ClientDisconnect: there is nobody to answer.
        """
        status, headers, body = await self._answer(head, scope, receive, record_of(scope))
        if self._compresses:
            takes = takes_gzip(head.accept_encoding)
            headers, body = compressed(headers, body, takes_gzip=takes)
        return status, headers, body

    async def _answer(
        self, head: Head, scope: Scope, receive: Receive, record: RequestRecord
    ) -> Answer:
        media_type = None
        try:
            if head.method not in METHODS:
                raise RequestRefused(ErrorCode.METHOD_NOT_ALLOWED, "Send queries by POST or GET.")
            context = await self._get_context(head.authorization)
            record.user = digest(context.user_id)
            # Not before: a long header takes as long to read as a small request to answer.
            media_type = accepted_media_type(head.accept)
            if media_type is None:
                raise RequestRefused(
                    ErrorCode.NOT_ACCEPTABLE, f"Accept `{RESPONSE_JSON}` or `{PLAIN_JSON}`."
                )
            result = await self._deadlines.keep(
                self._execute(head, scope, receive, context, record)
            )
        except TimeoutError:
            return _failure(record, [self._too_slow(record)], media_type)
        except CodedError as error:
            return _failure(record, [error], media_type)
        except RequestFailed as failed:
            return _failure(record, failed.errors, media_type, allow="POST")
        except KeysUnavailable as error:
            return _failure(record, [unverifiable(error)], media_type)
        except ClientDisconnect:
            raise
        except Exception as error:  # noqa: BLE001 -- the last resort: nothing internal gets out
            return _failure(record, [coded(GraphQLError("", original_error=error))], media_type)
        try:
            return _success(record, result, media_type)
        except CodedError as error:
            return _failure(record, [error], media_type)

    async def _execute(
        self,
        head: Head,
        scope: Scope,
        receive: Receive,
        context: Context,
        record: RequestRecord,
    ) -> ExecutionResult:
        self._executor.admit(context)
        asked = await read_request(head, scope, receive, context.user_id, self._persisted)
        return await self._executor.execute(asked, context, record, may_write=head.method == "POST")

    def _too_slow(self, record: RequestRecord) -> CodedError:
        if record.document is None:
            return body_too_slow()
        message = f"The request took longer than {self._deadlines.seconds:g} seconds."
        return CodedError(ErrorCode.TIMEOUT, message)


def unverifiable(error: KeysUnavailable) -> CodedError:
    """Log why tokens cannot be verified, and return what is told of it."""
    logger.warning("%s: %s", ErrorCode.SERVICE_UNAVAILABLE, error)
    message = "Tokens cannot be verified right now; try again."
    return CodedError(ErrorCode.SERVICE_UNAVAILABLE, message)


def body_too_slow() -> RequestRefused:
    """Return what is told of a body that did not arrive in time."""
    message = "The request's body took too long to arrive."
    return RequestRefused(ErrorCode.REQUEST_TIMEOUT, message)


def headers_of(error: GraphQLError, allow: str) -> dict[str, str]:
    """Return the headers of the answer to a request that was refused.

    `allow`: the methods by which it could have been sent.
    """
    code = ErrorCode((error.extensions or {})["code"])
    if isinstance(error, Unauthenticated | InsufficientScope):
        return {"www-authenticate": error.challenge}
    if isinstance(error, RateLimited):
        return {"retry-after": str(error.retry_after)}
    if isinstance(error, EncodingRefused):
        return {"accept-encoding": IDENTITY}
    if code is ErrorCode.METHOD_NOT_ALLOWED:
        return {"allow": allow}
    if code is ErrorCode.SERVICE_UNAVAILABLE:
        return {"retry-after": str(RETRY_AFTER)}
    if code in (ErrorCode.REQUEST_TIMEOUT, ErrorCode.PAYLOAD_TOO_LARGE):
        # The rest of the body is not read.
        return {"connection": "close"}
    return {}


def _success(record: RequestRecord, result: ExecutionResult, media_type: str) -> Answer:
    if result.errors is None:
        return _json(200, {"data": result.data}, media_type)
    body = {"errors": [error.formatted for error in result.errors], "data": result.data}
    codes = record.note(result.errors)
    if codes == {ErrorCode.SERVICE_UNAVAILABLE} and _is_empty(result):
        return _json(503, body, RESPONSE_JSON, {"retry-after": str(RETRY_AFTER)})
    if codes == {ErrorCode.UNAUTHENTICATED} and _is_empty(result):
        # The user was deleted, which is found where a row of theirs is needed.
        return _json(401, body, RESPONSE_JSON, {"www-authenticate": CHALLENGE})
    return _json(200, body, media_type)


def _is_empty(result: ExecutionResult) -> bool:
    """Return whether every root field of an operation failed.

    What asks again by the status alone, such as a balancer, then knows that it may.
    """
    failed = {error.path[0] for error in result.errors or () if error.path}
    return result.data is None or (failed == set(result.data) and not any(result.data.values()))


def _failure(
    record: RequestRecord,
    errors: Sequence[GraphQLError],
    media_type: str | None,
    *,
    allow: str = ", ".join(METHODS),
) -> Answer:
    code = ErrorCode((errors[0].extensions or {})["code"])
    record.code = code.value
    status = STATUS.get(code, 400)
    headers = headers_of(errors[0], allow)
    body = {"errors": [error.formatted for error in errors]}
    if media_type == PLAIN_JSON and (status == 200 or code in OK_AS_PLAIN_JSON):
        return _json(200, body, PLAIN_JSON, headers)
    # Apollo Client loses the code of a 4xx that comes as application/json.
    return _json(status, body, RESPONSE_JSON, headers)


def _json(
    status: int, body: Mapping[str, Any], media_type: str, headers: Mapping[str, str] | None = None
) -> Answer:
    content = write_answer(body)
    written = [_CONTENT_TYPES[media_type], (b"content-length", b"%d" % len(content))]
    if headers:
        written += [(name.encode(), value.encode()) for name, value in headers.items()]
    return status, written, content


_CONTENT_TYPES = {
    media_type: (b"content-type", f"{media_type}; charset=utf-8".encode())
    for media_type in (PLAIN_JSON, RESPONSE_JSON)
}
