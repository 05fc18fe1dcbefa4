"""The public module: `Compiler` compiles operations, and `Operation` executes one.

Compiled code reads the variables, makes the arguments, calls the resolvers and completes their
values. It does only what goes as expected, and reports no errors. When it raises any exception,
graphql-core executes the request:

- Before the first resolver is called, graphql-core is given the request alone.
- Later it is also given what the resolvers of the root fields have returned or raised. So no
  resolver of a root field is called twice.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from inspect import isawaitable
from types import MappingProxyType
from typing import Any

import strawberry
from graphql import (
    DocumentNode,
    ExecutionResult,
    GraphQLResolveInfo,
    OperationDefinitionNode,
    OperationType,
)

from compiled_graphql.exceptions import NotCompiled, Unexpected
from compiled_graphql.inputs import Inputs, Values
from compiled_graphql.outputs import AWAITABLE, Outputs
from compiled_graphql.run import Complete, Pending, Run
from compiled_graphql.selections import Selections, conditional_variables, fragments_of
from compiled_graphql.strawberry_parts import AtOnce, StrawberryParts

CONDITIONS_MAX = 6
"""The number of variables on which `@skip` and `@include` of an operation may depend."""

VARIANTS_KEPT = 4
"""The number of combinations of their values for which compiled code is kept."""

Middleware = Callable[..., Any]
"""Resolves a field in place of its resolver, as graphql-core's `execute` takes it."""

Fallback = Callable[[list[Middleware]], Awaitable[ExecutionResult] | ExecutionResult]
"""Has graphql-core execute the same request with a list of middleware."""


class Compiler:
    """Compiles the operations of one schema."""

    def __init__(self, schema: strawberry.Schema, at_once: AtOnce = MappingProxyType({})) -> None:
        """`at_once`: what serializes many values of a scalar, by what serializes one of them."""
        self._parts = StrawberryParts(schema, at_once)
        self._inputs = Inputs(self._parts)

    def compile(self, document: DocumentNode, node: OperationDefinitionNode) -> "Operation | None":
        """Return a compiled operation of a valid document.

        None means that the compiler does not support it, so that graphql-core must execute it.
        """
        if self._parts.has_exception_handlers or node.directives:
            return None
        if node.operation is OperationType.SUBSCRIPTION:
            return None
        try:
            return Operation(self._parts, self._inputs, document, node)
        except (NotCompiled, Unexpected):
            return None


class RootFields:
    """The compiled root fields of an operation, for one combination of conditions."""

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
            resolve = outputs.source.name("root")
            expression, _ = outputs.resolve(field)
            outputs.source.lines += [f"def {resolve}(s, run):", f"    return {expression}"]
            written[key] = resolve, outputs.complete(field)
        names = outputs.source.build()
        self.functions: list[tuple[str, Complete, Complete]] = [
            (key, names[resolve], names[complete]) for key, (resolve, complete) in written.items()
        ]
        """For each field: its response key, what resolves it, and what completes its value."""
        self.template = {key: None if field else type_.name for key, field in fields.items()}
        """The data before any field is resolved: the keys in order, with `__typename`."""
        self._arguments = outputs.arguments

    def __del__(self) -> None:
        # The functions and their globals are a reference cycle, which also holds the document.
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
            NotCompiled: the operation uses something that the compiler does not support.
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
        self._root_fields: dict[tuple[bool, ...], RootFields] = {}
        self._root_fields_if((True,) * len(self._conditions))

    async def execute(
        self,
        context: object,
        variables: Mapping[str, Any] | None,
        fallback: Fallback,
        *,
        root: object = None,
    ) -> ExecutionResult:
        """Return the data that graphql-core would return, and its errors, or others in their place.

        Where several errors make the same parent null, the result may report another one of them.
        """
        try:
            values = self._read_variables(variables or {})
            root_fields = self._root_fields_if(tuple(values[name] for name in self._conditions))
            run = root_fields.run(context, root, values)
        except Exception:  # noqa: BLE001 -- graphql-core finds it again, and reports it
            return await _fall_back(fallback, {})
        outcomes: Outcomes = {}
        execute = _execute_serially if self._is_mutation else _execute_concurrently
        try:
            data = await execute(root_fields, run, outcomes)
        except Exception:  # noqa: BLE001 -- graphql-core finds it again, and reports it
            for place in run.pending:
                _abandon(place)
            return await _fall_back(fallback, outcomes)
        return ExecutionResult(data, None)

    def _root_fields_if(self, conditions: tuple[bool, ...]) -> RootFields:
        """Return the root fields for the values of the variables that are conditions."""
        root_fields = self._root_fields.get(conditions)
        if root_fields is None:
            if not all(condition.__class__ is bool for condition in conditions):
                raise Unexpected(conditions)
            selections = Selections(
                self._parts.graphql_schema,
                self._node,
                self._fragments,
                dict(zip(self._conditions, conditions, strict=True)),
            )
            if len(self._root_fields) >= VARIANTS_KEPT:
                del self._root_fields[next(iter(self._root_fields))]
            root_fields = RootFields(self._parts, self._inputs, selections)
            self._root_fields[conditions] = root_fields
        return root_fields


