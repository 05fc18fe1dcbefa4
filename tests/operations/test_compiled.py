"""Compiled operations answer as graphql-core does, byte by byte, and call resolvers as often."""

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
    ResponsePath,
    execute,
    parse,
    validate,
)

from app.database.changes import Live
from auth.context import Context
from auth.identity import Identity
from compiled_graphql.operation import Compiler, Middleware, Operation
from graphql_schema.schema import schema as todo
from models.database import DatabaseUnavailable
from models.statement import Row, Statement
from models.user import UserId
from resolvers.users import read_viewer
from tests.counts import Count
from tests.requests import Request, request_for
from tests.zoo import Chance
from tests.zoo import schema as zoo

REQUESTS = int(os.environ.get("COMPARED_REQUESTS", "400"))
"""How many requests each test makes up; the same ones each time."""

WORLDS = int(os.environ.get("COMPARED_WORLDS", "2"))
"""In how many worlds each is sent: what resolvers find there, and what fails, is left to chance."""


class Both:
    """Executes requests both ways."""

    def __init__(self, schema: strawberry.Schema, make_context: Callable[[int], Any]) -> None:
        self.schema = schema
        self.graphql = schema._schema
        self._make_context = make_context
        self._compiler = Compiler(schema)
        self.counted = Counter[str]()

    def hold(self, request: Request, seeds: range) -> None:
        """Assert that both answer alike, whatever the resolvers find; skip an invalid document."""
        document = parse(request.document)
        node = document.definitions[0]
        assert isinstance(node, OperationDefinitionNode)
        if validate(self.graphql, document):
            self.counted["invalid"] += 1
            return
        operation = self._compiler.compile(document, node)
        if operation is None:
            self.counted["not compiled"] += 1
            return
        asyncio.run(self._hold_in_worlds(request, document, operation, seeds))

    async def _hold_in_worlds(
        self, request: Request, document: DocumentNode, operation: Operation, seeds: range
    ) -> None:
        for seed in seeds:
            await self._hold_in_world(request, document, operation, seed)

    async def _hold_in_world(
        self, request: Request, document: DocumentNode, operation: Operation, seed: int
    ) -> None:
        self.counted["compared"] += 1
        referred = False
        context = self._make_context(seed)

        async def referee(middleware: list[Middleware]) -> ExecutionResult:
            nonlocal referred
            referred = True
            return await self._execute(request, document, context, middleware=middleware or None)

        got = await operation.execute(context, request.variables, referee)
        self.counted["referred" if referred else "plain"] += 1
        expected_context = self._make_context(seed)
        expected = await self._execute(request, document, expected_context)
        if not expected.errors or request.document.startswith("mutation"):
            # Nothing is done twice, and nothing left out.
            assert context.calls == expected_context.calls, (seed, request)
        said = seed, request, got.formatted, expected.formatted
        assert json.dumps(got.data) == json.dumps(expected.data), said
        if not expected.errors or any(error.path is None for error in expected.errors):
            assert in_order(got) == in_order(expected), said
            return
        types: Types = {}
        possible = await self._execute(
            request,
            document,
            self._make_context(seed),
            executor_class=reporter(self.schema.execution_context_class, types),
        )
        assert errors_are_allowed(expected, possible, types), said
        assert errors_are_allowed(got, possible, types), said

    async def _execute(
        self, request: Request, document: DocumentNode, context: Any, **given: Any
    ) -> ExecutionResult:
        given.setdefault("executor_class", self.schema.execution_context_class)
        result = execute(
            self.graphql,
            document,
            context_value=context,
            variable_values=request.variables,
            **given,
        )
        return await result if isawaitable(result) else result


Position = tuple[str | int, ...]
"""A place in the response: the path to it."""

Types = dict[Position, GraphQLOutputType]
"""The types of the fields that were executed."""


def reporter(executor_class: type[Executor[Any]], types: Types) -> type[Executor[Any]]:
    """Return an executor that tells all errors there are, and notes the types of fields.

    No error ends a field beside it, because none propagates: where it is, there is null.
    """

    class Reporter(executor_class):  # type: ignore[misc, valid-type] # it is known at run time only
        def __init__(self, *given: Any, **named: Any) -> None:
            super().__init__(*given, **named)
            self.error_propagation = False

        def build_resolve_info(
            self, field_def: GraphQLField, nodes: Any, parent: Any, path: ResponsePath
        ) -> Any:
            types[tuple(path.as_list())] = field_def.type
            return super().build_resolve_info(field_def, nodes, parent, path)

    return Reporter


