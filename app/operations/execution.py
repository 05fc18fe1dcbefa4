"""A GraphQL request becomes a result. Every error leaves with a code."""

import logging
from collections.abc import AsyncGenerator, Mapping
from contextlib import AbstractAsyncContextManager
from inspect import isawaitable
from typing import Any, NamedTuple
from uuid import uuid4

import strawberry
from graphql import ExecutionResult, GraphQLError, OperationType, execute, subscribe

from app.operations.budget import Budget, TooDear
from app.operations.documents import MAX_ERRORS, Asked, Documents, RequestFailed
from app.operations.price import REMOVED_A_POINT, WRITE_POINTS
from app.operations.scopes import NeededScopes
from app.operations.wording import in_json
from app.telemetry.records import OPERATION_NAME_MAX_LENGTH, RequestRecord
from app.telemetry.repeated import Repeated
from auth.context import Context
from auth.refusals import InsufficientScope
from compiled_graphql.operation import Middleware
from graphql_schema.errors import CodedError, ErrorCode, with_code
from graphql_schema.results import note_failure
from models.database import DatabaseUnavailable
from models.user import UserId

logger = logging.getLogger(__name__)
_repeated = Repeated(logger)
"""The places of unexpected errors whose tracebacks are in the log already."""


class GraphQLRequest(NamedTuple):
    """What a client asks: the parameters that GraphQL over HTTP names."""

    query: str
    operation_name: str | None
    variables: Mapping[str, Any] | None


