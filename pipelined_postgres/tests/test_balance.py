"""Where calls go: around what is slow, in one packet with others, and not for ever to nobody."""

import psycopg
import pytest

from pipelined_postgres.calls import Busy
from pipelined_postgres.options import Options
from pipelined_postgres.pooler import Pooler
from pipelined_postgres.protocol import QUERY_CANCELED, UNKNOWN_STATEMENT
from pipelined_postgres.tests.simulation import Caller, Wire, World


def names(wire: Wire) -> list[str]:
    return [call.queries[0][1][0].decode() for call in wire.sent if call.queries[0][1][0]]


@pytest.fixture
def world() -> World:
    return World(Options(connections_max=2, wait_timeout=5.0), connections=2)


def held_up(world: World) -> tuple[Wire, Wire, Caller]:
    """Return a connection that has been held up by a write, another one, and a read behind it."""
    held, free = world.wires
    world.call("slow", repeatable=False)
    world.call("other")
    # Both connections have one call, so the next goes to the first.
    read = world.call("read")
    assert names(held) == ["slow", "read"]
    free.answer()
    return held, free, read


def test_a_new_call_avoids_a_connection_that_is_held_up(world: World) -> None:
    held, free, _ = held_up(world)
    world.pass_time(0.3)
    for n in range(5):
        world.call(str(n))
    assert names(held) == ["slow", "read"]
    assert names(free) == ["read", *"01234"]
    # Once it is answered, the connection is as good as others.
    held.answer()
    world.call("5")
    assert names(held) == ["read", "5"]
    world.come_to_an_end()


def test_a_read_behind_what_is_slow_is_sent_elsewhere_once(world: World) -> None:
    held, free, read = held_up(world)
    for _ in range(20):
        world.pass_time(0.1)
    assert world.sent["read"] == 2
    assert names(free) == ["read"]
    free.answer()
    assert read.answer.rows == ["read"]
    # The late answer of the first is nobody's.
    held.answer()
    held.answer()
    world.come_to_an_end()
    assert world.sent == {"slow": 1, "other": 1, "read": 2}


def test_a_read_that_is_held_up_there_too_is_not_sent_a_third_time() -> None:
    world = World(Options(connections_max=3), connections=3)
    first, second, third = world.wires
    for name in ("slow", "quick", "quick too"):
        world.call(name, repeatable=False)
    world.call("read")
    second.answer()
    third.answer()
    world.now += 0.25
    world.call("slow too", repeatable=False)
    world.call("quick again", repeatable=False)
    world.pass_time(0.0)
    assert [names(wire) for wire in world.wires] == [
        ["slow", "read"],
        ["slow too", "read"],
        ["quick again"],
    ]
    third.answer()
    for _ in range(5):
        world.pass_time(0.1)
    assert first.pipeline.stalled
    assert second.pipeline.stalled
    assert names(third) == []
    world.come_to_an_end()


def test_a_call_that_is_undone_again_fails(world: World) -> None:
    for _ in range(2):
        caller = world.call("write", repeatable=False)
        world.wires[0].fail(UNKNOWN_STATEMENT, parsed=False)
        assert not caller.answer.done()
        assert world.wires[0].sent
        world.wires[0].fail(UNKNOWN_STATEMENT, parsed=False)
        assert isinstance(caller.answer.error, psycopg.errors.InvalidSqlStatementName)


def test_a_write_behind_what_is_slow_is_sent_once(world: World) -> None:
    held_up(world)
    write = world.call("write", repeatable=False)
    world.call("write too", repeatable=False)
    for _ in range(20):
        world.pass_time(0.1)
    assert not write.answer.done()
    assert (world.sent["write"], world.sent["write too"]) == (1, 1)


def test_where_all_are_held_up_a_read_is_sent_to_none_of_them(world: World) -> None:
    _, other, _ = held_up(world)
    world.call("slow too", repeatable=False)
    assert names(other) == ["slow too"]
    world.call("read too")
    for _ in range(20):
        world.pass_time(0.1)
    assert (world.sent["read"], world.sent["read too"]) == (1, 1)
    # As soon as one is not, it is.
    other.answer()
    world.pass_time(0.1)
    assert world.sent["read"] == 2
    world.come_to_an_end()


def test_nothing_waits_longer_than_it_may_behind_what_is_slow() -> None:
    world = World(Options(connections_max=1, wait_timeout=2.0), connections=1)
    slow, *behind = [world.call(str(n), repeatable=False) for n in range(3)]
    world.pass_time(1.9)
    assert not any(caller.answer.done() for caller in behind)
    world.pass_time(0.2)
    assert all(isinstance(caller.answer.error, Busy) for caller in behind)
    assert not slow.answer.done()


def test_tries_to_connect_grow_rarer() -> None:
    world = World(Options(wait_timeout=60.0))
    world.call("read")
    for _ in range(100):
        if world.connecting:
            world.refuse()
        world.pass_time(0.1)
    assert 3 < world.tries_to_connect < 10
    while not world.connecting:
        world.pass_time(0.1)
    wire = world.connect()
    assert names(wire) == ["read"]
    # The next time the pauses begin anew.
    wire.lose()
    before = world.tries_to_connect
    world.call("another")
    world.refuse()
    world.pass_time(0.15)
    assert world.tries_to_connect == before + 2


