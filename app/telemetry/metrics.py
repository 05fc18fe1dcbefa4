"""What is measured: the names, kinds and labels of all metrics, and the numbers of this process.

Recording is a few additions to lists, since a request is some hundred microseconds of work.
prometheus_client's own histograms would cost three times as much, and ten times as much where
several processes share them; it writes the text (`exposition`).

Names are those of OpenTelemetry's semantic conventions (https://opentelemetry.io/docs/specs/semconv/)
with dots as underscores and units as suffixes; what these do not name begins with `todo_api_`.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable
from enum import Enum
from typing import NamedTuple

from starlette.types import Scope

from app.telemetry.records import RequestRecord, shown_path

BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
"""Upper bounds of the buckets of histograms, in seconds."""

METHODS = frozenset(
    {"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"}
)
"""Methods that are labels; others are `_OTHER`, as the conventions have it."""

ROUTES = frozenset(
    [
        "/",
        "/calendar/…",
        "/docs",
        "/graphql",
        "/graphql/",
        "/graphql/schema.graphql",
        "/health",
        "/mcp",
        "/metrics",
        "/openapi.json",
        "/ready",
    ]
)
"""Paths that are labels, as `shown_path` tells them."""

OTHER = "other"
"""The label of operations, paths and statements that have none of their own."""

ANONYMOUS = "anonymous"
"""The label of operations without a name."""

NAMES_MAX = 100
"""Names of operations that are labels, besides those of trusted documents."""

GOOD_ANSWERS = 10
"""Answers without an error after which a name becomes a label."""

NAMES_OF_ONE_USER = 20
"""Names that the answers of one user count for: one alone must not take all labels, nor keep
others' names from being counted, but sees those of a whole client where nobody else is."""

USERS_MAX = 1000
"""Users of whom that is remembered; if there are more, counting begins anew."""

BY_THE_CLIENT = "client"
"""The code of sockets that this side has not closed."""


