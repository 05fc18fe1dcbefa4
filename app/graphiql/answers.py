"""Answers with files that never change: packed as the browser accepts, and kept for a year."""

from collections.abc import Mapping
from pathlib import Path

from starlette.datastructures import Headers
from starlette.responses import FileResponse, Response
from starlette.staticfiles import NotModifiedResponse

from app.graphiql.packing import CODINGS

FOREVER = {"cache-control": "public, max-age=31536000, immutable", "vary": "accept-encoding"}


def file_answer(headers: Headers, path: Path, media_type: str) -> Response:
    """Answer with a file, or with what lies packed beside it; with 304 to who has it already."""
    present = {
        coding: packed
        for coding, ending in CODINGS.items()
        if (packed := path.with_name(path.name + ending)).exists()
    }
    coding = _chosen(headers, present)
    chosen = path if coding is None else present[coding]
    response = FileResponse(chosen, 200, FOREVER, media_type, stat_result=chosen.stat())
    return _coded(headers, response, coding)


def content_answer(
    headers: Headers, content: bytes, packed: Mapping[str, bytes], media_type: str, edition: str
) -> Response:
    """Answer with a content or one that is packed, by its coding; `edition` is of the content."""
    coding = _chosen(headers, packed)
    body = content if coding is None else packed[coding]
    tagged = {**FOREVER, "etag": f'"{edition}-{coding or "identity"}"'}
    return _coded(headers, Response(body, 200, tagged, media_type), coding)


def _coded(headers: Headers, response: Response, coding: str | None) -> Response:
    if coding is not None:
        response.headers["content-encoding"] = coding
    if response.headers["etag"] in headers.get("if-none-match", ""):
        return NotModifiedResponse(response.headers)
    return response


def _chosen(headers: Headers, present: Mapping[str, object]) -> str | None:
    """Return the smallest coding of those present that is accepted (RFC 9110, 12.5.3)."""
    accepted = set()
    for choice in headers.get("accept-encoding", "").lower().split(","):
        name, _, weight = choice.partition(";")
        if weight.replace(" ", "").rstrip("0.") != "q=":
            accepted.add(name.strip())
    return next((coding for coding in CODINGS if coding in present and coding in accepted), None)
