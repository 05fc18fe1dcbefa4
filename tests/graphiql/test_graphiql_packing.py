"""GraphiQL's files made small: parted and packed they are the same, and each comes as accepted."""

import base64
import gzip
import hashlib
import logging
import re
import shutil
import subprocess
from pathlib import Path

import httpx2
import pytest
from starlette.datastructures import Headers

from app.graphiql.answers import content_answer, file_answer
from app.graphiql.files import EDITION, PARTED_STYLE, SCRIPT, STYLE
from app.graphiql.packing import pack_by_brotli, pack_by_gzip, parted
from tests.api import NO_CERTIFICATES, Server, nonempty

TEXT = b"let it = 'be small';\n" * 100
FONT = base64.b64encode(b"a font").decode()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder as that of the files."""
    folder = tmp_path / "cache" / "graphiql"
    folder.mkdir(parents=True)
    (folder / "a.js").write_bytes(TEXT)
    (folder / "b.woff2").write_bytes(b"packed already")
    return folder


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def answered(server: Server, path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    """Return status, headers and bytes of a file, as they are on the wire."""
    with httpx2.stream(
        "GET",
        f"{server.url}/graphql/assets/{EDITION}/{path}",
        headers=headers,
        verify=NO_CERTIFICATES,
        timeout=30,
    ) as answer:
        return answer.status_code, dict(answer.headers), b"".join(answer.iter_raw())


def test_what_is_in_a_style_becomes_files_of_its_own() -> None:
    style = (
        f"a{{src:url(data:font/woff2;base64,{FONT})}}b{{src:url(data:font/woff2;base64,{FONT})}}"
    )
    rest, parts = parted(style.encode())
    [(name, content)] = parts.items()
    assert content == b"a font"
    assert rest.decode() == f"a{{src:url({name})}}b{{src:url({name})}}"


def test_the_style_names_files_that_are_there(
    graphiql_server: Server, graphiql_folder: Path
) -> None:
    style = (graphiql_folder / STYLE.name).read_bytes()
    digest = base64.b64encode(hashlib.sha384(style).digest()).decode()
    assert PARTED_STYLE.integrity == f"sha384-{digest}"
    assert b"data:" not in style
    named = set(re.findall(rb"url\(([^)#]+)\)", style))
    for name in nonempty(named):
        status, headers, body = answered(
            graphiql_server, f"dist/{name.decode()}", **{"accept-encoding": "identity"}
        )
        assert status == 200
        assert headers["content-type"].partition("/")[0] in {"font", "image"}
        assert body == (graphiql_folder / name.decode()).read_bytes()


@pytest.mark.parametrize(
    ("accepts", "coding"),
    [
        ("gzip, deflate, br, zstd", "br"),
        ("gzip;q=1.0, br;q=0", "gzip"),
        ("br; q=0.000, GZIP", "gzip"),
        ("br;q=0.5", "br"),
        ("identity", None),
        ("gzip;q=0", None),
        ("", None),
    ],
)
def test_a_file_comes_as_the_browser_accepts_it(
    graphiql_server: Server, graphiql_folder: Path, accepts: str, coding: str | None
) -> None:
    status, headers, body = answered(graphiql_server, SCRIPT.path, **{"accept-encoding": accepts})
    ending = {"br": ".br", "gzip": ".gz", None: ""}[coding]
    assert status == 200
    assert headers.get("content-encoding") == coding
    assert headers["content-type"] == "text/javascript; charset=utf-8"
    assert headers["vary"] == "accept-encoding"
    assert headers["cache-control"] == "public, max-age=31536000, immutable"
    assert body == (graphiql_folder / f"{SCRIPT.name}{ending}").read_bytes()


def test_who_has_a_file_is_not_sent_it_again(
    graphiql_server: Server, graphiql_folder: Path
) -> None:
    tags = set()
    for accepts in ("br", "gzip", "identity"):
        choice = {"accept-encoding": accepts}
        tag = answered(graphiql_server, STYLE.path, **choice)[1]["etag"]
        tags.add(tag)
        status, headers, body = answered(
            graphiql_server, STYLE.path, **choice, **{"if-none-match": tag}
        )
        assert (status, headers["etag"], headers["vary"]) == (304, tag, "accept-encoding")
        assert body == b""
    assert len(tags) == 3


def test_what_has_no_packed_file_comes_as_it_is(folder: Path) -> None:
    headers = Headers({"accept-encoding": "gzip, br"})
    assert (
        "content-encoding" not in file_answer(headers, folder / "a.js", "text/javascript").headers
    )
    (folder / "a.js.gz").write_bytes(gzip.compress(TEXT))
    packed = file_answer(headers, folder / "a.js", "text/javascript")
    assert packed.headers["content-encoding"] == "gzip"


def test_the_pages_own_files_are_packed_too() -> None:
    accepting, refusing = Headers({"accept-encoding": "gzip"}), Headers({})
    packed = {"gzip": gzip.compress(TEXT)}
    small = content_answer(accepting, TEXT, packed, "text/javascript", "1")
    whole = content_answer(refusing, TEXT, packed, "text/javascript", "1")
    assert gzip.decompress(bytes(small.body)) == TEXT
    assert bytes(whole.body) == TEXT
    assert small.headers["etag"] != whole.headers["etag"]


def test_gzip_lies_beside_what_gets_smaller(folder: Path) -> None:
    pack_by_gzip(folder)
    assert names_in(folder) == {"a.js", "a.js.gz", "b.woff2"}
    assert gzip.decompress((folder / "a.js.gz").read_bytes()) == TEXT


async def test_brotli_is_made_by_node(folder: Path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("needs Node.js")
    await pack_by_brotli(folder)
    assert names_in(folder) == {"a.js", "a.js.br", "b.woff2"}
    script = (
        "process.stdout.write(require('zlib').brotliDecompressSync(require('fs').readFileSync(0)))"
    )
    unpacked = subprocess.run(
        [node, "-e", script],
        input=(folder / "a.js.br").read_bytes(),
        capture_output=True,
        check=True,
    )
    assert unpacked.stdout == TEXT
    (folder / "a.js.br").write_bytes(b"is kept")
    await pack_by_brotli(folder)
    assert (folder / "a.js.br").read_bytes() == b"is kept"


async def test_without_node_or_if_it_fails_gzip_is_left(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setenv("PATH", str(tmp_path))
    await pack_by_brotli(folder)
    node = tmp_path / "node"
    node.write_text("#!/bin/sh\nexit 1\n")
    node.chmod(0o755)
    await pack_by_brotli(folder)
    assert [record.getMessage() for record in caplog.records] == [
        "GraphiQL's files are packed by gzip alone: Node.js is not installed.",
        "GraphiQL's files are packed by gzip alone: Node.js failed",
    ]
    assert names_in(folder) == {"a.js", "b.woff2"}
    assert names_in(folder.parent) == {"graphiql"}
