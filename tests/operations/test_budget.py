"""Who has spent their budget is told so, and when to come back; nobody else notices."""

import asyncio
import hashlib
import time
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import psycopg
import pytest

from app.lifespan import run
from app.operations.budget import Budget, RateLimited
from app.operations.documents import Documents
from models.user import UserId
from tests.api import Caller, Server, running_server, settings_for
from tests.clock import Clock, stopped_clock
from tests.database.test_live import eventually, watchers
from tests.databases import Database
from tests.sockets import signed_in
from tests.workers import until_receiving, until_set

LIMIT = 600
"""Points a minute: ten leak away in a second."""

PAGE = "query Page($first: Int) { tasks(first: $first) { nodes { id } } }"
MOST = "{ " + " ".join(f"{name}: tasks(first: 100) {{ nodes {{ id }} }}" for name in "abcd") + " }"
"""Costs 404 points: what is missing for a second one takes twenty seconds to leak away."""

RATE_LIMIT = "{ rateLimit { limit remaining cost resetAt } }"


@pytest.fixture
def limited(migrated_database: Database) -> Iterator[Server]:
    with running_server(settings_for(migrated_database.server_url, rate_limit=LIMIT)) as server:
        yield server


def rate_limit(user: Caller) -> Any:
    return user.data(RATE_LIMIT)["rateLimit"]


@pytest.mark.parametrize(
    ("query", "variables", "cost"),
    [
        ("{ rateLimit { cost } }", {}, 1),
        ("{ rateLimit { cost } me { id } }", {}, 2),
        ("{ rateLimit { cost } tasks { nodes { id } } }", {}, 52),
        ("{ rateLimit { cost } tasks(first: 50) { nodes { id } } }", {}, 52),
        ("{ rateLimit { cost } tasks(last: 7) { nodes { id } } }", {}, 9),
        ("query($n: Int) { rateLimit { cost } tasks(first: $n) { nodes { id } } }", {"n": 3}, 5),
        ("query($n: Int) { rateLimit { cost } tasks(first: $n) { nodes { id } } }", {}, 52),
        ("query($n: Int = 4) { rateLimit { cost } tasks(first: $n) { nodes { id } } }", {}, 6),
        (
            "query($n: Int) { rateLimit { cost } ...F ...F } "
            "fragment F on Query { a: tasks(first: $n) { nodes { id } } taskChanges { reset } }",
            {"n": 10},
            63,
        ),
    ],
)
def test_the_cost_is_known_from_the_document_and_its_variables(
    limited: Server, query: str, variables: dict[str, int], cost: int
) -> None:
    assert limited.user().data(query, **variables)["rateLimit"]["cost"] == cost


def test_what_is_removed_from_the_trash_is_paid_afterwards(migrated_database: Database) -> None:
    settings = settings_for(migrated_database.server_url, rate_limit=LIMIT)
    with stopped_clock(), running_server(settings) as server:
        user = server.user()
        assert rate_limit(user)["remaining"] == LIMIT - 1
        with psycopg.connect(migrated_database.superuser_url) as connection:
            connection.execute("INSERT INTO users (id, name) VALUES (%s, '')", [user.user_id])
            connection.execute(
                "INSERT INTO tasks (user_id, title, version, deleted_at) "
                "SELECT %s, 'x', n, now() FROM generate_series(1, 350) n",
                [user.user_id],
            )
        assert user.empty_trash()["purgedCount"] == 350
        assert rate_limit(user)["remaining"] == LIMIT - 1 - 10 - 3 - 1


@pytest.mark.parametrize("default", [-1_000_000, 0])
def test_no_budget_can_be_minted_by_a_default(limited: Server, default: int) -> None:
    query = (
        f"query($n: Int = {default}) "
        "{ rateLimit { cost remaining } tasks(first: $n) { nodes { id } } }"
    )
    answer = limited.user().data(query, n=None)["rateLimit"]
    assert answer == {"cost": 52, "remaining": LIMIT - 52}


