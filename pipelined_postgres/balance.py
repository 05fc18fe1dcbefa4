"""Which connection a call goes to, and what happens to those that take too long.

It knows no socket and no clock either: whoever owns it says what time it is, and connects.
"""

import logging
from collections import deque
from collections.abc import Callable
from itertools import islice

import psycopg

from pipelined_postgres.calls import Busy, Call
from pipelined_postgres.options import Options
from pipelined_postgres.pooler import Pooler
from pipelined_postgres.protocol import Pipeline

logger = logging.getLogger(__name__)

READ_ONLY_PAUSE = 1.0
"""Seconds between two times that all connections are given up for a read-only database."""


class Balance:
    """The connections, the calls that wait for a place on one, and the tries to connect."""

    def __init__(
        self,
        options: Options,
        connect: Callable[[], None],
        jitter: Callable[[], float],
        waited: Callable[[float], None] | None = None,
    ) -> None:
        """Have `connect` called when another connection is needed.

        It is called once, and not again before `connected` or `not_connected` is. `jitter` returns
        numbers from 0 to 1, by which the clients of one server do not all act at once. `waited` is
        told for how many seconds a call waited, where it did.
        """
        self._options = options
        self._connect = connect
        self._jitter = jitter
        self.pipelines: list[Pipeline] = []
        """Those that take calls."""
        self.retiring: set[Pipeline] = set()
        """Those that take no more, and have not answered all of theirs."""
        self.waiting: deque[Call] = deque()
        self._recent: Pipeline | None = None
        """The one that the last call went to."""
        self._connecting = False
        self._connect_at = 0.0
        self._pause = options.reconnect_pause
        self._renewed_at = -READ_ONLY_PAUSE
        """When all connections were given up because the database took no changes."""
        self._closed = False
        self.prepares = options.prepared_statements
        self._pipelines = True
        """Several calls may be under way on a connection."""
        self._waited = waited
        self.sent_at_once = 0
        """Calls that did not wait."""
        self.busy = 0
        """Calls that got no place in time."""

    def submit(self, call: Call, now: float) -> None:
        """Send a call by one of the connections, or have it wait."""
        best = self._recent
        if (
            best is None
            or not best.wire.coalescing.holds
            or not call.repeatable
            or not self._is_quick(best)
        ):
            best = self._recent = self._least_busy()
        if best is None or best.calls:
            self.want_connection(now)
        if best is not None and best.has_room:
            self.sent_at_once += 1
            best.submit(call, now)
        elif self._closed:
            call.fail(psycopg.OperationalError("the client is closed"))
        elif len(self.waiting) < self._options.waiting_max:
            self.waiting.append(call)
        else:
            self._refuse(call, "too many calls wait for a connection")

    def _refuse(self, call: Call, reason: str) -> None:
        if not call.answer.done():
            self.busy += 1
            call.fail(Busy(reason))

    def _least_busy(self) -> Pipeline | None:
        best = None
        for pipeline in self.pipelines:
            if best is None or (pipeline.stalled, len(pipeline.calls)) < (
                best.stalled,
                len(best.calls),
            ):
                best = pipeline
        return best

    def _is_quick(self, pipeline: Pipeline) -> bool:
        """Return whether one more read may leave by this connection together with others."""
        return (
            len(pipeline.calls) < self._options.coalesced_max
            and pipeline.has_room
            and not pipeline.stalled
        )

    # What pipelines leave to their owner, as `protocol.Owner` has it.

    def has_room(self, pipeline: Pipeline, now: float) -> None:
        while self.waiting and pipeline.has_room:
            call = self.waiting.popleft()
            if not call.answer.done():
                if self._waited is not None:
                    self._waited(now - call.began)
                pipeline.submit(call, now)

    def submit_again(self, call: Call, now: float) -> None:
        self.submit(call, now)

    def stop_preparing(self) -> None:
        if self.prepares:
            self.prepares = False
            logger.warning(
                "Prepared statements get lost on the way to the database: something in between "
                "does not keep them apart. Going on without them. %s",
                self._options.advice_without_prepared_statements,
            )
            # What keeps transactions together does it for prepared statements alone.
            for pipeline in self.pipelines:
                if pipeline.pooler is Pooler.PIPELINED:
                    pipeline.window = 1

    def stop_pipelining(self) -> None:
        if self._pipelines:
            self._pipelines = False
            logger.warning(
                "An answer came for another call: something between here and the database does "
                "not keep transactions together. Going on with one call at a time on each "
                "connection. %s",
                self._options.advice_without_pipelining,
            )
            for pipeline in self.pipelines:
                pipeline.window = 1

    def retire(self, pipeline: Pipeline) -> None:
        if pipeline.retiring:
            return
        pipeline.retiring = True
        self.pipelines.remove(pipeline)
        if pipeline.calls:
            self.retiring.add(pipeline)
        else:
            pipeline.close()

    def found_read_only(self, now: float) -> None:
        """Give up all connections: after a failover, new ones may lead to the primary."""
        if now - self._renewed_at >= READ_ONLY_PAUSE:
            self._renewed_at = now
            for pipeline in list(self.pipelines):
                self.retire(pipeline)

    def forget(self, pipeline: Pipeline) -> None:
        self.retiring.discard(pipeline)
        if pipeline in self.pipelines:
            self.pipelines.remove(pipeline)
        if self._recent is pipeline:
            self._recent = None

    # Connections, opened when they are needed.

    def want_connection(self, now: float) -> None:
        """Open another, unless there are enough, or one could not be had a moment ago."""
        enough = len(self.pipelines) >= self._options.connections_max
        if not (enough or self._connecting or self._closed) and now >= self._connect_at:
            self._connecting = True
            self._connect()

    def connected(self, pipeline: Pipeline, pooler: Pooler, now: float) -> None:
        """Send calls by a new connection from now on. `pooler`: what is in between."""
        pipeline.pooler = pooler
        pipeline.window = self._window_of(pooler)
        self._connecting = False
        self._pause = self._options.reconnect_pause
        self.pipelines.append(pipeline)
        self.has_room(pipeline, now)

    def _window_of(self, pooler: Pooler) -> int:
        if pooler is Pooler.SINGLE or not self._pipelines:
            return 1
        if pooler is Pooler.NONE:
            return self._options.window
        return self._options.window_through_pooler if self.prepares else 1

    def not_connected(self, now: float) -> None:
        """Pause before the next try to connect: longer each time."""
        self._connecting = False
        self._connect_at = now + self._pause * (1 + self._jitter()) / 2
        self._pause = min(2 * self._pause, self._options.reconnect_pause_max)

    def close(self) -> None:
        """Close all connections. What is under way or waits fails, as does what comes later."""
        self._closed = True
        error = psycopg.OperationalError("the client is closed")
        for pipeline in [*self.pipelines, *self.retiring]:
            pipeline.lost(error)
        while self.waiting:
            self.waiting.popleft().fail(error)

    # What takes too long.

    def tick(self, now: float) -> None:
        """Look at what takes too long: to be called every tenth of a second or so."""
        while self.waiting and now - self.waiting[0].began > self._options.wait_timeout:
            self._refuse(self.waiting.popleft(), "no connection has room")
        if self.waiting:
            self.want_connection(now)
        for pipeline in [*self.pipelines, *self.retiring]:
            if pipeline.calls:
                self._look_at_first_call(pipeline, now)
            if now - pipeline.opened > self._options.lifetime:
                self.retire(pipeline)
        # Once it is known of all of them whether they are stalled.
        for pipeline in [*self.pipelines, *self.retiring]:
            if pipeline.stalled:
                self._look_at_calls_behind(pipeline, now)

    def _look_at_first_call(self, pipeline: Pipeline, now: float) -> None:
        first, running = pipeline.calls[0], now - pipeline.head_since
        if running > self._options.statement_timeout + self._options.grace:
            first.fail(TimeoutError("the database does not answer"))
            pipeline.lost(psycopg.OperationalError("the database does not answer"))
            return
        pipeline.stalled = running > self._options.stalled_after
        if first.answer.cancelled():
            pipeline.wire.cancel()

    def _look_at_calls_behind(self, stalled: Pipeline, now: float) -> None:
        """Send the reads behind a stalled call elsewhere too, each once; no call waits for ever."""
        for call in list(islice(stalled.calls, 1, None)):
            if now - call.began > self._options.wait_timeout:
                self._refuse(call, "the call before takes too long")
            elif call.repeatable and not call.sent_twice and not call.answer.done():
                other = self._least_busy()
                if other is None or other.calls:
                    self.want_connection(now)
                if other is not None and other.has_room and not other.stalled:
                    other.submit(call.twice(), now)
