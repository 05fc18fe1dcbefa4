"""Where tasks stand: lists that are made in SQL, and what a list, the inbox or a parent holds."""

from typing import Any

import psycopg

from tests.api import TASK, Caller, Server
from tests.databases import act_as

RELATED = f"{TASK} list {{ id }} parent {{ id }} subtasks {{ id }} subtaskCount"
"""A task with what it refers to."""

NEW = f"""
mutation ($input: CreateTaskInput!) {{
  createTask(input: $input) {{
    __typename
    ... on Task {{ {RELATED} }}
    ... on UserError {{ message }}
    ... on InvalidInput {{ issues {{ path code message }} }}
  }}
}}"""

BY_HAND = {"field": "POSITION", "direction": "ASC"}


class Lists:
    """The lists of one user, written as the server's role writes them."""

    def __init__(self, server: Server, user: Caller) -> None:
        self._url = str(server.settings.database_url)
        self._user = user
        # Whoever has lists has a row in users.
        user.data("{ me { id } }")

    def make(self, name: str = "Home") -> str:
        """Add a list, and return its id."""
        key = self._execute(
            "INSERT INTO task_lists (user_id, id, name) VALUES (%s, NULL, %s) RETURNING id", name
        )
        return f"L{key}"

    def trash(self, id: str) -> None:
        self._execute(
            "UPDATE task_lists SET deleted_at = now() WHERE user_id = %s AND id = %s RETURNING id",
            int(id[1:]),
        )

    def restore(self, id: str) -> None:
        self._execute(
            "UPDATE task_lists SET deleted_at = NULL WHERE user_id = %s AND id = %s RETURNING id",
            int(id[1:]),
        )

    def _execute(self, sql: str, value: object) -> int:
        with psycopg.connect(self._url) as connection:
            act_as(connection, self._user.user_id)
            row = connection.execute(sql, [self._user.user_id, value]).fetchone()
        assert row is not None
        key: int = row[0]
        return key


def make(user: Caller, title: str = "Milk", **rest: Any) -> Any:
    """Create a task, and return it with what it refers to, or why there is none."""
    return user.data(NEW, input={"title": title, **rest})["createTask"]


def related(user: Caller, id: str) -> Any:
    """Return a task that is not in the trash, with what it refers to."""
    return user.data(f"query ($id: ID!) {{ task(id: $id) {{ {RELATED} }} }}", id=id)["task"]


def order(user: Caller, **container: Any) -> list[str]:
    """Return the ids of the tasks at the top of a list or the inbox, or below a parent, by hand."""
    level = "ALL" if "parentId" in container else "TOP"
    filter = {**container, "level": level}
    return [task["id"] for task in user.page(filter=filter, orderBy=BY_HAND, first=100)["nodes"]]


def issues(answer: Any) -> list[tuple[list[str], str]]:
    """Return what was wrong with an input: paths and codes."""
    assert answer["__typename"] == "InvalidInput", answer
    return [(issue["path"], issue["code"]) for issue in answer["issues"]]
