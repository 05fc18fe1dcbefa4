"""The pipelined door: a few connections in libpq's pipeline mode, shared by all requests.

A call is one transaction of one owner: it is sent at once, behind those of others, and answered in
its turn. Nobody waits for a connection, and what PostgreSQL sends is read as it comes. Behind a
pooler a connection has one call at a time.
"""

import asyncio
import logging
import random
from collections import deque
from collections.abc import Sequence
from hashlib import sha256
from typing import Any, cast

import psycopg
from psycopg import AsyncConnection
from psycopg.adapt import PyFormat, Transformer
from psycopg.pq import ConnStatus, DiagnosticField, ExecStatus
from psycopg.pq.abc import PGresult

from app.database.cork import Cork
from app.database.retry import Attempts
from app.database.session import (
    APPLICATION_NAME,
    CONNECTION_LIFETIME,
    GRACE,
    SET_LOCALS,
    UnsafeRole,
    is_pooled,
    prepare_session,
)
from app.database.urls import libpq_url
from app.settings import Settings
from models.database import DatabaseUnavailable
from models.statement import Row, Sql, Statement

logger = logging.getLogger(__name__)

WINDOW = 64
"""Calls under way on one connection; those beyond it wait here, where they can be withdrawn."""

WINDOW_BEHIND_POOLER = 1
"""The same where a pooler hands out PostgreSQL's connections.

PgBouncer gives one back as soon as it is idle, though part of the client's next transaction may
have gone there: the rest then goes elsewhere (https://github.com/pgbouncer/pgbouncer/issues/759).
"""

GATHERED_MAX = 8
"""Calls under way on a connection up to which reads of the same turn are sent along with others."""

WAITING_MAX = 1000
"""Calls that wait for a place in a window; those beyond are refused at once."""

TICK = 0.1
"""Seconds between looks at what takes too long."""

STALLED_AFTER = 0.2
"""Seconds after which a call holds up its connection: new calls avoid it, reads go elsewhere."""

RECONNECT_DELAYS = (0.1, 2.0)
"""Seconds to wait after a connection could not be had: at first, and at most."""

REVISION = Sql("SELECT version_num FROM alembic_version", (), tuple, writes=False)

CANCELLED = "57014"
LOST_STATEMENT = "26000"
KNOWN_STATEMENT = "42P05"
CHANGED_PLAN = "0A000"


class ConnectionsBusy(TimeoutError):
    """A call was not begun within its time, and was not sent, or nobody knows how it ends."""


class Call:
    """One transaction under way, and the future of its rows."""

    __slots__ = ("answer", "began", "error", "has_twin", "parses", "result", "retried", "statement")

    def __init__(
        self, statement: "Prepared", answer: asyncio.Future[list[Any]], began: float
    ) -> None:
        self.statement = statement
        self.answer = answer
        self.began = began
        self.parses = 0
        """How many statements are still to be parsed before this one is run."""
        self.result: PGresult | None = None
        self.error: PGresult | None = None
        self.has_twin = False
        """Another call has been sent to give the same answer."""
        self.retried = False

    def fail(self, error: Exception) -> None:
        if not self.answer.done():
            self.answer.set_exception(error)


class Prepared:
    """What a call sends: SQL with its parameters as PostgreSQL reads them."""

    __slots__ = ("locals", "name", "parameters", "sql", "text")

    def __init__(
        self, sql: Sql[Any], parameters: Sequence[bytes | None], local: Sequence[bytes | None]
    ) -> None:
        self.sql = sql
        self.text, self.name = _named(sql.text)
        self.parameters = parameters
        self.locals = local


