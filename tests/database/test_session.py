"""A session of the server begins as the server says, not as the role or the database does."""

import psycopg

from app.database.session import prepare_session
from tests.api import settings_for
from tests.databases import Database

WRITTEN = "SELECT '2026-02-01 00:00:00+00'::timestamptz::text"


async def test_a_session_writes_instants_in_utc_and_iso(database: Database) -> None:
    async with await psycopg.AsyncConnection.connect(database.server_url) as connection:
        cursor = await connection.execute(WRITTEN)
        assert await cursor.fetchone() == ("01/02/2026 05:45:00 +0545",)
        await prepare_session(connection, settings_for(database.server_url))
        cursor = await connection.execute(WRITTEN)
        assert await cursor.fetchone() == ("2026-02-01 00:00:00+00",)
