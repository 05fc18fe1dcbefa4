"""The protocol of one connection in pipeline mode. It knows no socket and no clock.

A pipeline is told what happens (a call is submitted, an answer arrives, the connection is lost) and
when. It acts by its wire, and leaves to its owner what concerns other connections.
"""

from collections import OrderedDict, deque
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import psycopg

from pipelined_postgres.calls import Call, Statement
from pipelined_postgres.pooler import Pooler

QUERY_CANCELED = "57014"
UNKNOWN_STATEMENT = "26000"
DUPLICATE_STATEMENT = "42P05"
CHANGED_PLAN = "0A000"
READ_ONLY = "25006"


class Failure(NamedTuple):
    """What PostgreSQL said instead of giving rows. The transaction is undone."""

    state: str
    """SQLSTATE, see https://www.postgresql.org/docs/current/errcodes-appendix.html."""
    error: Exception
    parsed: int
    """How many of the call's unparsed statements were parsed before."""


class Coalescing(Protocol):
    """Whether a wire holds back what it sends, to send it all at once."""

    holds: bool


class Wire(Protocol):
    """What a pipeline sends by."""

    @property
    def coalescing(self) -> Coalescing: ...

    def send(self, call: Call, unparsed: Sequence[Statement] | None) -> None:
        """Send a call, and before it what is to be parsed; None: its queries are not prepared.

        First of all, what the call says is dropped.

        Where it cannot be sent, the pipeline is told that it is lost.
        """
        ...

    def rows(self, call: Call, result: Any) -> list[Any]:  # noqa: ANN401 -- the wire's own
        """Return the rows of a result. It may raise whatever the call's `make_row` raises."""
        ...

    def cancel(self) -> None:
        """Ask PostgreSQL to end what it runs on this connection. It may be too late for that."""
        ...

    def close(self) -> None: ...


class Owner(Protocol):
    """What a pipeline leaves to those who know the other connections."""

    prepares: bool
    """Statements are prepared."""

    def has_room(self, pipeline: "Pipeline", now: float) -> None:
        """A call was answered, so that another may be submitted."""
        ...

    def submit_again(self, call: Call, now: float) -> None:
        """A call was undone and is not to blame."""
        ...

    def stop_preparing(self) -> None:
        """Prepared statements get lost on the way."""
        ...

    def stop_pipelining(self) -> None:
        """Answers come for other calls than were sent."""
        ...

    def retire(self, pipeline: "Pipeline") -> None:
        """A connection is to take no more calls."""
        ...

    def found_read_only(self, now: float) -> None:
        """A connection leads to a database that takes no changes."""
        ...

    def forget(self, pipeline: "Pipeline") -> None:
        """A connection is closed."""
        ...


