"""The roof: types and resolvers make the schema. The one file here that imports resolvers."""

from datetime import datetime

import strawberry
from strawberry.schema.config import StrawberryConfig

from graphql_schema.results import (
    CreateTaskResult,
    DeleteTaskResult,
    DeleteTasksResult,
    RestoreTaskResult,
    ToggleTaskResult,
    UpdateTaskResult,
    UpdateTasksResult,
    UserError,
)
from graphql_schema.types import Task, User
from models.instant import parse_rfc_3339, rfc_3339
from resolvers import changes, mutations, queries, subscriptions

DATE_TIME = strawberry.scalar(
    name="DateTime",
    description="An instant as RFC 3339 has it, always with an offset, to the microsecond.",
    specified_by_url="https://scalars.graphql.org/andimarek/date-time.html",
    serialize=rfc_3339,
    parse_value=parse_rfc_3339,
)


@strawberry.type(description="What can be read. Everything here is the caller's own.")
class Query:
    me = strawberry.field(
        resolver=queries.me, graphql_type=User, description="The user who is asking."
    )
    rate_limit = strawberry.field(
        resolver=queries.rate_limit,
        description="What the caller may spend, and has; null where nothing is limited.",
    )
    task = strawberry.field(
        resolver=queries.task,
        graphql_type=Task | None,
        description="One task; null when the caller has none with this id.",
    )
    tasks = strawberry.field(
        resolver=queries.tasks, description="The caller's tasks, a page at a time."
    )
    task_changes = strawberry.field(
        resolver=changes.task_changes,
        description="What has changed in the caller's tasks, oldest first. Who applies the pages "
        "in order, and goes on from the last `endCursor` whenever it likes, has what `tasks` has.",
    )


@strawberry.type(description="What can be changed. Each field is one transaction.")
class Mutation:
    create_task = strawberry.field(
        resolver=mutations.create_task,
        graphql_type=CreateTaskResult | None,
        description="Add a task.",
    )
    update_task = strawberry.field(
        resolver=mutations.update_task,
        graphql_type=UpdateTaskResult | None,
        description="Change a task.",
    )
    toggle_task = strawberry.field(
        resolver=mutations.toggle_task,
        graphql_type=ToggleTaskResult | None,
        description="Tick a task, or untick it.",
    )
    delete_task = strawberry.field(
        resolver=mutations.delete_task,
        graphql_type=DeleteTaskResult | None,
        description="Move a task into the trash. It is as good as gone; after a time, it is.",
    )
    update_tasks = strawberry.field(
        resolver=mutations.update_tasks,
        graphql_type=UpdateTasksResult | None,
        description="Tick many tasks, or untick them.",
    )
    delete_tasks = strawberry.field(
        resolver=mutations.delete_tasks,
        graphql_type=DeleteTasksResult | None,
        description="Move many tasks into the trash.",
    )
    restore_task = strawberry.field(
        resolver=mutations.restore_task,
        graphql_type=RestoreTaskResult | None,
        description="Take a task back out of the trash. One that is not there stays as it is.",
    )


@strawberry.type(description="What can be followed, over a WebSocket (graphql-transport-ws).")
class Subscription:
    task_changes = strawberry.subscription(
        resolver=subscriptions.task_changes,
        description="What has changed in the caller's tasks, and then what changes, in order. To "
        "miss nothing, go on from the last cursor: that of `taskChanges` or of an event. A change "
        "may come twice; of several changes to a task the latest may come alone.",
    )


def build_schema() -> strawberry.Schema:
    """Return the schema; its SDL is the contract that `schema.graphql` keeps."""
    return strawberry.Schema(
        query=Query,
        mutation=Mutation,
        subscription=Subscription,
        types=[UserError],
        config=StrawberryConfig(scalar_map={datetime: DATE_TIME}),
    )


schema = build_schema()
"""For `strawberry export-schema graphql_schema.schema`."""
