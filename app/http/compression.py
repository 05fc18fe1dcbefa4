"""Answers made small for the wire by gzip (RFC 9110, 8.4.1.3)."""

from isal.igzip_lib import COMP_GZIP, compress

from app.http.headers import Headers

COMPRESSED_FROM = 1024
"""Bytes of an answer from which it is compressed: what is smaller fits into one packet anyway."""

LEVEL = 2
"""Of ISA-L's levels the one whose answers are smallest, and are made as fast as by the others."""


def compressed(headers: Headers, body: bytes, *, takes_gzip: bool) -> tuple[Headers, bytes]:
    """Return an answer's headers and body; compressed where that is worth it and is understood."""
    if len(body) < COMPRESSED_FROM:
        return headers, body
    others = [(b"vary", b"accept-encoding")]
    if takes_gzip:
        body = compress(body, level=LEVEL, flag=COMP_GZIP)
        others += [(b"content-encoding", b"gzip"), (b"content-length", b"%d" % len(body))]
        headers = [header for header in headers if header[0] != b"content-length"]
    return [*headers, *others], body
