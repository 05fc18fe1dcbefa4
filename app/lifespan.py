"""A running server's parts: made in order, each whole; opened, kept at work, and closed."""

import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial

from app.database.changes import Live, NotifyingDatabase
from app.database.deletions import Deletions
from app.database.expected import REVISION
from app.database.listener import (
    USUAL_INTERVALS,
    Intervals,
    Receiver,
    keep_listening,
    keep_sweeping,
)
from app.database.notifications import Notifier
from app.database.pipelined import PipelinedDatabase
from app.database.purge import Purged, keep_purging
from app.database.recent import RecentWriters
from app.database.replica import POOL as REPLICA_POOL
from app.database.replica import Replica
from app.database.replicated import ReplicatedDatabase
from app.database.turns import Turns
from app.database.urls import refuse_unreadable
from app.http.readiness import Readiness
from app.operations.budget import Budget
from app.settings import Settings
from app.supervisor import Supervisor
from app.telemetry.metrics import Metrics
from auth.context import ContextGetter
from auth.keys import Jwks
from auth.tokens import TokenVerifier
from models.database import Database
from models.quota import Quota
from models.user import UserId
from resolvers.related import RelatedTasks
from resolvers.users import read_viewer


@dataclass(frozen=True, slots=True)
class Running:
    """The parts that requests need, or that must be kept at work for them."""

    keys: Jwks | None
    database: PipelinedDatabase
    replica: Replica | None
    recent: RecentWriters
    notifying: NotifyingDatabase
    live: Live
    notifier: Notifier
    budget: Budget | None
    receiver: Receiver
    readiness: Readiness
    get_context: ContextGetter
    purged: Purged
    supervisor: Supervisor


def make_parts(
    settings: Settings, metrics: Metrics | None = None, *, explains: bool = False
) -> Running:
    """Make all parts, each after those that it needs. Nothing is opened or started yet.

    `metrics`: where parts hand in numbers. `explains`: whether refused tokens are told all reasons,
    as in development.
    """
    keys = make_keys(settings)
    verifier = make_verifier(settings, keys)
    database = make_database(settings, metrics)
    live = Live(measure_lag=None if metrics is None else partial(metrics.feed_lag.observe, ()))
    notifier = Notifier(database)
    budget = make_budget(settings, notifier, live)
    recent = RecentWriters(settings.reads_on_primary_seconds)
    receiver = Receiver(notifier.worker, live, budget.count if budget else None, recent)
    replica = make_replica(settings, database, receiver, metrics)
    reading: Database = database
    if replica is not None:
        seconds = settings.reads_on_primary_seconds
        reading = ReplicatedDatabase(database, replica, recent, seconds, notifier, receiver, live)
    notifying = NotifyingDatabase(reading, live, notifier, Turns(settings.database_pool_timeout))
    get_context = ContextGetter(
        verifier,
        notifying,
        live,
        read_viewer,
        RelatedTasks,
        make_quota(settings),
        Deletions(database),
        public_url=(settings.public_url or "").rstrip("/"),
        explains=explains,
    )
    readiness = Readiness(database, REVISION, ready_when_read_only=settings.ready_when_read_only)
    return Running(
        keys,
        database,
        replica,
        recent,
        notifying,
        live,
        notifier,
        budget,
        receiver,
        readiness,
        get_context,
        Purged(),
        Supervisor(),
    )


def make_keys(settings: Settings) -> Jwks | None:
    """Make the key set; None where only the shared secret counts."""
    return None if settings.key_set_url is None else Jwks(settings.key_set_url)


def make_verifier(settings: Settings, keys: Jwks | None) -> TokenVerifier:
    return TokenVerifier(
        secret=settings.better_auth_secret,
        previous_secret=settings.better_auth_secret_previous,
        jwks=keys,
        issuer=settings.issuer,
        audience=settings.audience,
        algorithms=settings.algorithms,
        resource=settings.mcp_url if settings.mcp else None,
    )


def make_database(settings: Settings, metrics: Metrics | None = None) -> PipelinedDatabase:
    """Make the database that the settings name.

    Raises:
        ValueError: they name none.
        Failure: they name one by a URL that cannot be read.
    """
    if settings.database_url is None:
        raise ValueError("These settings name no database.")
    refuse_unreadable(settings)
    return PipelinedDatabase(settings.database_url, settings, metrics)


def make_replica(
    settings: Settings,
    primary: PipelinedDatabase,
    receiver: Receiver,
    metrics: Metrics | None = None,
) -> Replica | None:
    """Make the replica that the settings name; None where they name none."""
    url = settings.database_read_url
    if url is None:
        return None
    # What keeps it from being used is logged once, and not each try to connect.
    database = PipelinedDatabase(url, settings, metrics, REPLICA_POOL, logging.DEBUG)
    return Replica(database, primary, receiver, settings.read_max_lag_seconds)


def make_budget(settings: Settings, notifier: Notifier, live: Live) -> Budget | None:
    """Make the budget; None where users may spend as much as they like."""

    def send(spent: Mapping[UserId, int]) -> None:
        notifier.add_spending(spent)
        # Whoever spends here may spend at other workers, too.
        live.need()

    limit = settings.points_per_minute
    return Budget(limit, send) if limit else None


def make_quota(settings: Settings) -> Quota:
    """Return how much each user may have."""
    return Quota(settings.tasks_max or None, settings.text_max_bytes or None)


@asynccontextmanager
async def run(
    settings: Settings,
    intervals: Intervals = USUAL_INTERVALS,
    metrics: Metrics | None = None,
    *,
    explains: bool = False,
) -> AsyncIterator[Running]:
    """Make, open and keep at work the parts that settings describe; close them at the end.

    Raises:
        UnsafeRole: row security would not bind the database role.
        Failure: a URL of the database cannot be read.
    """
    parts = make_parts(settings, metrics, explains=explains)
    async with AsyncExitStack() as stack:
        if parts.keys is not None:
            stack.push_async_callback(parts.keys.aclose)
        stack.push_async_callback(parts.database.close)
        if parts.replica is not None:
            stack.push_async_callback(parts.replica.close)
        await parts.database.open()
        # What the last requests have changed is still sent.
        stack.push_async_callback(parts.notifier.send)
        stack.push_async_callback(parts.supervisor.stop)
        _start_works(parts, settings, intervals)
        yield parts


def _start_works(parts: Running, settings: Settings, intervals: Intervals) -> None:
    run, live = parts.supervisor.run, parts.live
    url = str(settings.database_url)
    run("purge", partial(keep_purging, url, settings, parts.notifying, parts.purged))
    run("listener", partial(keep_listening, parts.receiver, live, settings, intervals))
    run("sweeper", partial(keep_sweeping, live, intervals.sweep))
    run("notifier", parts.notifier.keep_sending)
    if parts.budget is not None:
        run("budget", parts.budget.keep_notifying)
    if parts.keys is not None:
        run("key refresh", parts.keys.keep_fresh)
