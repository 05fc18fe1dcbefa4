"""A JSON object (RFC 8259) that is read piece by piece, so that only one piece is in memory.

Whatever is wrong is told with its line and column.
"""

import json
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from app.exchange.items import Unreadable
from app.exchange.texts import decoded

_SPACE = re.compile(r"[ \t\n\r]*")
_DECODER = json.JSONDecoder(parse_constant=lambda name: _refuse_constant(name))


@dataclass(frozen=True, slots=True)
class Element:
    """A value, and where it stands."""

    value: Any
    text: str
    """Of the whole file."""
    at: int

    def refused(self, sentence: str) -> Unreadable:
        return _unreadable(sentence, self.text, self.at)


def members(data: bytes, arrays: Collection[str]) -> Iterator[tuple[str, Element]]:
    """Yield the members of the object that a file is: of those in `arrays` each element by itself.

    Raises:
        Unreadable: it is no object in UTF-8, or such a member is no array.
    """
    text = decoded(data)
    at = _expect(text, 0, "{")
    if text[at : at + 1] == "}":
        _expect_end(text, at + 1)
        return
    while True:
        name, at = _value(text, at)
        if not isinstance(name.value, str):
            raise name.refused("Here must be a name in quotes.")
        at = _expect(text, at, ":")
        if name.value in arrays:
            at = _expect(text, at, "[")
            if text[at : at + 1] == "]":
                at = _space(text, at + 1)
            else:
                while True:
                    element, at = _value(text, at)
                    yield name.value, element
                    if text[at : at + 1] == "]":
                        at = _space(text, at + 1)
                        break
                    at = _expect(text, at, ",")
        else:
            element, at = _value(text, at)
            yield name.value, element
        if text[at : at + 1] == "}":
            _expect_end(text, at + 1)
            return
        at = _expect(text, at, ",")


def _value(text: str, at: int) -> tuple[Element, int]:
    """Return the value at a place, and the place of what comes next."""
    try:
        value, end = _DECODER.raw_decode(text, at)
    except json.JSONDecodeError as error:
        raise _unreadable(_sentence(error, text), text, error.pos) from None
    except (RecursionError, ValueError):
        # The second of a number with thousands of digits, or NaN.
        raise _unreadable("This is no value that can be read.", text, at) from None
    return Element(value, text, at), _space(text, end)


def _sentence(error: json.JSONDecodeError, text: str) -> str:
    if error.pos >= len(text):
        return "The file ends too early."
    if error.msg.startswith("Unterminated string"):
        return "A text begins here and does not end."
    if error.msg.startswith("Invalid control character"):
        return "A text has a control character here, or does not end on its line."
    return "This is no JSON."


def _expect(text: str, at: int, sign: str) -> int:
    """Return the place of what comes after a sign."""
    at = _space(text, at)
    if text[at : at + 1] != sign:
        ends = at >= len(text)
        raise _unreadable("The file ends too early." if ends else f"Here must be {sign}", text, at)
    return _space(text, at + 1)


def _expect_end(text: str, at: int) -> None:
    at = _space(text, at)
    if at < len(text):
        raise _unreadable("Here the file must end.", text, at)


def _space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    assert found is not None
    return found.end()


def _unreadable(sentence: str, text: str, at: int) -> Unreadable:
    at = min(at, len(text))
    return Unreadable(sentence, text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at))


def _refuse_constant(name: str) -> float:
    raise ValueError(name)
