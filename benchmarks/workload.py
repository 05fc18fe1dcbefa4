"""What is measured: six operations, who asks them, and what a right answer looks like."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

READERS = 200
"""Users whose tasks are read. Others write, so that what is read stays as it is."""

TASKS_EACH = 100

LIST = """query($n: Int) { tasks(first: $n) {
  nodes { id title description completed createdAt updatedAt }
  pageInfo { hasNextPage endCursor }
} }"""


@dataclass(frozen=True)
class Operation:
    """One operation: its document, for this server and for peers whose schema is plainer."""

    name: str
    document: str
    variables: Callable[[str], dict[str, Any] | None]
    """Makes the variables, given the id of one of the user's tasks."""
    is_right: Callable[[dict[str, Any]], bool]
    peer_document: str | None = None
    writes: bool = False

    def body(self, task_id: str, *, peer: bool) -> bytes:
        """Return the body of a request."""
        document = self.peer_document if peer and self.peer_document else self.document
        return json.dumps({"query": document, "variables": self.variables(task_id)}).encode()


def _page_of(size: int) -> Callable[[dict[str, Any]], bool]:
    return lambda data: (
        len(data["tasks"]["nodes"]) == size and data["tasks"]["pageInfo"]["hasNextPage"] is True
    )


def user_id(user: int) -> str:
    return f"user-{user:05d}"


def task_id(user: int, number: int, users: int) -> str:
    """Return the id of one of a user's tasks: as people add them, by turns."""
    return str(1 + user + number * users)


OPERATIONS = [
    Operation(
        "__typename",
        "query { __typename }",
        lambda _: None,
        lambda data: data == {"__typename": "Query"},
    ),
    Operation(
        "one task",
        "query($id: ID!) { task(id: $id) { id title completed updatedAt } }",
        lambda task: {"id": task},
        lambda data: data["task"]["title"].startswith(f"Task {data['task']['id']} "),
    ),
    Operation("list of 10", LIST, lambda _: {"n": 10}, _page_of(10)),
    Operation("list of 50", LIST, lambda _: {"n": 50}, _page_of(50)),
    Operation(
        "toggle",
        "mutation($id: ID!) { toggleTask(input: {id: $id}) "
        "{ ... on Task { id completed updatedAt } } }",
        lambda task: {"id": task},
        lambda data: data["toggleTask"]["completed"] in (True, False),
        "mutation($id: ID!) { toggleTask(id: $id) { id completed updatedAt } }",
        writes=True,
    ),
    Operation(
        "create",
        "mutation($t: String!) { createTask(input: {title: $t}) "
        "{ ... on Task { id title createdAt } } }",
        lambda task: {"t": f"A new task, made beside task {task}"},
        lambda data: data["createTask"]["title"].startswith("A new task"),
        "mutation($t: String!) { createTask(title: $t) { id title createdAt } }",
        writes=True,
    ),
]
