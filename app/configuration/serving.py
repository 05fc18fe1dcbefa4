"""Settings of a server at work: how it starts and stops, and what is told of it."""

import math

from pydantic import Field
from pydantic_settings import BaseSettings

from app.configuration.types import HttpUrl, LogShare, MetricsPlace, Secret
from auth.algorithms import SECRET_MIN_BYTES


class ServingSettings(BaseSettings):
    """How a server starts and stops, and what it tells."""

    worker_start_seconds: float = Field(
        default=60.0,
        gt=0,
        description="How long a worker of several may take to start, in seconds.",
    )
    shutdown_drain_seconds: float = Field(
        default=5.0,
        ge=0,
        le=600,
        description="How long a server that is told to stop serves on, in seconds, while `/ready` "
        "is 503 and balancers send requests elsewhere. On the embedded database and with "
        "`--reload`: 0.",
    )
    shutdown_grace_seconds: float = Field(
        default=10.0,
        ge=0,
        le=600,
        description="How long, after that, requests under way and WebSockets may take to end, in "
        "seconds.",
    )
    ready_when_read_only: bool = Field(
        default=False,
        description="Whether `/ready` answers 200 while the database takes no changes, for "
        "frontends that can live on reads.",
    )
    metrics: MetricsPlace = Field(
        default="off",
        description="Where numbers for Prometheus are told: `off`; `path`: at `/metrics` of this "
        "server; or `host:port`: at `/metrics` of an address of its own. It needs the extra "
        "`metrics`.",
    )
    metrics_token: Secret | None = Field(
        default=None,
        repr=False,
        description="The bearer token that `/metrics` asks for, at least "
        f"{SECRET_MIN_BYTES} bytes; `METRICS=path` needs one.",
    )
    otel_exporter_otlp_endpoint: HttpUrl | None = Field(
        default=None,
        description="Where OpenTelemetry traces are sent, by OTLP over HTTP; unset: there are "
        "none. It needs the extra `otel`. `OTEL_TRACES_SAMPLER` and the like are read from the "
        "environment.",
    )
    debug: bool = Field(
        default=False, description="Log more, for people. It never changes an answer."
    )
    log_requests: LogShare = Field(
        default="all",
        description="Which requests have a line in the log: `all`; `slow`: those that were slow or "
        "failed; or besides these a share of the others, such as `0.1`.",
    )
    slow_operation_ms: int = Field(
        default=1000,
        ge=0,
        description="From how many milliseconds on an operation's line is a warning with its "
        "statements; 0: never.",
    )

    @property
    def is_measured(self) -> bool:
        return self.metrics != "off"

    @property
    def metrics_address(self) -> tuple[str, int] | None:
        """The address of their own that metrics have; None: they have none."""
        host, colon, port = self.metrics.rpartition(":")
        return (host.strip("[]"), int(port)) if colon else None

    @property
    def log_share(self) -> float:
        """The share of good and quick requests that are logged."""
        words = {"all": 1.0, "slow": 0.0}
        return words[self.log_requests] if self.log_requests in words else float(self.log_requests)

    @property
    def slow_ms(self) -> float:
        """Milliseconds from which on an operation is slow."""
        return self.slow_operation_ms or math.inf
