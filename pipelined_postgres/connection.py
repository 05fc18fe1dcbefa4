"""A connection as psycopg has it: the wire of a pipeline.

psycopg has a pipeline mode of its own, in which one task waits for all the answers. Here calls of
many tasks share a connection, so this drives libpq by `psycopg.pq`, and `Transformer` turns its
results into rows; neither is promised to stay as it is. Nothing else here uses them.
"""

import asyncio
import ctypes
import logging
import sys
from collections.abc import Callable, Coroutine, Sequence
from functools import cache
from typing import Any, cast

import psycopg
from psycopg import AsyncConnection
from psycopg.adapt import PyFormat, Transformer
from psycopg.pq import ConnStatus, DiagnosticField, ExecStatus, PGconn
from psycopg.pq.abc import PGresult

from pipelined_postgres.calls import Call, Statement
from pipelined_postgres.coalescing import Coalescing
from pipelined_postgres.options import Options
from pipelined_postgres.protocol import Failure, Owner, Pipeline

logger = logging.getLogger(__name__)

# Up to Python 3.11 it takes a while to look up a member of an enumeration.
COMMAND_OK, TUPLES_OK = ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK
FATAL_ERROR, PIPELINE_SYNC = ExecStatus.FATAL_ERROR, ExecStatus.PIPELINE_SYNC


CAN_CLOSE = psycopg.capabilities.has_send_close_prepared()
"""Since PostgreSQL 17, libpq can drop a prepared statement by a message of the protocol."""


@cache
def find_send_sync() -> Callable[[int], int] | None:
    """Return libpq's `PQsendPipelineSync`, which psycopg has no name for; None: it is not there.

    It ends a transaction as `pipeline_sync` does, but sends nothing, so that several leave by one
    system call. That is a quarter to a third of the CPU time of a request for one task, by a Unix
    socket. libpq has it since version 17.
    """
    try:
        # It is found through psycopg's own library, which is linked with libpq.
        library = ctypes.PyDLL(sys.modules[PGconn.__module__].__file__)
        function = library.PQsendPipelineSync
    except (AttributeError, OSError):
        return None
    function.argtypes = [ctypes.c_void_p]
    return function


class Connection:
    """Reads and writes the socket of one connection, and tells its pipeline what comes."""

    def __init__(
        self,
        connection: AsyncConnection[Any],
        owner: Owner,
        options: Options,
        *,
        opened: float,
        run: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]],
    ) -> None:
        """Begin to use an idle connection, whose window is closed at first.

        `run` runs a cancellation as a task, to its end.
        """
        self._loop = asyncio.get_running_loop()
        self._connection = connection
        self._pgconn = connection.pgconn
        self._transformer = Transformer.from_context(connection)
        self._grace = options.grace
        self._run = run
        self._cancelling: asyncio.Task[None] | None = None
        self._results: list[PGresult] = []
        """What has come of the first call so far."""
        self._is_ending = False
        """Of the first call, all but what COMMIT is answered has come."""
        self._socket = self._pgconn.socket
        self.coalescing = Coalescing(self._loop, self._flush)
        self._send_sync = find_send_sync()
        self.pipeline = Pipeline(
            owner,
            self,
            statement_timeout=options.statement_timeout,
            prepared_max=options.prepared_max,
            opened=opened,
        )
        self._pgconn.nonblocking = 1
        self._pgconn.enter_pipeline_mode()
        self._loop.add_reader(self._socket, self._read)

    # What a pipeline sends by, as `protocol.Wire` has it.

    def send(self, call: Call, unparsed: Sequence[Statement] | None) -> None:
        pgconn = self._pgconn
        try:
            for name in call.dropped:
                self._drop(name)
            for statement in unparsed or ():
                pgconn.send_prepare(statement.name, statement.text)
            if call.is_explicit:
                pgconn.send_query_params(b"BEGIN", None)
            for statement, parameters in call.queries:
                if unparsed is None:
                    pgconn.send_query_params(statement.text, parameters)
                else:
                    pgconn.send_query_prepared(statement.name, parameters)
            self._end_transaction()
            if call.is_explicit:
                # After an error all is skipped up to the end, so that COMMIT comes behind it: it
                # then undoes.
                pgconn.send_query_params(b"COMMIT", None)
                self._end_transaction()
        except psycopg.OperationalError as error:
            self._lost(error)
        except BaseException:
            # A call without its sync would be answered by the sync of the next one.
            self._lost(psycopg.OperationalError("a call could not be sent"))
            raise

    def _end_transaction(self) -> None:
        """Have what was written since the last time be one implicit transaction."""
        pgconn = self._pgconn
        # It has none once it is closed.
        pointer: int | None = getattr(pgconn, "pgconn_ptr", None)
        if self._send_sync is None or pointer is None:
            pgconn.pipeline_sync()
            self._flush()
        elif self._send_sync(pointer):
            self.coalescing.hold()
        else:
            raise psycopg.OperationalError(pgconn.get_error_message())

    def _drop(self, name: bytes) -> None:
        if CAN_CLOSE:
            self._pgconn.send_close_prepared(name)
        else:
            # PgBouncer does not know this: it fails there, and then nothing is prepared any more.
            self._pgconn.send_query_params(b"DEALLOCATE " + name, None)

    def rows(self, call: Call, result: PGresult) -> list[Any]:
        if not result.ntuples:
            return []
        self._transformer.set_pgresult(result)
        return self._transformer.load_rows(0, result.ntuples, call.make_row)

    def cancel(self) -> None:
        if self._cancelling is None:
            self._cancelling = self._run(self._cancel())

    def close(self) -> None:
        if self._socket >= 0:
            self._loop.remove_reader(self._socket)
            self._loop.remove_writer(self._socket)
            self._socket = -1
            self._pgconn.finish()

    async def _cancel(self) -> None:
        try:
            await self._connection.cancel_safe(timeout=self._grace)
        except psycopg.Error as error:
            logger.warning("A statement could not be cancelled: %s", error)
        finally:
            self._cancelling = None

    def _flush(self) -> None:
        """Send what is written, as far as the socket takes it now, and the rest later."""
        if self._socket < 0:
            return
        try:
            if self._pgconn.flush():
                self._loop.add_writer(self._socket, self._write)
        except psycopg.OperationalError as error:
            self._lost(error)

    def _write(self) -> None:
        try:
            if not self._pgconn.flush():
                self._loop.remove_writer(self._socket)
        except psycopg.OperationalError as error:
            self._lost(error)

    def _read(self) -> None:
        pgconn, pipeline = self._pgconn, self.pipeline
        try:
            pgconn.consume_input()
            now = self._loop.time()
            # Asked in any case: libpq then throws away what comes though nothing was asked.
            while not pgconn.is_busy() and pipeline.calls:
                result = pgconn.get_result()
                if result is None:
                    continue
                status = result.status
                if status == PIPELINE_SYNC:
                    self._has_synced(pipeline.calls[0], now)
                else:
                    self._results.append(result)
                    if status == FATAL_ERROR:
                        if _ends_session(result):
                            raise _error_of(result)
                        if pgconn.status == ConnStatus.BAD:
                            raise psycopg.OperationalError("the connection broke")
        except psycopg.Error as error:
            self._lost(error)

    def _has_synced(self, call: Call, now: float) -> None:
        if call.is_explicit and not self._is_ending:
            # Its COMMIT is answered behind this.
            self._is_ending = True
            return
        self._is_ending = False
        results, self._results = self._results, []
        # Only now it is committed.
        if not _is_answer_of(call, results):
            self.pipeline.mismatched()
        elif _is_committed(call, results):
            self.pipeline.answered(results[-2 if call.is_explicit else -1], now)
        else:
            self.pipeline.failed(_failure_of(results, len(call.dropped)), now)

    def _lost(self, error: psycopg.Error) -> None:
        first = next(filter(_is_error, self._results), None)
        self.pipeline.lost(error, None if first is None else _error_of(first))


