"""Whether a page costs the same however long the list is, and however many tasks others have."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.data import filled_database, list_owner, postmaster
from benchmarks.figures import table
from benchmarks.load import Request, answers
from benchmarks.measuring import SMALLEST, cost_of
from benchmarks.servers import Subject, our_server
from benchmarks.workload import TASKS_EACH, token_of

LISTS = [10, 100, 1_000, 10_000, 100_000]
PAGE = "nodes { id title description completed createdAt updatedAt }"
ASKED = {
    "first page": f"{{ tasks {{ {PAGE} }} }}",
    "halfway page": f"query($middle: String) {{ tasks(after: $middle) {{ {PAGE} }} }}",
    "last page": f"{{ tasks(last: 50) {{ {PAGE} }} }}",
    "by title": f"{{ tasks(orderBy: {{ field: TITLE }}) {{ {PAGE} }} }}",
    "one task": "query($id: ID!) { task(id: $id) { id title completed updatedAt } }",
    "totalCount": "{ tasks(first: 0) { totalCount } }",
}
"""What is asked about each list. A count alone may cost more where there is more to be counted."""

WALK = """query($first: Int, $after: String) { tasks(first: $first, after: $after) {
  nodes { id } pageInfo { endCursor }
} }"""


@dataclass(frozen=True)
class Point:
    """What one request costs where the table and the list have these sizes."""

    table_size: int
    list_size: int
    asked: str
    server: float
    """Microseconds of the server's CPU."""
    database: float
    """Microseconds of PostgreSQL's CPU."""


def flatness(folder: Path, table_size: int, *, seconds: float) -> Iterator[Point]:
    """Ask about every list that fits into a table of this size.

    Raises:
        WrongAnswer: an answer is wrong.
        ConnectionError: one did not come.
    """
    lists = [size for size in LISTS if size <= table_size // 5]
    users = (table_size - sum(lists)) // TASKS_EACH
    with (
        filled_database(folder, users, lists) as url,
        our_server("Todo API", url, {}) as subject,
    ):
        database = postmaster(folder)
        for size in lists:
            for asked, request in _requests(subject, size).items():
                (body,) = answers(subject.port, [request])
                cost = cost_of(
                    [request],
                    subject,
                    int(SMALLEST * len(body)),
                    seconds,
                    database=database,
                )
                yield Point(table_size, size, asked, cost.server, cost.database)


def _requests(subject: Subject, size: int) -> dict[str, Request]:
    token = token_of(list_owner(size))

    def request(document: str, **variables: Any) -> Request:  # noqa: ANN401 -- JSON
        return Request(json.dumps({"query": document, "variables": variables}).encode(), token)

    passed, middle, task = 0, None, ""
    while passed < size // 2:
        walk = request(WALK, first=min(100, size // 2), after=middle)
        (body,) = answers(subject.port, [walk])
        page = json.loads(body)["data"]["tasks"]
        passed += len(page["nodes"])
        middle, task = page["pageInfo"]["endCursor"], page["nodes"][-1]["id"]
    variables: dict[str, dict[str, Any]] = {
        "halfway page": {"middle": middle},
        "one task": {"id": task},
    }
    return {
        asked: request(document, **variables.get(asked, {})) for asked, document in ASKED.items()
    }


def flatness_table(points: Sequence[Point]) -> str:
    """Return a row for each list in each table: the server's microseconds + PostgreSQL's."""
    rows: dict[str, list[str]] = {}
    for point in points:
        row = rows.setdefault(f"{point.list_size:,} of {point.table_size:,}", [])
        row.append(f"{point.server:,.0f} + {point.database:,.0f}")
    return table("The list's tasks of all; server + PostgreSQL, µs of CPU", list(ASKED), rows)
