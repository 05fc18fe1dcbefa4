"""HTML of a description as plain text.

Tags are found by a pattern, which takes as long as the text is: the parser of the standard library
takes the square of it for tags that do not end.
"""

import html
import re

_TAG = re.compile(r"</?[a-zA-Z][^<>]*>")
_TAGS = re.compile(rf"({_TAG.pattern}|<!--[^<>]*-->)")
_NAME = re.compile(r"</?([a-zA-Z]+[1-6]?)")
_LINK = re.compile(r"\bhref\s*=\s*[\"']?([^\"'\s>]+)")
_BLOCKS = {"p", "div", "ul", "ol", "pre", "blockquote", "table", "tr", "hr", "br"}
_BLOCKS |= {f"h{level}" for level in range(1, 7)}
_UNSEEN = ("script", "style")


def plain_text(text: str) -> str:
    """Return the text of HTML, a line for each paragraph and item; other texts as they are."""
    if not _TAG.search(text):
        return text
    parts: list[str] = []
    link, unseen = "", False
    for index, piece in enumerate(_TAGS.split(text)):
        before = "".join(parts[-1:])
        if index % 2 == 0:
            # What stands between two tags.
            parts += [] if unseen or not piece else [_in_one_line(piece)]
            continue
        found = _NAME.match(piece)
        name, ends = found[1].lower() if found else "", piece.startswith("</")
        unseen = name in _UNSEEN and not ends
        if name == "a":
            parts.append(f" ({link})" if ends and link not in ("", before) else "")
            link = "" if ends else _target(piece)
        elif name == "li" and not ends:
            parts.append(f"\n- {_tick(piece)}")
        elif name in _BLOCKS and not before.startswith("\n- "):
            parts.append("\n")
    lines = (" ".join(line.split()) for line in "".join(parts).split("\n"))
    return "\n".join(filter(None, lines))


def _in_one_line(text: str) -> str:
    return html.unescape(text).replace("\n", " ")


def _target(link: str) -> str:
    found = _LINK.search(link)
    return html.unescape(found[1]) if found else ""


def _tick(item: str) -> str:
    """Return the box of an item in a list of things to tick."""
    if "data-checked" not in item:
        return ""
    return "[x] " if 'data-checked="true"' in item else "[ ] "
