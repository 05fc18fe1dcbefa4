"""The files of GraphiQL: fetched by npm once for each account of the machine, and checked."""

import asyncio
import base64
import hashlib
import shutil
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_cache_path

from app.failure import Failure
from app.graphiql.packing import pack_by_gzip, parted
from app.graphiql.program import LOG, run_program

PACKAGE = "@graphql-yoga/graphiql"
"""GraphiQL 5 with its Explorer and workers, bundled; GraphiQL itself is not."""
VERSION = "4.5.0"
PACKED_INTEGRITY = (
    "sha512-mer2/6RUdSGxNXCcE2dccKjDvcvj4DxIdYDKkggS3ltH"
    "c/MenhdBwBr/fwMreC7mqTBtn25a/q9e2Hdn36WNJg=="
)
EDITION = f"{VERSION}-parted"
"""Of the files as they lie here: other than in the package, the style names its fonts."""


@dataclass(frozen=True, slots=True)
class PackagedFile:
    """A file of the package."""

    path: str
    """Where it lies in the package."""
    integrity: str
    """Its hash, as Subresource Integrity has it."""
    media_type: str = "text/javascript"

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]


SCRIPT = PackagedFile(
    "dist/yoga-graphiql.umd.js",
    "sha384-/t4fhWxYGaViR67PMxhDacRXghTA/X82HkhLqo1g3mf/YS3U8WQRV4mDYOi+WAwY",
)
STYLE = PackagedFile(
    "dist/graphiql.css",
    "sha384-Xp/7OLcB0QxJbd7DgYyj2SlhlXcC3CfoZwV0noESXagTOy5SgLd0fvxFirGgDlSe",
    "text/css",
)
PARTED_STYLE = PackagedFile(
    STYLE.path,
    "sha384-JItSa2Y7OhnuhWFVzTgq0YDJTmNkNnwpeRyQWLbUM0KXp6l5fyxj8EM7b0Mzyuhy",
    STYLE.media_type,
)
"""The style as it lies here: its fonts and pictures are files."""
WORKERS = {
    "editorWorkerService": PackagedFile(
        "dist/monacoeditorwork/editor.worker.bundle.js",
        "sha384-pE2N9HoATIHFXyG+qNs0KfCQYNupaLtNYdrU+207YoYufZkQXiNrxwhjD19bwavY",
    ),
    "graphql": PackagedFile(
        "dist/monacoeditorwork/graphql.worker..bundle.js",
        "sha384-PFVHFyE1C49Jx+IQWrSNUWIDw1b3aaYAoDYJip6kaM+AqrNwvYabc3Vn5oR7bJ5d",
    ),
    "json": PackagedFile(
        "dist/monacoeditorwork/json.worker.bundle.js",
        "sha384-DWcw3li66h7qm7RgvaRzwTHxNSsmDbhaapFdWTO7qtVLuSCrGXwp0Kg2QIutW7Iu",
    ),
}
"""The workers, by the labels that the editor gives them."""
FILES = {file.path: file for file in (SCRIPT, STYLE, *WORKERS.values())}


class FilesUnavailable(Failure):
    """The files could not be fetched; the message is a sentence that says why."""


def folder() -> Path:
    """Return the folder of the files; if it exists, it is complete."""
    return user_cache_path("todo-api", appauthor=False) / f"graphiql-{EDITION}"


async def fetch() -> Path:
    """Fetch the files if they are not there, and return their folder.

    Several processes may do so at once. A cancelled fetch leaves nothing running.

    Raises:
        FilesUnavailable: npm is missing or fails, or fetched another package.
    """
    target = folder()
    if target.exists():
        return target
    npm = shutil.which("npm")
    if npm is None:
        raise FilesUnavailable("npm is not installed.")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix="graphiql-") as draft:
            packed = await _pack(npm, Path(draft))
            await asyncio.to_thread(_unpack, packed, Path(draft) / "whole", target)
    except OSError as error:
        raise FilesUnavailable(f"{target} cannot be written: {error}.") from error
    return target


async def _pack(npm: str, draft: Path) -> Path:
    options = ["--prefer-offline", "--fetch-retries=0", "--loglevel=error"]
    try:
        succeeded = await run_program([npm, "pack", f"{PACKAGE}@{VERSION}", *options], draft)
    except subprocess.TimeoutExpired as error:
        raise FilesUnavailable(f"npm took longer than {error.timeout} seconds.") from None
    return _packed(draft, succeeded=succeeded)


def _packed(draft: Path, *, succeeded: bool) -> Path:
    packed = next(draft.glob("*.tgz"), None)
    if packed is None or not succeeded:
        lines = (draft / LOG).read_text(errors="replace").splitlines()
        raise FilesUnavailable(f"npm failed: {'; '.join(lines[:3])}")
    return packed


def _unpack(packed: Path, whole: Path, target: Path) -> None:
    content = packed.read_bytes()
    integrity = f"sha512-{base64.b64encode(hashlib.sha512(content).digest()).decode()}"
    if integrity != PACKED_INTEGRITY:
        raise FilesUnavailable("npm fetched another package than the one that was asked for.")
    whole.mkdir()
    with tarfile.open(packed) as archive:
        for file in FILES.values():
            member = archive.extractfile(f"package/{file.path}")
            if member is None:
                raise FilesUnavailable(f"{file.path} is not in the package.")
            (whole / file.name).write_bytes(member.read())
    style, parts = parted((whole / STYLE.name).read_bytes())
    for name, content in {STYLE.name: style, **parts}.items():
        (whole / name).write_bytes(content)
    pack_by_gzip(whole)
    try:
        whole.rename(target)
    except OSError:
        # Another process was first.
        if not target.exists():
            raise
