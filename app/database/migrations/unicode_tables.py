"""What people type, by Unicode's own tables: what stands for what, and what is a word."""

import re
from collections.abc import Iterable, Iterator
from functools import cache
from unicodedata import category, decimal, name, normalize

LAST = 0x110000

LOOKING_ALIKE = {
    "'": "\u02b9\u02bb\u02bc\u2018\u2019\u201b\ua78c",
    "-": "\u2010",
    # What Lucene's normalizers of Arabic and of Persian take for one letter.
    "\u0627": "\u0671",
    "\u064a": "\u0649\u06cc",
    "\u0647": "\u0629\u06d5",
    "\u0643": "\u06a9",
}
"""Characters, and others that people type in their place."""

SPELT = {
    "æ": "ae",
    "œ": "oe",
    "þ": "th",
    "ð": "d",
    "ŋ": "n",
    "ĸ": "q",
    "ɵ": "o",
    "\u0131": "i",
    "ȷ": "j",
}
"""Letters that Unicode does not take apart, and that CLDR's Latin-ASCII spells so."""

OPTIONAL_MARKS = (
    (0x0300, 0x036F),
    (0x0591, 0x05C7),
    (0x0610, 0x061A),
    (0x0640, 0x0640),
    (0x064B, 0x065F),
    (0x0670, 0x0670),
    (0x06D6, 0x06ED),
    (0x0898, 0x089F),
    (0x08CA, 0x08FF),
    (0x1AB0, 0x1AFF),
    (0x1DC0, 0x1DFF),
    (0x20D0, 0x20FF),
    (0xFE00, 0xFE0F),
    (0xFB1E, 0xFB1E),
    (0xFE20, 0xFE2F),
    (0x1F3FB, 0x1F3FF),
    (0xE0100, 0xE01EF),
)
"""Where accents, points of Arabic and Hebrew, variation selectors and skin tones lie."""

WITHOUT_SPACES = ((0x2E80, 0x2FFF), (0x3003, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x3FFFF))
"""Blocks of the scripts in which each sign is a word."""

NAMED = re.compile(r"LATIN (?:SMALL|CAPITAL) (?:LETTER|LIGATURE) ([A-Z]{1,2})(?: WITH .*)?")

BLOCKS = {
    "LATIN": ((0x80, 0x36F), (0x1D00, 0x1DBF), (0x1E00, 0x1EFF), (0x2010, 0x201F), (0x2C60, 0x2C7F),
              (0xA720, 0xA7FF), (0xAB30, 0xAB6F)),
    "GREEK": ((0x370, 0x3FF),),
    "CYRILLIC": ((0x400, 0x52F), (0x1C80, 0x1C8F), (0xA640, 0xA69F)),
    "ARMENIAN": ((0x530, 0x58F),),
    "ARABIC": ((0x600, 0x6FF),),
}  # fmt: skip
"""The blocks whose letters have a table of their own; all others share one."""

FREQUENT = {
    "LATIN": " etaoinsrhldcumfpgwybvkxjqz",
    "GREEK": " αοιετσνηυρπκμλωδγχθφβξζψ",
    "CYRILLIC": " оеаинтсрвлкмдпуяызьбгчхжшюцщэфъії",
    "ARMENIAN": " աենիորտմկսլվհգդբյւպցծխ",
}
"""What stays, and is so frequent that `translate`, which searches its table, finds it first."""


@cache
def characters() -> list[str]:
    """Return every character beyond ASCII that is assigned, and that NFKD leaves as it is."""
    every = (chr(code) for code in range(0x80, LAST))
    assigned = (c for c in every if category(c) not in ("Cn", "Cs"))
    return [c for c in assigned if normalize("NFKD", c) == c]


def folded(character: str) -> str:
    """Return what stands for the character wherever texts are compared."""
    if category(character) == "Nd":
        return str(decimal(character))
    small = character.casefold()
    for plain, others in LOOKING_ALIKE.items():
        if small in others:
            return plain
    if len(small) > 1 or small.isascii():
        return small
    found = NAMED.fullmatch(name(small, ""))
    return SPELT.get(small) or (found[1].lower() if found else small)