class Kind(Enum):
    """A metric's type, as Prometheus has it."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Metric(NamedTuple):
    """What is told of a metric, and how the numbers of several workers become one."""

    kind: Kind
    says: str
    labels: tuple[str, ...] = ()
    """Where the first is `worker`, `merged` adds it."""
    merge: Callable[[float, float], float] = float.__add__


_C, _G, _H = Kind.COUNTER, Kind.GAUGE, Kind.HISTOGRAM
_POOL = "db_client_connection_pool_name"

METRICS = {
    "http_server_request_duration_seconds": Metric(
        _H,
        "Time from a request's head to the end of its answer.",
        ("http_request_method", "http_route", "http_response_status_code"),
    ),
    "http_server_active_requests": Metric(_G, "Requests under way.", ("http_request_method",)),
    "todo_api_graphql_operation_duration_seconds": Metric(
        _H,
        "Time of operations, by HTTP or by WebSocket; `result` is ok or error.",
        ("graphql_operation_type", "graphql_operation_name", "result"),
    ),
    "todo_api_graphql_errors_total": Metric(
        _C,
        "Answers with an error of this code, whatever their status.",
        ("code", "graphql_operation_name"),
    ),
    "todo_api_user_errors_total": Metric(
        _C, "Failures that mutations returned as data, by their type.", ("type",)
    ),
    "db_client_operation_duration_seconds": Metric(
        _H,
        "Time of a statement, waiting and tries included; its error's SQLSTATE or name.",
        ("db_operation_name", "db_namespace", "error_type"),
    ),
    "db_client_connection_wait_time_seconds": Metric(
        _H, "Time that a statement waited for a place on a connection.", (_POOL,)
    ),
    "db_client_connection_count": Metric(
        _G, "Connections to the database, by `state`: idle or used.", (_POOL, "state")
    ),
    "db_client_connection_max": Metric(_G, "Connections that may be opened.", (_POOL,)),
    "db_client_connection_pending_requests": Metric(
        _G, "Statements that wait for a place on a connection.", (_POOL,)
    ),
    "db_client_connection_timeouts_total": Metric(
        _C, "Statements that got no place on a connection in time.", (_POOL,)
    ),
    "todo_api_database_retries_total": Metric(
        _C, "Statements that were sent again, by the SQLSTATE; none: broken.", ("sqlstate",)
    ),
    "todo_api_websocket_connections": Metric(_G, "Open sockets."),
    "todo_api_subscriptions": Metric(_G, "Subscriptions that follow changes."),
    "todo_api_websocket_closed_total": Metric(
        _C, "Sockets that ended, by the code that the server closed with, or `client`.", ("code",)
    ),
    "todo_api_feed_lag_seconds": Metric(
        _H, "Time from the news of a commit in this worker to the last frame that tells of it."
    ),
    "todo_api_listening": Metric(
        _G, "1: notifications arrive; 0: the database is polled; none: nobody needs them.", (), min
    ),
    "todo_api_budget_spent_points_total": Metric(_C, "Points that users have spent."),
    "todo_api_rate_limited_total": Metric(_C, "Requests refused for a spent budget."),
    "todo_api_event_loop_lag_seconds": Metric(
        _H, "How late the event loop wakes what has slept.", ("worker",)
    ),
    "todo_api_jwks_refresh_total": Metric(
        _C, "Fetches of the key set; `result` is ok or error.", ("result",)
    ),
    "todo_api_jwks_age_seconds": Metric(_G, "Time since the key set was fetched.", (), max),
    "todo_api_purged_rows_total": Metric(_C, "Rows that the purge deleted.", ("table",)),
    "todo_api_purge_last_success_timestamp_seconds": Metric(
        _G, "When the purge last succeeded, or had nothing to do; at first, the start.", (), max
    ),
    "todo_api_workers": Metric(_G, "Worker processes at work."),
    "todo_api_worker_restarts_total": Metric(
        _C, "Workers that were replaced because they failed.", ("reason",)
    ),
    "todo_api_database_ready": Metric(
        _G, "1: the database answered the latest `/ready` of the last minute.", (), min
    ),
    "todo_api_database_writable": Metric(_G, "1: it took changes then.", (), min),
    "todo_api_database_nodes": Metric(
        _G,
        "Of a cluster's nodes with rows how many answered then, by `state`: answering or away.",
        ("state",),
        max,
    ),
    "todo_api_database_route_total": Metric(
        _C,
        "Statements on a cluster by `route`: straight to the node with the rows, or passed_on.",
        ("route",),
    ),
    "todo_api_migration_compatible": Metric(_G, "1: the code worked with it then.", (), min),
    "todo_api_replica_used": Metric(
        _G, "1: reads go to the replica; 0: all go to the primary, or nobody reads.", (), min
    ),
    "todo_api_replica_lag_seconds": Metric(
        _G, "How late the replica was at the latest look; none where that is not known.", (), max
    ),
    "todo_api_replica_reads_total": Metric(
        _C,
        "Reads sent to the replica; `result` is answered, or asked_again: at the primary.",
        ("result",),
    ),
    "todo_api_database_certificate_expiry_timestamp_seconds": Metric(
        _G, "When the certificate of the database ends.", (), min
    ),
    "todo_api_build_info": Metric(
        _G,
        "1; `revision` is the newest migration of this code.",
        ("version", "revision", "python"),
        max,
    ),
    "process_cpu_seconds_total": Metric(_C, "User and system CPU time.", ("worker",)),
    "process_resident_memory_bytes": Metric(_G, "Resident memory.", ("worker",), max),
    "process_open_fds": Metric(_G, "Open file descriptors.", ("worker",), max),
    "process_start_time_seconds": Metric(_G, "When the process started.", ("worker",), max),
}

Figures = dict[str, dict[tuple[str, ...], list[float]]]
"""The numbers of metrics, by their names and then their labels' values.

Of counters and gauges it is one number; of histograms the count in each bucket, without those
below, and at the end the sum of all values.
"""

Reading = Callable[[], Iterable[tuple[str, tuple[str, ...], float]]]
"""Yields numbers that others keep: the metric's name, the labels' values, and the number."""


class Histogram:
    """Counts durations by their labels' values."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, ...], list[float]] = {}

    def observe(self, labels: tuple[str, ...], seconds: float) -> None:
        row = self.rows.get(labels)
        if row is None:
            row = self.rows[labels] = [0] * (len(BOUNDS) + 2)
        row[bisect_left(BOUNDS, seconds)] += 1
        row[-1] += seconds

    def add_smallest(self, labels: tuple[str, ...], count: int) -> None:
        """Count so many that took no time."""
        self.rows.setdefault(labels, [0] * (len(BOUNDS) + 2))[0] += count


