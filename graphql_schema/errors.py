"""The error codes on the wire, and the errors that carry one."""

from enum import StrEnum

from graphql import GraphQLError


class ErrorCode(StrEnum):
    """What `errors[].extensions.code` can be: part of the contract, never renamed."""

    UNAUTHENTICATED = "UNAUTHENTICATED"
    """No token, or one that is bad or expired, or whose user was deleted."""
    FORBIDDEN = "FORBIDDEN"
    """The token's `scope` does not have what the operation needs; nothing was executed."""
    BAD_REQUEST = "BAD_REQUEST"
    """Not a GraphQL request."""
    GRAPHQL_PARSE_FAILED = "GRAPHQL_PARSE_FAILED"
    """The document has a syntax error."""
    GRAPHQL_VALIDATION_FAILED = "GRAPHQL_VALIDATION_FAILED"
    """The document does not fit the schema, or is nested too deeply."""
    QUERY_TOO_COMPLEX = "QUERY_TOO_COMPLEX"
    """The document has too much of something, or the operation costs more than the budget."""
    BAD_USER_INPUT = "BAD_USER_INPUT"
    """A variable or an argument has a value that cannot be used."""
    IDEMPOTENCY_KEY_PARAMETER_MISMATCH = "IDEMPOTENCY_KEY_PARAMETER_MISMATCH"
    """The idempotency key was used before, with another input. Nothing was written."""
    IDEMPOTENCY_CONCURRENT_REQUEST = "IDEMPOTENCY_CONCURRENT_REQUEST"
    """A request with this idempotency key has not ended yet; send it again later."""
    CURSOR_EXPIRED = "CURSOR_EXPIRED"
    """A subscription cannot go on from its cursor: read `changes` from the beginning."""
    TOO_MANY_OPERATIONS = "TOO_MANY_OPERATIONS"
    """A WebSocket has as many operations under way as it may."""
    PERSISTED_QUERY_NOT_FOUND = "PERSISTED_QUERY_NOT_FOUND"
    """No document is remembered by this hash: send it again with its text."""
    PERSISTED_QUERY_NOT_SUPPORTED = "PERSISTED_QUERY_NOT_SUPPORTED"
    """Documents are not remembered: send their texts alone."""
    OPERATION_NOT_ALLOWED = "OPERATION_NOT_ALLOWED"
    """Only trusted documents are served here, and this is none."""
    METHOD_NOT_ALLOWED = "METHOD_NOT_ALLOWED"
    """An HTTP method other than GET and POST, or a mutation by GET."""
    NOT_ACCEPTABLE = "NOT_ACCEPTABLE"
    """The client accepts none of the media types that can be served."""
    PAYLOAD_TOO_LARGE = "PAYLOAD_TOO_LARGE"
    """The request's body is over the limit."""
    REQUEST_TIMEOUT = "REQUEST_TIMEOUT"
    """The request's body did not arrive in time."""
    RESPONSE_TOO_LARGE = "RESPONSE_TOO_LARGE"
    """The answer is over the limit and is not sent; what it was to change has been changed."""
    TIMEOUT = "TIMEOUT"
    """The request took too long and was given up; what it wrote before may have been kept."""
    UNSUPPORTED_MEDIA_TYPE = "UNSUPPORTED_MEDIA_TYPE"
    """The request's body is not `application/json`."""
    RATE_LIMITED = "RATE_LIMITED"
    """The caller has spent what may be spent in a minute; nothing was executed."""
    SERVICE_UNAVAILABLE = "SERVICE_UNAVAILABLE"
    """The database, or the keys that tokens are verified with, cannot be reached; try again."""
    INTERNAL_SERVER_ERROR = "INTERNAL_SERVER_ERROR"
    """Anything unexpected. `errorId` names the entry in the server's log."""


class CodedError(GraphQLError):
    """An error that may be shown to clients as it is: its message is written for them."""

    def __init__(self, code: ErrorCode, message: str) -> None:
        super().__init__(message, extensions={"code": code.value})
        self.code = code


class BadUserInput(CodedError):
    """A value in the request that cannot be used."""

    def __init__(self, message: str) -> None:
        super().__init__(ErrorCode.BAD_USER_INPUT, message)


def with_code(
    error: GraphQLError, code: ErrorCode, *, message: str | None = None, **extensions: str
) -> GraphQLError:
    """Return the error with a code, and with another message where one is given."""
    return GraphQLError(
        message or error.message,
        nodes=error.nodes,
        source=error.source,
        positions=error.positions,
        path=error.path,
        extensions={"code": code.value, **extensions},
    )