class Executor:
    """Runs requests against a schema: compiled where that can be, else by graphql-core."""

    def __init__(
        self, schema: strawberry.Schema, documents: Documents, budget: Budget | None
    ) -> None:
        """`budget`: what users may spend; None: as much as they like."""
        self._schema = schema._schema  # noqa: SLF001 -- Strawberry has no public name for it
        self._executor_class = schema.execution_context_class
        self._documents = documents
        self._budget = budget
        self._needed_scopes = NeededScopes(self._schema)

    def admit(self, context: Context) -> None:
        """Go on only if the user has a point left: to be asked before anything is looked at.

        Raises:
            RateLimited: there is none.
        """
        if self._budget is not None:
            self._budget.require(context.user_id, 1)

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
        asked = self._asked(request, context, record)
        if asked.node.operation is not OperationType.QUERY and not may_write:
            message = "Only queries may be sent by GET; send mutations by POST."
            raise RequestFailed([CodedError(ErrorCode.METHOD_NOT_ALLOWED, message)])
        if asked.node.operation is OperationType.SUBSCRIPTION:
            message = "Subscriptions are served over WebSocket, by graphql-transport-ws."
            raise RequestFailed([CodedError(ErrorCode.BAD_REQUEST, message)])
        return await self._result(asked, request, context)

    async def follow(
        self,
        request: GraphQLRequest,
        context: Context,
        record: RequestRecord,
        turns: AbstractAsyncContextManager[object],
    ) -> AsyncGenerator[ExecutionResult]:
        """Yield each result of a subscription, or the one of any other operation.

        `turns`: is held from the begin of that other operation until its result is dealt with.

        Raises:
            RequestFailed: nothing was executed, or what is followed has failed.
        """
        asked = self._asked(request, context, record)
        if asked.node.operation is not OperationType.SUBSCRIPTION:
            async with turns:
                yield await self._result(asked, request, context)
            return
        budget, user, points = self._budget, context.user_id, asked.price.event
        if budget is not None:

            async def pay(count: int) -> None:
                await budget.wait_and_take(user, count * points)

            context.pay_for_changes = pay
        followed = subscribe(self._schema, asked.document, **self._given(request, context))
        if isawaitable(followed):
            followed = await followed
        if isinstance(followed, ExecutionResult):
            raise RequestFailed(
                [coded(error, request.variables) for error in followed.errors or ()]
            )
        async for result in followed:
            if result.errors is not None:
                result = ExecutionResult(result.data, [coded(error) for error in result.errors])
            yield result

    def _asked(self, request: GraphQLRequest, context: Context, record: RequestRecord) -> Asked:
        """Return what is asked, once it is paid for, and note in the record what it is.

        Whatever is executed has passed here, however it was asked for.

        Raises:
            RequestFailed: it cannot be executed.
            InsufficientScope: the token does not let its bearer do it.
            RateLimited: too little is left for it.
            TooDear: it costs more than there ever is.
        """
        user = context.user_id
        document = self._documents.document(request.query)
        record.document = document.digest
        self._take(document.unpaid, user)
        document.unpaid = 0
        try:
            asked = document.operation(request.operation_name)
        except RequestFailed:
            self._take(1, user)
            raise
        record.kind = asked.kind
        note_failure.set(record.failures.append)
        if asked.node.name is not None:
            record.operation = asked.node.name.value[:OPERATION_NAME_MAX_LENGTH]
        if context.identity.scopes is not None:
            needed = self._needed_scopes.of(asked)
            if missing := needed - context.identity.scopes:
                self._take(1, user)
                raise InsufficientScope(needed, missing)
        if self._budget is not None:
            cost = asked.price.cost(request.variables)
            try:
                context.rate_limit = self._budget.spend(user, cost)
                # They hold the user and not the context, which holds them: a circle of objects
                # would have to be found by the garbage collector.
                context.pay_for_written = lambda count: self._take(WRITE_POINTS * count, user)
                context.pay_for_removed = lambda count: self._take(count // REMOVED_A_POINT, user)
            except TooDear:
                self._take(1, user)
                raise
        return asked

    def _take(self, points: int, user: UserId) -> None:
        if self._budget is not None and points:
            self._budget.take(user, points)

    def _given(self, request: GraphQLRequest, context: Context) -> dict[str, Any]:
        """Return what graphql-core is given besides schema and document."""
        return {
            "context_value": context,
            "variable_values": dict(request.variables or {}),
            "operation_name": request.operation_name,
            "executor_class": self._executor_class,
            "max_coercion_errors": MAX_ERRORS,
            "hide_suggestions": self._documents.hides_suggestions,
        }

    async def _result(
        self, asked: Asked, request: GraphQLRequest, context: Context
    ) -> ExecutionResult:
        """Return data and field errors, each with a code.

        Raises:
            RequestFailed: nothing was executed.
        """
        result = await self._run(asked, request, context)
        if result.errors is None:
            return result
        errors = [coded(error, request.variables) for error in result.errors]
        if result.data is None and all(error.path is None for error in errors):
            raise RequestFailed(errors)
        return ExecutionResult(result.data, errors)

    async def _run(
        self, asked: Asked, request: GraphQLRequest, context: Context
    ) -> ExecutionResult:
        async def by_graphql_core(middleware: list[Middleware]) -> ExecutionResult:
            given = self._given(request, context)
            result = execute(self._schema, asked.document, middleware=middleware or None, **given)
            return await result if isawaitable(result) else result

        if asked.compiled is None:
            return await by_graphql_core([])
        return await asked.compiled.execute(context, request.variables, by_graphql_core)


def coded(error: GraphQLError, variables: Mapping[str, Any] | None = None) -> GraphQLError:
    """Return the error as a client may see it, with a code; log what it must not see."""
    original = error.original_error
    if isinstance(error, CodedError) or isinstance(original, CodedError):
        return error
    if original is None or isinstance(original, GraphQLError):
        # graphql-core's own, about a variable or an argument.
        message = in_json(error.message, variables)
        return with_code(error, ErrorCode.BAD_USER_INPUT, message=message)
    if isinstance(original, DatabaseUnavailable):
        return with_code(
            error, ErrorCode.SERVICE_UNAVAILABLE, message="The database is busy or away; try again."
        )
    error_id = uuid4().hex
    is_new = _repeated.left_out(_place_of(original)) is not None
    # Whatever is wrong, its traceback need not fill the disk.
    traceback = original if is_new else None
    logger.error("Unexpected error %s: %s", error_id, type(original).__name__, exc_info=traceback)
    return with_code(
        error, ErrorCode.INTERNAL_SERVER_ERROR, message="Internal error.", errorId=error_id
    )


def _place_of(error: BaseException) -> str:
    """Return the kind of an error, and the line of code that raised it."""
    at = error.__traceback__
    while at is not None and at.tb_next is not None:
        at = at.tb_next
    place = "" if at is None else f"{at.tb_frame.f_code.co_filename}:{at.tb_lineno}"
    return f"{type(error).__name__} {place}"
