"""With nothing configured: an embedded database, migrated, and a user to try things out as."""

import asyncio
import importlib
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from app.database.embedded import DATABASE, embedded_postgres
from app.lifespan import run
from app.operations.documents import Documents
from app.operations.execution import Executor, GraphQLRequest
from app.secret import secret_of
from app.settings import Settings
from app.telemetry.records import RequestRecord
from auth.signing import make_token
from graphql_schema.schema import schema

DEMO_USER = "demo"
DEMO_TASKS = [
    ("Start the server", "One command, nothing to configure.", True),
    ("Try a mutation in GraphiQL", "createTask, toggleTask, updateTask, deleteTask.", False),
    ("Point your frontend at this server", None, False),
]
DEMO_SUBTASKS = {
    "Start the server": ("Install uv", "Open GraphiQL"),
}

DEMO_LISTS: Mapping[str, Sequence[Mapping[str, Any]]] = {
    "Home": [
        {"title": "Water the plants", "dueOn": 0, "labels": ["garden"]},
        {"title": "Pay the rent", "dueOn": -2, "priority": "URGENT"},
        {"title": "Plan the holidays", "dueOn": 14, "priority": "LOW", "labels": ["someday"]},
    ],
    "Work": [
        {"title": "Send the report", "dueOn": 0, "dueTime": "16:00", "priority": "HIGH"},
        {"title": "Answer Ada", "dueOn": -1, "labels": ["mail"]},
        {"title": "Tidy the wiki", "labels": ["someday"]},
    ],
}
"""Lists and their tasks; `dueOn` is in days from the first start on."""

ADD_LIST = (
    "mutation ($input: CreateListInput!) { createList(input: $input) { ... on TaskList { id } } }"
)
ADD_TASKS = "mutation ($input: CreateTasksInput!) { createTasks(input: $input) { __typename } }"
ADD_TASK = (
    "mutation ($input: CreateTaskInput!) { createTask(input: $input) { ... on Task { id } } }"
)
TOGGLE_TASK = "mutation ($input: ToggleTaskInput!) { toggleTask(input: $input) { __typename } }"


@dataclass(frozen=True, slots=True)
class Development:
    """What an embedded database completes."""

    settings: Settings
    """The settings given, with the database and the secret that they lacked."""
    token: str
    """A token of the demonstration user."""


def banner(started: Development, url: str) -> str:
    """Return what the first lines of a server on the embedded database say."""
    return f"""
  Todo API
  GraphiQL   {url}
  Database   embedded PostgreSQL, kept in {started.settings.data_dir}
             its URL: ./todo database-url
  Token      {started.token}
             of the user "{DEMO_USER}"; another's: ./todo token NAME
  Stop       Ctrl-C
"""


@contextmanager
def development(settings: Settings) -> Iterator[Development]:
    """Start the embedded database, or join the one that another process has started.

    The database is migrated; on the first start the demonstration user gets a few tasks. Blocks.

    Raises:
        EmbeddedUnavailable: the embedded PostgreSQL is not installed, or does not start.
        MigrationFailed: the database could not be migrated.
    """
    # Not at the top: production is migrated by a command, and its servers never load Alembic.
    migration = importlib.import_module("app.database.migration")
    installation = importlib.import_module("app.database.installation")
    with embedded_postgres(settings.data_dir) as postgres:
        is_new = postgres.create_database(DATABASE)
        migration.upgrade(postgres.superuser_url(DATABASE), role=settings.database_role)
        installation.complete_migration(
            postgres.superuser_url(DATABASE),
            installation.Retention(
                settings.trash_retention_days, settings.idempotency_retention_days
            ),
        )
        complete = settings.model_copy(
            update={
                "database_url": postgres.url(settings.database_role, DATABASE),
                "migration_database_url": postgres.superuser_url(DATABASE),
                "better_auth_secret": secret_of(settings),
                # What follows from there being no database is told before there is one.
                "rate_limit": settings.points_per_minute,
            }
        )
        token = token_of(complete)
        if is_new:
            asyncio.run(_add_demo_tasks(complete, token))
        yield Development(complete, token)


@asynccontextmanager
async def completed(settings: Settings) -> AsyncIterator[Settings]:
    """Yield settings that name a database: these, or those that an embedded one completes.

    It fails as `development` does, and leaves the event loop free meanwhile.
    """
    if settings.database_url is not None:
        yield settings
        return
    embedded = development(settings)
    started = await asyncio.to_thread(embedded.__enter__)
    try:
        yield started.settings
    finally:
        await asyncio.to_thread(embedded.__exit__, None, None, None)


def token_of(settings: Settings, user: str = DEMO_USER) -> str:
    """Return a token of a user for development, signed with the settings' secret."""
    is_demo = user == DEMO_USER
    return make_token(
        secret_of(settings),
        user_id=user,
        lifetime=timedelta(minutes=settings.jwt_expiration_minutes),
        issuer=settings.issuer,
        audience=settings.audience,
        email="demo@example.com" if is_demo else None,
        name="Demo" if is_demo else user,
    )


async def _add_demo_tasks(settings: Settings, token: str) -> None:
    """Add them as a client would: as the token's bearer, in GraphQL."""
    record = RequestRecord("demo")
    documents = Documents(schema, settings.limits, allow_introspection=False, compiles=False)
    executor = Executor(schema, documents, budget=None)
    async with run(settings) as running:
        context = await running.get_context([f"Bearer {token}"])

        async def execute(document: str, input: Mapping[str, object]) -> Any:  # noqa: ANN401 -- JSON
            request = GraphQLRequest(document, None, {"input": input})
            return (await executor.execute(request, context, record, may_write=True)).data or {}

        for name, tasks in DEMO_LISTS.items():
            made = (await execute(ADD_LIST, {"name": name})).get("createList")
            if made:
                in_list = [{**_dated(task), "listId": made["id"]} for task in tasks]
                await execute(ADD_TASKS, {"tasks": in_list})
        for title, description, completed in DEMO_TASKS:
            task = {"title": title, "description": description}
            added = (await execute(ADD_TASK, task)).get("createTask")
            if not added:
                continue
            for below in DEMO_SUBTASKS.get(title, ()):
                await execute(ADD_TASK, {"title": below, "parentId": added["id"]})
            if completed:
                await execute(TOGGLE_TASK, {"id": added["id"]})


def _dated(task: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a task with the day that its `dueOn` means."""
    if "dueOn" not in task:
        return task
    day = datetime.now(UTC).date() + timedelta(days=task["dueOn"])
    return {**task, "dueOn": day.isoformat()}
