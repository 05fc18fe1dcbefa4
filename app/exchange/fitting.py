"""What of a file's texts, labels and times can be kept, and what is lost of them."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from unicodedata import normalize

from models.label import LABEL_MAX_LENGTH, can_be_read, one_label
from models.task import DESCRIPTION_MAX_LENGTH, LABELS_MAX, TITLE_MAX_LENGTH
from models.task_list import NAME_MAX_LENGTH
from models.text import is_visible, one_line

UNTITLED = "(untitled)"
"""What is called so has a blank title."""

Lose = Callable[[str], None]
"""Is told the kind of what is lost of the thing that is being fitted."""


def texts(title: str, description: str | None, lose: Lose) -> tuple[str, str | None]:
    """Return a title and a description that fit: the rest of a title comes before the description.

    The rest of a description is lost.
    """
    line = one_line(_storable(title, lose))
    if not is_visible(line):
        line = UNTITLED
        lose("blank titles")
    more = _storable(description or "", lose)
    if len(line) > TITLE_MAX_LENGTH:
        lose("titles that go on in the description")
        rest = line[TITLE_MAX_LENGTH:].strip()
        line = line[:TITLE_MAX_LENGTH].strip()
        more = f"{rest}\n\n{more}" if is_visible(more) else rest
    if len(more) > DESCRIPTION_MAX_LENGTH:
        lose("descriptions that were cut")
        more = more[:DESCRIPTION_MAX_LENGTH]
    return line, more if is_visible(more) else None


def name(given: str, lose: Lose) -> str:
    """Return the name of a list that fits."""
    line = one_line(_storable(given, lose))
    if not is_visible(line):
        lose("blank names of lists")
        return UNTITLED
    if len(line) > NAME_MAX_LENGTH:
        lose("names of lists that were cut")
    return line[:NAME_MAX_LENGTH].strip()


def labels(given: Sequence[str], lose: Lose) -> list[str]:
    """Return the labels that fit, each once."""
    found: dict[str, str] = {}
    for label in given:
        text = one_label(_storable(label, lose))
        if len(text) > LABEL_MAX_LENGTH:
            lose("labels that were cut")
            text = text[:LABEL_MAX_LENGTH].strip()
        if not text or not can_be_read(text):
            lose("labels that cannot be kept")
        elif len(found) < LABELS_MAX or _label_key(text) in found:
            found.setdefault(_label_key(text), text)
        else:
            lose(f"labels beyond {LABELS_MAX}")
    return [*found.values()]


def instant(given: datetime | None) -> str | None:
    """Return an instant in UTC, as PostgreSQL reads it."""
    if given is None:
        return None
    try:
        return given.astimezone(UTC).isoformat()
    except OverflowError:
        # A few hours before the first year, or after the last.
        return given.replace(tzinfo=UTC).isoformat()


def _label_key(label: str) -> str:
    """Return nearly what labels are compared by: triggers have the last word."""
    return normalize("NFKC", normalize("NFKC", label).casefold())


def _storable(text: str, lose: Lose) -> str:
    """Return a text without NUL and halves of surrogates, which PostgreSQL does not keep."""
    kept = text.replace("\0", "").encode("utf-8", "ignore").decode()
    if kept != text:
        lose("characters that cannot be stored")
    return kept