def is_dropped(character: str) -> bool:
    code = ord(character)
    if category(character) == "Cf":
        return True
    return category(character) in ("Mn", "Me", "Lm", "Sk") and _is_in(code, OPTIONAL_MARKS)


def is_separator(character: str) -> bool:
    """Return whether it stands between words: punctuation, white space, controls, private use.

    A middle dot stands within words, as in Catalan.
    """
    kind = category(character)
    return character != "\u00b7" and (kind[0] in "PZ" or kind in ("Cc", "Co", "Sk"))


def is_sign(character: str) -> bool:
    """Return whether it is a word by itself: a symbol."""
    return category(character) in ("Sm", "Sc", "So")


def _is_in(code: int, ranges: Iterable[tuple[int, int]]) -> bool:
    return any(first <= code <= last for first, last in ranges)


def brackets(chosen: Iterable[str]) -> str:
    """Return the inside of a bracket expression for the characters, in ranges.

    A range goes on over what is not assigned, so that there are few.
    """
    ranges: list[list[int]] = []
    codes = {ord(character) for character in chosen}
    for code in sorted(codes):
        last = ranges[-1][1] if ranges else None
        if last is not None and all(
            category(chr(between)) == "Cn" for between in range(last + 1, code)
        ):
            ranges[-1][1] = code
        else:
            ranges.append([code, code])
    return "".join(
        escaped(first) + (f"-{escaped(last)}" if last > first else "") for first, last in ranges
    )


@cache
def characters_of_text() -> dict[str, str]:
    """Return what stands for each character that something else stands for, and is not dropped."""
    kept = (character for character in characters() if not is_dropped(character))
    return {character: plain for character in kept if (plain := folded(character)) != character}


def table(block: str) -> tuple[str, str, str]:
    """Return what a block's table changes, as a bracket's inside, and two texts for `translate`.

    Letters that two stand for are in none.
    """
    mapped = {
        c: plain
        for c, plain in characters_of_text().items()
        if len(plain) == 1 and _is_in(ord(c), BLOCKS[block])
    }
    frequent = FREQUENT.get(block, "")
    from_, to = (
        "".join(map(plain_or_escaped, frequent + "".join(side)))
        for side in (mapped, mapped.values())
    )
    return brackets(mapped), from_, to


def rare() -> dict[str, str]:
    """Return what stands for each letter and digit of no block."""
    blocks = [range_ for ranges in BLOCKS.values() for range_ in ranges]
    return {c: plain for c, plain in characters_of_text().items() if not _is_in(ord(c), blocks)}


def spelt_out() -> dict[str, str]:
    """Return the letters that two stand for, with these."""
    return {c: plain for c, plain in characters_of_text().items() if len(plain) > 1}


def dropped() -> str:
    """Return marks that people leave out, and what nobody sees, as a bracket's inside."""
    return brackets(filter(is_dropped, characters()))


def separators() -> str:
    """Return what stands between words, as a bracket's inside."""
    return brackets(filter(is_separator, _left_alone()))


def signs() -> str:
    """Return the symbols, each of which is a word, as a bracket's inside."""
    return brackets(c for c in _left_alone() if is_sign(c) and not _is_in(ord(c), WITHOUT_SPACES))


def without_spaces() -> str:
    """Return the signs of scripts without spaces, each a word, as a bracket's inside."""
    return "".join(f"{escaped(first)}-{escaped(last)}" for first, last in WITHOUT_SPACES)


def _left_alone() -> Iterator[str]:
    mapped = characters_of_text()
    return (c for c in characters() if not is_dropped(c) and c not in mapped)


def plain_or_escaped(character: str) -> str:
    is_plain = character.isascii() and (character.isalnum() or character in " -")
    return character if is_plain else escaped(ord(character))


def escaped(code: int) -> str:
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
