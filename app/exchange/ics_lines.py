"""The content lines of iCalendar (RFC 5545, section 3.1), and the components that they make.

icalendar reads each line. Its reader of whole files refuses a file for one line, without saying
where, so lines are unfolded and components put together here.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from typing import NamedTuple

from icalendar.parser import Contentline, Parameters, split_on_unescaped_comma, unescape_backslash

from app.exchange.items import Unreadable
from app.exchange.texts import checked, storable

LINE_BYTES_MAX = 1_000_000
"""Bytes of a line, its folds taken out. Of a longer ATTACH the rest is passed over."""


class Value(NamedTuple):
    """The value of a property, as it is in the file, with its parameters."""

    raw: str
    parameters: Mapping[str, str]

    @property
    def text(self) -> str:
        return str(unescape_backslash(self.raw))

    @property
    def texts(self) -> list[str]:
        return split_on_unescaped_comma(self.raw)


@dataclass(slots=True)
class Component:
    """A component without those in it."""

    name: str
    around: "Component | None" = None
    """The component that it is in, with what was read of it so far."""
    values: dict[str, list[Value]] = field(default_factory=lambda: defaultdict(list))
    inside: set[str] = field(default_factory=set)
    """The names of the components in it."""
    has_unread_lines: bool = False

    def first(self, name: str) -> Value | None:
        return self.values[name][0] if name in self.values else None

    def text(self, name: str) -> str:
        value = self.first(name)
        return "" if value is None else value.text


def components(data: bytes) -> Iterator[Component]:
    """Yield each component where it ends; those in it come before.

    Raises:
        Unreadable: it is no iCalendar, or cut off.
    """
    stack: list[Component] = []
    number = 0
    for number, line in _lines(data):
        begins = line.upper()
        if begins.startswith("BEGIN:"):
            name = begins.removeprefix("BEGIN:").strip()
            if not stack and name != "VCALENDAR":
                raise Unreadable("This is no iCalendar: it must begin with VCALENDAR.", number, 1)
            if stack:
                stack[-1].inside.add(name)
            stack.append(Component(name, stack[-1] if stack else None))
        elif not stack:
            raise Unreadable("This is no iCalendar: it must begin with BEGIN:VCALENDAR.", number, 1)
        elif begins.startswith("END:"):
            name = begins.removeprefix("END:").strip()
            if name != stack[-1].name:
                raise Unreadable(f"END:{stack[-1].name} must come before this line.", number, 1)
            yield stack.pop()
        else:
            _read_property(line, stack[-1])
    if stack:
        raise Unreadable(f"The file is cut off in the middle of {stack[-1].name}.", number)
    if not number:
        raise Unreadable("The file is empty.")


def _read_property(line: str, component: Component) -> None:
    try:
        name, parameters, raw = Contentline(line).raw_parts()  # type: ignore[no-untyped-call]
    except ValueError:
        component.has_unread_lines = True
        return
    value = Value(storable(raw), {name: _text(parameters, name) for name in parameters})
    component.values[name.upper()].append(value)


def _text(parameters: Parameters, name: str) -> str:
    value = parameters[name]
    return value if isinstance(value, str) else ",".join(value)


def _lines(data: bytes) -> Iterator[tuple[int, str]]:
    """Yield each line that is not blank, unfolded, with the number of its first.

    A fold may stand inside a character, so bytes are put together, not texts.
    """
    begun, parts, length = 1, list[bytes](), 0
    for number, line in enumerate(BytesIO(checked(data)), start=1):
        content = line.rstrip(b"\r\n")
        if content[:1] in (b" ", b"\t") and parts:
            content = content[1:]
        elif parts:
            yield begun, _decoded(parts, begun)
            parts, length = [], 0
        if not content:
            continue
        if not parts:
            begun = number
        length += len(content)
        if length <= LINE_BYTES_MAX:
            parts.append(content)
        elif (parts or [content])[0][:6].upper() != b"ATTACH":
            raise Unreadable(f"A line has more than {LINE_BYTES_MAX:,} bytes.", begun)
        elif not parts:
            parts.append(content[:6])
    if parts:
        yield begun, _decoded(parts, begun)


def _decoded(parts: list[bytes], number: int) -> str:
    line = b"".join(parts)
    try:
        return line.decode()
    except UnicodeDecodeError as error:
        column = len(line[: error.start].decode()) + 1
        raise Unreadable(
            "This is not UTF-8. Save the file as UTF-8, and try again.", number, column
        ) from None
