"""How often a request waits for the database: what can be asked at once is asked at once."""

from collections.abc import Iterator
from typing import Any

import pytest

from app.database.notifications import NOTIFY
from pipelined_postgres.calls import Call
from pipelined_postgres.protocol import Pipeline
from tests.api import Caller, Server, running_server, settings_for
from tests.containers import Lists
from tests.databases import Database


class RoundTrips:
    """Counts how often something is sent while nothing is under way."""

    def __init__(self) -> None:
        self.count = 0
        self.calls = 0
        self._under_way = set[int]()

    def sent(self, call: Call) -> None:
        if call.queries[-1][0].text != NOTIFY.text.encode():
            self.count += not self._under_way
            self._under_way.add(id(call))
            self.calls += 1

    def answered(self, call: Call) -> None:
        self._under_way.discard(id(call))


@pytest.fixture
def round_trips(monkeypatch: pytest.MonkeyPatch) -> RoundTrips:
    """The round trips to the database while a test runs, but for what wakes other workers."""
    counted = RoundTrips()
    submit, answered = Pipeline.submit, Pipeline.answered

    def count_sent(pipeline: Pipeline, call: Call, now: float) -> None:
        counted.sent(call)
        submit(pipeline, call, now)

    def count_answered(pipeline: Pipeline, result: Any, now: float) -> None:
        counted.answered(pipeline.calls[0])
        answered(pipeline, result, now)

    monkeypatch.setattr(Pipeline, "submit", count_sent)
    monkeypatch.setattr(Pipeline, "answered", count_answered)
    return counted


@pytest.fixture(scope="module", params=["none", "single"])
def user(database: Database, request: pytest.FixtureRequest) -> Iterator[Caller]:
    """Somebody with three tasks, on a server that may have one statement at a time, or many."""
    # On a cluster all go through the coordinator, so that there are connections to one node alone.
    settings = settings_for(
        database.server_url, database_pooler=request.param, database_nodes=False
    )
    with running_server(settings) as server:
        user = with_tasks(server)
        pipelines = server.running.database.client._balance.pipelines
        # One connection is opened after the other, as they are needed.
        while len(pipelines) < CONNECTIONS:
            user.data(MANY)
        yield user


CONNECTIONS = 4
MANY = f"{{ {' '.join(f'_{n}: tasks {{ totalCount }}' for n in range(CONNECTIONS))} }}"


def with_tasks(server: Server) -> Caller:
    user = server.user()
    home = Lists(server, user).make()
    for n in range(3):
        user.create(title=f"milk {n}", listId=home)
    return user


COUNTED = "nodes { id title } totalCount"
PIECES = f"""
query ($counts: Boolean!) {{ tasks {{ ...Nodes ...Counted @include(if: $counts) }} }}
fragment Nodes on TaskConnection {{ nodes {{ id }} }}
fragment Counted on TaskConnection {{ ... {{ {COUNTED} }} }}
"""


@pytest.mark.parametrize(
    ("query", "variables", "count"),
    [
        ("{ tasks { nodes { id title } } }", {}, 1),
        (f"{{ tasks {{ {COUNTED} }} }}", {}, 1),
        (f"{{ tasks(first: 1, orderBy: {{field: DUE}}) {{ {COUNTED} }} }}", {}, 1),
        (f'{{ tasks(filter: {{search: "milk"}}) {{ {COUNTED} }} }}', {}, 2),
        (f"{{ a: tasks {{ {COUNTED} }} b: lists {{ nodes {{ id }} totalCount }} }}", {}, 1),
        (f"{{ lists {{ nodes {{ id tasks {{ {COUNTED} }} }} totalCount }} }}", {}, 2),
        ("{ tasks { nodes { id list { id } } totalCount } }", {}, 2),
        (PIECES, {"counts": True}, 1),
        (PIECES, {"counts": False}, 1),
    ],
)
def test_what_can_be_asked_at_once_is_one_round_trip(
    user: Caller,
    round_trips: RoundTrips,
    query: str,
    variables: dict[str, Any],
    count: int,
) -> None:
    data = user.data(query, **variables)
    assert round_trips.count == count
    assert (data.get("tasks") or {}).get("totalCount", 3) == 3


@pytest.mark.parametrize("condition", ["@skip(if: true)", "@include(if: $no)", "@skip(if: $yes)"])
def test_a_count_that_is_left_out_is_not_read(
    user: Caller, round_trips: RoundTrips, condition: str
) -> None:
    query = f"""query ($yes: Boolean = true, $no: Boolean = false) {{
      tasks {{ nodes {{ id }} totalCount {condition} ... @skip(if: $no) {{ __typename }} }}
      __typename @include(if: $yes)
    }}"""
    assert "totalCount" not in user.data(query)["tasks"]
    assert round_trips.calls == 1


def test_a_count_is_selected_wherever_it_stands(user: Caller) -> None:
    query = """query ($yes: Boolean = true) {
      tasks { nodes { id } ...A @skip(if: $yes) ...A number: totalCount @include(if: $yes) }
      tasks { nodes { title } }
    }
    fragment A on TaskConnection { ...B ...B ... on TaskConnection { ... { counted: totalCount } } }
    fragment B on TaskConnection { pageInfo { hasNextPage } }"""
    tasks = user.data(query)["tasks"]
    assert (tasks["number"], tasks["counted"]) == (3, 3)
