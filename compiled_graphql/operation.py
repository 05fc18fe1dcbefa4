"""An operation, compiled once: executed as often as one likes, and answered as graphql-core would.

Variables are read, arguments made, resolvers called, values completed, all by functions made for
this operation alone. Whatever is out of the ordinary is left to graphql-core: before anything has
run, the whole request; afterwards, what the resolvers of the root fields have returned is replayed
to it, so that nothing is done twice.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from inspect import isawaitable
from typing import Any

import strawberry
from graphql import (
    DocumentNode,
    ExecutionResult,
    GraphQLResolveInfo,
    OperationDefinitionNode,
    OperationType,
)

from compiled_graphql.inputs import Inputs, Values
from compiled_graphql.irregular import Irregular, NotCompiled
from compiled_graphql.outputs import AWAITABLE, Outputs
from compiled_graphql.run import Complete, Run
from compiled_graphql.selections import Selections, conditional_variables, fragments_of
from compiled_graphql.strawberry_parts import StrawberryParts

CONDITIONS_MAX = 6
"""Variables on which the selection may depend."""

VARIANTS_KEPT = 4
"""Combinations of these for which an operation is kept compiled, the latest ones."""

Middleware = Callable[..., Any]
Referee = Callable[[list[Middleware]], Awaitable[ExecutionResult] | ExecutionResult]
"""Has graphql-core execute the same request, with a middleware."""


class Compiler:
    """Compiles the operations of one schema."""

    def __init__(self, schema: strawberry.Schema) -> None:
        self._parts = StrawberryParts(schema)
        self._inputs = Inputs(self._parts)

    def compile(self, document: DocumentNode, node: OperationDefinitionNode) -> "Operation | None":
        """Return the compiled operation of a valid document; None where graphql-core must do it."""
        if self._parts.has_exception_handlers or node.directives:
            return None
        if node.operation is OperationType.SUBSCRIPTION:
            return None
        try:
            return Operation(self._parts, self._inputs, document, node)
        except (NotCompiled, Irregular):
            return None


class Root:
    """The fields of the root under given conditions, ready to be resolved and completed."""

    def __init__(self, parts: StrawberryParts, inputs: Inputs, selections: Selections) -> None:
        outputs = Outputs(parts, inputs, selections)
        self._names = outputs.source.names
        operation = selections.operation
        type_ = selections.schema.get_root_type(operation.operation)
        assert type_ is not None
        written = {}
        fields = outputs.fields(type_, [operation.selection_set], root=True)
        for key, field in fields.items():
            if field is None:
                continue
            call = outputs.source.name("root")
            expression, _ = outputs.resolve(field)
            outputs.source.lines += [f"def {call}(s, run):", f"    return {expression}"]
            written[key] = call, outputs.complete(field)
        names = outputs.source.build()
        self.fields: list[tuple[str, Complete, Complete]] = [
            (key, names[call], names[complete]) for key, (call, complete) in written.items()
        ]
        self.template = {key: None if field else type_.name for key, field in fields.items()}
        """The response before anything is resolved: its keys in order, and `__typename`."""
        self._arguments = outputs.arguments

    def __del__(self) -> None:
        # The functions and what their names stand for are a cycle, which also holds the document.
        self._names.clear()

    def run(self, context: object, root: object, values: Values) -> Run:
        return Run(context, root, values, [make(values) for make in self._arguments])


class Operation:
    """A compiled operation."""

    def __init__(
        self,
        parts: StrawberryParts,
        inputs: Inputs,
        document: DocumentNode,
        node: OperationDefinitionNode,
    ) -> None:
        """Compile.

        Raises:
            NotCompiled: the operation uses something that is not understood.
        """
        self._parts = parts
        self._inputs = inputs
        self._node = node
        self._fragments = fragments_of(document)
        self._is_mutation = node.operation is OperationType.MUTATION
        self._read_variables = inputs.variable_reader(node)
        self._conditions = conditional_variables(node, self._fragments)
        if len(self._conditions) > CONDITIONS_MAX:
            raise NotCompiled("too many conditions")
        self._roots: dict[tuple[bool, ...], Root] = {}
        self._root_under((True,) * len(self._conditions))

    async def execute(
        self,
        context: object,
        variables: Mapping[str, Any] | None,
        referee: Referee,
        *,
        root: object = None,
    ) -> ExecutionResult:
        """Return what graphql-core would return for the same request."""
        try:
            values = self._read_variables(variables or {})
            plan = self._root_under(tuple(values[name] for name in self._conditions))
            run = plan.run(context, root, values)
        except Exception:  # noqa: BLE001 -- nothing has run yet, and graphql-core says what is wrong
            return await _refer(referee, {})
        outcomes: Outcomes = {}
        resolve = _resolve_one_by_one if self._is_mutation else _resolve_at_once
        try:
            data = await resolve(plan, run, outcomes)
        except Exception:  # noqa: BLE001 -- graphql-core meets it again, and words it
            for _, _, awaitable, _ in run.pending:
                _abandon(awaitable)
            return await _refer(referee, outcomes)
        return ExecutionResult(data, None)

    def _root_under(self, conditions: tuple[bool, ...]) -> Root:
        root = self._roots.get(conditions)
        if root is None:
            if not all(condition.__class__ is bool for condition in conditions):
                raise Irregular(conditions)
            selections = Selections(
                self._parts.graphql_schema,
                self._node,
                self._fragments,
                dict(zip(self._conditions, conditions, strict=True)),
            )
            if len(self._roots) >= VARIANTS_KEPT:
                del self._roots[next(iter(self._roots))]
            root = self._roots[conditions] = Root(self._parts, self._inputs, selections)
        return root


class Outcome:
    """What the resolver of a root field has returned or raised."""

    __slots__ = ("awaited", "error", "value")

    def __init__(self, value: object, error: Exception | None = None) -> None:
        self.value = value
        self.error = error
        self.awaited = False

    def get(self) -> object:
        """Return or raise what the resolver did."""
        if self.error is not None:
            raise self.error
        return self.value

    async def get_awaited(self) -> object:
        """Return or raise it to who awaits it, as the resolver did."""
        return self.get()


Outcomes = dict[str | int, Outcome]
"""By response key."""


async def _resolve_at_once(plan: Root, run: Run, outcomes: Outcomes) -> dict[str, Any]:
    """Resolve the fields of a query, those that wait at the same time; then complete them all."""
    fields = plan.fields
    if len(fields) == 1:
        key, call, _ = fields[0]
        outcomes[key] = await _outcome(call, run)
    else:
        awaited = []
        for key, call, _ in fields:
            try:
                value = call(run.root, run)
            except Exception as error:  # noqa: BLE001 -- it belongs to the field
                outcomes[key] = Outcome(None, error)
            else:
                outcomes[key] = Outcome(value)
                if AWAITABLE[value.__class__]:
                    awaited.append(outcomes[key])
        if awaited:
            await _run_together(_await(outcome) for outcome in awaited)
    data = dict(plan.template)
    for key, _, complete in fields:
        data[key] = complete(outcomes[key].get(), run)
    if run.pending:
        await _settle(run)
    return data


async def _resolve_one_by_one(plan: Root, run: Run, outcomes: Outcomes) -> dict[str, Any]:
    """Resolve and complete the fields of a mutation, each when the one before is done."""
    data = dict(plan.template)
    for key, call, complete in plan.fields:
        outcome = outcomes[key] = await _outcome(call, run)
        data[key] = complete(outcome.get(), run)
        if run.pending:
            await _settle(run)
    return data


async def _outcome(call: Complete, run: Run) -> Outcome:
    try:
        outcome = Outcome(call(run.root, run))
    except Exception as error:  # noqa: BLE001 -- it belongs to the field
        return Outcome(None, error)
    if AWAITABLE[outcome.value.__class__]:
        await _await(outcome)
    return outcome


async def _await(outcome: Outcome) -> None:
    outcome.awaited = True
    try:
        outcome.value = await outcome.value  # type: ignore[misc] # it is awaitable
    except Exception as error:  # noqa: BLE001 -- it belongs to the field
        outcome.error = error


async def _settle(run: Run) -> None:
    """Await what resolvers have left to be awaited, and what these leave in their turn."""
    while run.pending:
        pending, run.pending = run.pending, []
        try:
            if len(pending) == 1:
                await _fill(pending[0], run)
            else:
                await _run_together(_fill(place, run) for place in pending)
        except BaseException:
            for _, _, awaitable, _ in pending:
                _abandon(awaitable)
            raise


async def _run_together(coroutines: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Await all; when one raises, cancel the others."""
    tasks = [asyncio.ensure_future(coroutine) for coroutine in coroutines]
    try:
        await asyncio.gather(*tasks)
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise


async def _fill(place: tuple[dict[str, Any], str, Any, Complete], run: Run) -> None:
    made, key, awaitable, complete = place
    made[key] = complete(await awaitable, run)


def _abandon(awaitable: object) -> None:
    for name in ("close", "cancel"):
        end = getattr(awaitable, name, None)
        if end is not None:
            end()
            return


async def _refer(referee: Referee, outcomes: Outcomes) -> ExecutionResult:
    """Have graphql-core execute the request, but not resolve again what has its outcome."""

    def replay(
        resolve: Middleware, root: object, info: GraphQLResolveInfo[Any], **arguments: object
    ) -> object:
        outcome = outcomes.get(info.path.key) if info.path.prev is None else None
        if outcome is None:
            return resolve(root, info, **arguments)
        return outcome.get_awaited() if outcome.awaited else outcome.get()

    result = referee([replay] if outcomes else [])
    return await result if isawaitable(result) else result
