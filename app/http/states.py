"""The states of a connection: how long each may last, and how much may come in it.

A state ends by its time, by its bytes, or by what must come next; what else comes prolongs none.
"""

from dataclasses import dataclass
from math import inf

KIB = 1024


@dataclass(eq=False, slots=True)
class State:
    """What a connection is doing."""

    name: str
    seconds: float
    """How long it may last."""
    bytes: float
    """How many may come in it."""


NEW = State("before its first request", 10, 2 * KIB)
IDLE = State("between two requests", 5, 2 * KIB)
HEAD = State("in a request's head", 10, 16 * KIB)
BODY = State("in a request's body or trailers", 30, 16 * KIB)
"""The application limits the body, and its time. These bytes are those that frame it."""
ANSWERING = State("waiting for an answer of the application", 30, 2 * KIB)
"""The application limits the time; the connection looks whether the client reads."""
UNREAD = State("with an answer that the client does not read", 30, inf)
REST = State("answered, while the rest of the request comes", 5, 128 * KIB)
CLOSING = State("closed, while the last of an answer leaves", 1, inf)

HANDSHAKE = State("in the handshake of a WebSocket", 10, inf)
UNINITIALISED = State("a WebSocket before its connection_init", 10, inf)
OPEN = State("a WebSocket", inf, inf)
"""It ends with its token, which the application keeps, or without an answer to a ping."""
