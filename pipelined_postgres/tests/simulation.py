"""A PostgreSQL, its connections and a clock that do what a test says, and nothing by themselves."""

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from pipelined_postgres.balance import Balance
from pipelined_postgres.calls import Call, Statement, statement
from pipelined_postgres.options import Options
from pipelined_postgres.pooler import Pooler
from pipelined_postgres.protocol import QUERY_CANCELED, Failure, Pipeline

TRIES = 4
"""How often a caller sends a read whose connection broke."""


class Answer:
    """An answer that may be given once."""

    def __init__(self) -> None:
        self.rows: list[Any] | None = None
        self.error: Exception | None = None
        self._cancelled = False

    def done(self) -> bool:
        return self._cancelled or self.rows is not None or self.error is not None

    def cancelled(self) -> bool:
        return self._cancelled

    def cancel(self) -> None:
        assert not self.done()
        self._cancelled = True

    def set_result(self, rows: list[Any]) -> None:
        assert not self.done()
        self.rows = rows

    def set_exception(self, error: Exception) -> None:
        assert not self.done()
        self.error = error


class Caller:
    """Somebody who wants one call done: sends a read again whose connection broke."""

    def __init__(self, world: "World", name: str, *, repeatable: bool) -> None:
        self.world = world
        self.name = name
        self.repeatable = repeatable
        self.tries = 0
        self.answer = Answer()
        self._submit()

    def _submit(self) -> None:
        self.tries += 1
        self.answer = Answer()
        query = (statement("SELECT $1"), (self.name.encode(),))
        call = Call([query], tuple, self.answer, self.world.now, repeatable=self.repeatable)
        self.world.balance.submit(call, self.world.now)

    def look(self) -> None:
        """See what came, and send again what may be sent again."""
        broke = isinstance(self.answer.error, psycopg.OperationalError)
        while broke and self.repeatable and self.tries < TRIES:
            self._submit()
            broke = isinstance(self.answer.error, psycopg.OperationalError)
        if self.answer.rows is not None:
            assert self.answer.rows == [self.name]


@dataclass
class Turn:
    """Whether what is sent is held back."""

    holds: bool = False


class Wire:
    """One connection: what was sent by it waits until the test has it answered."""

    def __init__(self, world: "World") -> None:
        self.world = world
        self.coalescing = Turn()
        self.sent: deque[Call] = deque()
        self.open = True
        self.cancels = 0
        """Cancellations on their way to PostgreSQL."""
        self.pipeline = Pipeline(
            world.balance,
            self,
            statement_timeout=world.options.statement_timeout,
            prepared_max=world.options.prepared_max,
            opened=world.now,
        )

    def send(self, call: Call, unparsed: Sequence[Statement] | None) -> None:
        assert self.open
        self.sent.append(call)
        self.world.note_sent(call)

    def rows(self, call: Call, result: Any) -> list[Any]:
        return [result]

    def cancel(self) -> None:
        self.cancels = 1

    def close(self) -> None:
        self.open = False
        self.sent.clear()

    # What the test has PostgreSQL and the network do.

    def answer(self) -> None:
        name = name_of(self.sent.popleft())
        self.world.committed[name] += 1
        self.pipeline.answered(name, self.world.now)

    def fail(self, state: str, *, parsed: bool = True) -> None:
        call = self.sent.popleft()
        self.world.undone[name_of(call)] += 1
        error = psycopg.errors.lookup(state)(state)
        failure = Failure(state, error, len(call.unparsed) if parsed else 0)
        self.pipeline.failed(failure, self.world.now)

    def cancel_first(self) -> None:
        """A cancellation arrives, which may be another call's by now."""
        self.cancels = 0
        self.fail(QUERY_CANCELED)

    def lose(self, *, committed: bool = False) -> None:
        """Break, before or after the first call was committed."""
        if committed:
            self.world.committed[name_of(self.sent[0])] += 1
        self.pipeline.lost(psycopg.OperationalError("it broke"))


class World:
    """All that a balance deals with."""

    def __init__(self, options: Options, connections: int = 0) -> None:
        self.options = options
        self.pooler = Pooler.NONE
        """What new connections find to be in between."""
        self.now = 100.0
        self.connecting = False
        self.tries_to_connect = 0
        self.sent = Counter[str]()
        self.committed = Counter[str]()
        self.undone = Counter[str]()
        self.repeatable: dict[str, bool] = {}
        self.callers: list[Caller] = []
        self.wires: list[Wire] = []
        self.balance = Balance(options, self._connect, lambda: 1.0)
        for _ in range(connections):
            self.connect()

    def _connect(self) -> None:
        assert not self.connecting
        self.connecting = True
        self.tries_to_connect += 1

    def connect(self) -> Wire:
        """A connection is there."""
        self.connecting = False
        wire = Wire(self)
        self.wires.append(wire)
        self.balance.connected(wire.pipeline, self.pooler, self.now)
        return wire

    def refuse(self) -> None:
        """A connection cannot be had."""
        self.connecting = False
        self.balance.not_connected(self.now)

    def call(self, name: str, *, repeatable: bool = True) -> Caller:
        self.repeatable[name] = repeatable
        caller = Caller(self, name, repeatable=repeatable)
        self.callers.append(caller)
        return caller

    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        self.balance.tick(self.now)

    def note_sent(self, call: Call) -> None:
        name = name_of(call)
        if not self.repeatable[name]:
            assert self.sent[name] == self.undone[name], f"{name} may have been done already"
        self.sent[name] += 1

    @property
    def open_wires(self) -> list[Wire]:
        return [wire for wire in self.wires if wire.open]

    def look(self) -> None:
        for caller in self.callers:
            caller.look()
        for name, times in self.committed.items():
            assert times <= 1 or self.repeatable[name]

    def come_to_an_end(self) -> None:
        """Nothing goes wrong any more and time goes on: all is answered, nothing is kept."""
        for _ in range(100):
            for wire in self.open_wires:
                while wire.sent:
                    wire.answer()
            if self.connecting:
                self.connect()
            self.look()
            if all(caller.answer.done() for caller in self.callers):
                break
            self.pass_time(0.1)
        else:
            raise AssertionError("a call waits for ever")
        self.pass_time(self.options.wait_timeout + 0.1)
        assert not self.balance.waiting
        assert not self.balance.retiring
        assert [pipeline.wire for pipeline in self.balance.pipelines] == self.open_wires
        assert not any(pipeline.calls for pipeline in self.balance.pipelines)
        self.balance.close()
        assert not self.open_wires
        assert not self.balance.pipelines
        # It holds nothing else either.
        assert self.balance._recent is None


def name_of(call: Call) -> str:
    (_, (name,)) = call.queries[-1]
    assert name is not None
    return name.decode()
