"""A GraphQL request becomes a result: parse, validate, execute. Every error leaves with a code."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from inspect import isawaitable
from typing import Any
from uuid import uuid4

import strawberry
from graphql import (
    DocumentNode,
    ExecutionResult,
    GraphQLError,
    GraphQLSyntaxError,
    NoSchemaIntrospectionCustomRule,
    OperationType,
    Source,
    execute,
    get_operation_ast,
    specified_rules,
    validate,
)
from graphql.language.parser import Parser

from app.observability import OPERATION_NAME_MAX_LENGTH, RequestRecord
from auth.context import Context
from auth.door import DatabaseUnavailable
from graphql_schema.errors import CodedError, ErrorCode
from graphql_schema.limits import LimitExceeded, Limits, check_limits, paged_fields

logger = logging.getLogger(__name__)

MAX_ERRORS = 5
"""Validation errors in one answer."""

DOCUMENTS_KEPT = 256


@dataclass(frozen=True, slots=True)
class GraphQLRequest:
    """What a client asks: the parameters that GraphQL over HTTP names."""

    query: str
    operation_name: str | None
    variables: Mapping[str, Any] | None


class RequestFailed(Exception):
    """The request was not executed at all."""

    def __init__(self, errors: Sequence[GraphQLError]) -> None:
        super().__init__(*errors)
        self.errors = errors


class Executor:
    """Runs requests against a schema."""

    def __init__(
        self, schema: strawberry.Schema, limits: Limits, *, allow_introspection: bool
    ) -> None:
        self._schema = schema._schema  # noqa: SLF001 -- Strawberry has no public name for it
        self._limits = limits
        self._rules = (
            specified_rules
            if allow_introspection
            else (*specified_rules, NoSchemaIntrospectionCustomRule)
        )
        self._paged = paged_fields(self._schema)
        self._executor_class = schema.execution_context_class
        self._document = lru_cache(DOCUMENTS_KEPT)(self._parse_and_validate)

    async def execute(
        self,
        request: GraphQLRequest,
        context: Context,
        record: RequestRecord,
        *,
        may_write: bool,
    ) -> ExecutionResult:
        """Return data and field errors, each with a code.

        Raises:
            RequestFailed: nothing was executed, because the request itself is at fault.
        """
        document = self._document(request.query)
        if isinstance(document, list):
            raise RequestFailed(document)
        operation = get_operation_ast(document, request.operation_name)
        if operation is None:
            message = (
                f"The document has no operation named {request.operation_name!r}."
                if request.operation_name
                else "The document has several operations: say which by `operationName`."
            )
            raise RequestFailed([CodedError(ErrorCode.BAD_REQUEST, message)])
        if operation.name is not None:
            record.operation = operation.name.value[:OPERATION_NAME_MAX_LENGTH]
        if operation.operation is not OperationType.QUERY and not may_write:
            message = "Only queries may be sent by GET; send mutations by POST."
            raise RequestFailed([CodedError(ErrorCode.METHOD_NOT_ALLOWED, message)])

        result = execute(
            self._schema,
            document,
            context_value=context,
            variable_values=dict(request.variables or {}),
            operation_name=request.operation_name,
            executor_class=self._executor_class,
            max_coercion_errors=MAX_ERRORS,
            hide_suggestions=True,
        )
        if isawaitable(result):
            result = await result
        errors = [coded(error) for error in result.errors or []]
        if result.data is None and all(error.path is None for error in errors):
            raise RequestFailed(errors)
        return ExecutionResult(result.data, errors or None)

    def _parse_and_validate(self, query: str) -> DocumentNode | list[GraphQLError]:
        parser = Parser(Source(query), max_tokens=self._limits.tokens)
        try:
            document = parser.parse_document()
            check_limits(document, self._limits, self._paged)
        except LimitExceeded as error:
            return [error]
        except GraphQLSyntaxError as error:
            if parser.token_count > self._limits.tokens:
                return [LimitExceeded("tokens", self._limits.tokens, parser.token_count)]
            return [_with_code(error, ErrorCode.GRAPHQL_PARSE_FAILED)]
        except RecursionError:
            message = "Syntax Error: The document is nested too deeply."
            return [CodedError(ErrorCode.GRAPHQL_PARSE_FAILED, message)]
        errors = validate(
            self._schema, document, self._rules, max_errors=MAX_ERRORS, hide_suggestions=True
        )
        if errors:
            return [_with_code(error, ErrorCode.GRAPHQL_VALIDATION_FAILED) for error in errors]
        return document


def coded(error: GraphQLError) -> GraphQLError:
    """Return the error as a client may see it, with a code; log what it must not see."""
    original = error.original_error
    if isinstance(error, CodedError) or isinstance(original, CodedError):
        return error
    if original is None or isinstance(original, GraphQLError):
        # graphql-core's own, about a variable or an argument.
        return _with_code(error, ErrorCode.BAD_USER_INPUT)
    if isinstance(original, DatabaseUnavailable):
        logger.warning("%s: %s", ErrorCode.SERVICE_UNAVAILABLE, original)
        return _with_code(
            error, ErrorCode.SERVICE_UNAVAILABLE, message="The database is busy or away; try again."
        )
    error_id = uuid4().hex
    logger.error("Unexpected error %s", error_id, exc_info=original)
    return _with_code(
        error, ErrorCode.INTERNAL_SERVER_ERROR, message="Internal error.", errorId=error_id
    )


def _with_code(
    error: GraphQLError, code: ErrorCode, *, message: str | None = None, **extensions: str
) -> GraphQLError:
    return GraphQLError(
        message or error.message,
        nodes=error.nodes,
        source=error.source,
        positions=error.positions,
        path=error.path,
        extensions={"code": code.value, **extensions},
    )
