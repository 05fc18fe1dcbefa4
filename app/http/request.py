"""Reads a GraphQL request from an HTTP request, after the GraphQL over HTTP specification."""

from collections.abc import Sequence
from functools import lru_cache
from types import NoneType
from typing import Any, NamedTuple

from starlette.datastructures import QueryParams
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope

from app.http.json_text import read_json
from app.http.sizes import REQUEST_MAX_BYTES
from app.operations.execution import GraphQLRequest
from app.operations.persisted import PersistedQueries
from graphql_schema.errors import CodedError, ErrorCode
from models.user import UserId

ACCEPTS_KEPT = 256
"""Values of headers with media types whose meaning is remembered."""

ACCEPT_MAX_LENGTH = 1000
"""Characters of an Accept header; a longer one is not read, as if anything were accepted."""

READ_HEADERS = (
    b"authorization",
    b"accept",
    b"accept-encoding",
    b"content-type",
    b"content-encoding",
)

IDENTITY = "identity"
"""The encoding of a body that is not encoded (RFC 9110, 12.5.3)."""

TEXT, OBJECT = (str, NoneType), (dict, NoneType)
"""What a parameter may be."""

RESPONSE_JSON = "application/graphql-response+json"
PLAIN_JSON = "application/json"


class RequestRefused(CodedError):
    """The request cannot be served: it is too large, of another media type, or malformed."""


class EncodingRefused(RequestRefused):
    """The body is compressed, or encoded otherwise."""


class Head(NamedTuple):
    """The parts of a request's head that are read."""

    method: str
    authorization: Sequence[str]
    """The values of the header, one for each line."""
    accept: str
    accept_encoding: str
    content_type: str
    content_encoding: str
    origin: bytes | None
    """Of the page that sent it; None: no page did."""


def head_of(scope: Scope) -> Head:
    """Return the parts of a request's head that are read."""
    values: dict[bytes, list[str]] = {name: [] for name in READ_HEADERS}
    origin = None
    for name, value in scope["headers"]:
        if name in values:
            values[name].append(value.decode("latin-1"))
        elif name == b"origin":
            origin = value
    authorization, *others = values.values()
    accept, accept_encoding, content_type, content_encoding = map(",".join, others)
    return Head(
        scope["method"],
        authorization,
        accept,
        accept_encoding,
        content_type,
        content_encoding,
        origin,
    )


async def read_request(
    head: Head, scope: Scope, receive: Receive, user: UserId, persisted: PersistedQueries
) -> GraphQLRequest:
    """Return the GraphQL request in the URL of a GET or in the body of a POST.

    Raises:
        RequestRefused: the body is too large, of another media type, or no GraphQL request.
        CodedError: the persisted document that it names is not known or not allowed.
    """
    if head.method == "GET":
        parameters: dict[str, Any] = dict(QueryParams(scope["query_string"]))
        for name in ("variables", "extensions"):
            if name in parameters:
                parameters[name] = _parse_json(parameters[name], f"`{name}`")
    else:
        if media_type_of(head.content_type) != PLAIN_JSON:
            raise RequestRefused(
                ErrorCode.UNSUPPORTED_MEDIA_TYPE, f"Send the request's body as `{PLAIN_JSON}`."
            )
        if head.content_encoding.strip().lower() not in ("", IDENTITY):
            raise EncodingRefused(
                ErrorCode.UNSUPPORTED_MEDIA_TYPE, "Send the request's body without compression."
            )
        parameters = _parse_json(await read_body(receive), "The body")
    return _graphql_request(parameters, user, persisted)


@lru_cache(ACCEPTS_KEPT)
def media_type_of(content_type: str) -> str:
    """Return the media type of a Content-Type header, without its parameters."""
    return content_type.partition(";")[0].strip().lower()


