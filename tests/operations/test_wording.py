"""Errors about values name them as clients write them, by HTTP and on a socket alike."""

import re
from typing import Any

import pytest

from tests.api import Server
from tests.sockets import signed_in

TASK = "query($id: ID!) { task(id: $id) { id } }"
PAGE = "query($n: Int) { tasks(first: $n) { totalCount } }"
FILTER = "query($f: TaskFilter) { tasks(filter: $f) { totalCount } }"
CREATE = "mutation($i: CreateTaskInput!) { createTask(input: $i) { __typename } }"
MANY = "mutation($ids: [ID!]!) { deleteTasks(input: {ids: $ids}) { __typename } }"
INSTANT = (
    "An instant must look like 2026-01-31T12:00:00Z, with `T`, seconds, and `Z` or an offset such "
    "as +02:00."
)

VARIABLES: list[tuple[str, dict[str, Any], str]] = [
    (TASK, {}, "Expected a value of non-null type 'ID!' to be provided."),
    (TASK, {"id": None}, "Expected value of non-null type 'ID!' not to be null."),
    (TASK, {"id": True}, "ID cannot represent value: true"),
    (TASK, {"id": ["1"]}, 'ID cannot represent value: ["1"]'),
    (TASK, {"id": {"a": [None, {"b": {"c": False}}]}}, '{"a": [null, {"b": {"c": false}}]}'),
    (PAGE, {"n": "1"}, 'Int cannot represent non-integer value: "1"'),
    (PAGE, {"n": "it's"}, 'Int cannot represent non-integer value: "it\'s"'),
    (PAGE, {"n": "None"}, 'Int cannot represent non-integer value: "None"'),
    (PAGE, {"n": 2**31}, f"Int cannot represent non 32-bit signed integer value: {2**31}"),
    (PAGE, {"n": "x" * 999}, f'Int cannot represent non-integer value: "{"x" * 239}...'),
    (FILTER, {"f": {"nope": 1}}, "not to include unknown field 'nope', found: {\"nope\": 1}."),
    (FILTER, {"f": {"status": True}}, "cannot represent non-string value: true."),
    (FILTER, {"f": {"ids": ["1", None]}}, "Expected value of non-null type 'ID!' not to be null."),
    (FILTER, {"f": {"search": {"é": None}}}, 'a non string value: {"é": null}'),
    (FILTER, {"f": {"createdAt": {"from": 5}}}, f"but encountered error '{INSTANT}'; found: 5."),
    (
        FILTER,
        {"f": {"createdAt": {"from": "x"}}},
        f"but encountered error '{INSTANT}'; found: \"x\".",
    ),
    (CREATE, {"i": {}}, "to include required field 'title', found: {}."),
    (CREATE, {"i": {"title": None}}, "Expected value of non-null type 'String!' not to be null."),
    (MANY, {"ids": ["1", True]}, "invalid value at [1]: ID cannot represent value: true"),
    (MANY, {"ids": False}, "ID cannot represent value: false"),
]


def errors_of(server: Server, query: str, variables: dict[str, Any]) -> Any:
    """Return the errors of a request that is refused, alike by HTTP and on a socket."""
    user = server.user()
    errors = user.execute(query, variables)["errors"]
    with signed_in(server, user.token) as socket:
        socket.subscribe(query, variables)
        assert socket.hear() == {"id": "one", "type": "error", "payload": errors}
    return errors


@pytest.mark.parametrize(("query", "variables", "message"), VARIABLES)
def test_a_variables_value_is_named_as_in_json(
    server: Server, query: str, variables: dict[str, Any], message: str
) -> None:
    (error,) = errors_of(server, query, variables)
    assert error["message"].endswith(message)
    assert error["extensions"]["code"] == "BAD_USER_INPUT"


LITERALS = {
    '{ task(id: ["1"]) { id } }': (12, 'a non-string and non-integer value: ["1"]'),
    "{ task(id: {a: null}) { id } }": (12, "a non-string and non-integer value: { a: null }"),
    "{ task(id: null) { id } }": (12, "Expected value of non-null type 'ID!' not to be null."),
    "{ tasks(first: [1]) { totalCount } }": (16, "cannot represent non-integer value: [1]"),
    "{ tasks(filter: {createdAt: {from: [5]}}) { totalCount } }": (
        36,
        f"but encountered error '{INSTANT}'; found: [5].",
    ),
    'query($n: Int = ["x"]) { tasks(first: $n) { totalCount } }': (
        17,
        'cannot represent non-integer value: ["x"]',
    ),
    "{ me @skip(if: null) { id } }": (
        16,
        "Expected value of non-null type 'Boolean!' not to be null.",
    ),
    f"{{ task(id: {'9' * 5000}) {{ id }} }}": (None, "digits 5000, and the limit is 100."),
}


@pytest.mark.parametrize("query", LITERALS)
def test_a_literal_is_named_as_it_is_written_and_where_it_is(server: Server, query: str) -> None:
    column, message = LITERALS[query]
    (error,) = errors_of(server, query, {})
    assert error["message"].endswith(message)
    assert not re.search(r"\b(None|True|False|Python|string conversion)\b", error["message"])
    if column is not None:
        assert error["locations"] == [{"line": 1, "column": column}]
