"""Who follows the same owner's changes from the same place is served by one read."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from typing import Any

import pytest

from app.database.changes import Live
from app.database.listener import Intervals
from models.database import DatabaseUnavailable
from models.user import UserId
from resolvers import changes
from tests.api import Server, running_server, settings_for
from tests.database.test_live import NEVER, eventually, watchers
from tests.databases import Database
from tests.sockets import signed_in

ADA, BOB = UserId("ada"), UserId("bob")


class Reading:
    """Reads that end when a test says so."""

    def __init__(self) -> None:
        self.begun = 0
        self.may_end = asyncio.Event()

    async def __call__(self) -> int:
        self.begun += 1
        number = self.begun
        await self.may_end.wait()
        return number


async def turn() -> None:
    """Let everything that can go on do so."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_read_is_shared_at_one_place_of_one_owner_until_a_change_is_reported() -> None:
    live, reading = Live(), Reading()

    def ask(owner: UserId, place: object) -> asyncio.Task[int]:
        return asyncio.create_task(live.read_once(owner, place, reading))

    asking = [ask(ADA, 7), ask(ADA, 7), ask(ADA, 8), ask(BOB, 7)]
    await turn()
    assert reading.begun == 3
    live.wake(ADA)
    asking += [ask(ADA, 7), ask(ADA, 7), ask(BOB, 7)]
    await turn()
    assert reading.begun == 4
    reading.may_end.set()
    assert await asyncio.gather(*asking) == [1, 1, 2, 3, 4, 4, 3]
    await turn()
    assert live._reads == {}
    assert await live.read_once(ADA, 7, reading) == 5


async def test_who_leaves_takes_the_read_from_nobody() -> None:
    live, reading = Live(), Reading()
    first, second = (asyncio.create_task(live.read_once(ADA, 7, reading)) for _ in range(2))
    await turn()
    first.cancel()
    await turn()
    reading.may_end.set()
    assert await second == 1
    assert first.cancelled()


async def test_a_read_that_fails_fails_for_all_and_is_tried_again() -> None:
    live, reading = Live(), Reading()

    async def fail() -> int:
        await asyncio.sleep(0)
        raise DatabaseUnavailable("The database is away.")

    failing = [live.read_once(ADA, 7, fail) for _ in range(2)]
    outcomes = await asyncio.gather(*failing, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [DatabaseUnavailable] * 2
    reading.may_end.set()
    assert await live.read_once(ADA, 7, reading) == 1


FOLLOWERS, SOCKETS, TOGGLES = 10, 2, 5


@pytest.fixture
def server(database: Database) -> Iterator[Server]:
    """A server where nothing is found by looking now and then."""
    with running_server(settings_for(database.server_url), Intervals(sweep=NEVER)) as server:
        yield server


def test_a_change_is_read_once_for_all_who_follow(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = 0

    async def read(*arguments: Any) -> Any:
        nonlocal reads
        reads += 1
        return await changes.read_changes(*arguments)

    monkeypatch.setattr("resolvers.subscriptions.read_changes", read)
    user = server.user()
    task = user.create()
    end = user.changes(first=100)["pageInfo"]["endCursor"]
    with ExitStack() as stack:
        sockets = [stack.enter_context(signed_in(server, user.token)) for _ in range(SOCKETS)]
        for socket in sockets:
            for number in range(FOLLOWERS):
                socket.follow(end, id=str(number))
        eventually(partial(watchers, server), FOLLOWERS * SOCKETS)
        for _ in range(TOGGLES):
            version = user.toggle(id=task["id"])["version"]
            for socket in sockets:
                versions = [socket.event()["node"]["version"] for _ in range(FOLLOWERS)]
                assert versions == [version] * FOLLOWERS
        # Each may read for itself when it begins.
        assert TOGGLES < reads <= FOLLOWERS * SOCKETS + 2 * TOGGLES
