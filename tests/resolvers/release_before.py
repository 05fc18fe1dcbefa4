"""What clients of release 0.2.0 send, one operation after the other, and its answers made alike."""

import json
import re
from collections.abc import Iterator
from typing import Any

from tests.api import Caller

TASK = (
    "fragment T on Task { id title description completed completedAt createdAt updatedAt deletedAt "
    "version owner { id name } } "
)
FAILURES = (
    "... on UserError { __typename message } ... on InvalidInput { issues { path code message } } "
    "... on VersionConflict { current { ...T } } "
    "... on QuotaExceeded { storage { tasks tasksLimit bytes bytesLimit } }"
)


def mutation(name: str, input: str, members: str = "... on Task { ...T }") -> str:
    failures = FAILURES
    if name not in ("createTask", "updateTask"):
        failures = failures.replace(
            "... on QuotaExceeded { storage { tasks tasksLimit bytes bytesLimit } }", ""
        )
    for union, missing in (
        ("createTask", "... on VersionConflict { current { ...T } } "),
        ("updateTasks", "... on VersionConflict { current { ...T } } "),
        ("deleteTasks", "... on VersionConflict { current { ...T } } "),
        ("purgeTasks", "... on VersionConflict { current { ...T } } "),
        ("emptyTrash", FAILURES.split("... on QuotaExceeded")[0]),
        ("toggleTask", "... on InvalidInput { issues { path code message } } "),
        ("deleteTask", "... on InvalidInput { issues { path code message } } "),
        ("restoreTask", "... on InvalidInput { issues { path code message } } "),
    ):
        if name == union:
            failures = failures.replace(missing, "")
    fragment = TASK if "...T" in members + failures else ""
    return (
        f"{fragment}mutation ($input: {input}!) {{ {name}(input: $input) "
        f"{{ __typename {members} {failures} }} }}"
    )


CREATE = mutation("createTask", "CreateTaskInput")
UPDATE = mutation("updateTask", "UpdateTaskInput")
TOGGLE = mutation("toggleTask", "ToggleTaskInput")
RESTORE = mutation("restoreTask", "RestoreTaskInput")
DELETE = mutation(
    "deleteTask", "DeleteTaskInput", "... on DeleteTaskSuccess { deletedTaskId version }"
)
UPDATE_MANY = mutation(
    "updateTasks", "UpdateTasksInput", "... on UpdateTasksSuccess { tasks { ...T } missingIds }"
)
DELETE_MANY = mutation(
    "deleteTasks",
    "DeleteTasksInput",
    "... on DeleteTasksSuccess { deletedTaskIds tasks { ...T } missingIds }",
)
PURGE = mutation(
    "purgeTasks", "PurgeTasksInput", "... on PurgeTasksSuccess { purgedTaskIds missingIds }"
)
EMPTY = (
    "mutation ($input: EmptyTrashInput!) "
    "{ emptyTrash(input: $input) { ... on EmptyTrashSuccess { purgedCount hasMore } } }"
)
PAGE = TASK + (
    "query ($filter: TaskFilter, $orderBy: TaskOrder, $first: Int, $last: Int) "
    "{ tasks(filter: $filter, orderBy: $orderBy, first: $first, last: $last) "
    "{ nodes { ...T } edges { cursor node { id } } totalCount "
    "pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }"
)
ONE = TASK + "query ($id: ID!) { task(id: $id) { ...T } }"
CHANGES = TASK + (
    "query ($after: String) { taskChanges(after: $after) { reset nodes { taskId version "
    "task { ...T } } edges { cursor } pageInfo { hasNextPage endCursor } } }"
)
ABOUT = (
    "{ me { id name email } storage { tasks tasksLimit bytes bytesLimit } "
    "rateLimit { __typename } }"
)


