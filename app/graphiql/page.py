"""GraphiQL, as a page of this server: its files come from here, or from a CDN if that fails."""

import asyncio
import gzip
import hashlib
import json
import logging
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache
from html import escape
from importlib import resources
from string import Template

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from app.graphiql import files as graphiql_files
from app.graphiql import menu
from app.graphiql.answers import content_answer, file_answer
from app.graphiql.files import (
    EDITION,
    FILES,
    PACKAGE,
    PARTED_STYLE,
    SCRIPT,
    STYLE,
    VERSION,
    WORKERS,
    FilesUnavailable,
    PackagedFile,
)
from app.graphiql.packing import PARTS, pack_by_brotli

logger = logging.getLogger(__name__)

CDN = f"https://unpkg.com/{PACKAGE}@{VERSION}/"
"""Where the page takes GraphiQL's files from if this server has not got them."""
PATIENCE = 10.0
"""Seconds that the page waits for files that are being fetched."""

PROGRAMS = (
    "accessible.js",
    "editors.js",
    "examples.js",
    "graphiql.js",
    "history-panel.js",
    "history.js",
    "panels.js",
    "requests.js",
    "sentences.js",
    "snippets.js",
    "storage.js",
    "token.js",
)
OWN_FILES = {
    **dict.fromkeys(PROGRAMS, "text/javascript"),
    "graphiql.svg": "image/svg+xml",
    "examples.json": "application/json",
}
"""The page's own files, and their media types. `examples.json` is made of the examples."""

PART = re.compile(rf"dist/([0-9a-f]{{16}}\.({'|'.join(PARTS)}))")
"""Where a font or a picture of the style is."""

POLICY = (
    "default-src 'none'; script-src 'self'{cdn}; style-src 'self' 'unsafe-inline'{cdn}; "
    "font-src 'self' data:; img-src 'self' data:; connect-src 'self'{cdn}; "
    "worker-src {workers}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Without inline styles the lines of the editor would fall on top of each other."""
LOCAL_POLICY = POLICY.format(cdn="", workers="'self'")
CDN_POLICY = POLICY.format(cdn=f" {CDN}", workers="blob:")


class GraphiQL:
    """The page, and the files that it is made of."""

    def __init__(self, endpoint: str, token_for: Callable[[Request], str | None]) -> None:
        """`endpoint`: its path. `token_for`: makes the token that the page of a request has."""
        self._endpoint = endpoint
        self._token_for = token_for
        self._settled = asyncio.Event()
        """Set unless files are being fetched."""
        self._settled.set()
        static = resources.files("app.graphiql") / "static"
        # The page has its own style in it, and so is seen before anything else has come.
        self._template = Template((static / "graphiql.html").read_text())
        self._shell = (static / "graphiql.css").read_text()
        self._accessible = (static / "accessible.css").read_text()
        self._own_files = {
            name: (static / name).read_bytes() for name in OWN_FILES if name != "examples.json"
        }
        self._own_files["examples.json"] = menu.as_json()
        # A browser keeps a file for as long as it has the same address.
        self._edition = hashlib.sha256(b"".join(self._own_files.values())).hexdigest()[:12]
        self._own_base = f"{endpoint}/assets/{self._edition}/"
        self._local_base = f"{endpoint}/assets/{EDITION}/"

    @property
    def routes(self) -> list[Route]:
        """Where the files are."""
        return [
            Route(self._own_base + "{name}", self._own_file),
            Route(self._local_base + "{path:path}", self._local_file),
        ]

    async def fetch(self) -> None:
        """Fetch the files that are missing; log where the page takes them from if that fails.

        Then pack them, while they are already served.
        """
        self._settled.clear()
        try:
            folder = await graphiql_files.fetch()
        except FilesUnavailable as error:
            logger.warning("GraphiQL will take its files from %s: %s", CDN, error)
            return
        finally:
            self._settled.set()
        await pack_by_brotli(folder)

    async def page(self, request: Request) -> Response:
        """Return the page; to a browser on this machine with a token, if tokens can be made."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._settled.wait(), PATIENCE)
        is_local = graphiql_files.folder().exists()
        base, style = (self._local_base, PARTED_STYLE) if is_local else (CDN, STYLE)
        token = self._token_for(request)
        content = self._template.substitute(
            own=self._own_base,
            shell=self._shell,
            accessible=self._accessible,
            preview=escape(menu.at_first()[0].query),
            script=base + SCRIPT.path,
            script_integrity=SCRIPT.integrity,
            configuration=_json_in_html(self._configuration(base, style, token)),
        )
        policy = LOCAL_POLICY if is_local else CDN_POLICY
        return HTMLResponse(content, headers={"content-security-policy": policy})

    def _configuration(
        self, base: str, style: PackagedFile, token: str | None
    ) -> dict[str, object]:
        return {
            "endpoint": self._endpoint,
            "token": token,
            "examples": f"{self._own_base}examples.json",
            "style": {"url": base + style.path, "integrity": style.integrity},
            "workers": {
                label: {"url": base + file.path, "integrity": file.integrity}
                for label, file in WORKERS.items()
            },
            "first": [example.tab for example in menu.at_first()],
        }

    async def _own_file(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in OWN_FILES:
            raise HTTPException(404)
        content = self._own_files[name]
        media_type = OWN_FILES[name]
        return content_answer(request.headers, content, _packed(content), media_type, self._edition)

    async def _local_file(self, request: Request) -> Response:
        path = request.path_params["path"]
        if path in FILES:
            name, media_type = FILES[path].name, FILES[path].media_type
        elif part := PART.fullmatch(path):
            name, media_type = part[1], PARTS[part[2]]
        else:
            raise HTTPException(404)
        file = graphiql_files.folder() / name
        if not file.exists():
            raise HTTPException(404)
        return file_answer(request.headers, file, media_type)


@cache
def _packed(content: bytes) -> Mapping[str, bytes]:
    """Return a content by its codings: made when it is first asked for."""
    return {"gzip": gzip.compress(content, mtime=0)}


def _json_in_html(value: object) -> str:
    """Return JSON that a script element can hold: it has no `<`, so nothing ends it early."""
    return json.dumps(value).replace("<", "\\u003c")
