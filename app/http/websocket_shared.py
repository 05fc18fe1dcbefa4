"""What all WebSockets of a worker share."""

import time
from collections import Counter
from dataclasses import dataclass, field

from starlette.types import Scope

from app.operations.execution import Executor
from app.operations.persisted import PersistedQueries
from app.telemetry.metrics import Metrics
from app.telemetry.records import RequestRecord
from app.telemetry.request_log import RequestLog
from app.telemetry.traces import Span, Traces
from auth.context import ContextGetter
from models.user import UserId


@dataclass(frozen=True, slots=True)
class Shared:
    """Who clients are, what runs their operations, and where it is told."""

    get_context: ContextGetter
    executor: Executor
    persisted: PersistedQueries
    log: RequestLog
    metrics: Metrics | None
    traces: Traces | None
    of_users: Counter[UserId] = field(default_factory=Counter)
    """How many sockets each user has."""

    def told(
        self,
        scope: Scope,
        record: RequestRecord,
        status: int,
        began: float,
        span: Span | None = None,
    ) -> None:
        """Log, count and trace a socket, or an operation of one, that has ended."""
        seconds = time.perf_counter() - began
        if self.traces is not None:
            self.traces.end(span, scope, record, status)
        if self.metrics is not None:
            self.metrics.ended(record, seconds)
        self.log.add(scope, record, status, seconds)