def test_who_has_spent_all_is_told_when_to_come_back_and_others_go_on(limited: Server) -> None:
    spender, other = limited.user(), limited.user()
    assert rate_limit(spender)["remaining"] == LIMIT - 1
    assert spender.post(MOST).status_code == 200
    refused = spender.post(MOST)
    assert refused.status_code == 429
    (error,) = refused.json()["errors"]
    assert error["extensions"]["code"] == "RATE_LIMITED"
    assert 1 <= int(refused.headers["retry-after"]) <= 21
    assert "data" not in refused.json()
    assert rate_limit(other)["remaining"] == LIMIT - 1


def test_a_mutation_that_is_refused_is_not_done(
    limited: Server, migrated_database: Database
) -> None:
    user = limited.user()
    while user.post(PAGE, {"first": 100}).status_code == 200:
        pass
    # Forty points take four seconds to leak away.
    create = 'createTask(input: {title: "too much"}) { __typename }'
    mutation = "mutation { " + " ".join(f"a{n}: {create}" for n in range(40)) + " }"
    while user.post("{ a: __typename b: __typename c: __typename }").status_code == 200:
        pass
    refused = user.post(mutation)
    assert refused.status_code == 429
    with psycopg.connect(migrated_database.superuser_url) as connection:
        assert connection.execute("SELECT count(*) FROM tasks").fetchone() == (0,)


def test_sockets_spend_from_the_same_budget(limited: Server) -> None:
    user = limited.user()
    with signed_in(limited, user.token) as socket:
        for number in range(3):
            socket.subscribe(MOST, id=str(number))
        # The answer and its end, and two errors.
        heard = [socket.hear() for _ in range(2 + 2)]
    codes = [m["payload"][0]["extensions"]["code"] for m in heard if m["type"] == "error"]
    assert codes == ["RATE_LIMITED"] * 2


@pytest.fixture(scope="module")
def still(database: Database) -> Iterator[Server]:
    """A server where no time passes for budgets: nothing leaks away."""
    with (
        stopped_clock(),
        running_server(settings_for(database.server_url, rate_limit=LIMIT)) as server,
    ):
        yield server


TOO_LONG = "{ me { " + "id " * 1000 + "} }"

REFUSED = {
    "syntax": ("{ me { id }", 1),
    "validation": ("{ no }", 1),
    "a limit": ("{ " + "me " * 51 + "}", 1 + 1),
    "tokens": (TOO_LONG, 1 + 20),
    "no operation of the name": ("query A { __typename } query B { __typename }", 1),
}
"""Documents that cannot be executed, and what each costs the first time."""


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_costs_a_point_and_the_first_time_its_length(
    still: Server, name: str
) -> None:
    document, first = REFUSED[name]
    user = still.user()
    for cost in (first, 1, 1):
        before = rate_limit(user)["remaining"]
        assert user.post(document).status_code == 400
        assert rate_limit(user)["remaining"] == before - cost - 1


def test_what_is_refused_on_a_socket_costs_the_same(still: Server) -> None:
    user = still.user()
    with signed_in(still, user.token) as socket:
        socket.subscribe(f"{TOO_LONG} # by a socket")
        assert socket.hear()["type"] == "error"
    assert rate_limit(user)["remaining"] == LIMIT - 21 - 1


def test_who_sends_a_document_first_pays_for_the_look_at_it(still: Server) -> None:
    long = "{ rateLimit { remaining } me { " + "id " * 100 + "} }"
    one, other = still.user(), still.user()
    assert one.data(long)["rateLimit"]["remaining"] == LIMIT - 2 - 2
    assert one.data(long)["rateLimit"]["remaining"] == LIMIT - 2 - 2 - 2
    assert other.data(long)["rateLimit"]["remaining"] == LIMIT - 2


def test_a_document_whose_operation_costs_too_much_is_paid_for_as_well(still: Server) -> None:
    user = still.user()
    assert user.post(MOST).status_code == 200
    before = rate_limit(user)["remaining"]
    assert user.post(MOST.replace("d:", "another:")).status_code == 429
    assert rate_limit(user)["remaining"] == before - 1 - 1


