"""GraphQL over WebSocket: the life of a connection, by the protocol graphql-transport-ws."""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import AsyncGenerator, Collection, Mapping
from contextlib import ExitStack, aclosing
from functools import partial
from typing import Any

from graphql import ExecutionResult, GraphQLError
from starlette.types import Message, Receive, Scope, Send

from app.http.json_text import read_json, write_answer, write_json
from app.http.origins import Origins
from app.http.request import REQUEST_MAX_BYTES
from app.http.states import UNINITIALISED
from app.http.websocket_messages import (
    MESSAGE_MAX_BYTES,
    CloseCode,
    Closed,
    id_of,
    is_request,
    payload_of,
)
from app.operations.documents import RequestFailed
from app.operations.execution import Executor, GraphQLRequest, coded
from app.operations.persisted import PersistedQueries
from app.telemetry.metrics import Metrics
from app.telemetry.records import RequestLog, RequestRecord, current_record, digest
from app.telemetry.traces import Span, Traces
from auth.context import Context, ContextGetter
from auth.keys import KeysUnavailable
from auth.refusals import Unauthenticated
from graphql_schema.errors import CodedError, ErrorCode
from models.user import UserId

logger = logging.getLogger(__name__)
SUBPROTOCOL = "graphql-transport-ws"

OPERATIONS_MAX = 20
"""Operations under way on one socket."""

ANSWERS_MAX = 3
"""Answers of one socket that are worked on or wait to be sent: each may be some MiB."""

SOCKETS_MAX = 10
"""Sockets of one user in one worker."""


