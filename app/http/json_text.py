"""JSON as clients write and read it: one reader and one writer for HTTP and WebSockets."""

import json
from typing import Any

import orjson

from graphql_schema.errors import CodedError, ErrorCode

ANSWER_MAX_BYTES = 4 * 1024 * 1024
"""Bytes of an answer: 500 tasks with the longest texts, and far more of usual ones."""


def read_json(text: bytes | str) -> Any:  # noqa: ANN401 -- JSON is anything
    """Return what a text says.

    Raises:
        ValueError: it is not JSON, or is nested too deeply.
    """
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        # Half a surrogate: the standard library's parser takes it, and a later check explains it.
        pass
    try:
        return json.loads(text if isinstance(text, str) else text.decode(), parse_constant=_refuse)
    except RecursionError:
        raise ValueError("It is nested too deeply.") from None


def write_json(value: object) -> bytes:
    """Return the text of a value.

    Raises:
        ValueError: it is nested too deeply.
    """
    try:
        return orjson.dumps(value)
    except TypeError:
        # Half a surrogate, quoted in an error: only the standard library writes it, escaped.
        pass
    try:
        return json.dumps(value).encode()
    except RecursionError:
        raise ValueError("It is nested too deeply.") from None


def write_answer(answer: object) -> bytes:
    """Return the text of what an operation is answered with.

    A longer text is let go at once: only one is there at a time, and none waits for its client.

    Raises:
        CodedError: it is too long.
    """
    text = write_json(answer)
    if len(text) > ANSWER_MAX_BYTES:
        raise CodedError(
            ErrorCode.RESPONSE_TOO_LARGE,
            f"The answer has {len(text)} bytes; {ANSWER_MAX_BYTES} are sent at most. Ask for fewer "
            "tasks or fields at once. What the operation was to change has been changed.",
        )
    return text


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")
