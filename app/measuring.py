"""What is measured in a running server: numbers that its parts keep, and the loop's lag."""

import asyncio
import platform
import time
from collections.abc import Iterator
from functools import partial
from importlib.metadata import version

from app.database.certificate import Certificate
from app.database.expected import REVISION
from app.database.pipelined import PipelinedDatabase
from app.database.replica import Replica
from app.http.readiness import Lack, Readiness
from app.http.websocket import GraphQLSocket
from app.lifespan import Running
from app.metrics_address import listen_for_metrics
from app.settings import Settings
from app.telemetry.exposition import process_figures
from app.telemetry.gathering import Alone, Gathering, Member, no_restarts
from app.telemetry.metrics import Figures, Metrics

LAG_INTERVAL = 0.2
"""Seconds between two looks at how late the event loop is."""

PUBLISHED_EVERY = 5
"""Looks between two times that the numbers are left for whoever asks."""

READINESS_COUNTS = 60.0
"""Seconds for which an answer of the database is told."""

Number = tuple[str, tuple[str, ...], float]
"""A metric's name, its labels' values, and its value."""


def start_measuring(
    metrics: Metrics,
    gathering: Alone | Member,
    parts: Running,
    socket: GraphQLSocket,
    settings: Settings,
) -> None:
    """Have the numbers read that the parts keep, and told where the settings say.

    Raises:
        Failure: that address cannot be listened on.
    """
    certificate = Certificate(str(settings.database_url))
    build = (version("todo-api"), REVISION, platform.python_version())
    metrics.read(process_figures)
    metrics.read(no_restarts)
    metrics.read(partial(_numbers_of_parts, parts, socket))
    metrics.read(partial(_numbers_of_pool, parts.database, settings))
    if parts.replica is not None:
        metrics.read(partial(_numbers_of_pool, parts.replica.database, settings))
        metrics.read(partial(_numbers_of_replica, parts.replica))
    metrics.read(partial(_numbers_of_readiness, parts.readiness))
    metrics.read(partial(_numbers_of_certificate, certificate))
    metrics.read(lambda: [("todo_api_build_info", build, 1)])
    parts.supervisor.run("measuring", partial(keep_measuring, metrics, gathering))
    parts.supervisor.run("look at the certificate", certificate.keep_looking, returns=True)
    if isinstance(gathering, Alone):
        listen_for_metrics(settings, gathering.now)


async def gathered(metrics: Metrics, gathering: Gathering) -> Figures:
    """Return the numbers of all workers; those of this one as they are now."""
    await gathering.publish(metrics.figures())
    return await gathering.figures()


async def keep_measuring(metrics: Metrics, gathering: Gathering) -> None:
    """Measure the loop's lag and leave all numbers, for as long as the server runs."""
    while True:
        await gathering.publish(metrics.figures())
        for _ in range(PUBLISHED_EVERY):
            began = time.perf_counter()
            await asyncio.sleep(LAG_INTERVAL)
            metrics.loop_lag.observe((), max(time.perf_counter() - began - LAG_INTERVAL, 0.0))


def _numbers_of_parts(parts: Running, socket: GraphQLSocket) -> Iterator[Number]:
    yield "todo_api_websocket_connections", (), socket.open
    yield "todo_api_subscriptions", (), parts.live.watchers
    if parts.receiver.is_heard is not None:
        yield "todo_api_listening", (), parts.receiver.is_heard
    spent, refused = (parts.budget.spent, parts.budget.refused) if parts.budget else (0, 0)
    yield "todo_api_budget_spent_points_total", (), spent
    yield "todo_api_rate_limited_total", (), refused
    if parts.keys is not None:
        yield "todo_api_jwks_refresh_total", ("ok",), parts.keys.fetched
        yield "todo_api_jwks_refresh_total", ("error",), parts.keys.failed
        if parts.keys.age is not None:
            yield "todo_api_jwks_age_seconds", (), parts.keys.age
    for table in ("tasks", "idempotency_keys"):
        yield "todo_api_purged_rows_total", (table,), parts.purged.rows[table]
    yield "todo_api_purge_last_success_timestamp_seconds", (), parts.purged.succeeded_at
    yield "todo_api_workers", (), 1


def _numbers_of_pool(database: PipelinedDatabase, settings: Settings) -> Iterator[Number]:
    nodes = database.nodes
    of_nodes = () if nodes is None else nodes.numbers()
    for pool, numbers in ((database.pool, database.numbers()), *of_nodes):
        yield "db_client_connection_count", (pool, "idle"), numbers.idle
        yield "db_client_connection_count", (pool, "used"), numbers.used
        yield "db_client_connection_max", (pool,), settings.database_pool_max_size
        yield "db_client_connection_pending_requests", (pool,), numbers.waiting
        yield "db_client_connection_timeouts_total", (pool,), numbers.busy
    if nodes is not None and (nodes.straight or nodes.passed_on):
        yield "todo_api_database_route_total", ("straight",), nodes.straight
        yield "todo_api_database_route_total", ("passed_on",), nodes.passed_on


def _numbers_of_replica(replica: Replica) -> Iterator[Number]:
    yield "todo_api_replica_used", (), replica.is_used
    if replica.lag is not None:
        yield "todo_api_replica_lag_seconds", (), replica.lag
    for result in ("answered", "asked_again"):
        yield "todo_api_replica_reads_total", (result,), replica.reads[result]


def _numbers_of_readiness(readiness: Readiness) -> Iterator[Number]:
    state = readiness.latest()
    if state.lack is Lack.STARTING or state.age > READINESS_COUNTS:
        return
    yield "todo_api_database_ready", (), state.database
    if state.writes is not None:
        yield "todo_api_database_writable", (), state.writes
    if state.nodes is not None:
        answering, away, _ = state.nodes
        yield "todo_api_database_nodes", ("answering",), answering
        yield "todo_api_database_nodes", ("away",), away
    if state.migrations is not None:
        yield "todo_api_migration_compatible", (), state.migrations


def _numbers_of_certificate(certificate: Certificate) -> Iterator[Number]:
    if certificate.ends_at is not None:
        yield "todo_api_database_certificate_expiry_timestamp_seconds", (), certificate.ends_at
