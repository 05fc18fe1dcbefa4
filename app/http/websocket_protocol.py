"""A WebSocket by the protocol graphql-transport-ws: from its acceptance to its end."""

import asyncio
import logging
import time
from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial
from typing import Any

from starlette.types import Receive, Scope, Send

from app.http.states import UNINITIALISED
from app.http.websocket_messages import CloseCode, Closed, id_of, is_request, parsed, say
from app.http.websocket_operations import Operations
from app.http.websocket_shared import Shared
from app.telemetry.records import RequestRecord, digest
from auth.keys import KeysUnavailable
from auth.refusals import Unauthenticated
from graphql_schema.errors import ErrorCode
from models.user import UserId

logger = logging.getLogger(__name__)

SOCKETS_MAX = 10
"""Sockets of one user in one worker."""


class Connection:
    """One socket, from its acceptance to its end."""

    def __init__(
        self,
        shared: Shared,
        scope: Scope,
        receive: Receive,
        send: Send,
        record: RequestRecord,
    ) -> None:
        self._shared = shared
        self._scope = scope
        self._receive = receive
        self._send = send
        self._record = record
        self._loop = asyncio.get_running_loop()
        self._user: UserId | None = None
        self._is_initiating = False
        self._operations: Operations | None = None
        """None before the client has said who it is."""
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
        tasks = [reading, *(self._operations.tasks() if self._operations else ())]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._watches.close()
        if self._user is not None:
            self._shared.of_users[self._user] -= 1
            if not self._shared.of_users[self._user]:
                del self._shared.of_users[self._user]

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
                await self._heed(*parsed(message))
        except Closed as closed:
            return closed
        return None

    async def _heed(self, message: Mapping[str, Any], size: int) -> None:
        match message["type"]:
            case "connection_init":
                await self._initiate(message.get("payload") or {})
            case "ping":
                payload = message.get("payload")
                pong = {"type": "pong"} | ({"payload": payload} if payload else {})
                try:
                    await say(self._send, pong)
                except ValueError:
                    raise Closed(
                        CloseCode.BAD_REQUEST, "Invalid message: nested too deeply"
                    ) from None
            case "pong":
                pass
            case "subscribe":
                await self._subscribe(message, size)
            case "complete":
                id = id_of(message)
                if self._operations is not None:
                    self._operations.cancel(id)
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
            context = await self._shared.get_context(given)
        except Unauthenticated:
            raise Closed(CloseCode.FORBIDDEN, "Forbidden") from None
        except KeysUnavailable as error:
            logger.warning("%s: %s", ErrorCode.SERVICE_UNAVAILABLE, error)
            raise Closed(CloseCode.TRY_AGAIN_LATER, "Try again later") from None
        if self._shared.of_users[context.user_id] >= SOCKETS_MAX:
            raise Closed(CloseCode.TRY_AGAIN_LATER, "Too many sockets")
        self._shared.of_users[context.user_id] += 1
        self._user = context.user_id
        self._record.user = digest(context.user_id)
        # Clients come back from this with a new token.
        self._end_after(
            context.identity.expires_at - time.time(),
            Closed(CloseCode.FORBIDDEN, "The token is over"),
        )
        deleted = partial(self._end_with, Closed(CloseCode.FORBIDDEN, "The user is deleted"))
        self._watches.enter_context(context.changes.until_deleted(context.user_id, deleted))
        self._operations = Operations(self._shared, self._scope, self._send, context, deleted)
        await say(self._send, {"type": "connection_ack"})

    async def _subscribe(self, message: Mapping[str, Any], size: int) -> None:
        id, payload = id_of(message), message.get("payload")
        if payload is None or not is_request(payload):
            raise Closed(
                CloseCode.BAD_REQUEST, "Invalid message: its payload is no GraphQL request"
            )
        if self._operations is None:
            raise Closed(CloseCode.UNAUTHORIZED, "Unauthorized")
        await self._operations.start(id, payload, size)