def errors_are_allowed(answer: ExecutionResult, possible: ExecutionResult, types: Types) -> bool:
    """Tell whether the specification (6.4.4) allows an answer's errors, whose data is right.

    An error makes its field null; if that must not be, the object that it belongs to, and so on.
    Such a null has one cause at least. Once there is one, what else is executed below may be
    cancelled: when two fields that must not be null fail, either error may be told, or both. So:

    - Each error is one of those there are, and no field has two.
    - Each null that errors cause comes with one of these.
    """
    told, true = positions(answer), positions(possible)
    if len(told) < len(answer.errors or ()) or not told.items() <= true.items():
        return False
    for null in nulls(answer.data):
        causes = {place for place in true if causes_null(place, null, types)}
        if causes and not causes & told.keys():
            return False
    return True


def positions(answer: ExecutionResult) -> dict[Position, str]:
    """Return the errors by where they are."""
    return {
        tuple(error.path or ()): json.dumps(error.formatted, sort_keys=True)
        for error in answer.errors or ()
    }


def nulls(data: Any, at: Position = ()) -> Iterator[Position]:
    if data is None:
        yield at
    items = (
        data.items()
        if isinstance(data, dict)
        else enumerate(data)
        if isinstance(data, list)
        else ()
    )
    for key, value in items:
        yield from nulls(value, (*at, key))


def causes_null(error: Position, null: Position, types: Types) -> bool:
    """Tell whether an error propagates as far as to a null, but no further."""
    between = [error[:length] for length in range(len(null) + 1, len(error) + 1)]
    return error[: len(null)] == null and all(is_non_null(place, types) for place in between)


def is_non_null(place: Position, types: Types) -> bool:
    field = place
    while isinstance(field[-1], int):
        field = field[:-1]
    type_: Any = types[field]
    for _ in place[len(field) :]:
        type_ = (type_.of_type if isinstance(type_, GraphQLNonNull) else type_).of_type
    return isinstance(type_, GraphQLNonNull)


def in_order(answer: ExecutionResult) -> list[str]:
    return sorted(json.dumps(error.formatted) for error in answer.errors or ())


def hold_against_graphql_core(both: Both) -> None:
    for number in range(REQUESTS):
        request = request_for(both.graphql, random.Random(number))
        both.hold(request, range(number * WORLDS, (number + 1) * WORLDS))


def test_sense_is_answered_alike(count: Count) -> None:
    both = Both(zoo, lambda number: Chance(number, 0))
    hold_against_graphql_core(both)
    count("requests answered by compiled code as by graphql-core", both.counted["plain"])
    assert both.counted["plain"] > REQUESTS * WORLDS // 3, both.counted


def test_nonsense_is_answered_alike(count: Count) -> None:
    both = Both(zoo, lambda number: Chance(number, 0.03))
    hold_against_graphql_core(both)
    count("requests answered by compiled code as by graphql-core", both.counted["compared"])
    assert both.counted["referred"] > REQUESTS * WORLDS // 5, both.counted


def test_tasks_are_answered_alike(count: Count) -> None:
    both = Both(todo, Caller)
    hold_against_graphql_core(both)
    count("requests answered by compiled code as by graphql-core", both.counted["compared"])
    assert both.counted["plain"] > REQUESTS * WORLDS // 5, both.counted
    assert both.counted["not compiled"] < REQUESTS // 5, both.counted


class Caller(Context):
    """Somebody whose database returns what chance says, and is away now and then."""

    def __init__(self, number: int) -> None:
        super().__init__(Identity(UserId("ada"), None, None, 0), self, Live(), read_viewer)
        self._chance = Chance(number, 0.05)
        self.calls: list[str] = []

    async def fetch(self, statement: Statement[Row]) -> list[Row]:
        text, values = statement.sql.text, sorted(statement.values.items())
        if statement.sql.writes:
            self.calls.append(f"{text} {values}")
        dice = self._chance.dice(text, values)
        if dice.random() < 0.05:
            raise DatabaseUnavailable("The database is away.")
        number = dice.choice([0, 1, 1, 1, 4])
        return [statement.sql.make_row(self._record(text, n)) for n in range(number)]

    def _record(self, text: str, number: int) -> list[Any]:
        time = "2024-02-29 12:00:00.25+00"
        title = self._chance.value("Milk", text, number) if number else "Milk"
        done = bool(number % 2)
        task = [number + 1, title, None, done, time if done else None, time, time, None, number]
        if "count(*)" in text or "SELECT EXISTS" in text:
            return [number]
        if "users." in text:
            return ["ada", None, "Ada", time]
        if "purged_version" in text:
            return [9, 0, *task]
        is_change = "UNION ALL" in text or "expected_version" in text or " AS anon" in text
        return [number % 2 == 0, *task] if is_change else task
