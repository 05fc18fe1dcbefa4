"""Bytes of a file as text, and JSON: what cannot be read is told by line and column."""

import json
import re
from codecs import BOM_UTF8
from collections.abc import Collection
from typing import Any, NoReturn

from app.exchange.items import Unreadable

BYTES_MAX = 100_000_000
"""Bytes of a file, and of what is unpacked of an archive."""

_NOT_STORED = re.compile("[\0\ud800-\udfff]")


def checked(data: bytes) -> bytes:
    """Return the bytes of a text without the byte order mark of UTF-8.

    Raises:
        Unreadable: it is too large.
    """
    if len(data) > BYTES_MAX:
        raise Unreadable(f"The file has more than {BYTES_MAX // 1_000_000} MB.")
    return data.removeprefix(BOM_UTF8)


def decoded(data: bytes) -> str:
    """Return the text of a file, without a byte order mark.

    Other encodings are not guessed: a guess that is wrong spoils texts, and nobody notices.

    Raises:
        Unreadable: it is too large, not UTF-8, or has NUL in it.
    """
    plain = checked(data)
    nul = plain.find(0)
    if nul >= 0:
        begun = plain[:nul].decode(errors="replace")
        _refuse_at(begun, "This is no text: it has a NUL character.")
    try:
        return plain.decode()
    except UnicodeDecodeError as error:
        begun = plain[: error.start].decode()
        _refuse_at(begun, "This is not UTF-8. Save the file as UTF-8, and try again.")


def _refuse_at(begun: str, sentence: str) -> NoReturn:
    """Refuse a file for what comes after this much of it."""
    raise Unreadable(sentence, begun.count("\n") + 1, len(begun) - begun.rfind("\n"))


def storable(text: str) -> str:
    """Return a text with U+FFFD for what PostgreSQL does not keep: NUL, and half surrogates."""
    return _NOT_STORED.sub("\ufffd", text)


def text_of(value: object) -> str:
    """Return a value of JSON that is a text; "" for any other."""
    return value if isinstance(value, str) else ""


def parsed(text: str, kept: Collection[str], start: int = 0) -> tuple[Any, int]:
    """Return the JSON value that begins there, and where it ends.

    Of objects only the keys in `kept` are, so that a large file needs little memory.

    Raises:
        Unreadable: it is no JSON, or nested too deep.
    """
    keys = frozenset(kept)

    def thinned(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        return {
            key: storable(value) if isinstance(value, str) else value
            for key, value in pairs
            if key in keys
        }

    decoder = json.JSONDecoder(object_pairs_hook=thinned, parse_constant=_refuse_constant)
    try:
        return decoder.raw_decode(text, start)
    except json.JSONDecodeError as error:
        raise Unreadable(
            f"This is not JSON: {error.msg.removesuffix(' at')}.", error.lineno, error.colno
        ) from None
    except RecursionError:
        raise Unreadable("This JSON is nested too deep.") from None
    except ValueError:
        # Python refuses integers of more than 4,300 digits.
        raise Unreadable("A number in this JSON has too many digits.") from None


def _refuse_constant(name: str) -> NoReturn:
    raise Unreadable(f"This is not JSON: {name} is no number there.")
