"""Lists whose objects are made column by column."""

import asyncio
from collections.abc import Sequence
from datetime import date
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest
import strawberry
from graphql import (
    ExecutionResult,
    GraphQLScalarType,
    OperationDefinitionNode,
    execute,
    parse,
)

from compiled_graphql.columns import columns_of
from compiled_graphql.leaves import SerializeAll
from compiled_graphql.operation import Compiler, Middleware


class Row(NamedTuple):
    unread: str
    name: str
    size: int


class Renamed(Row):
    __slots__ = ()
    name = property(lambda self: f"not {self[1]}")


class Loud(NamedTuple):
    size: int
    name: str


def plain(name: str, size: int) -> SimpleNamespace:
    return SimpleNamespace(name=name, size=size)


OBJECTS: dict[str, Sequence[Any]] = {
    "named tuples": [Row("x", "a", 1), Row("y", "b", 2)],
    "named tuples of two classes": [Row("x", "a", 1), Loud(2, "b")],
    "a member that is overridden": [Renamed("x", "a", 1), Renamed("y", "b", 2)],
    "one with a member that is overridden": [Row("x", "a", 1), Renamed("y", "b", 2)],
    "other objects": [plain("a", 1), plain("b", 2)],
    "other objects among them": [Row("x", "a", 1), plain("b", 2)],
    "one object": [Row("x", "a", 1)],
}


@pytest.mark.parametrize("names", [["size", "name"], ["name"], ["name", "name"]])
@pytest.mark.parametrize("objects", OBJECTS.values(), ids=OBJECTS)
def test_a_column_has_the_attribute_of_each_object(
    names: Sequence[str], objects: Sequence[Any]
) -> None:
    read = columns_of(names)
    expected = [tuple(getattr(each, name) for each in objects) for name in names]
    for _ in range(2):
        assert list(read(objects, set(map(type, objects)))) == expected


@pytest.mark.parametrize("kind", [Row, SimpleNamespace])
def test_an_attribute_that_is_missing_is_an_error(kind: type) -> None:
    one = kind("x", "a", 1) if kind is Row else plain("a", 1)
    with pytest.raises(AttributeError):
        list(columns_of(["name", "colour"])([one], {kind}))


DAY, OTHER_DAY = date(2024, 2, 29), date(2025, 1, 1)


def answer_to(rows: Sequence[Any], all_days: SerializeAll) -> tuple[Any, bool]:
    """Return data and errors, and whether compiled code alone made them."""

    @strawberry.type
    class Thing:
        name: str
        born: date
        sold: date | None

    def read_things() -> list[Thing]:
        return list(rows)

    @strawberry.type
    class Query:
        things: list[Thing] = strawberry.field(resolver=read_things)

    schema = strawberry.Schema(Query)
    document = parse("{ things { name born sold __typename } }")
    [node] = document.definitions
    scalar = schema._schema.type_map["Date"]
    assert isinstance(node, OperationDefinitionNode)
    assert isinstance(scalar, GraphQLScalarType)
    operation = Compiler(schema, {scalar.coerce_output_value: all_days}).compile(document, node)
    assert operation is not None
    is_alone = True

    def fallback(_middleware: list[Middleware]) -> ExecutionResult:
        nonlocal is_alone
        is_alone = False
        result = execute(schema._schema, document)
        assert isinstance(result, ExecutionResult)
        return result

    result = asyncio.run(operation.execute(None, {}, fallback))
    return result.formatted, is_alone


def sold(name: str, born: date | None, sold: date | None) -> SimpleNamespace:
    return SimpleNamespace(name=name, born=born, sold=sold)


def test_what_serializes_many_values_is_called_once_for_each_column() -> None:
    calls: list[Sequence[Any]] = []

    def all_days(days: Sequence[Any]) -> Sequence[object]:
        calls.append(days)
        return [None if day is None else f"day {day}" for day in days]

    answer, is_alone = answer_to([sold("a", DAY, None), sold("b", OTHER_DAY, DAY)], all_days)
    assert is_alone
    assert calls == [(DAY, OTHER_DAY), (None, DAY)]
    assert answer["data"]["things"] == [
        {"name": "a", "born": "day 2024-02-29", "sold": None, "__typename": "Thing"},
        {"name": "b", "born": "day 2025-01-01", "sold": "day 2024-02-29", "__typename": "Thing"},
    ]


def test_a_null_that_may_not_be_is_left_to_graphql_core() -> None:
    answer, is_alone = answer_to([sold("a", DAY, None), sold("b", None, None)], list)
    assert not is_alone
    assert "non-nullable" in answer["errors"][0]["message"]


def test_a_column_of_another_length_is_left_to_graphql_core() -> None:
    answer, is_alone = answer_to([sold("a", DAY, DAY)], lambda days: [*days, OTHER_DAY])
    assert not is_alone
    assert [each["born"] for each in answer["data"]["things"]] == ["2024-02-29"]
