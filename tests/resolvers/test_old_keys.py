"""Idempotency keys of some days ago: they are good for as long as the database says."""

import asyncio
from collections.abc import Iterator
from typing import NamedTuple

import psycopg
import pytest

from app.database.installation import Retention, complete_migration
from app.database.purge import purge
from tests.api import Caller, Server, running_server, settings_for
from tests.databases import Database


class Old(NamedTuple):
    """A user who made something by the key "once", on a database of their own."""

    database: Database
    user: Caller
    first: str
    """The id of what was made."""

    def again(self, age: str, days: int = 7) -> bool:
        """Return whether it is made anew when the key has that age, after a purge.

        `days`: what the server that purges is told.
        """
        with psycopg.connect(self.database.superuser_url) as connection:
            statement = "UPDATE idempotency_keys SET created_at = now() - %s::interval"
            connection.execute(statement, [age])
        url = self.database.server_url
        asyncio.run(purge(url, settings_for(url, idempotency_retention_days=days)))
        return bool(self.user.create("Milk", idempotencyKey="once")["id"] != self.first)


@pytest.fixture
def old(migrated_database: Database) -> Iterator[Old]:
    with running_server(settings_for(migrated_database.server_url)) as server:
        yield made_at(server, migrated_database)


def made_at(server: Server, database: Database) -> Old:
    user = server.user()
    return Old(database, user, user.create("Milk", idempotencyKey="once")["id"])


def test_a_key_is_good_for_a_week(old: Old) -> None:
    assert not old.again("6 days 23 hours")
    assert old.again("7 days 1 hour")


def test_the_database_says_for_how_long_and_no_server(old: Old) -> None:
    assert not old.again("3 days", days=1)
    complete_migration(old.database.superuser_url, Retention(trash=30, keys=2))
    assert not old.again("1 day 23 hours", days=1)
    assert old.again("3 days", days=90)


def test_a_server_says_that_the_database_keeps_keys_for_another_time(
    old: Old, caplog: pytest.LogCaptureFixture
) -> None:
    old.again("1 hour")
    said = "Idempotency keys are kept for 7 days, as the database says, and not for 3"
    assert said not in caplog.text
    old.again("1 hour", days=3)
    assert said in caplog.text
