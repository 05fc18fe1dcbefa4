"""Trusted documents: the operations of shipped clients, read from manifests at the start."""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from app.operations.documents import Documents
from app.settings import TrustedDocumentsMode
from graphql_schema.errors import CodedError, ErrorCode

OPERATION = re.compile(r"\b(?:query|mutation|subscription)\s+(\w+)")
"""An operation's name, for messages; the text may not be a document at all."""

APOLLO_FORMAT = "apollo-persisted-query-manifest"


class ManifestError(Exception):
    """Manifests cannot be used: one readable sentence for each reason."""

    def __init__(self, sentences: Sequence[str]) -> None:
        super().__init__("\n".join(sentences))
        self.sentences = sentences


class TrustedDocuments:
    """The documents of some manifests, by the ids that clients know them by."""

    def __init__(self, mode: TrustedDocumentsMode, texts: Mapping[str, str]) -> None:
        self._mode = mode
        self._texts = dict(texts)
        for id, text in texts.items():
            # GraphQL over HTTP writes `sha256:` before a hash; Apollo's extension does not.
            self._texts.setdefault(id.removeprefix("sha256:"), text)
            sha256 = hashlib.sha256(text.encode()).hexdigest()
            self._texts.setdefault(sha256, text)
            self._texts.setdefault(f"sha256:{sha256}", text)
        self._allowed = set(texts.values())
        self.names = {name for text in self._allowed for name in OPERATION.findall(text)}
        """The names of the operations, for metrics."""

    def document(
        self, query: str | None, document_id: str | None, extensions: Mapping[str, Any] | None
    ) -> str | None:
        """Return the trusted document that is requested; None for another, where those are allowed.

        Raises:
            CodedError: there is none of this id, or nothing else is allowed.
        """
        if document_id is not None:
            text = self._texts.get(document_id)
            if text is not None:
                return text
            if self._mode is not TrustedDocumentsMode.ONLY:
                raise CodedError(ErrorCode.PERSISTED_QUERY_NOT_FOUND, "PersistedQueryNotFound")
        elif self._mode is not TrustedDocumentsMode.OFF:
            asked = (extensions or {}).get("persistedQuery")
            sha256 = asked.get("sha256Hash") if isinstance(asked, dict) else None
            if isinstance(sha256, str) and not query and sha256 in self._texts:
                return self._texts[sha256]
            if query in self._allowed:
                return query
        if self._mode is TrustedDocumentsMode.ONLY:
            raise CodedError(
                ErrorCode.OPERATION_NOT_ALLOWED, "Only operations known to the server are allowed."
            )
        return None


def read_manifests(paths: Sequence[Path]) -> dict[str, str]:
    """Return the documents of all manifests by their ids.

    Those of graphql-codegen's client preset and of Relay are objects of ids and texts; Apollo's
    has its operations in a list.

    Raises:
        ManifestError: some cannot be read, or one id has two texts.
    """
    texts: dict[str, str] = {}
    problems = []
    for path in paths:
        try:
            for id, text in _entries(json.loads(path.read_text())):
                if texts.setdefault(id, text) != text:
                    problems.append(f"{path}: the id {id} has another text elsewhere.")
        except (OSError, ValueError) as error:
            problems.append(f"{path} is no manifest: {error}.")
    if problems:
        raise ManifestError(problems)
    return texts


def check_documents(texts: Mapping[str, str], documents: Documents) -> None:
    """Parse and validate each document, and keep it for as long as the server runs.

    Raises:
        ManifestError: some do not fit the schema, or go beyond a limit.
    """
    problems = []
    for id, text in texts.items():
        named = OPERATION.search(text)
        name = named[1] if named else "A document"
        complaints = documents.keep(text).complaints
        problems += [f"{name} ({id}) cannot be served: {message}" for message in complaints]
    if problems:
        raise ManifestError(problems)


def _entries(manifest: object) -> Iterator[tuple[str, str]]:
    if isinstance(manifest, dict) and manifest.get("format") == APOLLO_FORMAT:
        entries: Any = [(operation["id"], operation["body"]) for operation in _list_in(manifest)]
    elif isinstance(manifest, dict):
        entries = manifest.items()
    else:
        raise ValueError("it is no JSON object")
    for id, text in entries:
        if not isinstance(id, str) or not isinstance(text, str):
            raise ValueError(f"what it has as {id!r} is no document")
        yield id, text


def _list_in(manifest: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    operations = manifest.get("operations")
    if not isinstance(operations, list) or not all(
        isinstance(operation, dict) and {"id", "body"} <= operation.keys()
        for operation in operations
    ):
        raise ValueError("its operations are no list of objects with an id and a body")
    return operations
