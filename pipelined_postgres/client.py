"""The client: many calls on few connections to one PostgreSQL."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, NamedTuple, TypeVar, overload

import psycopg
from psycopg import AsyncConnection

from pipelined_postgres.balance import Balance
from pipelined_postgres.calls import Call, Query, statement
from pipelined_postgres.connection import Connection, Texts
from pipelined_postgres.options import Options
from pipelined_postgres.pooler import PROBE, Pooler, recognised
from pipelined_postgres.protocol import Pipeline

logger = logging.getLogger(__name__)

Row = TypeVar("Row")

TICK = 0.1
"""Seconds between looks at what takes too long."""


class Numbers(NamedTuple):
    """How much a client has to do."""

    idle: int
    """Connections without a call."""
    used: int
    """Connections with calls."""
    waiting: int
    """Calls that wait for a place on a connection."""
    sent_at_once: int
    """How many calls ever had a place at once."""
    busy: int
    """How many calls ever got none in time."""


class UnusableConnection(Exception):
    """Raised by `prepare` where a new connection must not be used."""


async def _prepare_nothing(connection: AsyncConnection[Any]) -> None:
    pass


class Client:
    """Runs each call as a transaction of its own, on connections that all calls share.

    A call is sent at once, behind those of others, and answered in its turn: none waits for a
    connection of its own. Through a pooler, which hands PostgreSQL's connections to others between
    transactions, a connection has one call at a time, unless the pooler keeps each transaction
    together.
    """

    def __init__(
        self,
        url: str,
        options: Options | None = None,
        *,
        prepare: Callable[[AsyncConnection[Any]], Awaitable[None]] = _prepare_nothing,
        application_name: str = "pipelined_postgres",
        waited: Callable[[float], None] | None = None,
    ) -> None:
        """Have `prepare` called with each new connection, which is in autocommit mode.

        What it registers with the connection's adapters holds for the rows. It may raise
        `UnusableConnection`, or an error of psycopg's. `waited` is told for how many seconds a call
        waited for a place on a connection, where it did.
        """
        self._url = url
        self._options = options or Options()
        self._prepare = prepare
        self._application_name = application_name
        self._texts = Texts()
        self.text = self._texts.of
        self._balance = Balance(self._options, self._connect_soon, random.random, waited)
        self.pooler: Pooler | None = None
        """What the last connection found to be in between; None: there has been none yet."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._ticker: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop

    @property
    def prepares(self) -> bool:
        """Statements are prepared, and none was found to get lost on the way."""
        return self._balance.prepares

    def numbers(self) -> Numbers:
        """Return how much there is to do now, and how many calls came to what."""
        balance = self._balance
        pipelines = [*balance.pipelines, *balance.retiring]
        used = sum(1 for pipeline in pipelines if pipeline.calls)
        return Numbers(
            len(pipelines) - used, used, len(balance.waiting), balance.sent_at_once, balance.busy
        )

    async def __aenter__(self) -> "Client":
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def open(self) -> None:
        """Open a first connection. A database that is not up yet is waited for later.

        Raises:
            UnusableConnection: `prepare` raised it.
        """
        self._loop = asyncio.get_running_loop()
        try:
            pipeline, pooler = await self._connect()
        except (psycopg.Error, TimeoutError) as error:
            logger.log(self._options.level, "The database cannot be reached yet: %s", error)
        else:
            self._balance.connected(pipeline, pooler, self._loop.time())
        self._tick()

    def start(self) -> None:
        """Begin without a connection: the first one is opened once it is wanted."""
        self._loop = asyncio.get_running_loop()
        self._tick()

    def is_connected(self) -> bool:
        """Return whether there is a connection that takes calls; else have one opened soon."""
        if self._balance.pipelines:
            return True
        self._balance.want_connection(self._loop.time())
        return False

    async def close(self) -> None:
        """Close all connections. Calls under way fail by psycopg.OperationalError."""
        if self._ticker is not None:
            self._ticker.cancel()
        self._balance.close()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @overload
    async def fetch(
        self, sql: str, parameters: Sequence[object] = (), *, repeatable: bool = False
    ) -> list[tuple[Any, ...]]: ...

    @overload
    async def fetch(
        self,
        sql: str,
        parameters: Sequence[object] = (),
        *,
        make_row: Callable[[Sequence[Any]], Row],
        repeatable: bool = False,
    ) -> list[Row]: ...

    async def fetch(
        self,
        sql: str,
        parameters: Sequence[object] = (),
        *,
        make_row: Callable[[Sequence[Any]], Any] = tuple,
        repeatable: bool = False,
    ) -> list[Any]:
        """Run one statement, whose parameters are `$1`, `$2`, …, and return its rows, committed.

        A `repeatable` one, such as a read, may run more than once.

        Raises:
            psycopg.Error: PostgreSQL's error, or OperationalError: the connection broke, and it is
                not known whether the statement was committed.
            Busy: it waited too long.
            TimeoutError: the database did not answer; it is not known whether it was committed.
        """
        query = (statement(sql), [self.text(value) for value in parameters])
        return await self.run([query], make_row, repeatable=repeatable)

    def run(
        self,
        queries: Sequence[Query],
        make_row: Callable[[Sequence[Any]], Row],
        *,
        repeatable: bool,
        echo: bytes | None = None,
        is_explicit: bool = False,
    ) -> asyncio.Future[list[Row]]:
        """Run queries in one transaction; return the rows of the last. It fails as `fetch` does.

        `echo`: the first value that the first query returns, as text, where that is known before.
        An answer that begins otherwise is another call's; the connection is then given up.

        `is_explicit`: the transaction has BEGIN and COMMIT, in the same round trip. What passes
        settings on to other nodes, as Citus does, does it in such a one alone.
        """
        answer: asyncio.Future[list[Row]] = self._loop.create_future()
        now = self._loop.time()
        call = Call(
            queries,
            make_row,
            answer,
            now,
            repeatable=repeatable,
            echo=echo,
            is_explicit=is_explicit,
        )
        self._balance.submit(call, now)
        return answer

    def _tick(self) -> None:
        self._ticker = self._loop.call_later(TICK, self._tick)
        self._balance.tick(self._loop.time())

    def _run_task(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _connect_soon(self) -> None:
        self._run_task(self._add_connection())

    async def _add_connection(self) -> None:
        try:
            pipeline, pooler = await self._connect()
        except (psycopg.Error, TimeoutError, UnusableConnection) as error:
            logger.log(self._options.level, "The database cannot be reached: %s", error)
            self._balance.not_connected(self._loop.time())
        else:
            self._balance.connected(pipeline, pooler, self._loop.time())

    async def _connect(self) -> tuple[Pipeline, Pooler]:
        options = self._options
        async with asyncio.timeout(options.connect_timeout):
            connection = await AsyncConnection.connect(
                self._url,
                autocommit=True,
                application_name=self._application_name,
                client_encoding="UTF8",
                prepare_threshold=None,
            )
            try:
                await self._prepare(connection)
            except BaseException:
                await connection.close()
                raise
            pipeline = Connection(
                connection,
                self._balance,
                options,
                # Those that were opened together had better not all be closed together.
                opened=self._loop.time() - options.lifetime / 10 * random.random(),  # noqa: S311
                run=self._run_task,
            ).pipeline
            try:
                pooler = options.pooler or await self._ask_pooler(
                    pipeline, connection.info.backend_pid
                )
            except BaseException:
                pipeline.close()
                raise
        self.pooler = pooler
        return pipeline, pooler

    async def _ask_pooler(self, pipeline: Pipeline, backend_pid: int) -> Pooler:
        """Find out by a new connection, which takes no other calls yet, what is in between."""
        answer: asyncio.Future[list[tuple[int, str | None]]] = self._loop.create_future()
        now = self._loop.time()
        call = Call([(PROBE, (PROBE.text,))], tuple, answer, now, repeatable=False)
        # Where it fails, that is an answer, too.
        call.tried_again = True
        pipeline.submit(call, now)
        try:
            rows = await answer
        except psycopg.errors.DuplicatePreparedStatement:
            # Somebody else's statement has the name: it is the session of several clients.
            self._balance.stop_preparing()
            return Pooler.SINGLE
        return recognised(rows, backend_pid)
