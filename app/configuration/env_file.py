"""The file `.env`, as people write it: whether it can be read, and what in it is misspelt."""

import re
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path

ENV_FILE = Path(".env")

ALMOST = 0.85
"""How alike two names are, of 1, of which one is taken for the other."""

_NAME = re.compile(r"^\s*(?:export\s+)?(\w+)\s*=", re.MULTILINE)


def objection_to(file: Path) -> str | None:
    """Return a sentence where the file is there and cannot be read."""
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except UnicodeDecodeError:
        text = "\0"
    except OSError as error:
        return f"{file} cannot be read: {error.strerror}."
    # In UTF-16, as PowerShell writes it, every other byte is zero.
    return f"{file} is not in UTF-8: save it in that encoding." if "\0" in text else None


def misspelt(file: Path, known: Iterable[str]) -> list[str]:
    """Return a sentence for each name in the file that is almost a known one, and is none.

    Other names may be other programs'. The file is one that can be read, or is not there.
    """
    if not file.exists():
        return []
    names = [name.upper() for name in known]
    sentences = []
    for found in _NAME.findall(file.read_text(encoding="utf-8-sig")):
        meant = get_close_matches(found.upper(), names, n=1, cutoff=ALMOST)
        if meant and found.upper() not in names:
            sentences.append(f"{file} sets {found}, which is no setting. Is {meant[0]} meant?")
    return sentences