class Pipe:
    """A connection in pipeline mode. Calls are answered in the order in which they were sent."""

    def __init__(
        self, connection: AsyncConnection[Any], database: "PipelinedDatabase", window: int
    ) -> None:
        self._window = window
        self._gathered_max = min(window, GATHERED_MAX)
        self._loop = asyncio.get_running_loop()
        self._connection = connection
        self._pgconn = connection.pgconn
        self._database = database
        self._transformer = Transformer.from_context(connection)
        self._prepared: set[bytes] = set()
        self._socket = self._pgconn.socket
        self._cork = Cork(self._loop, self._socket)
        self.calls: deque[Call] = deque()
        self._cancelling: asyncio.Task[None] | None = None
        self.stalled = False
        self.retiring = False
        self.head_since = self._loop.time()
        self.opened = self.head_since - random.uniform(0, CONNECTION_LIFETIME / 10)  # noqa: S311
        self._pgconn.nonblocking = 1
        self._pgconn.enter_pipeline_mode()
        self._loop.add_reader(self._socket, self._read)

    @property
    def has_room(self) -> bool:
        return len(self.calls) < self._window and not self.retiring

    @property
    def gathers(self) -> bool:
        """Whether a read that is sent now goes out with what was sent before, in one packet."""
        return (
            self._cork.holds
            and len(self.calls) < self._gathered_max
            and not self.stalled
            and not self.retiring
        )

    def send(self, call: Call) -> None:
        """Send a call behind the others; if it cannot be sent, all of them fail."""
        if not self.calls:
            self.head_since = self._loop.time()
        self.calls.append(call)
        pgconn, statement = self._pgconn, call.statement
        try:
            if self._database.prepares:
                for name, text in ((_LOCALS_NAME, _LOCALS), (statement.name, statement.text)):
                    if name not in self._prepared:
                        # Parsing comes first and outlives the transaction, however that ends.
                        self._prepared.add(name)
                        pgconn.send_prepare(name, text)
                        call.parses += 1
                pgconn.send_query_prepared(_LOCALS_NAME, statement.locals)
                pgconn.send_query_prepared(statement.name, statement.parameters)
            else:
                pgconn.send_query_params(_LOCALS, statement.locals)
                pgconn.send_query_params(statement.text, statement.parameters)
            self._cork.hold()
            # What stands between two of these is one implicit transaction.
            pgconn.pipeline_sync()
            if pgconn.flush():
                self._loop.add_writer(self._socket, self._write)
        except psycopg.OperationalError as error:
            self.shut(error)

    def shut(self, error: Exception) -> None:
        """Close the connection; every call under way fails."""
        self._database.forget(self)
        if self._socket >= 0:
            self._loop.remove_reader(self._socket)
            self._loop.remove_writer(self._socket)
            self._socket = -1
            self._cork.close()
            self._pgconn.finish()
        calls, self.calls = self.calls, deque()
        for call in calls:
            call.fail(error if call.error is None else _error_of(call.error))

    def retire(self) -> None:
        """Take no more calls, and close when those under way are answered."""
        self.retiring = True
        self._database.forget(self)
        if not self.calls:
            self.shut(psycopg.OperationalError("the connection is old"))

    def cancel(self) -> None:
        """Ask PostgreSQL to end what it runs: nobody waits for it any more."""
        if self._cancelling is None:
            self._cancelling = self._loop.create_task(self._cancel())

    async def _cancel(self) -> None:
        try:
            await self._connection.cancel_safe(timeout=GRACE)
        except psycopg.Error as error:
            logger.warning("A statement could not be cancelled: %s", error)
        finally:
            self._cancelling = None

    def _write(self) -> None:
        try:
            if not self._pgconn.flush():
                self._loop.remove_writer(self._socket)
        except psycopg.OperationalError as error:
            self.shut(error)

    def _read(self) -> None:
        pgconn = self._pgconn
        try:
            pgconn.consume_input()
            while self.calls and not pgconn.is_busy():
                result = pgconn.get_result()
                if result is None:
                    continue
                call, status = self.calls[0], result.status
                if status == ExecStatus.PIPELINE_SYNC:
                    # Only now it is committed.
                    self.calls.popleft()
                    self._settle(call)
                elif status == ExecStatus.TUPLES_OK:
                    call.result = result
                elif status == ExecStatus.COMMAND_OK and call.parses:
                    call.parses -= 1
                elif status == ExecStatus.FATAL_ERROR:
                    call.error = call.error or result
                    if pgconn.status == ConnStatus.BAD:
                        raise _error_of(result)
        except psycopg.Error as error:
            self.shut(error)

    def _settle(self, call: Call) -> None:
        now = self._loop.time()
        lasted, self.head_since = now - self.head_since, now
        self.stalled = False
        if call.error is not None:
            self._explain(call, call.error, lasted)
        elif not call.answer.done():
            try:
                assert call.result is not None
                self._transformer.set_pgresult(call.result)
                make_row = call.statement.sql.make_row
                rows = self._transformer.load_rows(0, call.result.ntuples, make_row)
            except Exception as error:  # noqa: BLE001 -- it is for whoever asked
                call.fail(error)
            else:
                call.answer.set_result(rows)
        if self.retiring and not self.calls:
            self.shut(psycopg.OperationalError("the connection is old"))
        else:
            self._database.has_room(self)

    def _explain(self, call: Call, result: PGresult, lasted: float) -> None:
        """Hand the error on, or try again where the call itself is not at fault."""
        state = _state_of(result)
        parsed = call.parses == 0
        if not parsed:
            self._prepared -= {_LOCALS_NAME, call.statement.name}
        if call.answer.done():
            return
        if call.retried:
            call.fail(_error_of(result))
        elif state == CANCELLED and lasted < self._database.statement_timeout:
            # It was meant for the call before, which had ended by then.
            self._database.again(call)
        elif state == KNOWN_STATEMENT or (state == LOST_STATEMENT and parsed):
            self._database.stop_preparing()
            self._database.again(call)
        elif state == LOST_STATEMENT:
            self._database.again(call)
        elif state == CHANGED_PLAN:
            # A migration has changed a table: what was planned for it cannot be run any more.
            self.retire()
            self._database.again(call)
        else:
            call.fail(_error_of(result))


