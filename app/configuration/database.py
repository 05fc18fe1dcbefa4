"""Settings of the database: where it is, how connections to it are used, what is kept in it."""

from enum import StrEnum
from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings

from app.configuration.types import PostgresUrl, RoleName


class DatabasePooler(StrEnum):
    """What is between the server and PostgreSQL, as `pipelined_postgres.pooler` has it."""

    AUTO = "auto"
    """It is recognised with each connection."""
    NONE = "none"
    SINGLE = "single"
    PIPELINED = "pipelined"


class DatabaseSettings(BaseSettings):
    """Where the database is, and how it is used."""

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
    database_nodes: bool = Field(
        default=True,
        description="On a cluster, send statements straight to the node that has their owner's "
        "rows, wherever it can be reached; else all go through the coordinator. Turn it off where "
        "no other node can be reached.",
    )
    database_node_port: int | None = Field(
        default=None,
        ge=1,
        le=65535,
        description="The port of the poolers in front of a cluster's nodes, the same on each. "
        "Unset: the nodes' own.",
    )
    database_role: RoleName = Field(
        default="todo_api",
        description="The role that has the rights the server needs; `DATABASE_URL` names it, or a "
        "member of it. Roles belong to the cluster: give each environment in it one of its own.",
    )
    require_row_security: bool = Field(
        default=True,
        description="Refuse a database role that row security does not bind. Turn it off only to "
        "try something out.",
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
    database_pooler: DatabasePooler = Field(
        default=DatabasePooler.AUTO,
        description="What is between the server and PostgreSQL: `none`; `single`, a pooler that "
        "may have one statement at a time on a connection; `pipelined`, one that may have several, "
        "as PgBouncer from 1.21 on with `max_prepared_statements`; `auto`: it is recognised.",
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
    idempotency_retention_days: int = Field(
        default=7,
        ge=1,
        le=90,
        description="How long idempotency keys are kept, in days: a change that is sent again with "
        "its key within that time happens once. `undo` reaches back 24 hours, however long.",
    )
    data_dir: Path = Field(
        default=Path(".todo-api"),
        description="Where the embedded PostgreSQL and the development secret are kept.",
    )

    @property
    def is_embedded(self) -> bool:
        """Whether the server uses an embedded PostgreSQL, for development."""
        return self.database_url is None

    @property
    def reads_on_primary_seconds(self) -> float:
        """How long after a write of theirs a user's reads go to the primary."""
        return max(self.read_your_writes_seconds, self.read_max_lag_seconds + 2)
