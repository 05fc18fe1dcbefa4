"""A client of graphql-transport-ws that says what it is told to, and no more."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.sync.connection import Connection
from websockets.typing import Origin, Subprotocol

from tests.api import TASK, Server

FOLLOW = f"""
subscription Follow($after: String) {{
  taskChanges(after: $after) {{ cursor node {{ taskId version task {{ {TASK} }} }} }}
}}"""

PATIENCE = 20.0
"""Seconds to wait for a message that must come."""


class Socket:
    """One side of a socket."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def say(self, message: object) -> None:
        self.connection.send(json.dumps(message))

    def hear(self, timeout: float = PATIENCE) -> Any:
        return json.loads(self.connection.recv(timeout))

    def initiate(self, token: str | None) -> None:
        self.say({"type": "connection_init", "payload": {"Authorization": f"Bearer {token}"}})
        assert self.hear() == {"type": "connection_ack"}

    def subscribe(
        self, query: str, variables: Mapping[str, Any] | None = None, id: str = "one"
    ) -> None:
        payload = {"query": query, "variables": variables}
        self.say({"id": id, "type": "subscribe", "payload": payload})

    def follow(self, after: str | None = None, id: str = "one") -> None:
        self.subscribe(FOLLOW, {"after": after}, id)

    def event(self, timeout: float = PATIENCE) -> Any:
        """Return the next change."""
        message = self.hear(timeout)
        assert message["type"] == "next", message
        assert "errors" not in message["payload"], message
        return message["payload"]["data"]["taskChanges"]

    def closed(self, timeout: float = PATIENCE) -> tuple[int, str]:
        """Return the code and the reason with which the server closes the socket."""
        with pytest.raises(ConnectionClosed) as closed:
            self._hear_out(timeout)
        received = closed.value.rcvd
        assert received is not None
        return received.code, received.reason

    def _hear_out(self, timeout: float) -> None:
        while True:
            self.connection.recv(timeout)


@contextmanager
def socket_to(
    url: str,
    *,
    subprotocol: str | None = "graphql-transport-ws",
    origin: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Iterator[Socket]:
    """Connect to a server of this URL."""
    with connect(
        f"{url.replace('http', 'ws', 1)}/graphql",
        subprotocols=[Subprotocol(subprotocol)] if subprotocol else None,
        origin=Origin(origin) if origin else None,
        additional_headers=headers,
        compression=None,
    ) as connection:
        yield Socket(connection)


@contextmanager
def signed_in(server: Server, token: str | None) -> Iterator[Socket]:
    with signed_in_at(server.url, token) as socket:
        yield socket


@contextmanager
def signed_in_at(url: str, token: str | None) -> Iterator[Socket]:
    with socket_to(url) as socket:
        socket.initiate(token)
        yield socket
