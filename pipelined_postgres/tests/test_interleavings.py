"""Every order in which three calls on two connections can be answered, fail, end early or break."""

from collections.abc import Callable, Iterator
from functools import partial

import pytest

from pipelined_postgres.options import Options
from pipelined_postgres.protocol import (
    CHANGED_PLAN,
    DUPLICATE_STATEMENT,
    UNKNOWN_STATEMENT,
)
from pipelined_postgres.tests.simulation import World

DIVISION_BY_ZERO = "22012"


class Choices:
    """The choices of one walk: those that it was told first, then the first one each time."""

    def __init__(self, told: list[int]) -> None:
        self._told = told
        self.made: list[tuple[int, int]] = []
        """What was chosen, and among how many."""

    def choose(self, count: int) -> int:
        place = len(self.made)
        chosen = self._told[place] if place < len(self._told) else 0
        self.made.append((chosen, count))
        return chosen


def walks() -> Iterator[Choices]:
    """Yield choices until every one was made in every situation."""
    told: list[int] | None = []
    while told is not None:
        choices = Choices(told)
        yield choices
        made = choices.made
        while made and made[-1][0] + 1 == made[-1][1]:
            made.pop()
        told = [chosen for chosen, _ in made[:-1]] + [made[-1][0] + 1] if made else None


Event = Callable[[], object]

FAILURES = {
    "wrong": (DIVISION_BY_ZERO, True),
    "planned anew": (CHANGED_PLAN, True),
    "prepared already": (DUPLICATE_STATEMENT, True),
    "not prepared": (UNKNOWN_STATEMENT, True),
    "not parsed": (UNKNOWN_STATEMENT, False),
}
"""The SQLSTATE of each, and whether the call's statements were parsed."""


def of_a_fault(world: World, fault: str) -> list[Event]:
    """Return the ways in which a fault can happen now."""
    wires = world.open_wires
    busy = [wire for wire in wires if wire.sent]
    match fault:
        case "broken":
            after = [partial(wire.lose, committed=True) for wire in busy]
            return [*(wire.lose for wire in wires), *after]
        case "old":
            return [partial(world.balance.retire, wire.pipeline) for wire in wires]
        case "cancelled":
            answers = [caller.answer for caller in world.callers]
            return [answer.cancel for answer in answers if not answer.done()]
        case "slow":
            return [partial(world.pass_time, 0.3)] if busy or world.balance.waiting else []
        case "refused":
            return [world.refuse] if world.connecting else []
    state, parsed = FAILURES[fault]
    return [partial(wire.fail, state, parsed=parsed) for wire in busy]


def what_can_happen(world: World, calls: list[Event], faults: list[str]) -> list[Event]:
    """Return the events of which one is next. A fault happens as often as it is in the list."""
    events: list[Event] = []
    if calls:
        events.append(lambda: calls.pop(0)())
    for wire in world.open_wires:
        if wire.sent:
            events.append(wire.answer)
            if wire.cancels:
                events.append(wire.cancel_first)
    if world.connecting:
        events.append(world.connect)
    for fault in dict.fromkeys(faults):
        events += [partial(happen, event, fault, faults) for event in of_a_fault(world, fault)]
    return events


def happen(event: Event, fault: str, faults: list[str]) -> None:
    faults.remove(fault)
    event()


def walk(choices: Choices, kinds: str, faults: list[str], *, window: int = 2) -> None:
    world = World(Options(connections_max=2, window=window), connections=2)
    calls: list[Event] = [
        partial(world.call, f"{kind} {n}", repeatable=kind == "R") for n, kind in enumerate(kinds)
    ]
    while calls or not all(caller.answer.done() for caller in world.callers):
        events = what_can_happen(world, calls, faults)
        if not events:
            # Only the clock goes on.
            break
        events[choices.choose(len(events))]()
        world.look()
    world.come_to_an_end()


@pytest.mark.parametrize(("kinds", "window"), [("RWR", 2), ("WRW", 1)])
@pytest.mark.parametrize(
    "faults",
    [
        ["broken", "broken"],
        ["broken", "slow"],
        ["broken", "cancelled"],
        ["broken", "refused"],
        ["broken", "old"],
        ["broken", "wrong"],
        ["broken", "planned anew"],
        ["broken", "prepared already"],
        ["broken", "not prepared"],
        ["broken", "not parsed"],
        ["cancelled", "slow"],
        ["slow", "slow"],
        ["old", "cancelled"],
        ["not parsed", "not parsed"],
    ],
    ids="+".join,
)
def test_in_whatever_order_each_call_is_answered_once_and_by_its_own_rows(
    kinds: str, window: int, faults: list[str], record_property: Callable[[str, object], None]
) -> None:
    """Reads and writes; with a window of 1 the third waits.

    What is asserted is in `simulation`: in `Answer`, `World.note_sent`, and at the end.
    """
    number = 0
    for choices in walks():
        number += 1
        walk(choices, kinds, list(faults), window=window)
    assert number > 200
    record_property("count: interleavings of three calls on two connections", number)


def test_a_cancellation_that_comes_too_late_ends_no_other_call() -> None:
    """With a third fault there are too many orders for three calls."""
    number = 0
    for choices in walks():
        number += 1
        walk(choices, "RW", ["cancelled", "slow", "broken"])
    assert number > 200
