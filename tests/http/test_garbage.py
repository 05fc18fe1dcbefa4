"""A request on a connection that stays leaves nothing that only the garbage collector finds.

It does so in circles of objects, such as a closure over the object that holds it. To collect them
costs some hundredths of a small request.
"""

import gc
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.api import Server, running_server, settings_for
from tests.databases import Database

TIMES = 20
QUERIES = {
    "the smallest": "{ __typename }",
    "one task": '{ task(id: "1") { id title } }',
    "a page": "{ tasks(first: 10) { nodes { id title } pageInfo { endCursor } totalCount } }",
    "a change": 'mutation { toggleTask(input: {id: "1"}) { __typename } }',
    "a new task": 'mutation { createTask(input: {title: "x"}) { ... on Task { id } } }',
    "the budget": "{ rateLimit { remaining } }",
}


@pytest.fixture(scope="module", params=[True, False], ids=["directly", "by the application"])
def limited(database: Database, request: pytest.FixtureRequest) -> Iterator[Server]:
    settings = settings_for(
        database.server_url, answer_directly=request.param, rate_limit=1_000_000
    )
    with running_server(settings) as server:
        yield server


@pytest.mark.parametrize("name", QUERIES)
def test_a_request_leaves_no_circles(limited: Server, name: str) -> None:
    user = limited.user()

    def ask() -> None:
        for _ in range(TIMES):
            assert "errors" not in user.execute(QUERIES[name])

    ask()
    gc.collect()
    gc.disable()
    try:
        gc.set_debug(gc.DEBUG_SAVEALL)
        ask()
        gc.collect()
        left = Counter(type(each).__qualname__ for each in gc.garbage)
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
    # The clients and others in this process may leave some, but fewer than one for each request.
    assert {kind: count for kind, count in left.items() if count >= TIMES} == {}
