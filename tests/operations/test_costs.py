"""What a document costs before it runs: lines of Python, counted, for each token.

A document may cost twelve times as much as one of its length that is only parsed and counted. The
families here are the dearest of those that a search found, which climbs on from them.
"""

import random
import re
import sys
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import Any

import pytest
from graphql import GraphQLError, Source, get_introspection_query
from graphql.language.parser import Parser

from app.operations.documents import Documents
from graphql_schema.limits import check_limits
from graphql_schema.maximums import Limits
from graphql_schema.schema import schema

TOKENS_MAX = 1000
TIMES_PARSED = 12
"""What a document may cost, in what it costs to parse and count one of its length."""

TIMES_USUAL = 20
"""What any document may cost, in what a usual one costs."""

USUAL = """
query Tasks($first: Int, $after: String, $filter: TaskFilter) {
  tasks(first: $first, after: $after, filter: $filter, orderBy: {field: UPDATED_AT}) {
    nodes { ...TaskParts owner { id name } }
    pageInfo { hasNextPage endCursor }
    totalCount
  }
  me { id name email }
}
fragment TaskParts on Task { id title description completed completedAt createdAt version }
"""


def documents() -> Documents:
    return Documents(schema, Limits(), allow_introspection=True, compiles=True)


def lines_of(function: Callable[[], object]) -> int:
    """Return how many lines of Python a function executes."""
    count = 0

    def trace(frame: FrameType, event: str, argument: object) -> Any:
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        function()
    finally:
        sys.settrace(before)
    return count


def costs(text: str) -> tuple[int, int, int]:
    """Return the lines for a new document, for parsing and counting alone, and its tokens."""
    new = documents()
    parser = Parser(Source(text), max_tokens=TOKENS_MAX)

    def prepare() -> None:
        document = new.document(text)
        if document.can_be_executed and len(document._nodes) == 1:
            document.operation(None)

    def parse() -> None:
        # Many a document is refused.
        with suppress(GraphQLError, RecursionError):
            check_limits(parser.parse_document(), Limits(), new._paged)

    return lines_of(prepare), lines_of(parse), parser.token_count


def spreads(count: int, least: int, most: int) -> str:
    """Return fragments on a user, each of which spreads some of those behind it."""
    return " ".join(
        f"fragment F{n} on User {{ id "
        + " ".join(f"...F{m}" for m in range(n + least, min(n + most, count)))
        + " }"
        for n in range(count)
    )


FAMILIES = {
    "pages": "{ tasks { " + "nodes { id } " * 248 + "} }",
    "pages of nothing": "{ tasks { " + "nodes { __typename } " * 248 + "} }",
    "leaves": "{ me { " + "id " * 599 + "} }",
    "leaves in pages": "{ tasks { " + ("nodes { " + "id " * 8 + "} ") * 90 + "} }",
    "users in pages": "{ tasks { " + ("nodes { " + "owner { id id } " * 4 + "} ") * 43 + "} }",
    "users in inline fragments": "{ tasks { nodes { " + "... { owner { id } } " * 141 + "} } }",
    "a mesh of fragments": "{ me { ...F0 } } " + spreads(25, 1, 25),
    "operations over a chain": " ".join(f"query Q{n} {{ me {{ ...F0 }} }}" for n in range(20))
    + spreads(75, 1, 2),
    "variables over a chain": " ".join(f"query Q{n}($a: Int) {{ ...F0 }}" for n in range(20))
    + " ".join(f"fragment F{n} on Query {{ ...F{n + 1} }}" for n in range(70))
    + " fragment F70 on Query { tasks(first: $a) { totalCount } }",
    "types that exclude each other": "mutation { toggleTask(input: {id: 1}) { "
    + "... on Task { id } ... on TaskNotFound { message } ... on VersionConflict { message } " * 40
    + "} }",
    "unknown fields": "{ me { " + " ".join(f"a{n}" for n in range(800)) + "} }",
    "unknown fields of an input": "{ tasks(filter: {"
    + " ".join(f"a{n}: 1" for n in range(320))
    + "}) { totalCount } }",
    "directives": "{ me { " + "id @skip(if: true) " * 50 + "id " * 500 + "} }",
    "lists of ids": '{ tasks(filter: {ids: ["' + '" "'.join("123" * 300) + '"]}) { totalCount } }',
    "introspection": get_introspection_query(),
    "more introspection": "{ __schema { types { " + "fields { name } " * 240 + "} } }",
}


@pytest.mark.parametrize("name", FAMILIES)
def test_a_document_costs_little_more_than_to_parse_it(name: str) -> None:
    usual, _, _ = costs(USUAL)
    cost, parsed, tokens = costs(FAMILIES[name])
    assert 150 < tokens <= TOKENS_MAX
    assert documents().document(FAMILIES[name]).can_be_executed == ("unknown" not in name)
    assert cost <= TIMES_PARSED * parsed
    assert cost <= TIMES_USUAL * usual


def climbed(text: str, choices: random.Random) -> str:
    """Return the document with a part of it doubled, moved, taken away or renamed."""
    parts = re.findall(r"\.\.\.|[\w$@]+|\S", text) or USUAL.split()
    start = choices.randrange(len(parts))
    end = closed(parts, start + 1)
    part = parts[start:end]
    match choices.randrange(5):
        case 0:
            parts[end:end] = part * choices.choice([1, 1, 2, 10])
        case 1:
            del parts[start:end]
        case 2:
            place = choices.randrange(len(parts))
            parts[place:place] = part
        case 3:
            parts[start] = choices.choice(parts)
        case _:
            parts[start:start] = choices.choice(PIECES).split()
    return " ".join(parts)


PIECES = ["...F0", "... {", "}", "id", "x: id", "owner { id }", "nodes { id owner { id } }"]
PIECES += [
    "... on Task { id }",
    "... on User { id }",
    "... on UserError { message }",
    "@skip(if: $c)",
]
PIECES += [
    "fragment F0 on Task { id ...F1 }",
    "fragment F1 on Task { owner { ...F0 } }",
    "(first: 1)",
]


def closed(parts: list[str], end: int) -> int:
    """Return where the brackets that are opened before `end`, or right behind it, are closed."""
    depth = 0
    for place in range(end - 1, len(parts)):
        depth += (parts[place] in "{([") - (parts[place] in "})]")
        if depth <= 0 and (place + 1 >= len(parts) or parts[place + 1] not in "{(["):
            return place + 1
    return len(parts)


@pytest.mark.parametrize("name", ["leaves in pages", "variables over a chain"])
def test_no_search_finds_a_document_that_costs_more(
    name: str, request: pytest.FixtureRequest
) -> None:
    long = request.config.getoption("--long")
    choices = random.Random(None if long else 0)
    usual, _, _ = costs(USUAL)
    best, most = FAMILIES[name], 0.0
    for _ in range(500 if long else 15):
        text = climbed(best, choices)
        cost, parsed, tokens = costs(text)
        assert cost <= TIMES_PARSED * parsed + usual, text
        assert cost <= TIMES_USUAL * usual, text
        if 100 < tokens <= TOKENS_MAX and cost / parsed > most:
            best, most = text, cost / parsed
    assert most > 1
