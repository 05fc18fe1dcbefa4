"""Automatic persisted queries: a document that was sent once is asked for by its hash."""

import hashlib
import re
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from graphql import Lexer, Source, TokenKind

from app.operations.documents import Documents
from app.operations.trusted import TrustedDocuments
from graphql_schema.errors import CodedError, ErrorCode

BYTES_MAX = 4 * 1024 * 1024
"""Bytes that all remembered documents may have together."""

VERSION = 1
"""Of the protocol, as Apollo Client and urql speak it."""

SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)
STRINGS = (TokenKind.STRING, TokenKind.BLOCK_STRING)


class PersistedQueries:
    """The documents asked for last, by the SHA-256 of their text.

    All users share them, so a document is remembered only if it can be executed and holds no text
    of a user: otherwise a hash could be used to test what another user has written.
    """

    def __init__(self, most: int, documents: Documents, trusted: TrustedDocuments) -> None:
        """Up to `most` texts are remembered; 0 turns persisted queries off."""
        self._most = most
        self._trusted = trusted
        self._documents = documents
        self._texts: OrderedDict[str, bytes] = OrderedDict()
        self._bytes = 0

    def document(
        self,
        query: str | None,
        extensions: Mapping[str, Any] | None,
        document_id: str | None = None,
    ) -> str | None:
        """Return the document asked for by text, by hash, by id or by some of them; None: by none.

        Raises:
            CodedError: the hash or the id is unknown, or not that of the text, or none.
        """
        trusted = self._trusted.document(query, document_id, extensions)
        if trusted is not None:
            return trusted
        asked = (extensions or {}).get("persistedQuery")
        if asked is None or (query and not self._most):
            return query
        if not self._most:
            raise CodedError(ErrorCode.PERSISTED_QUERY_NOT_SUPPORTED, "PersistedQueryNotSupported")
        sha256 = _hash_in(asked)
        if not query:
            return self._recall(sha256)
        self._remember(sha256, query)
        return query

    def _recall(self, sha256: str) -> str:
        if sha256 not in self._texts:
            raise CodedError(ErrorCode.PERSISTED_QUERY_NOT_FOUND, "PersistedQueryNotFound")
        self._texts.move_to_end(sha256)
        return self._texts[sha256].decode()

    def _remember(self, sha256: str, query: str) -> None:
        encoded = query.encode(errors="surrogatepass")
        if hashlib.sha256(encoded).hexdigest() != sha256:
            raise CodedError(
                ErrorCode.BAD_REQUEST, "`sha256Hash` is not the SHA-256 hash of `query`."
            )
        if sha256 in self._texts or not self._may_be_shared(query):
            return
        self._texts[sha256] = encoded
        self._bytes += len(encoded)
        while len(self._texts) > self._most or self._bytes > BYTES_MAX:
            _, forgotten = self._texts.popitem(last=False)
            self._bytes -= len(forgotten)

    def _may_be_shared(self, query: str) -> bool:
        return self._documents.document(query).can_be_executed and not _holds_text(query)


def _hash_in(asked: object) -> str:
    if not isinstance(asked, dict) or asked.get("version") != VERSION:
        raise CodedError(
            ErrorCode.BAD_REQUEST, f"`persistedQuery` must be an object of version {VERSION}."
        )
    sha256 = asked.get("sha256Hash")
    if not isinstance(sha256, str) or not SHA256.fullmatch(sha256):
        raise CodedError(
            ErrorCode.BAD_REQUEST, "`sha256Hash` must be 64 hexadecimal digits in lower case."
        )
    return sha256


def _holds_text(query: str) -> bool:
    lexer = Lexer(Source(query))
    while (token := lexer.advance()).kind is not TokenKind.EOF:
        if token.kind in STRINGS:
            return True
    return False
