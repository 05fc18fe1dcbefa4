"""Defaults of arguments and of members of inputs."""

import asyncio
from enum import Enum

import strawberry
from graphql import ExecutionResult, parse

from compiled_graphql.operation import Compiler, Middleware


@strawberry.enum
class Size(Enum):
    SMALL = "small"


@strawberry.input
class Box:
    size: Size = Size.SMALL
    labels: list[str] = strawberry.field(default_factory=lambda: ["empty"])


@strawberry.type
class Query:
    @strawberry.field
    def pack(self, box: Box, more: list[str] = ["tape"]) -> str:  # noqa: B006 -- it is the point
        box.labels.append("packed")
        more.append("string")
        return f"{box.size} {box.labels} {more}"


def test_what_a_resolver_does_to_a_default_no_other_request_sees() -> None:
    compiler = Compiler(strawberry.Schema(Query))

    def fallback(_middleware: list[Middleware]) -> ExecutionResult:
        raise AssertionError

    for asked in ("query ($box: Box!) { pack(box: $box) }", "{ pack(box: {}) }"):
        document = parse(asked)
        operation = compiler.compile(document, document.definitions[0])  # type: ignore[arg-type]
        assert operation is not None
        for _ in range(2):
            result = asyncio.run(operation.execute(None, {"box": {}}, fallback))
            packed = f"{Size.SMALL} ['empty', 'packed'] ['tape', 'string']"
            assert result.data == {"pack": packed}
