"""Alembic's environment: for `todo-api migrate`, which brings a connection, and for `alembic`."""

from collections.abc import Iterator
from contextlib import contextmanager

from alembic import context
from sqlalchemy import Connection

from app.database.embedded import DATABASE, embedded_postgres
from app.database.migration import connect
from app.settings import read_settings
from models.metadata import metadata


def is_ours(
    _object: object, name: str | None, kind: str, reflected: bool, compare_to: object
) -> bool:
    """Leave Better Auth's tables alone, and what it or anybody else has added to ours."""
    if kind == "table":
        return name in metadata.tables
    return not (reflected and compare_to is None)


@contextmanager
def connection_to_use() -> Iterator[Connection]:
    given = context.config.attributes.get("connection")
    if given is not None:
        yield given
        return
    settings = read_settings()
    url = settings.migration_database_url or settings.database_url
    if url is not None:
        with connect(url, settings.database_role) as connection:
            yield connection
        return
    with embedded_postgres(settings.data_dir) as postgres:
        postgres.create_database(DATABASE)
        with connect(postgres.superuser_url(DATABASE), settings.database_role) as connection:
            yield connection


def run() -> None:
    if context.is_offline_mode():
        context.configure(
            dialect_name="postgresql",
            dialect_opts={"paramstyle": "named"},
            target_metadata=metadata,
            literal_binds=True,
        )
        with context.begin_transaction():
            context.run_migrations()
        return
    with connection_to_use() as connection:
        context.configure(
            connection=connection,
            target_metadata=metadata,
            include_object=is_ours,
            compare_server_default=True,
        )
        with context.begin_transaction():
            context.run_migrations()


run()