class OperationNames:
    """The names of operations that are labels: a name is a client's word, so they are bounded.

    The first users who ask bring the names of their client, each a few, and all others find them
    there. What a user has brought is not forgotten while it is a label.
    """

    def __init__(self, trusted: Iterable[str] = ()) -> None:
        """`trusted`: names that are labels from the start."""
        self._labels = {name: name for name in trusted}
        self._max = len(self._labels) + NAMES_MAX
        self._good: Counter[str] = Counter()
        self._brought: dict[str | None, set[str]] = {}
        """By their hashes, users and the names that they have brought."""

    def label(self, name: str | None, user: str | None, *, is_good: bool) -> str:
        """Return the label of an operation of a user's that was answered, well or not."""
        if name is None:
            return ANONYMOUS
        label = self._labels.get(name)
        if label is not None:
            return label
        if is_good and len(self._labels) < self._max and self._counts(name, user):
            self._good[name] += 1
            if self._good[name] >= GOOD_ANSWERS:
                del self._good[name]
                self._labels[name] = name
        return OTHER

    def _counts(self, name: str, user: str | None) -> bool:
        """Return whether this user's answer counts for the name, which they bring from now on."""
        brought = self._brought.get(user)
        if brought is None:
            if len(self._brought) >= USERS_MAX:
                self._begin_anew()
            brought = self._brought[user] = set()
        if len(brought) < NAMES_OF_ONE_USER:
            brought.add(name)
        return name in brought

    def _begin_anew(self) -> None:
        """Forget all names but those that are labels, so that nobody brings more of these."""
        self._good.clear()
        kept = {user: brought & self._labels.keys() for user, brought in self._brought.items()}
        self._brought = {user: brought for user, brought in kept.items() if brought}


class Metrics:
    """The numbers of this process. A part hands them in, or has them read where they are kept."""

    def __init__(self, names: OperationNames) -> None:
        self._names = names
        self._readings: list[Reading] = []
        self._requests = Histogram()
        self._operations = Histogram()
        self.statements = Histogram()
        self.waits = Histogram()
        self.feed_lag = Histogram()
        self.loop_lag = Histogram()
        self.active: Counter[str] = Counter()
        """Requests under way, by their methods."""
        self._errors: Counter[tuple[str, ...]] = Counter()
        self.user_errors: Counter[str] = Counter()
        self.retries: Counter[str] = Counter()
        """Statements sent again, by the SQLSTATE."""
        self._closed: Counter[str] = Counter()

    def read(self, reading: Reading) -> None:
        """Have numbers read that a part keeps for itself."""
        self._readings.append(reading)

    def began(self, method: str) -> str:
        """Count a request that has begun; return the method as a label."""
        if method not in METHODS:
            method = "_OTHER"
        self.active[method] += 1
        return method

    def answered(self, method: str, scope: Scope, status: int, seconds: float) -> None:
        """Count a request that has ended; `method`: as `began` returned it."""
        self.active[method] -= 1
        path = shown_path(scope["path"])
        route = path if path in ROUTES else OTHER
        self._requests.observe((method, route, _STATUS.get(status) or str(status)), seconds)

    def ended(self, record: RequestRecord, seconds: float) -> None:
        """Count what a request, an operation of a socket, or a socket has come to."""
        code = record.code
        kind = record.kind
        if kind is None and code is None:
            if record.closed is not None:
                self._closed[str(record.closed) if record.closed else BY_THE_CLIENT] += 1
            return
        name = self._names.label(record.operation, record.user, is_good=code is None)
        if kind is not None:
            result = "ok" if code is None else "error"
            self._operations.observe((kind, name, result), seconds)
            for failure in record.failures:
                self.user_errors[failure] += 1
        if code is not None:
            for each in code.split(","):
                self._errors[each, name] += 1

    def figures(self) -> Figures:
        """Return a copy of all numbers, with those that others keep."""
        histograms = {
            "http_server_request_duration_seconds": self._requests,
            "todo_api_graphql_operation_duration_seconds": self._operations,
            "db_client_operation_duration_seconds": self.statements,
            "db_client_connection_wait_time_seconds": self.waits,
            "todo_api_feed_lag_seconds": self.feed_lag,
            "todo_api_event_loop_lag_seconds": self.loop_lag,
        }
        found: Figures = {name: {} for name in METRICS}
        for reading in self._readings:
            for name, labels, value in reading():
                found[name][labels] = [value]
        for name, histogram in histograms.items():
            found[name] = {labels: row.copy() for labels, row in histogram.rows.items()}
        found["todo_api_graphql_errors_total"] = {
            labels: [count] for labels, count in self._errors.items()
        }
        for name, counts in {
            "http_server_active_requests": self.active,
            "todo_api_user_errors_total": self.user_errors,
            "todo_api_database_retries_total": self.retries,
            "todo_api_websocket_closed_total": self._closed,
        }.items():
            found[name] = {(label,): [count] for label, count in counts.items()}
        return found


_STATUS = {status: str(status) for status in (101, 200, 400, 401, 404, 429, 500, 503)}
