"""GraphQL over WebSocket: which sockets are accepted, and what is told of each at its end."""

import time
from collections.abc import Collection

from starlette.types import Receive, Scope, Send

from app.http.origins import Origins
from app.http.websocket_messages import CloseCode
from app.http.websocket_protocol import Connection
from app.http.websocket_shared import Shared
from app.telemetry.records import RequestRecord

SUBPROTOCOL = "graphql-transport-ws"


class GraphQLSocket:
    """Serves GraphQL over WebSocket; refuses sockets at other paths."""

    def __init__(self, paths: Collection[str], shared: Shared, origins: Origins) -> None:
        self._paths = paths
        self.shared = shared
        self._origins = origins
        self.open = 0
        """How many sockets there are."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        began = time.perf_counter()
        record = scope["state"]["record"] = RequestRecord(self.shared.log.new_id())
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
            self.shared.told(scope, record, status, began)

    async def _accept(
        self, scope: Scope, receive: Receive, send: Send, record: RequestRecord
    ) -> None:
        if SUBPROTOCOL in scope["subprotocols"]:
            await send({"type": "websocket.accept", "subprotocol": SUBPROTOCOL})
            await Connection(self.shared, scope, receive, send, record).serve()
            return
        await send({"type": "websocket.accept"})
        record.closed = CloseCode.SUBPROTOCOL_NOT_ACCEPTABLE
        reason = f"Subprotocol not acceptable: speak {SUBPROTOCOL}"
        close = {"type": "websocket.close", "code": CloseCode.SUBPROTOCOL_NOT_ACCEPTABLE}
        await send({**close, "reason": reason})
