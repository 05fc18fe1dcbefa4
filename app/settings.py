"""The settings: read once from the environment and `.env`, checked, and passed on.

Each field's description is the sentence that `.env.example` and docs/settings.md print.
"""

import math
import sys
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from app.env_file import ENV_FILE, misspelt, objection_to
from app.setting_types import (
    CommaList,
    HttpUrl,
    LogShare,
    MetricsPlace,
    PostgresUrl,
    PublicUrl,
    RoleName,
    Secret,
    algorithms,
    origin,
)
from auth.algorithms import ASYMMETRIC_ALGORITHMS, SECRET_MIN_BYTES
from graphql_schema.maximums import Limits

JWKS_PATH = "/api/auth/jwks"
"""Where Better Auth's jwt plugin serves its keys, below BETTER_AUTH_URL."""

RATE_LIMIT_IN_PRODUCTION = 60_000
"""Points a minute: a page of fifty tasks some twenty times a second."""


class TrustedDocumentsMode(StrEnum):
    """What may be asked besides the documents of the manifests."""

    OFF = "off"
    """All; the manifests are not read."""
    PREFER = "prefer"
    """All."""
    ONLY = "only"
    """Nothing."""


class DatabasePooler(StrEnum):
    """What is between the server and PostgreSQL, as `pipelined_postgres.pooler` has it."""

    AUTO = "auto"
    """It is recognised with each connection."""
    NONE = "none"
    SINGLE = "single"
    PIPELINED = "pipelined"


class SettingsError(Exception):
    """Settings are wrong or missing: one readable sentence for each."""

    def __init__(self, sentences: list[str]) -> None:
        super().__init__("\n".join(sentences))
        self.sentences = sentences


