"""Texts that people type: what of them can be seen, and how a line of them is stored."""

import re
from typing import TypeGuard
from unicodedata import category

BLANK_LETTERS = "\u115f\u1160\u2800\u3164\uffa0"
"""Letters and signs by their category that are drawn as nothing: fillers, and empty Braille."""

_SPACES = re.compile(r"[\s\x01-\x1f\x7f-\x9f]+")
_BREAKS = re.compile(r"[\x01-\x1f\x7f-\x9f\u2028\u2029]")


def is_visible(text: str) -> bool:
    """Return whether the text has a letter, a digit or a sign that can be seen."""
    return any(
        category(character)[0] in "LNPS" and character not in BLANK_LETTERS for character in text
    )


def one_line(text: str) -> str:
    """Return the text without white space around it, each break of a line as one space.

    A break is a line break or another control character, with the white space around it. NUL stays,
    so that it can be refused.
    """
    if _BREAKS.search(text):
        text = _SPACES.sub(_space, text)
    return text.strip()


def _space(found: re.Match[str]) -> str:
    return " " if _BREAKS.search(found[0]) else found[0]


def is_plain(value: object, max_length: int) -> TypeGuard[str]:
    """Tell whether it is text of 1 to so many characters, none a control or half a surrogate."""
    return (
        isinstance(value, str)
        and 0 < len(value) <= max_length
        and not any(category(character) in ("Cc", "Cs") for character in value)
    )
