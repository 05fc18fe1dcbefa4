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


def test_what_is_kept_of_a_field_lasts_as_long_as_its_selections() -> None:
    kept: list[dict[object, Any]] = []

    @strawberry.type
    class Query:
        @strawberry.field
        def thing(self, info: strawberry.Info) -> str:
            memory: dict[object, Any] = info._raw_info.memory  # type: ignore[attr-defined]
            kept.append(memory)
            return "thing"

    document = parse("query ($more: Boolean!) { thing  b: thing  c: thing @include(if: $more) }")
    operation = Compiler(strawberry.Schema(Query)).compile(document, document.definitions[0])  # type: ignore[arg-type]
    assert operation is not None

    def fallback(_middleware: list[Middleware]) -> ExecutionResult:
        raise AssertionError

    for more in (True, False, True):
        asyncio.run(operation.execute(None, {"more": more}, fallback))
    first, second, third, fourth, fifth, *again = kept
    assert len({id(memory) for memory in (first, second, third, fourth, fifth)}) == 5
    assert list(map(id, again)) == [id(first), id(second), id(third)]
