"""What tests of formats share: options, files, and losses as a set."""

import io
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile
from zoneinfo import ZoneInfo

from app.exchange.items import Contents, Item, Options

BERLIN = ZoneInfo("Europe/Berlin")
OPTIONS = Options(BERLIN, date(2026, 11, 30))
"""For a reader in Berlin, on a Monday."""


def file(name: str) -> bytes:
    return (Path(__file__).parent / "files" / name).read_bytes()


def zipped(files: Mapping[str, bytes], compression: int = ZIP_DEFLATED) -> bytes:
    archive = io.BytesIO()
    with ZipFile(archive, "w", compression) as written:
        for name, content in files.items():
            written.writestr(name, content)
    return archive.getvalue()


def losses(contents: Contents) -> set[tuple[str, str]]:
    return {(loss.kind, loss.title) for loss in contents.losses}


def by_title(contents: Contents) -> dict[str, Item]:
    return {item.title: item for item in contents.items}
