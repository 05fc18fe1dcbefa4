"""A call of a tool: its arguments checked, its document executed as any other, its answer told."""

from collections.abc import Mapping, Sequence
from typing import Any

from graphql import ExecutionResult, GraphQLError
from pydantic import ValidationError

from app.http.deadlines import Deadlines
from app.mcp.answers import Answer, Data, ToolFailed, line_of, lines, quoted
from app.mcp.tools import Tool
from app.operations.documents import RequestFailed
from app.operations.execution import Executor, GraphQLRequest, coded
from app.telemetry.records import RequestRecord
from auth.context import Context
from auth.refusals import InsufficientScope, Reason, Unauthenticated
from graphql_schema.errors import CodedError, ErrorCode

MAX_ISSUES = 10
"""Wrong arguments that are told of at once."""

MAY_HAVE_HAPPENED = {
    ErrorCode.TIMEOUT,
    ErrorCode.SERVICE_UNAVAILABLE,
    ErrorCode.INTERNAL_SERVER_ERROR,
    ErrorCode.IDEMPOTENCY_CONCURRENT_REQUEST,
}
"""Codes after which the same change can be sent again under its name, and happens once."""


class Calls:
    """Runs tools for users, within the limits that the endpoint keeps to."""

    def __init__(self, executor: Executor, timeout: float) -> None:
        """`timeout`: seconds that a call may take."""
        self._executor = executor
        self._deadlines = Deadlines(timeout)

    async def call(
        self, tool: Tool, given: Mapping[str, Any], context: Context, record: RequestRecord
    ) -> Answer:
        """Return the answer to a call.

        Raises:
            ToolFailed: nothing was changed, or it is not known; the assistant can read why.
            InsufficientScope: the token does not let its bearer do it.
            Unauthenticated: the user was deleted.
        """
        arguments = _checked(tool, given, record)
        variables, action = tool.variables(arguments), None
        if tool.changes:
            # Always by a key: without one `undo` would not find it.
            action = arguments.action_key
            variables = {"input": {**variables, "idempotencyKey": action}}
        data = await self._data(tool, variables, action, context, record)
        if action is None:
            return tool.answer(data)
        result = data["result"]
        if "message" in result or "current" in result or "issues" in result:
            raise ToolFailed(_reason(result))
        return tool.answer({**result, "action": action})

    async def _data(
        self,
        tool: Tool,
        variables: Mapping[str, Any],
        action: str | None,
        context: Context,
        record: RequestRecord,
    ) -> Data:
        request = GraphQLRequest(tool.document, None, variables)
        try:
            result = await self._deadlines.keep(
                self._executor.execute(request, context, record, may_write=True)
            )
        except InsufficientScope as error:
            record.note([error])
            raise
        except TimeoutError:
            message = f"It took longer than {self._deadlines.seconds:g} seconds."
            errors: Sequence[GraphQLError] = [CodedError(ErrorCode.TIMEOUT, message)]
        except CodedError as error:
            errors = [error]
        except RequestFailed as failed:
            errors = failed.errors
        except Exception as error:  # noqa: BLE001 -- the last resort: nothing internal gets out
            errors = [coded(GraphQLError("", original_error=error))]
        else:
            if result.errors is None:
                return _data_of(result)
            errors = result.errors
        codes = record.note(errors)
        if ErrorCode.UNAUTHENTICATED in codes:
            raise Unauthenticated(Reason.DELETED)
        again = ""
        if action is not None and codes & MAY_HAVE_HAPPENED:
            again = f"To be sure, call again with actionKey {quoted(action)}: it happens once."
        raise ToolFailed(lines([error.message for error in errors], again))


def _checked(tool: Tool, given: Mapping[str, Any], record: RequestRecord) -> Any:  # noqa: ANN401
    """Return the arguments, checked.

    Raises:
        ToolFailed: some are wrong.
    """
    try:
        return tool.arguments.model_validate(given)
    except ValidationError as error:
        record.code = ErrorCode.BAD_USER_INPUT.value
        wrong = [
            f"{'.'.join(map(str, issue['loc']))}: {issue['msg']}"
            for issue in error.errors(include_url=False, include_input=False)[:MAX_ISSUES]
        ]
        raise ToolFailed(lines("The arguments cannot be used:", wrong)) from None


def _data_of(result: ExecutionResult) -> Data:
    assert result.data is not None
    return result.data


def _reason(failure: Data) -> str:
    """Return why a mutation did nothing."""
    issues = [f"{'.'.join(each['path'])}: {each['message']}" for each in failure.get("issues", [])]
    current = failure.get("current")
    now = f"It is now: {line_of(current)}" if current else ""
    return lines(failure["message"], issues, now)