def operations(user: Caller) -> Iterator[tuple[str, Any]]:
    """Yield the name of each operation and its answer, as JSON has it."""
    ids: list[str] = []

    def sent(name: str, query: str, **variables: Any) -> tuple[str, Any]:
        answer = user.post(query, variables).json()
        made = (answer.get("data") or {}).get("createTask") or {}
        if "id" in made:
            ids.append(made["id"])
        return name, answer

    yield sent("about", ABOUT)
    for title in ("Milk", " Bread ", "Ö l"):
        yield sent("create", CREATE, input={"title": title, "description": f"about {title}"})
    yield sent("create with key", CREATE, input={"title": "Tea", "idempotencyKey": "a"})
    yield sent("create again", CREATE, input={"title": "Tea", "idempotencyKey": "a"})
    yield sent("create with its key", CREATE, input={"title": "Rum", "idempotencyKey": "a"})
    yield sent("create nothing", CREATE, input={"title": " ", "description": "x" * 1001})
    yield sent("update", UPDATE, input={"id": ids[0], "title": "Oats", "expectedVersion": 1})
    yield sent("update late", UPDATE, input={"id": ids[0], "title": "No", "expectedVersion": 1})
    yield sent("update nothing", UPDATE, input={"id": ids[0]})
    yield sent("update null", UPDATE, input={"id": ids[0], "title": None, "description": None})
    yield sent("clear", UPDATE, input={"id": ids[0], "description": None})
    yield sent("toggle", TOGGLE, input={"id": ids[1]})
    yield sent("toggle none", TOGGLE, input={"id": "9"})
    yield sent("delete", DELETE, input={"id": ids[2], "idempotencyKey": "b"})
    yield sent("delete again", DELETE, input={"id": ids[2], "idempotencyKey": "b"})
    yield sent("delete gone", DELETE, input={"id": ids[2]})
    yield sent("one gone", ONE, id=ids[2])
    for arguments in (
        {},
        {"first": 2},
        {"last": 1},
        {"filter": {"status": "PENDING"}},
        {"filter": {"trash": "ONLY"}},
        {"filter": {"search": "oat"}},
        {"filter": {"ids": [ids[1], "7"]}},
        {"orderBy": {"field": "TITLE", "direction": "ASC"}},
        {"orderBy": {"field": "UPDATED_AT", "direction": "DESC"}},
        {"first": 101},
    ):
        yield sent(f"page {json.dumps(arguments)[:20]}", PAGE, **arguments)
    yield sent("restore", RESTORE, input={"id": ids[2]})
    yield sent("restore what is there", RESTORE, input={"id": ids[2]})
    yield sent("update many", UPDATE_MANY, input={"ids": [*ids, "7"], "completed": True})
    yield sent("delete many", DELETE_MANY, input={"ids": [ids[0], "x", ids[0]]})
    yield sent("purge", PURGE, input={"ids": [ids[0], ids[1]]})
    yield sent("delete one more", DELETE, input={"id": ids[1]})
    yield sent("empty", EMPTY, input={})
    yield sent("changes", CHANGES)
    yield sent("about", ABOUT)
    yield sent("an unknown field", "{ tasks { nodes { nothing } } }")


def alike(answers: list[tuple[str, Any]]) -> Any:
    """Return answers without what differs each time: ids, instants, cursors."""
    seen: dict[str, str] = {}

    def plain(match: re.Match[str]) -> str:
        return seen.setdefault(match[0], f"id {len(seen)}")

    text = json.dumps(answers, ensure_ascii=False, indent=1)
    text = re.sub(r'"\d{4}-\d\d-\d\dT[^"]+Z"', '"an instant"', text)
    text = re.sub(r'("(?:cursor|startCursor|endCursor)": )"[^"]+"', r'\1"a cursor"', text)
    text = re.sub(r"user-\w+", "the user", text)
    text = re.sub(r'(?<="id": ")\d+(?=")|(?<="taskId": ")\d+(?=")', plain, text)
    text = re.sub(r'(?<=TaskId": ")\d+(?=")', plain, text)
    return json.loads(re.sub(r'(?<=  ")\d+(?=")', plain, text))
