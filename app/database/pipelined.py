"""The database of the resolvers, on connections that all requests share."""

import asyncio
import logging
import math
import time
from dataclasses import replace
from functools import cache, partial
from typing import Any

import psycopg
from psycopg import AsyncConnection
from psycopg.conninfo import conninfo_to_dict

from app.database import acting
from app.database.cluster.examination import WHO_ANSWERS
from app.database.cluster.nodes import Nodes
from app.database.instances import application_name
from app.database.retry import Attempts
from app.database.session import (
    CONNECTION_LIFETIME,
    GRACE,
    SET_LOCALS,
    SET_ONE_MORE,
    WAIT_FOR_TURN,
    prepare_session,
)
from app.database.urls import libpq_url
from app.settings import DatabasePooler, Settings
from app.telemetry.metrics import Metrics
from app.telemetry.records import STATEMENTS_MAX, StatementRecord, current_record
from app.telemetry.repeated import Repeated
from models.database import DatabaseUnavailable
from models.statement import Row, Statement
from pipelined_postgres.calls import Query
from pipelined_postgres.calls import Statement as StatementText
from pipelined_postgres.calls import statement as statement_of
from pipelined_postgres.client import Client, Numbers
from pipelined_postgres.options import Options
from pipelined_postgres.pooler import Pooler

logger = logging.getLogger(__name__)

POOL = "main"
"""What metrics call the connections that statements share."""

COORDINATOR = "coordinator"
"""What the log calls the node of a cluster that knows the others."""

PROBE = statement_of(
    "SELECT version_num, NOT current_setting('transaction_read_only')::boolean, serves "
    "FROM alembic_version, installation"
)


class PipelinedDatabase:
    """Runs each statement as a transaction of its owner's."""

    def __init__(
        self,
        url: str,
        settings: Settings,
        metrics: Metrics | None = None,
        pool: str = POOL,
        level: int = logging.WARNING,
    ) -> None:
        """`pool`: what metrics call its connections. `level`: that of the log where it is away."""
        self.pool = pool
        self._settings = settings
        self._metrics = metrics
        self._counted = 0
        """How many statements that did not wait are counted already."""
        self._namespace = str(conninfo_to_dict(libpq_url(url)).get("dbname") or "")
        self._repeated = Repeated(logger)
        self.answered_at = -math.inf
        self._is_distributed: bool | None = None
        """Whether the tables lie on several nodes, as the newest connection found; None: there was
        none yet."""
        self._timeout = b"%d" % (settings.database_statement_timeout * 1000)
        self.client = Client(
            libpq_url(url),
            replace(options_of(settings), level=level),
            prepare=self._prepare,
            application_name=application_name(),
            waited=None if metrics is None else partial(metrics.waits.observe, (pool,)),
        )
        self.nodes = (
            Nodes(url, settings, options_of(settings), self.client, metrics)
            if settings.database_nodes
            else None
        )
        """Where the tables lie on several nodes, and statements go straight to them."""

    async def open(self) -> None:
        """Check the role and connect. A database that is not up yet is waited for later.

        Raises:
            UnsafeRole: the database is up, and row security would not bind the role.
        """
        await self.client.open()

    async def close(self) -> None:
        """Close the connections. Statements under way fail."""
        if self.nodes is not None:
            await self.nodes.close()
        await self.client.close()

    async def fetch(self, statement: Statement[Row]) -> list[Row]:
        """Run the statement, as `models.database.Database` has it."""
        attempts, began, client = None, time.perf_counter(), None
        try:
            while True:
                try:
                    if self._is_distributed is None:
                        # How statements are to be sent, a connection tells.
                        await self.ask("SELECT 1")
                    client = self._client_for(statement)
                    rows = await self.send(statement, client=client)
                except (psycopg.Error, TimeoutError) as error:
                    if self.nodes is not None and isinstance(error, psycopg.OperationalError):
                        self.nodes.note_failure()
                    attempts = attempts or Attempts(statement, self._repeated)
                    pause = attempts.failed(error)
                    if self._metrics is not None:
                        self._metrics.retries[getattr(error, "sqlstate", None) or ""] += 1
                    await asyncio.sleep(pause)
                else:
                    self.answered_at = time.monotonic()
                    self.note(statement, began, client=client)
                    return rows
        except BaseException as failure:
            self.note(statement, began, failure, client)
            raise

    def send(
        self, statement: Statement[Row], *conditions: Query, client: Client | None = None
    ) -> asyncio.Future[list[Row]]:
        """Run the statement once; return its rows. It fails as `pipelined_postgres.client` has it.

        `conditions`: queries before it in its transaction, which fail where it is not to be run.
        `client`: the connections to the node that is asked; None: those of this database.
        """
        sql, text = statement.sql, self.client.text
        values = {**statement.values, "owner": statement.owner}
        more = [each for setting in statement.settings.items() for each in setting]
        owner = text(statement.owner)
        steps = (sql.steps or (sql,)) if self._is_distributed else (sql,)
        asked = [
            (statement_of(step.text), [text(values[name]) for name in step.parameters])
            for step in steps
        ]
        if self._is_distributed:
            act_as = (statement_of(acting.ACT_AS), (owner, self._timeout, text(more)))
            turn = (statement_of(acting.WAIT_FOR_TURN), (owner,))
            # Of two with the same key, none is to have the turn while it waits for the other's key.
            waits = statement.waits_for_turn or bool(sql.steps)
            queries = (act_as, *((turn,) * waits), *conditions, *asked)
        else:
            local = locals_for(len(statement.settings), statement.waits_for_turn)
            queries = ((local, (owner, self._timeout, *map(text, more))), *conditions, *asked)
        return (client or self.client).run(
            queries,
            sql.make_row,
            repeatable=not sql.writes,
            echo=owner,
            is_explicit=bool(self._is_distributed),
        )

    def _client_for(self, statement: Statement[Any]) -> Client:
        """Return the connections by which the statement goes: on a cluster, to the right node."""
        if not self._is_distributed or self.nodes is None or statement.sql.on_coordinator:
            return self.client
        return self.nodes.client_for(statement.owner)

    def _node_of(self, client: Client | None) -> str:
        """Return the name of a node of a cluster by the connections to it."""
        if not self._is_distributed:
            return ""
        name = None if self.nodes is None or client is None else self.nodes.names.get(client)
        return name or COORDINATOR

    async def ask(self, text: str, *values: object) -> tuple[Any, ...]:
        """Run SQL that belongs to no user, and return its one record.

        Raises:
            psycopg.Error, TimeoutError: as `pipelined_postgres.client` has it.
        """
        query = (statement_of(text), [self.client.text(value) for value in values])
        queries = ((locals_for(0, False), (b"", self._timeout)), query)
        record, *_ = await self.client.run(queries, tuple, repeatable=True)
        return record

    def numbers(self) -> Numbers:
        """Return how much there is to do; have the statements counted that did not wait."""
        numbers = self.client.numbers()
        if self._metrics is not None:
            # They are most: to hand them in one by one would cost more than all else here.
            new = numbers.sent_at_once - self._counted
            self._metrics.waits.add_smallest((self.pool,), new)
            self._counted = numbers.sent_at_once
        return numbers

    def note(
        self,
        statement: Statement[Any],
        began: float,
        failure: BaseException | None = None,
        client: Client | None = None,
    ) -> None:
        """Tell of a statement that has ended to the record of its request, and to the metrics.

        `client`: the connections to the node that was asked; None: those of this database.
        """
        name, error = statement.sql.name, "" if failure is None else _name_of(failure)
        seconds = time.perf_counter() - began
        record = current_record.get()
        if record is not None and len(record.statements) < STATEMENTS_MAX:
            node = self._node_of(client)
            record.statements.append(StatementRecord(name, began, seconds, error, node))
        if self._metrics is not None:
            self._metrics.statements.observe((name, self._namespace, error), seconds)

    async def probe(self) -> tuple[str | None, bool, str]:
        """Ask how the database is.

        The answer is the migration that it is at, None when there is none; whether it takes
        changes; and the migration of the oldest code that works with it.

        Raises:
            DatabaseUnavailable: the database cannot be reached.
        """
        queries = ((locals_for(0, False), (b"", self._timeout)), (PROBE, ()))
        try:
            records = await self.client.run(queries, tuple, repeatable=True)
        except (psycopg.errors.UndefinedTable, psycopg.errors.InsufficientPrivilege):
            return None, False, ""
        except (psycopg.Error, TimeoutError) as error:
            raise DatabaseUnavailable("The database cannot be reached.") from error
        return records[0] if records else (None, False, "")

    async def who_answers(self) -> tuple[int, int, str] | None:
        """Ask which of the nodes answer, as `app.http.readiness` has it; None: it is one node.

        Raises:
            DatabaseUnavailable: the database cannot be reached.
        """
        if not self._is_distributed:
            return None
        try:
            answering, away, names = await self.ask(WHO_ANSWERS)
        except (psycopg.Error, TimeoutError) as error:
            raise DatabaseUnavailable("The database cannot be reached.") from error
        return answering, away, names

    async def _prepare(self, connection: AsyncConnection[Any]) -> None:
        self._is_distributed = await prepare_session(connection, self._settings)


