"""Messages of graphql-transport-ws: which are well formed, and the codes of a close."""

from collections.abc import Mapping
from enum import IntEnum
from typing import Any

from graphql import ExecutionResult

from app.http.request import REQUEST_MAX_BYTES

MESSAGE_MAX_BYTES = 2 * REQUEST_MAX_BYTES
"""Bytes of a message. A request that is too large, but fits into one, costs no other its socket."""


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
