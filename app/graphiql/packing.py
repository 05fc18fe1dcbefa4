"""The files of GraphiQL made small for the wire, once: parted, by gzip, and by brotli.

Brotli is Node's: npm runs on Node, so it is there wherever the files can be fetched, and the server
needs no library for it. At its best quality it takes some seconds for each megabyte; so the files
are served without it until it is done.
"""

import base64
import gzip
import hashlib
import logging
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from app.graphiql.program import run_program

logger = logging.getLogger(__name__)

KINDS = {
    "font/woff2": "woff2",
    "font/woff": "woff",
    "font/ttf": "ttf",
    "image/png": "png",
    "image/svg+xml": "svg",
}
"""What a style has in it, by media type, and how the names of its files end."""
PARTS = {ending: media_type for media_type, ending in KINDS.items()}
PACKABLE = {"js", "css", "svg", "ttf"}
"""The rest is packed already."""
CODINGS = {"br": ".br", "gzip": ".gz"}
"""Content codings (RFC 9110, 8.4.1), the smallest first, and what they add to a file's name."""

_DATA_URL = re.compile(rb"url\(data:([a-z]+/[a-z0-9+]+);base64,([^)]*)\)")
_BROTLI = """
const { readFileSync, writeFileSync } = require("node:fs");
const { basename } = require("node:path");
const { brotliCompressSync, constants } = require("node:zlib");
for (const path of process.argv.slice(1)) {
  const params = {
    [constants.BROTLI_PARAM_QUALITY]: 11,
    [constants.BROTLI_PARAM_MODE]: constants.BROTLI_MODE_TEXT,
  };
  writeFileSync(`${basename(path)}.br`, brotliCompressSync(readFileSync(path), { params }));
}
"""


def parted(style: bytes) -> tuple[bytes, dict[str, bytes]]:
    """Return a style with the `data:` URLs taken out, and the files that it names instead.

    A browser then fetches only the fonts that it uses. The files' names are of their content.
    """
    parts: dict[str, bytes] = {}

    def take_out(match: re.Match[bytes]) -> bytes:
        content = base64.b64decode(match[2], validate=True)
        name = f"{hashlib.sha256(content).hexdigest()[:16]}.{KINDS[match[1].decode()]}"
        parts[name] = content
        return f"url({name})".encode()

    return _DATA_URL.sub(take_out, style), parts


def pack_by_gzip(folder: Path) -> None:
    """Write a `.gz` beside each file that gets smaller by it."""
    for path in _packable(folder):
        path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes(), mtime=0))


async def pack_by_brotli(folder: Path) -> None:
    """Write a `.br` beside each file that has none; without Node, or if it fails, that is logged.

    Several processes may do so at once: each file appears whole.
    """
    missing = [path for path in _packable(folder) if not path.with_name(f"{path.name}.br").exists()]
    node = shutil.which("node")
    if not missing:
        return
    if node is None:
        logger.info("GraphiQL's files are packed by gzip alone: Node.js is not installed.")
        return
    try:
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix="graphiql-") as name:
            draft = Path(name)
            if await run_program([node, "-e", _BROTLI, *map(str, missing)], draft):
                for path in missing:
                    (draft / f"{path.name}.br").replace(folder / f"{path.name}.br")
                return
            reason = "Node.js failed"
    except (OSError, subprocess.TimeoutExpired) as error:
        reason = str(error)
    logger.warning("GraphiQL's files are packed by gzip alone: %s", reason)


def _packable(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix[1:] in PACKABLE)
