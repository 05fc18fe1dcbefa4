"""What is measured: six operations, who asks them, and what a right answer looks like."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any

from auth.signing import make_token
from benchmarks.load import Request

SECRET = "0123456789abcdef0123456789abcdef-peers"  # noqa: S105 -- it guards generated rows only
"""What every server under measurement must verify tokens with."""

ASKING = 200
"""Users whose tasks are read; as many others write, so that what is read stays as it is."""

TASKS_EACH = 100
LIST = """query($n: Int) { tasks(first: $n) {
  nodes { id title description completed createdAt updatedAt }
  pageInfo { hasNextPage endCursor }
} }"""


@dataclass(frozen=True)
class Operation:
    """One operation, asked about one of somebody's tasks."""

    name: str
    document: str
    variables: Callable[[str], dict[str, Any]]
    """Makes the variables, given the task's id."""
    is_right: Callable[[Any, str], bool]
    """Whether the data are right, given the task's id; by whatever names a server has them."""
    writes: bool = False

    def request(self, task: str, token: str, words: Mapping[str, str]) -> Request:
        document = words.get(self.name, self.document)
        body = json.dumps({"query": document, "variables": self.variables(task)})
        return Request(body.encode(), token)


def user_id(user: int) -> str:
    return f"user-{user:05d}"


def task_id(user: int, number: int, users: int) -> str:
    """Return the id of one of a user's tasks: as people add them, by turns."""
    return str(1 + user + number * users)


@cache
def token_of(user: str) -> str:
    return make_token(
        SECRET, user_id=user, lifetime=timedelta(hours=24), issuer=None, audience=None
    )


def asked(operation: Operation, users: int, words: Mapping[str, str]) -> dict[str, Request]:
    """Return requests of many users, by the id of the task that each is about."""
    first = ASKING if operation.writes else 0
    tokens = [token_of(user_id(first + user)) for user in range(ASKING)]
    tasks = [
        (user, task_id(first + user, number, users))
        for number in range(0, TASKS_EACH, 10)
        for user in range(ASKING)
    ]
    return {task: operation.request(task, tokens[user], words) for user, task in tasks}


def _all(data: Any, *names: str) -> list[Any]:  # noqa: ANN401 -- JSON
    """Return what stands under any of these names, wherever that is."""
    return [value for name, value in _fields(data) if name in names]


def _fields(data: Any) -> Iterator[tuple[str, Any]]:  # noqa: ANN401 -- JSON
    for value in data if isinstance(data, list) else []:
        yield from _fields(value)
    for name, value in data.items() if isinstance(data, dict) else []:
        yield name, value
        yield from _fields(value)


def _is_task(data: Any, task: str) -> bool:  # noqa: ANN401 -- JSON
    return _all(data, "id", "rowId") == [task] and _all(data, "completed") in ([True], [False])


def _has_page_of(size: int) -> Callable[[Any, str], bool]:
    def is_right(data: Any, _: str) -> bool:  # noqa: ANN401 -- JSON
        titles, times = _all(data, "title"), _all(data, "createdAt")
        return (
            len(set(titles)) == len(titles) == size
            and times == sorted(times, reverse=True)
            and _all(data, "hasNextPage") == [True]
        )

    return is_right


def _title(task: str) -> str:
    return f"A new task, made beside task {task}"


OPERATIONS = [
    Operation(
        "__typename",
        "query { __typename }",
        lambda _: {},
        lambda data, _: data == {"__typename": "Query"},
    ),
    Operation(
        "one task",
        "query($id: ID!) { task(id: $id) { id title completed updatedAt } }",
        lambda task: {"id": task},
        lambda data, task: _is_task(data, task) and _all(data, "title")[0].startswith("Task "),
    ),
    Operation("list of 10", LIST, lambda _: {"n": 10}, _has_page_of(10)),
    Operation("list of 50", LIST, lambda _: {"n": 50}, _has_page_of(50)),
    Operation(
        "toggle",
        "mutation($id: ID!) { toggleTask(input: {id: $id}) "
        "{ ... on Task { id completed updatedAt } } }",
        lambda task: {"id": task},
        _is_task,
        writes=True,
    ),
    Operation(
        "create",
        "mutation($t: String!) { createTask(input: {title: $t}) "
        "{ ... on Task { id title createdAt } } }",
        lambda task: {"t": _title(task)},
        lambda data, task: _all(data, "title") == [_title(task)],
        writes=True,
    ),
]
NAMES = [operation.name for operation in OPERATIONS]
