"""What resolvers can ask their info for."""

import asyncio
from collections.abc import Mapping
from typing import Any

import strawberry
from graphql import ExecutionResult, parse

from compiled_graphql.operation import Compiler, Middleware


def test_the_variables_are_coerced_once_for_all_resolvers() -> None:
    """Some thousand resolvers may ask, and coercing takes longer the more the client sends."""
    seen: list[Mapping[str, Any]] = []

    @strawberry.type
    class Thing:
        @strawberry.field
        def size(self, info: strawberry.Info, of: list[str]) -> int:
            seen.append(info.variable_values)
            return len(of)

    @strawberry.type
    class Query:
        @strawberry.field
        def things(self) -> list[Thing]:
            return [Thing()] * 3

    schema = strawberry.Schema(Query)
    document = parse("query ($of: [String!]! = []) { things { size(of: $of) size(of: $of) } }")
    operation = Compiler(schema).compile(document, document.definitions[0])  # type: ignore[arg-type]
    assert operation is not None

    def fallback(_middleware: list[Middleware]) -> ExecutionResult:
        raise AssertionError

    for given in (["a", "b"], ["c"]):
        seen.clear()
        result = asyncio.run(operation.execute(None, {"of": given}, fallback))
        assert result.data == {"things": [{"size": len(given)}] * 3}
        assert seen[0] == {"of": given}
        assert all(values is seen[0] for values in seen)