def _is_answer_of(call: Call, results: Sequence[PGresult]) -> bool:
    """Return whether these are the results of what was sent for a call, as far as that shows."""
    before = len(call.dropped) + len(call.unparsed) + call.is_explicit
    more = len(results) - before - len(call.queries)
    if call.is_explicit:
        if more != 1:
            return False
    # An error may come with the commit, after all of its queries.
    elif more and not (more == 1 and _is_error(results[-1])):
        return False
    first = results[before]
    return call.echo is None or first.status != TUPLES_OK or first.get_value(0, 0) == call.echo


def _is_committed(call: Call, results: Sequence[PGresult]) -> bool:
    """Return whether the transaction of these results has not been undone."""
    last = results[-1]
    if call.is_explicit:
        # Of one that has failed, COMMIT says ROLLBACK.
        return last.command_status == b"COMMIT" and not any(map(_is_error, results))
    return last.status in (TUPLES_OK, COMMAND_OK)


def _is_error(result: PGresult) -> bool:
    return result.status == FATAL_ERROR


def _ends_session(result: PGresult) -> bool:
    """Return whether PostgreSQL itself said that it ends the session, and executes nothing more."""
    severity = result.error_field(DiagnosticField.SEVERITY_NONLOCALIZED)
    return severity in (b"FATAL", b"PANIC")


def _failure_of(results: Sequence[PGresult], dropped: int) -> Failure:
    """Return the first error. What came after it was not run, unless it came with the commit.

    `dropped`: how many results are of dropping statements, which comes before all else.
    """
    place, result = next(
        ((n, each) for n, each in enumerate(results) if _is_error(each)),
        (len(results) - 1, results[-1]),
    )
    return Failure(_state_of(result), _error_of(result), parsed=max(place - dropped, 0))


def _state_of(result: PGresult) -> str:
    return (result.error_field(DiagnosticField.SQLSTATE) or b"").decode()


def _error_of(result: PGresult) -> psycopg.Error:
    message = result.error_field(DiagnosticField.MESSAGE_PRIMARY) or result.error_message
    text, state = message.decode(errors="replace"), _state_of(result)
    try:
        return psycopg.errors.lookup(state)(text)
    except KeyError:
        if not state:
            return psycopg.OperationalError(text)
    detail = result.error_field(DiagnosticField.MESSAGE_DETAIL) or b""
    return Raised(text, state, detail.decode(errors="replace"))


class Raised(psycopg.DatabaseError):
    """An error with a SQLSTATE that is not PostgreSQL's: a function of somebody's raised it."""

    def __init__(self, message: str, sqlstate: str, detail: str) -> None:
        super().__init__(message)
        self.sqlstate = sqlstate
        self.detail = detail
        """Its DETAIL, empty where it has none."""


class Texts:
    """Turns values into PostgreSQL's text."""

    def __init__(self) -> None:
        self._transformer = Transformer()

    def of(self, value: object) -> bytes | None:
        """Return a value as a query's parameter.

        Raises:
            psycopg.Error: it has no such text.
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