@lru_cache(ACCEPTS_KEPT)
def accepted_media_type(accept: str) -> str | None:
    """Return the media type of the answer; None if the client accepts none that can be sent."""
    weights = _weights(accept) or {"*/*": 1.0}
    plain = max(weights.get(kind, 0.0) for kind in (PLAIN_JSON, "application/*", "*/*"))
    named = weights.get(RESPONSE_JSON, 0.0)
    if named and named >= weights.get(PLAIN_JSON, 0.0):
        return RESPONSE_JSON
    return PLAIN_JSON if plain else None


@lru_cache(ACCEPTS_KEPT)
def takes_gzip(accept_encoding: str) -> bool:
    """Return whether the client takes answers that are compressed by gzip (RFC 9110, 12.5.3)."""
    weights = _weights(accept_encoding)
    return weights.get("gzip", weights.get("*", 0.0)) > 0


def accepts_html(accept: str) -> bool:
    """Return whether the client asks for HTML, as browsers do for a page."""
    return _weights(accept).get("text/html", 0.0) > 0


def _weights(accept: str) -> dict[str, float]:
    """Return the media ranges of an Accept header (RFC 9110, 12.5.1) with their weights.

    Codings of an Accept-Encoding header are written in the same way.

    Return none of a header that is too long.
    """
    weights: dict[str, float] = {}
    if len(accept) > ACCEPT_MAX_LENGTH:
        return weights
    for item in accept.split(","):
        kind, *parameters = (part.strip().lower() for part in item.split(";"))
        weight = 1.0
        for parameter in parameters:
            name, _, value = parameter.partition("=")
            if name.strip() == "q":
                try:
                    weight = float(value)
                except ValueError:
                    weight = 0.0
        if kind:
            weights[kind] = max(weight, weights.get(kind, 0.0))
    return weights


async def read_body(receive: Receive) -> bytes:
    """Return the body of a request.

    Raises:
        RequestRefused: it is too large.
        ClientDisconnect: there is nobody to answer.
    """
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > REQUEST_MAX_BYTES:
            raise RequestRefused(
                ErrorCode.PAYLOAD_TOO_LARGE,
                f"The body must have at most {REQUEST_MAX_BYTES} bytes.",
            )
    return body


def _parse_json(raw: bytes | str, what: str) -> Any:  # noqa: ANN401 -- JSON is anything
    try:
        return read_json(raw)
    except ValueError:
        raise RequestRefused(ErrorCode.BAD_REQUEST, f"{what} must be JSON.") from None


def _graphql_request(
    parameters: Any,  # noqa: ANN401 -- JSON is anything
    user: UserId,
    persisted: PersistedQueries,
) -> GraphQLRequest:
    if isinstance(parameters, list):
        raise RequestRefused(ErrorCode.BAD_REQUEST, "Send one operation a request, not a list.")
    if not isinstance(parameters, dict):
        raise RequestRefused(ErrorCode.BAD_REQUEST, "The body must be a JSON object.")
    query, operation_name = parameters.get("query"), parameters.get("operationName")
    variables, extensions = parameters.get("variables"), parameters.get("extensions")
    if not isinstance(query, TEXT):
        raise RequestRefused(ErrorCode.BAD_REQUEST, "`query` must be a GraphQL document.")
    if not isinstance(operation_name, TEXT):
        raise RequestRefused(ErrorCode.BAD_REQUEST, "`operationName` must be a string.")
    document_id = parameters.get("documentId")
    if not isinstance(document_id, TEXT):
        raise RequestRefused(ErrorCode.BAD_REQUEST, "`documentId` must be a string.")
    for name, value in (("variables", variables), ("extensions", extensions)):
        if not isinstance(value, OBJECT):
            raise RequestRefused(ErrorCode.BAD_REQUEST, f"`{name}` must be a JSON object.")
    document = persisted.document(user, query, extensions, document_id)
    if not document:
        raise RequestRefused(ErrorCode.BAD_REQUEST, "`query` must be a GraphQL document.")
    return GraphQLRequest(document, operation_name or None, variables)