def test_one_connection_is_opened_at_a_time_and_no_more_than_may_be() -> None:
    world = World(Options(connections_max=3, window=1))
    for n in range(10):
        world.call(str(n))
        assert world.tries_to_connect == 1
    for _ in range(5):
        if world.connecting:
            world.connect()
        world.pass_time(0.1)
    assert world.tries_to_connect == len(world.wires) == 3


def test_what_finds_no_room_waits_in_turn_or_is_refused_at_once() -> None:
    world = World(Options(connections_max=1, window=2, waiting_max=3), connections=1)
    callers = [world.call(str(n)) for n in range(7)]
    (wire,) = world.wires
    assert names(wire) == ["0", "1"]
    assert [isinstance(caller.answer.error, Busy) for caller in callers] == [False] * 5 + [True] * 2
    callers[2].answer.cancel()
    wire.answer()
    assert names(wire) == ["1", "3"]
    world.pass_time(2.1)
    assert isinstance(callers[4].answer.error, Busy)


def test_a_call_that_is_not_answered_takes_its_connection_down(world: World) -> None:
    held, _, _ = held_up(world)
    world.pass_time(5.9)
    assert held.open
    world.pass_time(0.2)
    assert not held.open
    assert isinstance(world.callers[0].answer.error, TimeoutError)


def test_a_cancellation_that_meets_the_deadline_leaves_nothing_behind(world: World) -> None:
    held, _, _ = held_up(world)
    world.callers[0].answer.cancel()
    world.pass_time(0.1)
    assert held.cancels == 1
    world.pass_time(6.1)
    assert not held.open
    world.come_to_an_end()


def test_a_cancellation_that_comes_too_late_is_nobody_elses_end(world: World) -> None:
    held, _, _ = held_up(world)
    write = world.call("write", repeatable=False)
    assert "write" in names(world.wires[1])
    world.callers[0].answer.cancel()
    world.pass_time(0.1)
    held.answer()
    # PostgreSQL was at the next call by then.
    held.cancel_first()
    assert world.callers[2].answer.error is None
    world.come_to_an_end()
    assert world.callers[2].answer.rows == ["read"]
    assert write.answer.rows == ["write"]


def test_a_statement_that_had_all_its_time_is_not_tried_again(world: World) -> None:
    held, _, _ = held_up(world)
    world.now += world.options.statement_timeout
    held.fail(QUERY_CANCELED)
    assert isinstance(world.callers[0].answer.error, psycopg.errors.QueryCanceled)
    assert world.sent["slow"] == 1


def test_an_old_connection_answers_what_it_has_and_is_closed() -> None:
    world = World(Options(lifetime=10.0, statement_timeout=60.0), connections=1)
    caller = world.call("read")
    (old,) = world.wires
    world.pass_time(10.1)
    assert old.open
    world.call("another")
    assert names(old) == ["read"]
    old.answer()
    assert caller.answer.rows == ["read"]
    assert not old.open
    assert not world.balance.retiring
    assert names(world.connect()) == ["another"]


def test_an_old_connection_that_breaks_is_forgotten() -> None:
    world = World(Options(lifetime=10.0, statement_timeout=60.0), connections=1)
    world.call("write", repeatable=False)
    world.pass_time(10.1)
    world.wires[0].lose()
    assert not world.balance.retiring


def test_reads_of_one_turn_leave_by_one_connection_and_writes_do_not() -> None:
    world = World(Options(connections_max=2, coalesced_max=3), connections=2)
    first, second = world.wires
    world.call("1")
    first.coalescing.holds = True
    world.call("2")
    world.call("write", repeatable=False)
    assert (names(first), names(second)) == (["1", "2"], ["write"])
    # They follow the last call, until there are enough.
    second.coalescing.holds = True
    world.call("3")
    world.call("4")
    assert names(second) == ["write", "3", "4"]
    world.call("5")
    assert names(first) == ["1", "2", "5"]


def test_after_its_end_a_client_answers_all_by_an_error(world: World) -> None:
    held_up(world)
    world.balance.close()
    world.call("late", repeatable=False)
    assert all(caller.answer.done() for caller in world.callers)
    assert not world.open_wires
    assert not world.connecting


def test_what_tears_transactions_apart_gets_one_at_a_time(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = world.wires
    calls = [world.call(str(n)) for n in range(6)]
    assert len(names(first)) == 3
    for wire in (first, second):
        wire.pipeline.mismatched()
    assert not first.open
    world.look()
    world.connect()
    world.pooler = Pooler.PIPELINED
    world.connect()
    for wire in world.open_wires:
        assert wire.pipeline.window == 1
    world.come_to_an_end()
    assert [call.answer.rows for call in calls] == [[str(n)] for n in range(6)]
    assert len(caplog.records) == 1


@pytest.mark.parametrize(
    ("pooler", "before", "after"), [(Pooler.NONE, 64, 64), (Pooler.PIPELINED, 16, 1)]
)
def test_without_prepared_statements_a_pooler_gets_one_call_at_a_time(
    pooler: Pooler, before: int, after: int
) -> None:
    world = World(Options(connections_max=2))
    world.pooler = pooler
    wire = world.connect()
    assert wire.pipeline.window == before
    world.call("lost")
    wire.fail(UNKNOWN_STATEMENT)
    assert wire.pipeline.window == after
    assert world.connect().pipeline.window == after
