"""Notifications between workers: who is named in one hears of it, and none is lost unnoticed."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import psycopg
import pytest

from app.database import listener, notifications
from app.database.changes import Live, NotifyingDatabase
from app.database.listener import Intervals, keep_sweeping
from app.database.notifications import NOTIFY, Notifier
from app.database.turns import Turns
from app.lifespan import run
from app.settings import Settings
from models.database import DatabaseUnavailable
from models.statement import Row, Sql, Statement
from models.user import UserId
from tests.api import settings_for
from tests.clock import stopped_clock
from tests.databases import Database
from tests.workers import cut_listeners, notify, until_receiving, until_set

MANY = 500
"""Owners whose names are more than one notification can hold."""

NEVER = Intervals(sweep=1e6, poll=1e6)
"""Nobody looks for changes without a notification."""

READ = Sql("SELECT 1", (), tuple, writes=False)
WRITE = Sql("SELECT 2", (), tuple, writes=True)


def short_ids() -> list[UserId]:
    return [UserId(f"{number:032x}") for number in range(MANY)]


def long_ids() -> list[UserId]:
    """Return ids of 255 characters, of four bytes each for the most part."""
    return [UserId(f"{number:05d}" + "\N{OX}" * 250) for number in range(MANY)]


class Recorder:
    """A database that keeps what it is sent, and fails as often as it is told to."""

    def __init__(self, *failures: Exception) -> None:
        self.sent: list[Statement[Any]] = []
        self._failures = list(failures)

    async def fetch(self, statement: Statement[Row]) -> list[Row]:
        self.sent.append(statement)
        if self._failures:
            raise self._failures.pop(0)
        return []

    def named(self, member: str) -> Iterator[str]:
        """Yield the users whom notifications name."""
        for statement in self.sent:
            yield from json.loads(str(statement.values["payload"])).get(member, ())


@pytest.mark.parametrize("ids", [short_ids(), long_ids()], ids=["short", "long"])
async def test_who_waits_is_notified_however_many_others_are(
    migrated_database: Database, ids: list[UserId]
) -> None:
    settings = settings_for(migrated_database.server_url, rate_limit=600)
    with stopped_clock():
        async with run(settings, NEVER) as one, run(settings, NEVER) as two:
            assert one.budget is not None
            assert two.budget is not None
            await until_receiving(two, migrated_database)
            with ExitStack() as stack:
                events = [stack.enter_context(two.live.watch(id)) for id in ids]
                # Each is more than a twentieth of the limit, so it is sent at once.
                for id in ids:
                    one.budget.spend(id, 100)
                    one.notifier.add_change(id)
                await until_set(*events)
            assert {two.budget.spend(id, 1).remaining for id in ids} == {600 - 100 - 1}


@pytest.mark.parametrize("ids", [short_ids(), long_ids(), ['"\\' * 127]], ids=["short", "long", ""])
async def test_no_payload_is_longer_than_postgresql_takes(ids: list[UserId]) -> None:
    database = Recorder()
    notifier = Notifier(database)
    for id in ids:
        notifier.add_change(id)
    notifier.add_spending(dict.fromkeys(ids, 2**31))
    await notifier.send()
    payloads = [str(statement.values["payload"]) for statement in database.sent]
    assert max(len(payload.encode()) for payload in payloads) <= 7999
    for member in ("of", "spent"):
        assert sorted(database.named(member)) == sorted(ids)
    # A short notification for each would be as many transactions.
    assert len(payloads) < 2 * MANY


@pytest.mark.parametrize(
    "failure",
    [DatabaseUnavailable("away"), psycopg.DataError("refused"), psycopg.OperationalError()],
)
async def test_a_notification_that_fails_is_logged_and_the_others_are_sent(
    failure: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    database = Recorder(failure)
    notifier = Notifier(database)
    for id in short_ids():
        notifier.add_change(id)
    await notifier.send()
    assert sorted(database.named("of")) == short_ids()
    assert len(database.sent) > 1
    (record,) = caplog.records
    assert "could not be notified" in record.getMessage()


async def test_who_is_about_to_write_is_announced_together_with_those_who_come_meanwhile() -> None:
    database = Recorder()
    notifier = Notifier(database)
    ids = long_ids()
    first = notifier.announce(ids[0])
    await asyncio.sleep(0)
    others = [notifier.announce(id) for id in ids[1:]]
    await first
    assert list(database.named("writing")) == ids[:1]
    await asyncio.gather(*others)
    assert sorted(database.named("writing")) == ids
    assert len(database.sent) < MANY


async def test_a_writer_learns_that_others_cannot_be_told() -> None:
    notifier = Notifier(Recorder(DatabaseUnavailable("away")))
    with pytest.raises(DatabaseUnavailable):
        await notifier.announce(UserId("ada"))
    await notifier.announce(UserId("ada"))


@pytest.mark.parametrize(
    ("failure", "times", "sent"),
    [
        (DatabaseUnavailable("away"), 2, 3),
        (psycopg.OperationalError(), 2, 3),
        (DatabaseUnavailable("away"), 100, 1 + 5),
        (psycopg.DataError("refused"), 2, 1),
    ],
)
async def test_changes_are_sent_again_where_the_database_was_away(
    monkeypatch: pytest.MonkeyPatch, failure: Exception, times: int, sent: int
) -> None:
    monkeypatch.setattr(notifications, "PAUSE", 0.001)
    database, ada = Recorder(*[failure] * times), UserId("ada")
    notifier = Notifier(database)
    sending = asyncio.create_task(notifier.keep_sending())
    notifier.add_change(ada)
    async with asyncio.timeout(20):
        while len(database.sent) < sent:
            await asyncio.sleep(0.001)
    # Nor is more sent than that.
    await asyncio.sleep(0.1)
    sending.cancel()
    assert list(database.named("of")) == [ada] * sent


async def test_spending_that_fails_is_not_sent_again() -> None:
    """It might be counted twice."""
    database, ada = Recorder(DatabaseUnavailable("away")), UserId("ada")
    notifier = Notifier(database)
    notifier.add_spending({ada: 7})
    assert await notifier.send() == []
    await notifier.send()
    assert list(database.named("spent")) == [ada]


async def test_what_is_sent_is_not_sent_again() -> None:
    database = Recorder()
    notifier = Notifier(database)
    notifier.add_change(UserId("ada"))
    notifier.add_spending({UserId("ada"): 3})
    await notifier.send()
    await notifier.send()
    assert len(database.sent) == 2


async def test_changes_of_a_moment_are_one_notification() -> None:
    database = Recorder()
    notifier = Notifier(database)
    sending = asyncio.create_task(notifier.keep_sending())
    for name in ("ada", "bob", "ada"):
        notifier.add_change(UserId(name))
        await asyncio.sleep(0)
    async with asyncio.timeout(20):
        while not database.sent:
            await asyncio.sleep(0.001)
    sending.cancel()
    assert sorted(database.named("of")) == ["ada", "bob"]
    assert len(database.sent) == 1


@pytest.mark.parametrize("failure", [None, DatabaseUnavailable("its answer was lost")])
@pytest.mark.parametrize("sql", [READ, WRITE], ids=["a read", "a write"])
async def test_a_write_is_a_change_even_where_its_answer_was_lost(
    sql: Sql[Any], failure: Exception | None
) -> None:
    owner, failures = UserId("ada"), [] if failure is None else [failure]
    live, sent = Live(), Recorder()
    notifier = Notifier(sent)
    database = NotifyingDatabase(Recorder(*failures), live, notifier, Turns(1))
    with live.watch(owner) as here, live.watch(UserId("bob")) as other:
        if failure is None:
            await database.fetch(Statement(sql, owner, {}))
        else:
            with pytest.raises(DatabaseUnavailable):
                await database.fetch(Statement(sql, owner, {}))
        await notifier.send()
        assert here.is_set() == sql.writes
        assert not other.is_set()
    assert list(sent.named("of")) == (["ada"] if sql.writes else [])
    assert all(statement.sql is NOTIFY for statement in sent.sent)


async def test_what_was_written_last_before_the_end_is_sent(migrated_database: Database) -> None:
    settings, owner = settings_for(migrated_database.server_url), UserId("ada")
    async with run(settings, NEVER) as two:
        with two.live.watch(owner) as woken:
            await until_receiving(two, migrated_database)
            woken.clear()
            async with run(settings, NEVER) as one:
                one.notifier.add_change(owner)
            await until_set(woken)


async def test_what_changed_while_nobody_was_listening_is_looked_for_then(
    migrated_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, owner = settings_for(migrated_database.server_url), UserId("ada")
    waits, may_connect, connect = asyncio.Event(), asyncio.Event(), listener.connect

    async def connect_later(settings: Settings) -> Any:
        waits.set()
        await may_connect.wait()
        return await connect(settings)

    async with run(settings, NEVER) as worker:
        with worker.live.watch(owner) as woken:
            await until_receiving(worker, migrated_database)
            monkeypatch.setattr(listener, "connect", connect_later)
            assert cut_listeners(migrated_database) == 1
            await until_set(waits)
            woken.clear()
            notify(migrated_database, '{"by": "a test", "of": ["ada"]}')
            may_connect.set()
            await until_set(woken)


async def test_the_sweep_wakes_everybody_again_and_again() -> None:
    live = Live()
    sweeping = asyncio.create_task(keep_sweeping(live, interval=0.001))
    with live.watch(UserId("ada")) as one, live.watch(UserId("bob")) as two:
        for _ in range(3):
            await until_set(one, two)
            one.clear()
            two.clear()
    sweeping.cancel()


def test_who_waits_no_more_is_forgotten() -> None:
    live, owner = Live(), UserId("ada")
    with live.watch(owner), live.watch(owner):
        pass
    assert live._events == {}


def test_a_notification_is_not_repeated_for_points_would_count_twice() -> None:
    assert NOTIFY.writes
    assert not NOTIFY.repeatable