def test_nothing_is_looked_at_for_who_has_spent_everything(
    still: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = still.user()
    for _ in range(LIMIT):
        user.post(f"{TOO_LONG} # again")
    looked_at: list[str] = []
    monkeypatch.setattr(Documents, "document", lambda _, text: looked_at.append(text))
    text = "{ __typename }"
    persisted = {"version": 1, "sha256Hash": hashlib.sha256(text.encode()).hexdigest()}
    bodies: list[dict[str, Any]] = [
        {"query": text},
        {"query": text, "extensions": {"persistedQuery": persisted}},
        {"query": "subscription { taskChanges { cursor } }"},
        {"query": "{ no"},
    ]
    with signed_in(still, user.token) as socket:
        for body in bodies:
            refused = user.http.post("/graphql", json=body)
            assert refused.status_code == 429
            assert int(refused.headers["retry-after"]) >= 1
            socket.say({"id": "one", "type": "subscribe", "payload": body})
            for errors in (refused.json()["errors"], socket.hear()["payload"]):
                assert [error["extensions"]["code"] for error in errors] == ["RATE_LIMITED"]
    assert looked_at == []


async def test_what_is_spent_at_one_worker_counts_once_at_each(
    migrated_database: Database,
) -> None:
    user, marker = UserId("ada"), UserId("marker")
    settings = settings_for(migrated_database.server_url, rate_limit=LIMIT)
    with stopped_clock():
        async with run(settings) as one, run(settings) as two:
            assert one.budget is not None
            assert two.budget is not None
            for worker in (one, two):
                await until_receiving(worker, migrated_database)
            with two.live.watch(marker) as arrived:
                one.budget.spend(user, 100)
                # Changes are sent after the spending.
                one.notifier.add_change(marker)
                await until_set(arrived)
            await until_receiving(one, migrated_database)
            for budget in (one.budget, two.budget):
                assert budget.spend(user, 1).remaining == LIMIT - 100 - 1


def test_a_subscription_is_charged_and_refused_where_too_little_is_left(still: Server) -> None:
    user = still.user()
    before = rate_limit(user)["remaining"]
    with signed_in(still, user.token) as socket:
        socket.follow()
        eventually(lambda: watchers(still), 1)
        after = rate_limit(user)["remaining"]
        assert before - after == 1 + 1
        while rate_limit(user)["remaining"] > 0:
            pass
        socket.follow(id="two")
        refused = socket.hear()
    assert (refused["id"], refused["type"]) == ("two", "error")
    assert refused["payload"][0]["extensions"]["code"] == "RATE_LIMITED"


START = "WyJDSEFOR0VTIiwwLDBd"
"""The cursor of the feed's beginning."""


def test_each_change_that_a_subscription_reads_costs(still: Server) -> None:
    user = still.user()
    for _ in range(7):
        user.create()
    for query, points in (
        ("subscription($a: String) { taskChanges(after: $a) { cursor } }", 1),
        ("subscription($a: String) { taskChanges(after: $a) { a: cursor b: cursor } }", 2),
    ):
        before = rate_limit(user)["remaining"]
        with signed_in(still, user.token) as socket:
            socket.subscribe(query, {"a": START})
            heard = [socket.hear() for _ in range(7)]
        assert {message["type"] for message in heard} == {"next"}
        assert before - rate_limit(user)["remaining"] == 1 + 7 * points + 1


async def test_a_subscription_waits_until_there_are_points(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock, user, slept = Clock(), UserId("ada"), list[float]()
    budget = Budget(LIMIT, Sent().append, clock)
    budget.spend(user, LIMIT - 5)

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        clock.now += seconds

    monkeypatch.setattr("app.operations.budget.asyncio.sleep", sleep)
    await budget.wait_and_take(user, 5)
    assert slept == []
    await budget.wait_and_take(user, 100)
    assert slept == [10]
    # What there never is at once is taken in parts.
    await budget.wait_and_take(user, LIMIT + 100)
    assert slept == [10, 60, 10]
    clock.now += 10
    assert budget.spend(user, 1).remaining == 99


async def test_what_costs_more_than_there_ever_is_is_refused_for_good(still: Server) -> None:
    dear = "{ " + " ".join(f"a{n}: tasks(first: 100) {{ nodes {{ id }} }}" for n in range(6)) + " }"
    user = still.user()
    user.post(dear)
    before = rate_limit(user)["remaining"]
    refused = user.post(dear)
    assert (refused.status_code, "retry-after" in refused.headers) == (400, False)
    with signed_in(still, user.token) as socket:
        socket.subscribe(dear)
        message = socket.hear()
    for errors in (refused.json()["errors"], message["payload"]):
        assert [error["extensions"]["code"] for error in errors] == ["QUERY_TOO_COMPLEX"]
        assert "606 points" in errors[0]["message"]
    assert rate_limit(user)["remaining"] == before - 1 - 1 - 1


def test_the_budget_is_full_again_when_it_says_so(still: Server) -> None:
    user, began = still.user(), time.time()
    spent = user.data("{ tasks(first: 99) { nodes { id } } rateLimit { cost resetAt } }")
    full = datetime.fromisoformat(spent["rateLimit"]["resetAt"]).timestamp()
    # Ten points leak away in a second. What is written is cut to less than a millisecond.
    assert spent["rateLimit"]["cost"] == 101
    assert began + 10.1 - 0.001 <= full <= time.time() + 10.1


class Sent(list[Mapping[UserId, int]]):
    """What a budget sends to other workers."""


@pytest.mark.parametrize("cost", [1, 7, 10, 99, 404, LIMIT])
def test_a_second_before_retry_after_it_is_refused_and_then_granted(cost: int) -> None:
    clock, user = Clock(), UserId("ada")
    budget = Budget(LIMIT, Sent().append, clock)
    budget.spend(user, LIMIT)
    with pytest.raises(RateLimited) as refused:
        budget.spend(user, cost)
    clock.now += refused.value.retry_after - 1
    with pytest.raises(RateLimited) as again:
        budget.spend(user, cost)
    assert again.value.retry_after == 1
    clock.now += 1
    assert budget.spend(user, cost).cost == cost


def test_nobody_is_kept_out_for_more_than_two_minutes_by_what_others_send() -> None:
    clock, user = Clock(), UserId("ada")
    budget = Budget(LIMIT, Sent().append, clock)
    for _ in range(3):
        budget.count({user: 2**31})
    with pytest.raises(RateLimited):
        budget.require(user, 1)
    clock.now += 120
    assert budget.spend(user, LIMIT).remaining == 0


async def test_a_twentieth_is_sent_at_once_and_less_at_the_next_interval() -> None:
    sent, user = Sent(), UserId("ada")
    budget = Budget(LIMIT, sent.append, Clock())
    budget.spend(user, LIMIT // 20 - 1)
    assert sent == []
    budget.take(user, 1)
    assert sent == [{user: LIMIT // 20}]
    notifying = asyncio.create_task(budget.keep_notifying(interval=0))
    for number in (5, 7):
        budget.spend(user, number)
        for _ in range(3):
            await asyncio.sleep(0)
    notifying.cancel()
    assert sent == [{user: LIMIT // 20}, {user: 5}, {user: 7}]


def test_who_has_an_empty_bucket_is_forgotten() -> None:
    clock = Clock()
    budget = Budget(LIMIT, Sent().append, clock)
    for number in range(1000):
        budget.spend(UserId(f"early {number}"), 1)
    clock.now += 0.05
    budget.spend(UserId("late"), 1)
    assert len(budget._buckets) == 1001
    clock.now += 0.06
    budget.spend(UserId("later"), 1)
    assert set(budget._buckets) == {"late", "later"}


def test_nothing_is_limited_where_that_is_off(server: Server) -> None:
    assert rate_limit(server.user()) is None


def test_a_limit_is_usual_in_production_alone(database: Database) -> None:
    assert settings_for(database.server_url, rate_limit=None).points_per_minute == 60_000
    assert settings_for(None, rate_limit=None).points_per_minute == 0
