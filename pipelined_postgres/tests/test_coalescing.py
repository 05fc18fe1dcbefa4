"""What is written in one turn of the event loop leaves at once, and nothing stays behind."""

import asyncio
from collections.abc import Sequence

import pytest

from pipelined_postgres import connection
from pipelined_postgres.client import Client
from pipelined_postgres.coalescing import Coalescing
from pipelined_postgres.options import Options

TRANSACTION = "SELECT pg_current_xact_id()::text"


async def test_what_is_written_in_one_turn_is_sent_once() -> None:
    sent: list[str] = []
    coalescing = Coalescing(asyncio.get_running_loop(), lambda: sent.append("now"))
    for _ in range(3):
        coalescing.hold()
    assert coalescing.holds
    assert sent == []
    await asyncio.sleep(0)
    assert not coalescing.holds
    coalescing.hold()
    await asyncio.sleep(0)
    assert sent == ["now", "now"]


def test_libpq_can_end_a_transaction_without_sending_it() -> None:
    assert connection.find_send_sync() is not None


async def transactions(url: str, count: int) -> Sequence[str]:
    """Return the transactions that so many calls had, which came in one turn on one connection."""
    async with Client(url, Options(connections_max=1, wait_timeout=30)) as client:
        calls = [client.fetch(TRANSACTION) for _ in range(count)]
        return [rows[0][0] for rows in await asyncio.gather(*calls)]


async def test_calls_that_leave_together_are_transactions_of_their_own(url: str) -> None:
    assert len(set(await transactions(url, 20))) == 20


async def test_a_libpq_that_cannot_hold_back_sends_each_call(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "find_send_sync", lambda: None)
    assert len(set(await transactions(url, 20))) == 20
