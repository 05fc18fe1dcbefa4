"""Reads files that are large for no good, in a process of its own.

`python -m tests.exchange.hostile` prints the sentence about each, and last the most memory that the
process has had, in MB.
"""

import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

from app.exchange import ics, taskwarrior, todoist, vikunja
from app.exchange.items import Unreadable
from tests.exchange.reading import OPTIONS


def gigabyte_of_zeros() -> bytes:
    archive = io.BytesIO()
    with (
        ZipFile(archive, "w", ZIP_DEFLATED, compresslevel=1) as written,
        written.open("a.csv", "w") as member,
    ):
        for _ in range(1024):
            member.write(bytes(1024 * 1024))
    return archive.getvalue()


HEADER = b"TYPE,CONTENT\n"
FILES: dict[str, tuple[Callable[..., object], Callable[[], bytes]]] = {
    "a GB of zeros": (todoist.read, gigabyte_of_zeros),
    "a line of CSV": (todoist.read, lambda: HEADER + b"task," + b"a" * 10_000_000),
    "wide letters": (todoist.read, lambda: HEADER + b"task," + "é😀".encode() * 1_600_000),
    "an open quote": (todoist.read, lambda: HEADER + b'task,"' + b"a\n" * 5_000_000),
    "a line of iCalendar": (ics.read, lambda: b"BEGIN:VCALENDAR\nX:" + b"a" * 10_000_000),
    "an open text": (taskwarrior.read, lambda: b'[{"uuid":"' + b"a" * 10_000_000),
    "many arrays": (vikunja.read, lambda: b"[" * 10_000_000),
}


def lines() -> Iterator[str]:
    for name, (read, made) in FILES.items():
        try:
            read(made(), OPTIONS)
        except Unreadable as error:
            yield f"{name}: {error}"
    # The kernel's figure in getrusage begins with that of the process before exec.
    status = Path("/proc/self/status").read_text()
    yield str(int(re.findall(r"VmHWM:\s*(\d+) kB", status)[0]) // 1024)


if __name__ == "__main__":
    print("\n".join(lines()))  # noqa: T201
