"""What a standby is asked, and whether it is one of this database that fits this code."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Any

from app.database.expected import REVISION
from app.database.notifications import CHANNEL, Notification
from app.database.pipelined import PipelinedDatabase
from app.settings import Settings

# All that is committed is flushed, and at rest a standby has this position, which it never reaches
# exactly of what is only inserted.
PRIMARY = """
SELECT pg_notify($1, $2), (pg_current_wal_flush_lsn() - '0/0'::pg_lsn)::bigint, beginning,
       (SELECT system_identifier FROM pg_control_system())
FROM installation
"""
REPLICA = """
SELECT (pg_last_wal_replay_lsn() - '0/0'::pg_lsn)::bigint, pg_is_in_recovery(), beginning,
       (SELECT system_identifier FROM pg_control_system()), version_num, serves
FROM installation, alembic_version
"""


class Unused(Exception):
    """Why the replica must not be used."""


def fitting(its: Sequence[int], record: Sequence[Any]) -> int:
    """Return how far a replica has come, of which this is the record.

    `its`: the primary's `beginning` and identifier.

    Raises:
        Unused: it is no standby of the primary's, or does not fit this code.
    """
    replayed, is_standby, beginning, identifier, revision, serves = record
    if identifier != its[1] or not is_standby:
        raise Unused("it is no standby of this database")
    if beginning != its[0]:
        raise Unused("it is of another time than the database, which was restored")
    if not serves <= REVISION <= revision:
        raise Unused("its migrations do not fit this code")
    return int(replayed)


async def lag_of(settings: Settings) -> float:
    """Return how many seconds a replica takes to have what the primary has now.

    Raises:
        Unused: it is too late, is no standby of the primary's, or does not fit this code.
        UnsafeRole: row security would not bind its role.
        psycopg.Error, TimeoutError: one of the two cannot be reached.
    """
    primary = PipelinedDatabase(str(settings.database_url), settings)
    replica = PipelinedDatabase(str(settings.database_read_url), settings)
    async with AsyncExitStack() as stack:
        for database in (primary, replica):
            stack.push_async_callback(database.close)
            await database.open()
        nobody = Notification(by="").model_dump_json()
        began = time.monotonic()
        _, lsn, *its = await primary.ask(PRIMARY, CHANNEL, nobody)
        while fitting(its, await replica.ask(REPLICA)) < lsn:
            if time.monotonic() - began > settings.read_max_lag_seconds:
                raise Unused(too_late(settings.read_max_lag_seconds))
            await asyncio.sleep(0.05)
        return time.monotonic() - began


def too_late(lag_max: float) -> str:
    return f"it is late by more than {lag_max:g} seconds"


def said(error: Exception) -> str:
    return str(error).strip().partition("\n")[0].removesuffix(".") or type(error).__name__
