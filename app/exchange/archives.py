"""ZIP files, read in memory: no name in one is ever used as a path."""

import zlib
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import PurePosixPath
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from app.exchange.items import Unreadable
from app.exchange.texts import BYTES_MAX

FILES_MAX = 10_000
"""Files in an archive."""

_ENTRY = b"PK\x01\x02"
"""How each entry in the directory of an archive begins."""

_BROKEN = "The ZIP file is broken or cut off."
_ENCRYPTED = 0x1


def is_archive(data: bytes) -> bool:
    return data.startswith((b"PK\x03\x04", b"PK\x05\x06"))


def files_of(data: bytes, is_wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes]]:
    """Yield the last part of the name, and the bytes, of each file whose last part is wanted.

    Raises:
        Unreadable: it is broken, encrypted or too large, or a name in it leads out of it.
    """
    with _opened(data) as archive:
        wanted = [entry for entry in archive.infolist() if is_wanted(_last_part(entry))]
        if sum(entry.file_size for entry in wanted) > BYTES_MAX:
            raise Unreadable(
                f"The ZIP file has more than {BYTES_MAX // 1_000_000} MB when it is unpacked."
            )
        for entry in wanted:
            yield _last_part(entry), _unpacked(archive, entry)


def names_of(data: bytes) -> list[str]:
    """Return the last parts of the names of all files.

    Raises:
        Unreadable: it is broken, or a name in it leads out of it.
    """
    with _opened(data) as archive:
        return [name for entry in archive.infolist() if (name := _last_part(entry))]


def _opened(data: bytes) -> ZipFile:
    # The directory is read as a whole when the file is opened, so its entries are counted before.
    if len(data) > BYTES_MAX or data.count(_ENTRY) > FILES_MAX:
        raise Unreadable("The ZIP file is too large, or has too many files in it.")
    try:
        return ZipFile(BytesIO(data))
    except (BadZipFile, ValueError, NotImplementedError, OSError):
        raise Unreadable(_BROKEN) from None


def _last_part(entry: ZipInfo) -> str:
    """Return the last part of the name of a file; "" of folders, and of what is hidden."""
    path = PurePosixPath(entry.filename.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or str(path)[1:2] == ":":
        raise Unreadable(f"A file in the ZIP file has a name that leads out of it: {path}.")
    is_hidden = path.name.startswith(".") or path.parts[:1] == ("__MACOSX",)
    return "" if entry.is_dir() or is_hidden else path.name


def _unpacked(archive: ZipFile, entry: ZipInfo) -> bytes:
    if entry.flag_bits & _ENCRYPTED:
        raise Unreadable(f"{entry.filename} in the ZIP file is encrypted.")
    if entry.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
        # The others may take any amount of memory, and no such program writes them.
        raise Unreadable(f"{entry.filename} in the ZIP file is packed in an unknown way.")
    try:
        # Never more than the directory says, which was added up before.
        with archive.open(entry) as file:
            return file.read(entry.file_size)
    except (BadZipFile, zlib.error, EOFError, ValueError, NotImplementedError, OSError):
        raise Unreadable(_BROKEN) from None
