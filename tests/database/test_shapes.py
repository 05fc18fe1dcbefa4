"""Shapes of statements: however many are asked for, what is kept of them is bounded."""

import itertools
from uuid import uuid4

from app.database.pipelined import PipelinedDatabase
from graphql_schema.filters import OrderDirection, TaskOrderField, TaskTrash
from graphql_schema.types import TaskStatus
from models.statement import Sql, Statement
from models.task import TaskRow
from models.user import UserId
from pipelined_postgres.calls import statement as statement_of
from resolvers.statements import compiling, task_pages, tasks
from resolvers.statements.task_conditions import Conditions
from resolvers.statements.task_pages import Page
from tests.api import settings_for
from tests.databases import Database

PREPARED = Sql("SELECT count(*) FROM pg_prepared_statements", (), tuple, writes=False)
SINCE = Sql(
    "SELECT prepare_time::text FROM pg_prepared_statements WHERE name = $1",
    ("name",),
    tuple,
    writes=False,
)
BOUNDS = ("created_from", "created_until", "updated_from", "updated_until")


async def test_what_is_kept_of_many_shapes_is_bounded(database: Database) -> None:
    owner = UserId(f"user-{uuid4().hex}")
    # One connection, of a cluster that to the coordinator.
    settings = settings_for(database.server_url, database_pool_max_size=1, database_nodes=False)
    shared = PipelinedDatabase(database.server_url, settings)
    usual = tasks.task(owner, 1)
    name = statement_of(usual.sql.text).name.decode()
    sources = len(compiling._SOURCES)
    texts = set()
    await shared.open()
    try:
        await shared.fetch(usual)
        since = await shared.fetch(Statement(SINCE, owner, {"name": name}))
        for status, trash, field, direction, given, backward in itertools.product(
            TaskStatus,
            TaskTrash,
            TaskOrderField,
            OrderDirection,
            (0, 1, 3, 6, 9, 15),
            (False, True),
        ):
            bounds = {bound: "2026-01-01" for n, bound in enumerate(BOUNDS) if given >> n & 1}
            columns = frozenset(TaskRow._fields[given:])
            conditions = Conditions(status, trash, bounds=bounds)
            page = Page(conditions, field, direction, None, None, columns)
            asked = task_pages.tasks(owner, page, limit=1, backward=backward)
            texts.add(asked.sql.text)
            assert await shared.fetch(asked) == []
            assert await shared.fetch(usual) == []
        assert len(texts) > 400
        assert await shared.fetch(Statement(PREPARED, owner, {})) == [(100,)]
        assert await shared.fetch(Statement(SINCE, owner, {"name": name})) == since
        assert shared.client.prepares
    finally:
        await shared.close()
    assert len(compiling._SOURCES) == sources
    assert task_pages._tasks.cache_info().currsize <= 256
    assert statement_of.cache_info().currsize <= 512
