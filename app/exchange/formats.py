"""The formats, by the names that commands know them by: who reads and who writes each."""

from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType

from app.exchange import own
from app.exchange.items import Contents, Options


@dataclass(frozen=True, slots=True)
class Format:
    """A format: what it cannot do is None."""

    read: Callable[[bytes, Options], Contents] | None = None
    write: Callable[[Contents], bytes] | None = None


FORMATS = MappingProxyType(
    {
        "json": Format(own.read, own.write),
    }
)

READ = [name for name, each in FORMATS.items() if each.read is not None]
WRITTEN = [name for name, each in FORMATS.items() if each.write is not None]


def found(data: bytes) -> str | None:
    """Return the name of the format that a file is in, by its content; None: it is in none."""
    beginning = data[:1000].removeprefix(b"\xef\xbb\xbf").lstrip()
    return "json" if beginning.startswith(b"{") and b'"format"' in beginning else None
