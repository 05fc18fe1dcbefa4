"""JSON as clients write and read it: one reader and one writer for HTTP and WebSockets."""

import json
from typing import Any

import orjson


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


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")
