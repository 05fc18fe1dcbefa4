"""Under pressure nobody gets hold of another's tasks: by the thousand, aborted, on a small pool."""

import asyncio
import gc
import json
import random
from collections import Counter
from collections.abc import Iterator
from urllib.parse import urlsplit

import psycopg
import pytest

from tests.api import Server, running_server, settings_for
from tests.counts import Count
from tests.databases import Database, one_node
from tests.many_users import BATCH, FAILING, PATIENT, READ, TOGGLE, ManyUsers, Member, client_of
from tests.resolvers.test_isolation import forget_owners

USERS = 200
TRIES = 20_000
ENDED_EARLY = 500

TOGGLES = (
    "mutation ($id: ID!) {"
    + " ".join(f"t{n}: toggleTask(input: {{id: $id}}) {{ __typename }}" for n in range(BATCH))
    + "}"
)


@pytest.fixture(scope="module")
def patient_server(database: Database) -> Iterator[Server]:
    with running_server(settings_for(database.server_url, **PATIENT)) as server:
        yield server


async def test_twenty_thousand_tries_reach_nothing_of_others(
    patient_server: Server, database: Database, count: Count
) -> None:
    async with client_of(patient_server) as http:
        users = ManyUsers(patient_server, http)
        await users.gather(USERS)
        await users.press(TRIES)
    changed = users.changed(database)
    count("tries of many users to reach others' tasks", users.tries.total())
    count("tries of many users that told or changed something", len(users.leaks) + changed)
    assert (users.leaks[:3], changed, users.failures) == ([], 0, {})
    assert users.tries.total() >= TRIES


@one_node("the engine refuses a statement that names no owner")
async def test_without_both_layers_a_crowd_gets_hold_of_everything(database: Database) -> None:
    """The proof that the tests here can fail."""
    settings = settings_for(database.superuser_url, require_row_security=False, **PATIENT)
    with pytest.MonkeyPatch.context() as patch:
        forget_owners(patch)
        with running_server(settings) as server:
            async with client_of(server) as http:
                users = ManyUsers(server, http)
                await users.gather(10)
                for kind in (users.read, users.page, users.write):
                    users.leaks.clear()
                    await kind(random.Random(0))
                    assert users.leaks
    assert users.changed(database)


# Python warns of a resolver that is cancelled before it begins, when it is collected.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_what_ends_early_leaves_nothing_to_the_next_request(
    patient_server: Server, database: Database, count: Count
) -> None:
    async with client_of(patient_server) as http:
        users = ManyUsers(patient_server, http)
        await users.gather(20)
    settings = settings_for(
        database.server_url,
        database_pool_max_size=2,
        database_statement_timeout=0.05,
        request_timeout=1.0,
    )
    with (
        running_server(settings) as users.server,
        psycopg.connect(database.superuser_url) as connection,
    ):
        # As long as this transaction lasts, nobody can change the task.
        member = users.members[0]
        connection.execute(
            "SELECT FROM tasks WHERE user_id = %s AND id = %s FOR UPDATE",
            [member.user_id, member.task_ids[1]],
        )
        async with client_of(users.server) as users.http:
            ended, _ = await asyncio.gather(end_early(users), users.press(1500))
    gc.collect()
    leaks = len(users.leaks) + users.changed(database)
    count("requests aborted, cancelled or failed amid many users", ended.total())
    count("tries of many users amid aborted requests", users.tries.total())
    count("tries of many users amid aborted requests that told or changed something", leaks)
    assert leaks == 0, users.leaks[:3]
    assert set(users.failures) <= {"SERVICE_UNAVAILABLE", "TIMEOUT", "REQUEST_TIMEOUT"}
    assert ended.total() >= ENDED_EARLY
    assert ended.keys() == {"hung up", "BAD_USER_INPUT", "SERVICE_UNAVAILABLE", "TIMEOUT"}


async def end_early(users: ManyUsers) -> Counter[str]:
    """Send requests that are aborted, cancelled or fail; return how often each came about."""
    chance, ended = random.Random(0), Counter[str]()
    blocked, *others = users.members[:8]

    async def fail(query: str, member: Member) -> None:
        member.unsure += query.count("toggleTask")
        answer = await users.ask(member, query, {"id": member.task_ids[1]})
        ended.update({error["extensions"]["code"] for error in answer["errors"]})

    async def any_kind() -> None:
        match chance.choices(["hang up", "fail", "wait"], [12, 7, 1]):
            case ["hang up"]:
                await hang_up(users, chance.choice(others), chance)
                ended["hung up"] += 1
            case ["fail"]:
                await fail(FAILING, chance.choice(others))
            case ["wait"]:
                await fail(TOGGLE, blocked)

    for _ in range(ENDED_EARLY // 20):
        await asyncio.gather(*(any_kind() for _ in range(20)))
    # One statement after the other is cancelled, and then the request.
    await asyncio.gather(*(fail(TOGGLES, blocked) for _ in range(10)))
    return ended


async def hang_up(users: ManyUsers, member: Member, chance: random.Random) -> None:
    """Send a request, or nearly all of it, and go."""
    query, variables = READ, {f"x{n}": member.task_ids[0] for n in range(BATCH)}
    if chance.random() < 0.5:
        query, variables = TOGGLE, {"id": member.task_ids[0]}
        member.unsure += 1
    body = json.dumps({"query": query, "variables": variables}).encode()
    head = (
        f"POST /graphql HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {member.token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    url = urlsplit(users.server.url)
    _, writer = await asyncio.open_connection(url.hostname, url.port)
    writer.write(head.encode() + (body[:-1] if chance.random() < 0.2 else body))
    await writer.drain()
    await asyncio.sleep(chance.choice([0, 0.001, 0.01]))
    if chance.random() < 0.5:
        writer.transport.abort()
    writer.close()