class Outcome:
    """What the resolver of a root field has returned or raised."""

    __slots__ = ("awaited", "error", "value")

    def __init__(self, value: object, error: Exception | None = None) -> None:
        self.value = value
        self.error = error
        self.awaited = False
        """The resolver returned an awaitable. `value` is what that returned."""

    def get(self) -> object:
        """Return or raise what the resolver has returned or raised."""
        if self.error is not None:
            raise self.error
        return self.value

    async def get_awaited(self) -> object:
        return self.get()


Outcomes = dict[str | int, Outcome]
"""The outcomes of root fields by response key."""


async def _execute_concurrently(
    root_fields: RootFields, run: Run, outcomes: Outcomes
) -> dict[str, Any]:
    """Execute the root fields of a query: resolve all, then complete all."""
    functions = root_fields.functions
    if len(functions) == 1:
        key, resolve, _ = functions[0]
        outcomes[key] = await _outcome(resolve, run)
    else:
        awaited = []
        for key, resolve, _ in functions:
            try:
                value = resolve(run.root, run)
            except Exception as error:  # noqa: BLE001 -- an error of the field
                outcomes[key] = Outcome(None, error)
            else:
                outcomes[key] = Outcome(value)
                if AWAITABLE[value.__class__]:
                    awaited.append(outcomes[key])
        if awaited:
            await _await_all(_await_outcome(outcome) for outcome in awaited)
    data = dict(root_fields.template)
    for key, _, complete in functions:
        data[key] = complete(outcomes[key].get(), run)
    if run.pending:
        await _complete_pending(run)
    return data


async def _execute_serially(
    root_fields: RootFields, run: Run, outcomes: Outcomes
) -> dict[str, Any]:
    """Execute the root fields of a mutation: each is completed before the next is resolved."""
    data = dict(root_fields.template)
    for key, resolve, complete in root_fields.functions:
        outcome = outcomes[key] = await _outcome(resolve, run)
        data[key] = complete(outcome.get(), run)
        if run.pending:
            await _complete_pending(run)
    return data


async def _outcome(resolve: Complete, run: Run) -> Outcome:
    try:
        outcome = Outcome(resolve(run.root, run))
    except Exception as error:  # noqa: BLE001 -- an error of the field
        return Outcome(None, error)
    if AWAITABLE[outcome.value.__class__]:
        await _await_outcome(outcome)
    return outcome


async def _await_outcome(outcome: Outcome) -> None:
    outcome.awaited = True
    try:
        outcome.value = await outcome.value  # type: ignore[misc] # it is awaitable
    except Exception as error:  # noqa: BLE001 -- an error of the field
        outcome.error = error


async def _complete_pending(run: Run) -> None:
    """Await the awaitables that resolvers have returned below the root, and complete their values.

    To complete a value may add more of them.
    """
    while run.pending:
        pending, run.pending = run.pending, []
        try:
            if len(pending) == 1:
                await _complete(pending[0], run)
            else:
                await _await_all(_complete(place, run) for place in pending)
        except BaseException:
            for place in pending:
                _abandon(place)
            raise


async def _complete(place: Pending, run: Run) -> None:
    made, key, awaitable, complete = place
    made[key] = complete(await awaitable, run)


async def _await_all(coroutines: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Await coroutines concurrently; when one raises, cancel the others."""
    tasks = [asyncio.ensure_future(coroutine) for coroutine in coroutines]
    try:
        await asyncio.gather(*tasks)
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise


def _abandon(place: Pending) -> None:
    """End an awaitable that nothing will await."""
    awaitable = place[2]
    for name in ("close", "cancel"):
        end = getattr(awaitable, name, None)
        if end is not None:
            end()
            return


async def _fall_back(fallback: Fallback, outcomes: Outcomes) -> ExecutionResult:
    """Have graphql-core execute the request, with the outcomes that there are."""

    def replay(
        resolve: Middleware, root: object, info: GraphQLResolveInfo[Any], **arguments: object
    ) -> object:
        outcome = outcomes.get(info.path.key) if info.path.prev is None else None
        if outcome is None:
            return resolve(root, info, **arguments)
        # What was awaited is awaited again. So graphql-core treats it as it would have, and
        # cancels it when a field beside it fails.
        return outcome.get_awaited() if outcome.awaited else outcome.get()

    result = fallback([replay] if outcomes else [])
    return await result if isawaitable(result) else result
