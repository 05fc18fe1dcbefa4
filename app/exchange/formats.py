"""The formats, by the names that commands know them by: who reads and who writes each."""

from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType

from app.exchange import ics, own, taskwarrior, todoist, vikunja
from app.exchange.items import Contents, Options


@dataclass(frozen=True, slots=True)
class Format:
    """A format: what it cannot do is None."""

    read: Callable[[bytes, Options], Contents] | None = None
    write: Callable[[Contents], bytes] | None = None


FORMATS = MappingProxyType(
    {
        "json": Format(own.read, own.write),
        "csv": Format(write=todoist.write),
        "todoist": Format(todoist.read),
        "vikunja": Format(vikunja.read),
        "ics": Format(ics.read, ics.write),
        "taskwarrior": Format(taskwarrior.read, taskwarrior.write),
    }
)

READ = [name for name, each in FORMATS.items() if each.read is not None]
WRITTEN = [name for name, each in FORMATS.items() if each.write is not None]