class GraphQLSocket:
    """Serves GraphQL over WebSocket; refuses sockets at other paths."""

    def __init__(
        self,
        paths: Collection[str],
        get_context: ContextGetter,
        executor: Executor,
        persisted: PersistedQueries,
        log: RequestLog,
        metrics: Metrics | None,
        traces: Traces | None,
        origins: Origins,
    ) -> None:
        self._paths = paths
        self.get_context = get_context
        self.executor = executor
        self.persisted = persisted
        self.log = log
        self.metrics = metrics
        self.traces = traces
        self.open = 0
        """How many sockets there are."""
        self._origins = origins
        self.of_users: Counter[UserId] = Counter()
        """How many sockets each user has."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        began = time.perf_counter()
        record = scope["state"]["record"] = RequestRecord(self.log.new_id())
        status = 101
        if scope["path"] not in self._paths:
            status = 404
        elif not self._origins.allow(scope):
            status = 403
        try:
            if status == 101:
                self.open += 1
                try:
                    await self._accept(scope, receive, send, record)
                finally:
                    self.open -= 1
            else:
                start = {"type": "websocket.http.response.start", "status": status, "headers": []}
                await send(start)
                await send({"type": "websocket.http.response.body", "body": b""})
        finally:
            self.told(scope, record, status, began)

    def told(
        self,
        scope: Scope,
        record: RequestRecord,
        status: int,
        began: float,
        span: Span | None = None,
    ) -> None:
        """Log, count and trace a socket, or an operation of one, that has ended."""
        seconds = time.perf_counter() - began
        if self.traces is not None and span is not None:
            self.traces.end(span, scope, record, status)
        if self.metrics is not None:
            self.metrics.ended(record, seconds)
        self.log.add(scope, record, status, round(seconds * 1000, 1))

    async def _accept(
        self, scope: Scope, receive: Receive, send: Send, record: RequestRecord
    ) -> None:
        if SUBPROTOCOL in scope["subprotocols"]:
            await send({"type": "websocket.accept", "subprotocol": SUBPROTOCOL})
            await Connection(self, scope, receive, send, record).serve()
            return
        await send({"type": "websocket.accept"})
        record.closed = CloseCode.SUBPROTOCOL_NOT_ACCEPTABLE
        reason = f"Subprotocol not acceptable: speak {SUBPROTOCOL}"
        close = {"type": "websocket.close", "code": CloseCode.SUBPROTOCOL_NOT_ACCEPTABLE}
        await send({**close, "reason": reason})


class Connection:
    """One socket, from its acceptance to its end."""

    def __init__(
        self,
        server: GraphQLSocket,
        scope: Scope,
        receive: Receive,
        send: Send,
        record: RequestRecord,
    ) -> None:
        self._server = server
        self._scope = scope
        self._receive = receive
        self._send = send
        self._record = record
        self._loop = asyncio.get_running_loop()
        self._context: Context | None = None
        self._is_initiating = False
        self._operations: dict[str, asyncio.Task[None]] = {}
        self._turns = asyncio.Semaphore(ANSWERS_MAX)
        self._timer: asyncio.TimerHandle | None = None
        self._watches = ExitStack()
        self._end = self._loop.create_future()
        """Done with whatever ends the socket from this side."""

    async def serve(self) -> None:
        timed_out = Closed(CloseCode.INIT_TIMED_OUT, "Connection initialisation timeout")
        self._end_after(UNINITIALISED.seconds, timed_out)
        reading = asyncio.create_task(self._read())
        try:
            await asyncio.wait({reading, self._end}, return_when=asyncio.FIRST_COMPLETED)
            ended = self._end.result() if self._end.done() else reading.result()
            self._record.closed = 0 if ended is None else int(ended.code)
            if ended is not None:
                close = {"type": "websocket.close", "code": ended.code, "reason": ended.reason}
                await self._send(close)
        except OSError:
            # Nobody is there any more.
            pass
        finally:
            await self._clean_up(reading)

    async def _clean_up(self, reading: asyncio.Task[Closed | None]) -> None:
        if self._timer is not None:
            self._timer.cancel()
        tasks = [reading, *self._operations.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._watches.close()
        if self._context is not None:
            owner = self._context.user_id
            self._server.of_users[owner] -= 1
            if not self._server.of_users[owner]:
                del self._server.of_users[owner]

    def _end_after(self, seconds: float, ended: Closed) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(max(seconds, 0), self._end_with, ended)

    def _end_with(self, ended: Closed) -> None:
        if not self._end.done():
            self._end.set_result(ended)

    async def _read(self) -> Closed | None:
        """Do what the client says, until it leaves or must."""
        try:
            while (message := await self._receive())["type"] != "websocket.disconnect":
                await self._heed(*self._parse(message))
        except Closed as closed:
            return closed
        return None

    def _parse(self, message: Message) -> tuple[Mapping[str, Any], int]:
        """Return what a message says, and its size in bytes."""
        text = message.get("text")
        if text is None:
            raise Closed(CloseCode.BAD_REQUEST, "Invalid message: not text")
        size = len(text.encode())
        if size > MESSAGE_MAX_BYTES:
            raise Closed(CloseCode.MESSAGE_TOO_BIG, "Message too big")
        try:
            parsed = read_json(text)
        except ValueError:
            raise Closed(CloseCode.BAD_REQUEST, "Invalid message: not JSON") from None
        if not isinstance(parsed, dict) or not isinstance(parsed.get("type"), str):
            raise Closed(CloseCode.BAD_REQUEST, "Invalid message: no object with a type")
        if not isinstance(parsed.get("payload"), dict | None):
            raise Closed(CloseCode.BAD_REQUEST, "Invalid message: its payload is no object")
        if size > REQUEST_MAX_BYTES and parsed["type"] != "subscribe":
            raise Closed(CloseCode.MESSAGE_TOO_BIG, "Message too big")
        return parsed, size

    async def _heed(self, message: Mapping[str, Any], size: int) -> None:
        match message["type"]:
            case "connection_init":
                await self._initiate(message.get("payload") or {})
            case "ping":
                payload = message.get("payload")
                try:
                    await self._say({"type": "pong"} | ({"payload": payload} if payload else {}))
                except ValueError:
                    raise Closed(
                        CloseCode.BAD_REQUEST, "Invalid message: nested too deeply"
                    ) from None
            case "pong":
                pass
            case "subscribe":
                await self._subscribe(message, size)
            case "complete":
                task = self._operations.pop(id_of(message), None)
                if task is not None:
                    task.cancel()
            case _:
                raise Closed(CloseCode.BAD_REQUEST, "Invalid message: its type is unknown")

    async def _initiate(self, payload: Mapping[str, Any]) -> None:
        if self._is_initiating:
            raise Closed(CloseCode.TOO_MANY_INITS, "Too many initialisation requests")
        self._is_initiating = True
        given = [
            value
            for name, value in payload.items()
            if name.lower() == "authorization" and isinstance(value, str)
        ]
        try:
            context = await self._server.get_context(given)
        except Unauthenticated:
            raise Closed(CloseCode.FORBIDDEN, "Forbidden") from None
        except KeysUnavailable as error:
            logger.warning("%s: %s", ErrorCode.SERVICE_UNAVAILABLE, error)
            raise Closed(CloseCode.TRY_AGAIN_LATER, "Try again later") from None
        if self._server.of_users[context.user_id] >= SOCKETS_MAX:
            raise Closed(CloseCode.TRY_AGAIN_LATER, "Too many sockets")
        self._server.of_users[context.user_id] += 1
        self._context = context
        self._record.user = digest(context.user_id)
        # Clients come back from this with a new token.
        self._end_after(
            context.identity.expires_at - time.time(),
            Closed(CloseCode.FORBIDDEN, "The token is over"),
        )
        deleted = partial(self._end_with, Closed(CloseCode.FORBIDDEN, "The user is deleted"))
        self._watches.enter_context(context.changes.until_deleted(context.user_id, deleted))
        await self._say({"type": "connection_ack"})

    async def _subscribe(self, message: Mapping[str, Any], size: int) -> None:
        id, payload = id_of(message), message.get("payload")
        if payload is None or not is_request(payload):
            raise Closed(
                CloseCode.BAD_REQUEST, "Invalid message: its payload is no GraphQL request"
            )
        if self._context is None:
            raise Closed(CloseCode.UNAUTHORIZED, "Unauthorized")
        if id in self._operations:
            raise Closed(CloseCode.SUBSCRIBER_EXISTS, f"Subscriber for {id[:64]} already exists")
        if size > REQUEST_MAX_BYTES:
            text = f"The message must have at most {REQUEST_MAX_BYTES} bytes."
            await self._fail(id, [CodedError(ErrorCode.PAYLOAD_TOO_LARGE, text)])
            return
        if len(self._operations) >= OPERATIONS_MAX:
            text = f"At most {OPERATIONS_MAX} operations can be under way on one socket."
            await self._fail(id, [CodedError(ErrorCode.TOO_MANY_OPERATIONS, text)])
            return
        self._operations[id] = asyncio.create_task(self._run(id, payload, self._context))

    async def _run(self, id: str, payload: Mapping[str, Any], context: Context) -> None:
        began = time.perf_counter()
        record = RequestRecord(self._server.log.new_id(), user=digest(context.user_id))
        current_record.set(record)
        traces = self._server.traces
        span = None if traces is None else traces.begin(self._scope, record)
        # Each operation has a row of the user's of its own to remember.
        context = context.anew()
        try:
            async with aclosing(self._results(payload, context, record)) as results:
                async for result in results:
                    if result.errors:
                        record.note(result.errors)
                    message = {"id": id, "type": "next", "payload": payload_of(result)}
                    await self._send_text(write_answer(message))
                    self._end_if_deleted(result.errors or ())
            # It is over before the client can use the id again.
            del self._operations[id]
            await self._say({"id": id, "type": "complete"})
        except (RequestFailed, CodedError) as failed:
            errors = failed.errors if isinstance(failed, RequestFailed) else [failed]
            record.note(errors[:1])
            self._operations.pop(id, None)
            await self._fail(id, errors)
            self._end_if_deleted(errors)
        except OSError:
            self._operations.pop(id, None)
        finally:
            self._server.told(self._scope, record, 101, began, span)

    def _end_if_deleted(self, errors: Collection[GraphQLError]) -> None:
        """End the socket where an operation has found that its user is deleted."""
        if any(
            (error.extensions or {}).get("code") == ErrorCode.UNAUTHENTICATED for error in errors
        ):
            self._end_with(Closed(CloseCode.FORBIDDEN, "The user is deleted"))

    async def _results(
        self, payload: Mapping[str, Any], context: Context, record: RequestRecord
    ) -> AsyncGenerator[ExecutionResult]:
        """Yield what comes of an operation.

        Raises:
            RequestFailed: it could not be executed, or not to its end.
        """
        try:
            self._server.executor.admit(context)
            query = self._server.persisted.document(
                context.user_id,
                payload.get("query"),
                payload.get("extensions"),
                payload.get("documentId"),
            )
            if not query:
                raise CodedError(ErrorCode.BAD_REQUEST, "`query` must be a GraphQL document.")
            request = GraphQLRequest(query, payload.get("operationName"), payload.get("variables"))
            followed = self._server.executor.follow(request, context, record, self._turns)
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
        await self._say({"id": id, "type": "error", "payload": formatted})

    async def _say(self, message: Mapping[str, Any]) -> None:
        """Send a message, as soon as what was sent before has left.

        Raises:
            OSError: nobody is there any more.
        """
        await self._send_text(write_json(message))

    async def _send_text(self, text: bytes) -> None:
        await self._send({"type": "websocket.send", "text": text.decode()})
