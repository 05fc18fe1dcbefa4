"""Automatic persisted queries: a document that was sent once is asked for by its hash."""

import hashlib
import re
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from app.operations.documents import Documents
from app.operations.trusted import TrustedDocuments
from graphql_schema.errors import CodedError, ErrorCode
from models.user import UserId

BYTES_MAX = 4 * 1024 * 1024
"""Bytes that all remembered documents may have together."""

SENT_MAX = 20_000
"""How often it is remembered that a user has sent a document."""

VERSION = 1
"""Of the protocol, as Apollo Client and urql speak it."""

SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)


class PersistedQueries:
    """The documents asked for last, by the SHA-256 of their text.

    A text is kept once for all users, but returned only to a user who has sent it: otherwise a hash
    could be used to test what another user has sent.
    """

    def __init__(self, most: int, documents: Documents, trusted: TrustedDocuments) -> None:
        """Up to `most` texts are remembered; 0 turns persisted queries off."""
        self._most = most
        self._trusted = trusted
        self._documents = documents
        self._texts: OrderedDict[str, bytes] = OrderedDict()
        self._sent: OrderedDict[tuple[UserId, str], None] = OrderedDict()
        self._bytes = 0

    def document(
        self,
        user: UserId,
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
            return self._recall(user, sha256)
        self._remember(user, sha256, query)
        return query

    def _recall(self, user: UserId, sha256: str) -> str:
        if sha256 not in self._texts or (user, sha256) not in self._sent:
            raise CodedError(ErrorCode.PERSISTED_QUERY_NOT_FOUND, "PersistedQueryNotFound")
        self._sent.move_to_end((user, sha256))
        self._texts.move_to_end(sha256)
        return self._texts[sha256].decode()

    def _remember(self, user: UserId, sha256: str, query: str) -> None:
        encoded = query.encode(errors="surrogatepass")
        if hashlib.sha256(encoded).hexdigest() != sha256:
            raise CodedError(
                ErrorCode.BAD_REQUEST, "`sha256Hash` is not the SHA-256 hash of `query`."
            )
        if not self._documents.document(query).can_be_executed:
            return
        self._sent[user, sha256] = None
        self._sent.move_to_end((user, sha256))
        if len(self._sent) > SENT_MAX:
            self._sent.popitem(last=False)
        if sha256 in self._texts:
            return
        self._texts[sha256] = encoded
        self._bytes += len(encoded)
        while len(self._texts) > self._most or self._bytes > BYTES_MAX:
            _, forgotten = self._texts.popitem(last=False)
            self._bytes -= len(forgotten)


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