def _name_of(failure: BaseException) -> str:
    """Return the SQLSTATE of what failed, or else its name."""
    cause = failure if isinstance(failure, psycopg.Error) else failure.__cause__
    return getattr(cause, "sqlstate", None) or type(failure).__name__


@cache
def locals_for(count: int, waits_for_turn: bool) -> StatementText:
    """Return the statement that sets a transaction's settings, so many of them its own."""
    more = "".join(SET_ONE_MORE % (n, n + 1) for n in range(3, 3 + 2 * count, 2))
    return statement_of(SET_LOCALS + more + WAIT_FOR_TURN * waits_for_turn)


def options_of(settings: Settings) -> Options:
    """Return the client's options that the settings ask for."""
    return Options(
        connections_max=settings.database_pool_max_size,
        wait_timeout=settings.database_pool_timeout,
        # Well below it, so that an outage shorter than requests wait fails none.
        reconnect_pause_max=settings.database_pool_timeout / 4,
        connect_timeout=settings.database_connect_timeout,
        statement_timeout=settings.database_statement_timeout,
        grace=GRACE,
        lifetime=CONNECTION_LIFETIME,
        prepared_statements=settings.database_prepared_statements,
        advice_without_prepared_statements="Say so by DATABASE_PREPARED_STATEMENTS=false.",
        advice_without_pipelining="Say so by DATABASE_POOLER=single.",
        pooler=_pooler_of(settings),
    )


def _pooler_of(settings: Settings) -> Pooler | None:
    """Return what is said to be in between; None where it is to be recognised."""
    pooler = settings.database_pooler
    return None if pooler is DatabasePooler.AUTO else Pooler(pooler.value)


async def find_pooler(settings: Settings) -> DatabasePooler | None:
    """Connect, and return what is in between, whatever is said of it; None: it cannot be told."""
    options = replace(options_of(settings), pooler=None, prepared_statements=True)
    url = libpq_url(str(settings.database_url))
    async with Client(url, options, application_name=application_name()) as client:
        return None if client.pooler is None else DatabasePooler(client.pooler.value)
