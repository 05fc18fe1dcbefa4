"""A comparison of compiled operations with graphql-core: random requests are executed both ways.

Data must be the same byte by byte, and resolvers must be called as often. Errors must be those
that the specification allows.
"""

import asyncio
import json
import os
import random
from collections import Counter
from collections.abc import Callable, Iterator
from inspect import isawaitable
from typing import Any

import strawberry
from graphql import (
    DocumentNode,
    ExecutionResult,
    Executor,
    GraphQLField,
    GraphQLNonNull,
    GraphQLOutputType,
    OperationDefinitionNode,
    OperationType,
    ResponsePath,
    execute,
    parse,
    validate,
)

from compiled_graphql.operation import Compiler, Middleware, Operation
from compiled_graphql.strawberry_parts import AtOnce
from compiled_graphql.tests.random_requests import Request, request_for

REQUESTS = int(os.environ.get("COMPARED_REQUESTS", "400"))
"""The number of requests that each test makes; they are the same each time."""

SEEDS = int(os.environ.get("COMPARED_SEEDS", "2"))
"""The number of contexts with which each request is executed."""

Position = tuple[str | int, ...]
"""A place in a response: the path to it."""

Types = dict[Position, GraphQLOutputType]
"""The types of the fields that were executed."""


class Comparison:
    """Compares the answers of one schema; `make_context` makes a context of a seed."""

    def __init__(
        self, schema: strawberry.Schema, make_context: Callable[[int], Any], at_once: AtOnce
    ) -> None:
        self._schema = schema
        self._graphql_schema = schema._schema
        self._make_context = make_context
        self._compiler = Compiler(schema, at_once)
        self.counted = Counter[str]()
        """The number of comparisons by what became of them."""

    def run(self) -> None:
        """Compare the answers to random requests."""
        for number in range(REQUESTS):
            request = request_for(self._graphql_schema, random.Random(number))
            self.compare(request, range(number * SEEDS, (number + 1) * SEEDS))

    def compare(self, request: Request, seeds: range) -> None:
        """Assert that both ways answer a request alike; skip an invalid document."""
        document = parse(request.document)
        node = document.definitions[0]
        assert isinstance(node, OperationDefinitionNode)
        if validate(self._graphql_schema, document):
            self.counted["invalid"] += 1
            return
        operation = self._compiler.compile(document, node)
        if operation is None:
            self.counted["not compiled"] += 1
            return
        is_mutation = node.operation is OperationType.MUTATION

        async def compare_all() -> None:
            for seed in seeds:
                await self._compare(request, document, operation, seed, is_mutation=is_mutation)

        asyncio.run(compare_all())

    async def _compare(
        self,
        request: Request,
        document: DocumentNode,
        operation: Operation,
        seed: int,
        *,
        is_mutation: bool,
    ) -> None:
        context, expected_context = self._make_context(seed), self._make_context(seed)
        fell_back = False

        async def fallback(middleware: list[Middleware]) -> ExecutionResult:
            nonlocal fell_back
            fell_back = True
            return await self._execute(request, document, context, middleware=middleware or None)

        answer = await operation.execute(context, request.variables, fallback)
        self.counted["compared"] += 1
        self.counted["by graphql-core" if fell_back else "by compiled code alone"] += 1
        expected = await self._execute(request, document, expected_context)
        told = seed, request, answer.formatted, expected.formatted
        if not expected.errors or is_mutation:
            assert context.calls == expected_context.calls, told
        assert json.dumps(answer.data) == json.dumps(expected.data), told
        if not expected.errors or any(error.path is None for error in expected.errors):
            assert sorted_errors(answer) == sorted_errors(expected), told
            return
        types: Types = {}
        reporter = reporter_class(self._schema.execution_context_class, types)
        possible = await self._execute(
            request, document, self._make_context(seed), executor_class=reporter
        )
        assert errors_are_allowed(expected, possible, types), told
        assert errors_are_allowed(answer, possible, types), told

    async def _execute(
        self, request: Request, document: DocumentNode, context: Any, **options: Any
    ) -> ExecutionResult:
        options.setdefault("executor_class", self._schema.execution_context_class)
        result = execute(
            self._graphql_schema,
            document,
            context_value=context,
            variable_values=request.variables,
            **options,
        )
        return await result if isawaitable(result) else result


def reporter_class(executor_class: type[Executor[Any]], types: Types) -> type[Executor[Any]]:
    """Return an executor that reports every error, and adds the type of every field to `types`.

    Its errors do not propagate. So no error ends the execution of another field.
    """

    class Reporter(executor_class):  # type: ignore[misc, valid-type] # the base class is a value
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            self.error_propagation = False

        def build_resolve_info(
            self, field_def: GraphQLField, nodes: Any, parent: Any, path: ResponsePath
        ) -> Any:
            types[tuple(path.as_list())] = field_def.type
            return super().build_resolve_info(field_def, nodes, parent, path)

    return Reporter


def errors_are_allowed(answer: ExecutionResult, possible: ExecutionResult, types: Types) -> bool:
    """Tell whether the specification (6.4.4) allows the errors of an answer with the right data.

    An error in a nullable field makes the field null. An error in a non-null field propagates to
    the parent, and so on. As soon as a parent is null, the execution of what is below it may be
    cancelled. If two non-null fields of an object fail, an answer may report either error, or both.
    So the rules are:

    - Each error of the answer is possible, and no field has two.
    - Each null that errors cause comes with at least one error that causes it.

    An error that is not below another null is the only cause of its null. So it must be reported.
    """
    reported, causes = errors_by_position(answer), errors_by_position(possible)
    if len(reported) < len(answer.errors or ()) or not reported.items() <= causes.items():
        return False
    for null in nulls(answer.data):
        of_null = {error for error in causes if propagates(error, null, types)}
        if of_null and not of_null & reported.keys():
            return False
    return True


def errors_by_position(answer: ExecutionResult) -> dict[Position, str]:
    return {
        tuple(error.path or ()): json.dumps(error.formatted, sort_keys=True)
        for error in answer.errors or ()
    }


def nulls(data: Any, position: Position = ()) -> Iterator[Position]:
    """Yield the positions of all nulls."""
    if data is None:
        yield position
    elif isinstance(data, dict):
        for key, value in data.items():
            yield from nulls(value, (*position, key))
    elif isinstance(data, list):
        for index, value in enumerate(data):
            yield from nulls(value, (*position, index))


def propagates(error: Position, null: Position, types: Types) -> bool:
    """Tell whether an error makes a position null: whether everything between is non-null."""
    between = [error[:length] for length in range(len(null) + 1, len(error) + 1)]
    return error[: len(null)] == null and all(is_non_null(each, types) for each in between)


def is_non_null(position: Position, types: Types) -> bool:
    field = position
    while isinstance(field[-1], int):
        field = field[:-1]
    type_: Any = types[field]
    for _ in position[len(field) :]:
        type_ = (type_.of_type if isinstance(type_, GraphQLNonNull) else type_).of_type
    return isinstance(type_, GraphQLNonNull)


def sorted_errors(answer: ExecutionResult) -> list[str]:
    return sorted(json.dumps(error.formatted) for error in answer.errors or ())
