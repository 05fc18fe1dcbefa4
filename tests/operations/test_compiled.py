"""Compiled operations answer as graphql-core does, byte by byte, and call resolvers as often."""

import asyncio
import json
import os
import random
from collections import Counter
from collections.abc import Callable
from inspect import isawaitable
from typing import Any

import strawberry
from graphql import (
    DocumentNode,
    ExecutionResult,
    GraphQLFormattedError,
    OperationDefinitionNode,
    OperationType,
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
        asyncio.run(self._hold_in_worlds(request, document, node, operation, seeds))

    async def _hold_in_worlds(
        self,
        request: Request,
        document: DocumentNode,
        node: OperationDefinitionNode,
        operation: Operation,
        seeds: range,
    ) -> None:
        def by_graphql_core(context: Any, middleware: list[Middleware]) -> Any:
            return execute(
                self.graphql,
                document,
                context_value=context,
                variable_values=request.variables,
                executor_class=self.schema.execution_context_class,
                middleware=middleware or None,
            )

        for seed in seeds:
            self.counted["compared"] += 1
            expected_context = self._make_context(seed)
            expected = by_graphql_core(expected_context, [])
            expected = await expected if isawaitable(expected) else expected
            context = self._make_context(seed)
            referred = False

            def referee(middleware: list[Middleware]) -> Any:
                nonlocal referred
                referred = True
                return by_graphql_core(context, middleware)  # noqa: B023 -- called before the next

            got = await operation.execute(context, request.variables, referee)
            self.counted["referred" if referred else "plain"] += 1
            if not expected.errors or node.operation is OperationType.MUTATION:
                # Nothing is done twice, and nothing left out.
                assert context.calls == expected_context.calls, (seed, request)
            assert alike(got, expected), (seed, request, written(got), written(expected))


def alike(got: ExecutionResult, expected: ExecutionResult) -> bool:
    """Tell whether two answers are the same: their data byte by byte, and their errors.

    Which of several fields fails first is a race, which what was read before wins more easily when
    it is resolved again. So errors below the root may come in another order; and where one of them
    leaves no data, and the rest is cancelled, more of them may have come before it.
    """
    ours, theirs = ([error.formatted for error in said.errors or []] for said in (got, expected))
    if got.data is None and expected.data is None and ours and theirs:
        return ours[-1] == theirs[-1] and all(error in ours for error in theirs)
    return json.dumps(got.data) == json.dumps(expected.data) and in_order(ours) == in_order(theirs)


def in_order(errors: list[GraphQLFormattedError]) -> list[str]:
    return sorted(json.dumps(error) for error in errors)


def written(result: ExecutionResult) -> str:
    errors = [error.formatted for error in result.errors or []]
    return json.dumps({"data": result.data, "errors": errors})


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