class Pipeline:
    """The calls of one connection, which are answered in the order in which they were sent."""

    def __init__(
        self,
        owner: Owner,
        wire: Wire,
        *,
        statement_timeout: float,
        prepared_max: int,
        opened: float,
    ) -> None:
        self._owner = owner
        self.wire = wire
        self.window = 0
        """Calls that may be under way: none before it is known what is in between."""
        self.pooler = Pooler.NONE
        """What is in between."""
        self._statement_timeout = statement_timeout
        self._prepared_max = prepared_max
        self._prepared: OrderedDict[bytes, None] = OrderedDict()
        """The names of the prepared statements, that of the last used one at the end."""
        self.calls: deque[Call] = deque()
        self.head_since = opened
        """When the first of the calls became the first."""
        self.opened = opened
        self.stalled = False
        """The first of the calls takes so long that others had better go elsewhere."""
        self.retiring = False
        """It takes no more calls."""

    @property
    def has_room(self) -> bool:
        return len(self.calls) < self.window and not self.retiring

    def submit(self, call: Call, now: float) -> None:
        """Send a call behind the others."""
        if not self.calls:
            self.head_since = now
        self.calls.append(call)
        if not self._owner.prepares:
            call.unparsed = call.dropped = ()
            self.wire.send(call, None)
            return
        unparsed: Sequence[Statement] = ()
        prepared = self._prepared
        for statement, _ in call.queries:
            if statement.name in prepared:
                prepared.move_to_end(statement.name)
            else:
                # Parsing comes first and outlives the transaction, however that ends.
                prepared[statement.name] = None
                unparsed = (*unparsed, statement)
        call.unparsed, call.dropped = unparsed, ()
        while len(prepared) > self._prepared_max:
            # Calls before it may still use it: PostgreSQL takes all in their order.
            name, _ = prepared.popitem(last=False)
            call.dropped = (*call.dropped, name)
        self.wire.send(call, unparsed)

    def answered(self, result: Any, now: float) -> None:  # noqa: ANN401 -- the wire's own
        """The first call is committed; this is the result of its last query."""
        call = self.calls.popleft()
        self.head_since = now
        self.stalled = False
        answer = call.answer
        if not answer.done():
            try:
                rows = self.wire.rows(call, result)
            except Exception as error:  # noqa: BLE001 -- it is for whoever asked
                call.fail(error)
            else:
                answer.set_result(rows)
        if self.retiring:
            self._close_if_idle()
        else:
            self._owner.has_room(self, now)

    def failed(self, failure: Failure, now: float) -> None:
        """The first call is undone: hand the error on, or have the call sent again.

        That is done once, where the call itself is not to blame. It is safe for any call, since the
        transaction has left nothing behind.
        """
        call = self.calls.popleft()
        lasted, self.head_since = now - self.head_since, now
        self.stalled = False
        for statement in call.unparsed[failure.parsed :]:
            self._prepared.pop(statement.name, None)
        if call.answer.done():
            pass
        elif call.tried_again or not self._is_innocent(call, failure.state, lasted, now):
            call.fail(failure.error)
        else:
            call.tried_again = True
            self._owner.submit_again(call, now)
        if self.retiring:
            self._close_if_idle()
        else:
            self._owner.has_room(self, now)

    def _is_innocent(self, call: Call, state: str, lasted: float, now: float) -> bool:
        """Return whether a failed call may do well next time; see to it that it can."""
        if state == QUERY_CANCELED:
            # It was meant for the call before, which had ended by then.
            return lasted < self._statement_timeout
        if state == DUPLICATE_STATEMENT or (state == UNKNOWN_STATEMENT and self._knows(call)):
            self._owner.stop_preparing()
        elif state == CHANGED_PLAN:
            # A migration has changed a table: what was planned for it cannot be run any more.
            self._owner.retire(self)
        elif state == READ_ONLY:
            self._owner.found_read_only(now)
        return state in (DUPLICATE_STATEMENT, UNKNOWN_STATEMENT, CHANGED_PLAN, READ_ONLY)

    def _knows(self, call: Call) -> bool:
        """Return whether its statements were parsed, as far as anybody here knows.

        One that a call before was to have parsed, and could not, is not.
        """
        return all(statement.name in self._prepared for statement, _ in call.queries)

    def _close_if_idle(self) -> None:
        if not self.calls:
            self.close()

    def lost(self, error: Exception, first: Exception | None = None) -> None:
        """The connection broke: all calls fail, the first by an error that it was told of.

        `error` has an SQLSTATE where PostgreSQL said that it ends the session: then none of the
        calls was executed. `first` has one where the first call is undone.
        """
        calls, self.calls = self.calls, deque()
        self.close()
        for call in calls:
            call.fail(first or error)
            first = None

    def mismatched(self) -> None:
        """What came is not the first call's answer, so nobody knows whose the others are."""
        self._owner.stop_pipelining()
        self.lost(psycopg.OperationalError("what came was the answer of another call"))

    def close(self) -> None:
        """Close a connection that has no calls."""
        self.retiring = True
        self._owner.forget(self)
        self.wire.close()