class Settings(BaseSettings):
    """The configuration of the server. With nothing set, it is a server for development."""

    model_config = SettingsConfigDict(
        env_file=ENV_FILE, env_ignore_empty=True, extra="ignore", frozen=True
    )

    database_url: PostgresUrl | None = Field(
        default=None,
        repr=False,
        description="The PostgreSQL to use, as a role that row security binds (`todo-api migrate` "
        "makes one). Unset: an embedded PostgreSQL for development, kept in `DATA_DIR`.",
    )
    migration_database_url: PostgresUrl | None = Field(
        default=None,
        repr=False,
        description="The same database for migrations: as the role that owns it, and directly, not "
        "through a pooler. Unset: `DATABASE_URL`.",
    )
    database_role: RoleName = Field(
        default="todo_api",
        description="The role that has the rights the server needs; `DATABASE_URL` names it, or a "
        "member of it. Roles belong to the cluster: give each environment in it one of its own.",
    )
    better_auth_secret: Secret | None = Field(
        default=None,
        repr=False,
        description="The secret shared with Better Auth, for tokens signed with HS256; at least "
        f"{SECRET_MIN_BYTES} bytes.",
    )
    better_auth_secret_previous: Secret | None = Field(
        default=None,
        repr=False,
        description="The secret of before, while it is changed: it verifies tokens too, and signs "
        "none.",
    )
    better_auth_url: HttpUrl | None = Field(
        default=None,
        description="Better Auth's base URL. Gives `JWKS_URL`, `JWT_ISSUER` and `JWT_AUDIENCE` "
        "their defaults.",
    )
    jwks_url: HttpUrl | None = Field(
        default=None,
        description="Where the public keys are that tokens are verified with. Unset: "
        f"`BETTER_AUTH_URL` followed by `{JWKS_PATH}`.",
    )
    jwt_issuer: str | None = Field(
        default=None,
        description="What a token's `iss` must be, a trailing slash aside. Unset: "
        "`BETTER_AUTH_URL`; where that is unset too, `iss` is not looked at.",
    )
    jwt_audience: str | None = Field(
        default=None,
        description="What a token's `aud` must be or hold, a trailing slash aside. Unset: "
        "`BETTER_AUTH_URL`; where that is unset too, `aud` is not looked at.",
    )
    jwt_algorithm: Annotated[CommaList, AfterValidator(algorithms)] = Field(
        default=[],
        description="The only signature algorithms to accept, separated by commas. Unset: HS256 "
        f"with the secret, {', '.join(sorted(ASYMMETRIC_ALGORITHMS))} with the public keys.",
    )
    jwt_expiration_minutes: int = Field(
        default=7 * 24 * 60,
        gt=0,
        le=5_256_000,
        description="How long the tokens live that `todo-api token` makes, in minutes. A deleted "
        "user is remembered for as long, and for 30 days at the least.",
    )
    public_url: PublicUrl | None = Field(
        default=None,
        description="Where clients reach this server, such as `https://api.example.com`: what "
        "addresses of calendars begin with. Unset: they begin with `/`. The `Host` of a request, "
        "which anybody can set, is never taken for it.",
    )
    cors_origins: Annotated[CommaList, AfterValidator(origin)] = Field(
        default=["http://localhost:3000"],
        description="The origins whose pages may call: a JSON list, or separated by commas. On the "
        "embedded database, pages of this machine may call as well.",
    )
    debug: bool = Field(
        default=False, description="Log more, for people. It never changes an answer."
    )
    graphiql: bool | None = Field(
        default=None,
        description="Whether `/graphql` shows GraphiQL to a browser. Unset: only on the embedded "
        "database.",
    )
    introspection: bool | None = Field(
        default=None,
        description="Whether who is signed in may ask for the schema. Unset: as `GRAPHIQL`.",
    )
    request_timeout: float = Field(
        default=10.0, gt=0, le=300, description="How long a request may take, in seconds."
    )
    require_row_security: bool = Field(
        default=True,
        description="Refuse a database role that row security does not bind. Turn it off only to "
        "try something out.",
    )
    compile_operations: bool = Field(
        default=True,
        description="Compile each operation that clients send, once. Turned off: graphql-core "
        "interprets it each time.",
    )
    trusted_documents: CommaList = Field(
        default=[],
        description="Files with the operations that your clients send (manifests of "
        "graphql-codegen, Relay or Apollo): a JSON list, or separated by commas.",
    )
    trusted_documents_mode: TrustedDocumentsMode = Field(
        default=TrustedDocumentsMode.PREFER,
        description="`prefer`: these can be asked for by `documentId`, and all else by its text; "
        "`only`: nothing else is served; `off`: they are not read.",
    )
    rate_limit: int | None = Field(
        default=None,
        ge=0,
        description="Points that each user may spend in a minute; 0: as many as they like. Unset: "
        f"{RATE_LIMIT_IN_PRODUCTION} with `DATABASE_URL`, else 0.",
    )
    tasks_max: int = Field(
        default=100_000,
        ge=0,
        le=2_147_483_647,
        description="The most tasks that each user may have, those in the trash among them; 0: as "
        "many as they like.",
    )
    text_max_bytes: int = Field(
        default=100_000_000,
        ge=0,
        le=2_147_483_647,
        description="The most bytes of text that each user's tasks may have; 0: as many as they "
        "like.",
    )
    listen_database_url: PostgresUrl | None = Field(
        default=None,
        description="The server's database by a direct connection, where `DATABASE_URL` leads to a "
        "pooler: by it workers are notified of each other's changes at once.",
    )
    database_read_url: PostgresUrl | None = Field(
        default=None,
        repr=False,
        description="A standby of the same database, by streaming replication, as the same role: "
        "queries are answered by it, but for those of users who have just written. Set it for all "
        "servers of the database.",
    )
    read_your_writes_seconds: float = Field(
        default=15.0,
        gt=0,
        le=600,
        description="How long a user's queries go to the primary after they have written, in "
        "seconds; never less than 2 more than `READ_MAX_LAG_SECONDS`.",
    )
    read_max_lag_seconds: float = Field(
        default=10.0,
        gt=0,
        le=60,
        description="How late the standby of `DATABASE_READ_URL` may be, in seconds; while it is "
        "later, all queries go to the primary.",
    )
    database_pool_max_size: int = Field(
        default=8, ge=1, le=1000, description="Connections that each worker opens at most."
    )
    database_pool_timeout: float = Field(
        default=2.0,
        gt=0,
        le=60,
        description="How long a request waits for a connection, in seconds.",
    )
    database_connect_timeout: int = Field(
        default=10, ge=2, le=60, description="How long opening a connection may take, in seconds."
    )
    database_statement_timeout: float = Field(
        default=5.0, gt=0, le=60, description="How long a statement may take, in seconds."
    )
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
    database_pooler: DatabasePooler = Field(
        default=DatabasePooler.AUTO,
        description="What is between the server and PostgreSQL: `none`; `single`, a pooler that "
        "may have one statement at a time on a connection; `pipelined`, one that may have several, "
        "as PgBouncer from 1.21 on with `max_prepared_statements`; `auto`: it is recognised.",
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
    database_prepared_statements: bool = Field(
        default=True,
        description="Prepare statements on the server. Turn it off behind a PgBouncer older than "
        "1.21, or one without `max_prepared_statements`.",
    )
    trash_retention_days: int = Field(
        default=30,
        ge=2,
        le=3650,
        description="How long a deleted task can be restored, in days; then it is deleted for "
        "good.",
    )
    graphql_max_tokens: int = Field(
        default=1000, gt=0, description="The most tokens that a document may have."
    )
    graphql_max_depth: int = Field(
        default=15, gt=0, description="The most levels of nested fields that a document may have."
    )
    graphql_max_aliases: int = Field(
        default=50, gt=0, description="The most aliases that a document may have."
    )
    graphql_max_directives: int = Field(
        default=50, gt=0, description="The most directives that a document may have."
    )
    graphql_max_root_fields: int = Field(
        default=50, gt=0, description="The most fields at the top that a document may have."
    )
    graphql_max_nodes: int = Field(
        default=5000,
        gt=0,
        description="The most tasks on all its pages together that a document may have.",
    )
    graphql_persisted_queries: int = Field(
        default=1000,
        ge=0,
        description="How many documents to remember, 4 MiB in all, so that clients may ask for "
        "them by their hashes (automatic persisted queries). 0 turns it off.",
    )
    data_dir: Path = Field(
        default=Path(".todo-api"),
        description="Where the embedded PostgreSQL and the development secret are kept.",
    )

    @property
    def missing_to_serve(self) -> list[str]:
        """A sentence for each thing that a server lacks, though a migration does not."""
        sentences = []
        if self.database_url and not (self.better_auth_secret or self.key_set_url):
            sentences.append(
                "DATABASE_URL is set, so tokens must be verifiable: set BETTER_AUTH_SECRET, or "
                "BETTER_AUTH_URL, or JWKS_URL."
            )
        if self.better_auth_secret_previous and not self.better_auth_secret:
            sentences.append("BETTER_AUTH_SECRET_PREVIOUS is set: set BETTER_AUTH_SECRET too.")
        if self.metrics == "path" and self.metrics_token is None:
            sentences.append(
                "METRICS=path would show its numbers to everybody who reaches the server: set "
                "METRICS_TOKEN, or METRICS to an address of its own, such as 127.0.0.1:9464."
            )
        if self.is_measured and find_spec("prometheus_client") is None:
            sentences.append("METRICS needs a library: install `todo-api[metrics]`.")
        if self.otel_exporter_otlp_endpoint and find_spec("opentelemetry.sdk") is None:
            sentences.append(
                "OTEL_EXPORTER_OTLP_ENDPOINT needs libraries: install `todo-api[otel]`."
            )
        return sentences

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

    @property
    def reads_on_primary_seconds(self) -> float:
        """How long after a write of theirs a user's reads go to the primary."""
        return max(self.read_your_writes_seconds, self.read_max_lag_seconds + 2)

    @property
    def points_per_minute(self) -> int:
        """What each user may spend; 0: as much as they like."""
        if self.rate_limit is None:
            return RATE_LIMIT_IN_PRODUCTION if self.database_url else 0
        return self.rate_limit

    @property
    def key_set_url(self) -> str | None:
        """Where to fetch the JSON Web Key Set; None when only the secret counts."""
        if self.jwks_url or not self.better_auth_url:
            return self.jwks_url
        return self.better_auth_url.rstrip("/") + JWKS_PATH

    @property
    def issuer(self) -> str | None:
        return self.jwt_issuer or self.better_auth_url

    @property
    def audience(self) -> str | None:
        return self.jwt_audience or self.better_auth_url

    @property
    def algorithms(self) -> frozenset[str]:
        return frozenset(self.jwt_algorithm or ["HS256", *ASYMMETRIC_ALGORITHMS])

    @property
    def allows_introspection(self) -> bool:
        return self.shows_graphiql if self.introspection is None else self.introspection

    @property
    def limits(self) -> Limits:
        return Limits(
            tokens=self.graphql_max_tokens,
            depth=self.graphql_max_depth,
            aliases=self.graphql_max_aliases,
            directives=self.graphql_max_directives,
            root_fields=self.graphql_max_root_fields,
            nodes=self.graphql_max_nodes,
        )

    @property
    def is_embedded(self) -> bool:
        """Whether the server uses an embedded PostgreSQL, for development."""
        return self.database_url is None

    @property
    def logs_for_people(self) -> bool:
        return self.debug or self.is_embedded

    @property
    def shows_graphiql(self) -> bool:
        return self.is_embedded if self.graphiql is None else self.graphiql


class RemovedSettings(BaseSettings):
    """Settings that the server once had; each description says what to do where one is set."""

    model_config = Settings.model_config

    database_pipeline: str | None = Field(
        default=None,
        description="DATABASE_PIPELINE is not a setting any more: psycopg's pool was removed, and "
        "connections are always shared by libpq's pipeline mode. Remove it.",
    )
    database_pool_min_size: str | None = Field(
        default=None,
        description="DATABASE_POOL_MIN_SIZE is not a setting any more: connections are opened when "
        "they are needed, up to DATABASE_POOL_MAX_SIZE. Remove it.",
    )


def read_settings(*, to_serve: bool = False) -> Settings:
    """Return the settings that the environment and `.env` hold.

    Raises:
        SettingsError: some are wrong, or removed, or missing in a server.
    """
    unreadable = objection_to(ENV_FILE)
    if unreadable is not None:
        raise SettingsError([unreadable])
    removed = RemovedSettings()
    sentences = [
        str(field.description)
        for name, field in RemovedSettings.model_fields.items()
        if getattr(removed, name) is not None
    ]
    try:
        settings = Settings()
    except ValidationError as error:
        raise SettingsError(sentences + _sentences(error)) from None
    if to_serve:
        sentences += settings.missing_to_serve
    if sentences:
        raise SettingsError(sentences)
    return settings


def misspelt_settings() -> list[str]:
    """Return a sentence for each name in `.env` that is almost a setting's."""
    return misspelt(ENV_FILE, [*Settings.model_fields, *RemovedSettings.model_fields])


def settings_or_exit(*, to_serve: bool = False) -> Settings:
    """Return the settings, or exit with code 2 and a sentence on stderr for each that is wrong."""
    try:
        return read_settings(to_serve=to_serve)
    except SettingsError as error:
        for sentence in error.sentences:
            sys.stderr.write(f"todo-api: {sentence}\n")
        sys.exit(2)


def _sentences(error: ValidationError) -> list[str]:
    sentences = []
    for problem in error.errors(include_url=False, include_input=False):
        message = problem["msg"].removeprefix("Value error, ")
        message = message.removeprefix("Input should be ").rstrip(".")
        message = message if message.startswith("it ") else f"it must be {message}"
        sentences.append(f"{str(problem['loc'][0]).upper()} cannot be used: {message}.")
    return sentences
