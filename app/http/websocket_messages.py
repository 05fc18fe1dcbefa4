"""Messages of graphql-transport-ws: read and written, and the codes of a close."""

from collections.abc import Mapping
from enum import IntEnum
from typing import Any

from graphql import ExecutionResult
from starlette.types import Message, Send

from app.http.json_text import read_json, write_json
from app.http.sizes import MESSAGE_MAX_BYTES, REQUEST_MAX_BYTES


class CloseCode(IntEnum):
    """Why a socket is closed: codes of RFC 6455, 7.4 and, from 4400, of graphql-transport-ws."""

    POLICY_VIOLATION = 1008
    MESSAGE_TOO_BIG = 1009
    TRY_AGAIN_LATER = 1013
    BAD_REQUEST = 4400
    UNAUTHORIZED = 4401
    FORBIDDEN = 4403
    SUBPROTOCOL_NOT_ACCEPTABLE = 4406
    INIT_TIMED_OUT = 4408
    SUBSCRIBER_EXISTS = 4409
    TOO_MANY_INITS = 4429


class Closed(Exception):
    """The socket is to be closed, with a code and a reason."""

    def __init__(self, code: CloseCode, reason: str) -> None:
        super().__init__(code, reason)
        self.code = code
        # RFC 6455, 5.5: a control frame has at most 125 bytes, the code among them.
        self.reason = reason.encode()[:123].decode(errors="ignore")


def parsed(message: Message) -> tuple[Mapping[str, Any], int]:
    """Return what a client's message says, and its size in bytes.

    Raises:
        Closed: it is too big, or no message of the protocol.
    """
    text = message.get("text")
    if text is None:
        raise Closed(CloseCode.BAD_REQUEST, "Invalid message: not text")
    size = len(text.encode())
    if size > MESSAGE_MAX_BYTES:
        raise Closed(CloseCode.MESSAGE_TOO_BIG, "Message too big")
    try:
        value = read_json(text)
    except ValueError:
        raise Closed(CloseCode.BAD_REQUEST, "Invalid message: not JSON") from None
    if not isinstance(value, dict) or not isinstance(value.get("type"), str):
        raise Closed(CloseCode.BAD_REQUEST, "Invalid message: no object with a type")
    if not isinstance(value.get("payload"), dict | None):
        raise Closed(CloseCode.BAD_REQUEST, "Invalid message: its payload is no object")
    if size > REQUEST_MAX_BYTES and value["type"] != "subscribe":
        raise Closed(CloseCode.MESSAGE_TOO_BIG, "Message too big")
    return value, size


def id_of(message: Mapping[str, Any]) -> str:
    id = message.get("id")
    if not isinstance(id, str) or not id:
        raise Closed(CloseCode.BAD_REQUEST, "Invalid message: it has no id")
    return id


def is_request(payload: Mapping[str, Any]) -> bool:
    asked = [payload.get(name) for name in ("query", "extensions", "documentId")]
    return (
        any(value is not None for value in asked)
        and isinstance(payload.get("query"), str | None)
        and isinstance(payload.get("documentId"), str | None)
        and isinstance(payload.get("operationName"), str | None)
        and isinstance(payload.get("variables"), dict | None)
        and isinstance(payload.get("extensions"), dict | None)
    )


def payload_of(result: ExecutionResult) -> Mapping[str, Any]:
    if result.errors is None:
        return {"data": result.data}
    return {"errors": [error.formatted for error in result.errors], "data": result.data}


async def say(send: Send, message: Mapping[str, Any]) -> None:
    """Send a message, as soon as what was sent before has left.

    Raises:
        ValueError: it is nested too deeply.
        OSError: nobody is there any more.
    """
    await send_text(send, write_json(message))


async def send_text(send: Send, text: bytes) -> None:
    await send({"type": "websocket.send", "text": text.decode()})
