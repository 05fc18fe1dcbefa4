"""Labels: how one is stored, and what none may have in it."""

import re
from collections.abc import Iterable, Sequence
from unicodedata import category, normalize

from models.text import BLANK_LETTERS

LABEL_MAX_LENGTH = 50
"""Unicode code points in a label as it is stored."""

_SPACES = re.compile(r"[\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+")
"""White space as Unicode's property `White_Space` has it."""

_UNSEEN = ("Cf", "Mn", "Me")
"""Signs that show nothing by themselves: they format others, or are marks on them."""


def one_label(text: str) -> str:
    """Return a label as it is stored: composed, without white space around it, else as spaces."""
    return normalize("NFC", _SPACES.sub(" ", text).strip(" "))


def spelled_alike(many: Iterable[Sequence[str]]) -> list[list[str]]:
    """Return the labels of several tasks, each spelled as the first of them has it."""
    spellings = dict[str, str]()
    return [[spellings.setdefault(_key(label), label) for label in labels] for labels in many]


def _key(label: str) -> str:
    """Return what labels are compared by, as `label_key` of the database does."""
    return normalize("NFKC", normalize("NFKC", label).casefold())


def can_be_read(label: str) -> bool:
    """Return whether each word of a label can be seen, and it has no control character."""
    return all(
        any(category(sign) not in _UNSEEN and sign not in BLANK_LETTERS for sign in word)
        for word in label.split(" ")
    ) and not any(category(sign) == "Cc" for sign in label)
