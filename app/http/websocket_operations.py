"""The operations under way on one WebSocket."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Collection, Mapping
from contextlib import aclosing
from typing import Any

from graphql import ExecutionResult, GraphQLError
from starlette.types import Scope, Send

from app.http.json_text import write_answer
from app.http.sizes import REQUEST_MAX_BYTES
from app.http.websocket_messages import CloseCode, Closed, payload_of, say, send_text
from app.http.websocket_shared import Shared
from app.operations.documents import RequestFailed
from app.operations.execution import GraphQLRequest, coded
from app.telemetry.records import RequestRecord, current_record, digest
from auth.context import Context
from graphql_schema.errors import CodedError, ErrorCode

OPERATIONS_MAX = 20
"""Operations under way on one socket."""

ANSWERS_MAX = 3
"""Answers of one socket that are worked on or wait to be sent: each may be some MiB."""


class Operations:
    """Those that a client has asked for, each by the id that it gave it."""

    def __init__(
        self,
        shared: Shared,
        scope: Scope,
        send: Send,
        context: Context,
        end_as_deleted: Callable[[], None],
    ) -> None:
        """`end_as_deleted`: ends the socket of a user who is found to be deleted."""
        self._shared = shared
        self._scope = scope
        self._send = send
        self._context = context
        self._end_as_deleted = end_as_deleted
        self._under_way: dict[str, asyncio.Task[None]] = {}
        self._turns = asyncio.Semaphore(ANSWERS_MAX)

    def tasks(self) -> Collection[asyncio.Task[None]]:
        return self._under_way.values()

    def cancel(self, id: str) -> None:
        """Cancel an operation, if it is under way."""
        task = self._under_way.pop(id, None)
        if task is not None:
            task.cancel()

    async def start(self, id: str, payload: Mapping[str, Any], size: int) -> None:
        """Start an operation, or tell the client why not. `size`: of its message, in bytes.

        Raises:
            Closed: the id is in use.
            OSError: nobody is there any more.
        """
        if id in self._under_way:
            raise Closed(CloseCode.SUBSCRIBER_EXISTS, f"Subscriber for {id[:64]} already exists")
        if size > REQUEST_MAX_BYTES:
            text = f"The message must have at most {REQUEST_MAX_BYTES} bytes."
            await self._fail(id, [CodedError(ErrorCode.PAYLOAD_TOO_LARGE, text)])
            return
        if len(self._under_way) >= OPERATIONS_MAX:
            text = f"At most {OPERATIONS_MAX} operations can be under way on one socket."
            await self._fail(id, [CodedError(ErrorCode.TOO_MANY_OPERATIONS, text)])
            return
        self._under_way[id] = asyncio.create_task(self._run(id, payload))

    async def _run(self, id: str, payload: Mapping[str, Any]) -> None:
        began = time.perf_counter()
        # Each operation has a row of the user's of its own to remember.
        context = self._context.anew()
        record = RequestRecord(self._shared.log.new_id(), user=digest(context.user_id))
        current_record.set(record)
        traces = self._shared.traces
        span = None if traces is None else traces.begin(self._scope, record)
        try:
            async with aclosing(self._results(payload, context, record)) as results:
                async for result in results:
                    codes = record.note(result.errors) if result.errors else ()
                    message = {"id": id, "type": "next", "payload": payload_of(result)}
                    await send_text(self._send, write_answer(message))
                    if ErrorCode.UNAUTHENTICATED in codes:
                        self._end_as_deleted()
            # It is over before the client can use the id again.
            del self._under_way[id]
            await say(self._send, {"id": id, "type": "complete"})
        except (RequestFailed, CodedError) as failed:
            errors = failed.errors if isinstance(failed, RequestFailed) else [failed]
            codes = record.note(errors[:1])
            self._under_way.pop(id, None)
            await self._fail(id, errors)
            if ErrorCode.UNAUTHENTICATED in codes:
                self._end_as_deleted()
        except OSError:
            self._under_way.pop(id, None)
        finally:
            self._shared.told(self._scope, record, 101, began, span)

    async def _results(
        self, payload: Mapping[str, Any], context: Context, record: RequestRecord
    ) -> AsyncGenerator[ExecutionResult]:
        """Yield what comes of an operation.

        Raises:
            RequestFailed: it could not be executed, or not to its end.
        """
        try:
            self._shared.executor.admit(context)
            query = self._shared.persisted.document(
                context.user_id,
                payload.get("query"),
                payload.get("extensions"),
                payload.get("documentId"),
            )
            if not query:
                raise CodedError(ErrorCode.BAD_REQUEST, "`query` must be a GraphQL document.")
            request = GraphQLRequest(query, payload.get("operationName"), payload.get("variables"))
            followed = self._shared.executor.follow(request, context, record, self._turns)
            async with aclosing(followed) as results:
                async for result in results:
                    yield result
        except CodedError as error:
            raise RequestFailed([error]) from error
        except RequestFailed:
            raise
        except Exception as error:
            raise RequestFailed([coded(GraphQLError("", original_error=error))]) from error

    async def _fail(self, id: str, errors: Collection[GraphQLError]) -> None:
        formatted = [error.formatted for error in errors]
        await say(self._send, {"id": id, "type": "error", "payload": formatted})