class PipelinedDatabase:
    """Runs each statement as a transaction of its owner's, on connections that all share."""

    def __init__(self, url: str, settings: Settings) -> None:
        self._url = libpq_url(url)
        self._settings = settings
        self._transformer = Transformer()
        self.statement_timeout = settings.database_statement_timeout
        self._timeout = b"%d" % (self.statement_timeout * 1000)
        self._pipes: list[Pipe] = []
        self._gathering: Pipe | None = None
        self._retiring: set[Pipe] = set()
        self._waiting: deque[Call] = deque()
        self._connecting: asyncio.Task[None] | None = None
        self._connect_at = 0.0
        self._delay = RECONNECT_DELAYS[0]
        self._ticker: asyncio.TimerHandle | None = None
        self._closed = False
        self.prepares = settings.database_prepared_statements

    async def open(self) -> None:
        """Check the role and connect. A database that is not up yet is waited for later.

        Raises:
            UnsafeRole: the database is up, and row security would not bind the role.
        """
        self._loop = asyncio.get_running_loop()
        try:
            self._pipes.append(await self._connect())
        except (psycopg.Error, TimeoutError) as error:
            logger.warning("The database cannot be reached yet: %s", error)
        self._tick()

    async def close(self) -> None:
        self._closed = True
        if self._ticker is not None:
            self._ticker.cancel()
        if self._connecting is not None:
            self._connecting.cancel()
            await asyncio.gather(self._connecting, return_exceptions=True)
        for pipe in [*self._pipes, *self._retiring]:
            pipe.shut(psycopg.OperationalError("the server stops"))
        while self._waiting:
            self._waiting.popleft().fail(psycopg.OperationalError("the server stops"))

    async def fetch(self, statement: Statement[Row]) -> list[Row]:
        """Run the statement, as `models.database.Database` has it."""
        sql, owner = statement.sql, statement.owner
        values = {**statement.values, "owner": owner}
        prepared = Prepared(
            sql,
            [self._parameter(values[name]) for name in sql.parameters],
            (self._parameter(owner), self._timeout),
        )
        attempts = None
        while True:
            try:
                return await self._answer(prepared)
            except (psycopg.Error, TimeoutError) as error:
                attempts = attempts or Attempts(statement)
                attempts.failed(error)

    async def revision(self) -> str | None:
        """Return the migration that the database is at; None when there has been none.

        Raises:
            DatabaseUnavailable: the database cannot be reached.
        """
        try:
            records = await self._answer(Prepared(REVISION, [], (b"", self._timeout)))
        except psycopg.errors.UndefinedTable:
            return None
        except (psycopg.OperationalError, TimeoutError) as error:
            raise DatabaseUnavailable("The database cannot be reached.") from error
        return str(records[0][0]) if records else None

    def _answer(self, prepared: Prepared) -> asyncio.Future[list[Any]]:
        answer: asyncio.Future[list[Any]] = self._loop.create_future()
        self._dispatch(Call(prepared, answer, self._loop.time()))
        return answer

    def _parameter(self, value: object) -> bytes | None:
        """Return a value as PostgreSQL's text.

        Raises:
            psycopg.DataError: it has no such text.
        """
        kind = value.__class__
        if value is None:
            return None
        if kind is str:
            raw = cast("str", value).encode()
            # A C string ends there: libpq would silently send less than was given.
            if b"\0" in raw:
                raise psycopg.DataError("PostgreSQL text cannot contain NUL.")
            return raw
        if kind is int:
            return b"%d" % cast("int", value)
        if kind is bool:
            return b"t" if value else b"f"
        dumped = self._transformer.get_dumper(value, PyFormat.TEXT).dump(value)
        return None if dumped is None else bytes(dumped)

    # Which connection a call goes to.

    def _dispatch(self, call: Call) -> None:
        best = self._gathering
        if best is None or not best.gathers or call.statement.sql.writes:
            best = self._gathering = self._least_busy()
        if best is None or best.calls:
            self._want_connection()
        if best is not None and best.has_room:
            best.send(call)
        elif len(self._waiting) < WAITING_MAX:
            self._waiting.append(call)
        else:
            call.fail(ConnectionsBusy("too many wait for the database"))

    def _least_busy(self) -> Pipe | None:
        best = None
        for pipe in self._pipes:
            if best is None or (pipe.stalled, len(pipe.calls)) < (best.stalled, len(best.calls)):
                best = pipe
        return best

    def again(self, call: Call) -> None:
        """Send a call once more whose transaction has been undone."""
        call.retried = True
        call.parses, call.result, call.error = 0, None, None
        self._dispatch(call)

    def has_room(self, pipe: Pipe) -> None:
        """Let those in who wait still."""
        while self._waiting and pipe.has_room:
            call = self._waiting.popleft()
            if not call.answer.done():
                pipe.send(call)

    def forget(self, pipe: Pipe) -> None:
        """Send nothing more to a connection that is broken or old."""
        if pipe in self._pipes:
            self._pipes.remove(pipe)
        if pipe.retiring and pipe.calls:
            self._retiring.add(pipe)
        else:
            self._retiring.discard(pipe)

    def stop_preparing(self) -> None:
        """Go on without prepared statements: somebody in between does not keep them apart."""
        if self.prepares:
            self.prepares = False
            logger.warning(
                "Prepared statements get lost on the way to the database. The server goes on "
                "without them; say so by DATABASE_PREPARED_STATEMENTS=false."
            )

    # Connections, opened when they are needed.

    def _want_connection(self) -> None:
        enough = len(self._pipes) >= self._settings.database_pool_max_size
        if enough or self._connecting is not None or self._closed:
            return
        if self._loop.time() >= self._connect_at:
            self._connecting = self._loop.create_task(self._add_connection())

    async def _add_connection(self) -> None:
        try:
            pipe = await self._connect()
        except (psycopg.Error, TimeoutError, UnsafeRole) as error:
            logger.warning("The database cannot be reached: %s", error)
            self._connect_at = self._loop.time() + self._delay * random.uniform(0.5, 1)  # noqa: S311
            self._delay = min(2 * self._delay, RECONNECT_DELAYS[1])
        else:
            self._delay = RECONNECT_DELAYS[0]
            self._pipes.append(pipe)
            self.has_room(pipe)
        finally:
            self._connecting = None

    async def _connect(self) -> Pipe:
        async with asyncio.timeout(self._settings.database_connect_timeout):
            connection = await AsyncConnection.connect(
                self._url,
                autocommit=True,
                application_name=APPLICATION_NAME,
                client_encoding="UTF8",
                prepare_threshold=None,
            )
            try:
                await prepare_session(connection, self._settings)
                pooled = await is_pooled(connection)
            except BaseException:
                await connection.close()
                raise
        return Pipe(connection, self, WINDOW_BEHIND_POOLER if pooled else WINDOW)

    # What takes too long.

    def _tick(self) -> None:
        now = self._loop.time()
        while self._waiting and now - self._waiting[0].began > self._settings.database_pool_timeout:
            self._waiting.popleft().fail(ConnectionsBusy("no connection has room"))
        if self._waiting:
            self._want_connection()
        for pipe in [*self._pipes, *self._retiring]:
            self._look_at(pipe, now)
        self._ticker = self._loop.call_later(TICK, self._tick)

    def _look_at(self, pipe: Pipe, now: float) -> None:
        if pipe.calls:
            running = now - pipe.head_since
            if running > self.statement_timeout + GRACE:
                pipe.calls[0].fail(TimeoutError())
                pipe.shut(psycopg.OperationalError("the database does not answer"))
                return
            if pipe.calls[0].answer.cancelled():
                pipe.cancel()
            if running > STALLED_AFTER:
                pipe.stalled = True
                self._overtake(pipe, now)
        if now - pipe.opened > CONNECTION_LIFETIME and not pipe.retiring:
            pipe.retire()

    def _overtake(self, pipe: Pipe, now: float) -> None:
        """Have the reads behind a stalled call answered elsewhere, and nobody wait for ever."""
        for call in list(pipe.calls)[1:]:
            if now - call.began > self._settings.database_pool_timeout:
                call.fail(ConnectionsBusy("the connection is held up"))
            elif not (call.statement.sql.writes or call.has_twin or call.answer.done()):
                call.has_twin = True
                self._dispatch(Call(call.statement, call.answer, call.began))


_NAMES: dict[str, tuple[bytes, bytes]] = {}


def _named(text: str) -> tuple[bytes, bytes]:
    """Return a statement's text and its name: the same for the same text, whoever prepares it."""
    found = _NAMES.get(text)
    if found is None:
        raw = text.encode()
        found = _NAMES[text] = raw, b"todo_" + sha256(raw).hexdigest()[:24].encode()
    return found


_LOCALS, _LOCALS_NAME = _named(SET_LOCALS)


def _state_of(result: PGresult) -> str:
    return (result.error_field(DiagnosticField.SQLSTATE) or b"").decode()


def _error_of(result: PGresult) -> psycopg.Error:
    message = (result.error_field(DiagnosticField.MESSAGE_PRIMARY) or result.error_message).decode(
        errors="replace"
    )
    try:
        kind = psycopg.errors.lookup(_state_of(result))
    except KeyError:
        kind = psycopg.OperationalError
    return kind(message)
