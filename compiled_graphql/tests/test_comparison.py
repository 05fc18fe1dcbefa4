"""The comparison allows what the specification allows of errors, and refuses everything else."""

import pytest
import strawberry
from graphql import ExecutionResult, GraphQLError, execute, parse

from compiled_graphql.tests.comparison import Types, errors_are_allowed, reporter_class


@strawberry.type
class Pair:
    @strawberry.field
    def left(self) -> int:
        raise ValueError("left")

    @strawberry.field
    def right(self) -> int:
        raise ValueError("right")

    @strawberry.field
    def other(self) -> int | None:
        raise ValueError("other")


@strawberry.type
class Query:
    @strawberry.field
    def pair(self) -> Pair | None:
        return Pair()

    @strawberry.field
    def pairs(self) -> list[Pair]:
        return [Pair()]

    @strawberry.field
    def last(self) -> int | None:
        raise ValueError("last")

    @strawberry.field
    def fine(self) -> int | None:
        return None


SCHEMA = strawberry.Schema(Query)

REPORTED_ERRORS = [
    ({"pair.left"}, False),
    ({"last"}, False),
    ({"pair.left", "last"}, True),
    ({"pair.right", "last"}, True),
    ({"pair.left", "pair.right", "last"}, True),
    ({"pair.left", "pair.other", "last"}, True),
    ({"pair.other", "last"}, False),
    ({"pair.left", "last", "fine"}, False),
    (set(), False),
]


def errors_of(text: str) -> tuple[ExecutionResult, Types]:
    types: Types = {}
    reporter = reporter_class(SCHEMA.execution_context_class, types)
    result = execute(SCHEMA._schema, parse(text), executor_class=reporter)
    assert isinstance(result, ExecutionResult)
    return result, types


def by_path(possible: ExecutionResult) -> dict[str, GraphQLError]:
    return {".".join(map(str, error.path or ())): error for error in possible.errors or ()}


@pytest.mark.parametrize(("reported", "allowed"), REPORTED_ERRORS)
def test_each_null_needs_a_cause(reported: set[str], *, allowed: bool) -> None:
    possible, types = errors_of("{ pair { left right other } last fine }")
    errors = by_path(possible)
    assert errors.keys() == {"pair.left", "pair.right", "pair.other", "last"}
    made_up = GraphQLError("made up", path=["fine"])
    told = [errors.get(path, made_up) for path in reported]
    answer = ExecutionResult({"pair": None, "last": None, "fine": None}, told)
    assert errors_are_allowed(answer, possible, types) is allowed


def test_an_error_propagates_through_non_null_lists_as_far_as_the_root() -> None:
    possible, types = errors_of("{ pairs { left other } last }")
    errors = by_path(possible)
    cause, below, beside = errors["pairs.0.left"], errors["pairs.0.other"], errors["last"]
    assert errors_are_allowed(ExecutionResult(None, [cause]), possible, types)
    assert errors_are_allowed(ExecutionResult(None, [beside, below, cause]), possible, types)
    assert not errors_are_allowed(ExecutionResult(None, [beside, below]), possible, types)


def test_an_error_is_reported_once_and_in_its_own_words() -> None:
    possible, types = errors_of("{ last }")
    error = by_path(possible)["last"]
    other = GraphQLError("another message", error.nodes, path=error.path)
    assert errors_are_allowed(ExecutionResult({"last": None}, [error]), possible, types)
    assert not errors_are_allowed(ExecutionResult({"last": None}, [error, error]), possible, types)
    assert not errors_are_allowed(ExecutionResult({"last": None}, [other]), possible, types)
