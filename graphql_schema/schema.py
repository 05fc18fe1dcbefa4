"""The schema, made of types and resolvers. The one module here that imports resolvers."""

import strawberry
from strawberry.schema.config import StrawberryConfig

from graphql_schema.batches import EMPTIED_MAX
from graphql_schema.calendar_links import (
    CalendarLink,
    CreateCalendarLinkResult,
    RevokeCalendarLinkResult,
)
from graphql_schema.list_results import (
    CreateListResult,
    DeleteListResult,
    MoveListResult,
    RestoreListResult,
    UpdateListResult,
)
from graphql_schema.lists import TaskList
from graphql_schema.results import (
    CreateTaskResult,
    CreateTasksResult,
    DeleteTaskResult,
    DeleteTasksResult,
    EmptyTrashResult,
    MoveTaskResult,
    PurgeTasksResult,
    RenameLabelResult,
    RestoreTaskResult,
    RestoreTasksResult,
    ToggleTaskResult,
    UpdateTaskResult,
    UpdateTasksResult,
    UserError,
)
from graphql_schema.scalars import SCALARS
from graphql_schema.types import Node, Task, User
from graphql_schema.undo import UndoResult
from models.action_step import UNDONE_WITHIN_HOURS
from resolvers import (
    batches,
    calendar_links,
    changes,
    list_mutations,
    moves,
    mutations,
    queries,
    subscriptions,
    task_lists,
    undo,
)
from resolvers.changes import task_changes
from resolvers.statements.labels import RENAMED_MAX

_CALENDAR_LINKS = list[CalendarLink]
"""Where `list` is a field, it is no type any more."""

_USE_CHANGES = "Use changes. Removal on 2027-03-01."


@strawberry.type(description="The queries. Each shows the caller's own data only.")
class Query:
    me = strawberry.field(resolver=queries.me, graphql_type=User, description="The caller.")
    rate_limit = strawberry.field(
        resolver=queries.rate_limit,
        description="The points that the caller may spend; null where there is no limit.",
    )
    storage = strawberry.field(
        resolver=queries.storage,
        description="How much the caller has stored, and may store.",
    )
    task = strawberry.field(
        resolver=queries.task,
        graphql_type=Task | None,
        description="The task with this id; null when the caller has none.",
    )
    tasks = strawberry.field(resolver=queries.tasks, description="A page of the caller's tasks.")
    list = strawberry.field(
        resolver=task_lists.task_list,
        graphql_type=TaskList | None,
        description="The list with this id; null when the caller has none.",
    )
    lists = strawberry.field(
        resolver=task_lists.task_lists,
        description="A page of the caller's lists, by their position.",
    )
    node = strawberry.field(
        resolver=task_lists.node,
        graphql_type=Node | None,
        description="What has this id, as `task` or `list` shows it; null when the caller has "
        "nothing with it.",
    )
    labels = strawberry.field(
        resolver=queries.labels,
        description="Labels in use, by name, upper and lower case alike.",
    )
    calendar_links = strawberry.field(
        resolver=calendar_links.calendar_links,
        graphql_type=_CALENDAR_LINKS,
        description="The caller's calendar links, oldest first.",
    )
    changes = strawberry.field(
        resolver=changes.changes,
        description="The changes of all that the caller has, oldest first. A client that applies "
        "the pages in order, and later goes on after the last `endCursor`, has the same tasks and "
        "lists as `tasks` and `lists`. A cursor of `taskChanges` is good here too.",
    )
    task_changes = strawberry.field(
        resolver=task_changes,
        deprecation_reason=_USE_CHANGES,
        description="The changes of the caller's tasks, oldest first. A client that applies the "
        "pages in order, and later goes on after the last `endCursor`, has the same tasks as "
        "`tasks`.",
    )


@strawberry.type(description="The mutations. Each field is one transaction.")
class Mutation:
    create_task = strawberry.field(
        resolver=mutations.create_task,
        graphql_type=CreateTaskResult | None,
        description="Create a task.",
    )
    update_task = strawberry.field(
        resolver=mutations.update_task,
        graphql_type=UpdateTaskResult | None,
        description="Change a task.",
    )
    move_task = strawberry.field(
        resolver=moves.move_task,
        graphql_type=MoveTaskResult | None,
        description="Put a task into a list or below another task, or elsewhere among its "
        "siblings. Its subtasks follow it. Siblings may get another `position`, in the same order.",
    )
    toggle_task = strawberry.field(
        resolver=mutations.toggle_task,
        graphql_type=ToggleTaskResult | None,
        description="Mark a task as completed, or as not completed if it is.",
    )
    delete_task = strawberry.field(
        resolver=mutations.delete_task,
        graphql_type=DeleteTaskResult | None,
        description="Move a task into the trash. After a time it is removed from there.",
    )
    create_tasks = strawberry.field(
        resolver=batches.create_tasks,
        graphql_type=CreateTasksResult | None,
        description="Create many tasks.",
    )
    update_tasks = strawberry.field(
        resolver=batches.update_tasks,
        graphql_type=UpdateTasksResult | None,
        description="Change many tasks alike.",
    )
    restore_tasks = strawberry.field(
        resolver=batches.restore_tasks,
        graphql_type=RestoreTasksResult | None,
        description="Restore many tasks from the trash. Tasks that are not there stay as they are.",
    )
    rename_label = strawberry.field(
        resolver=mutations.rename_label,
        graphql_type=RenameLabelResult | None,
        description="Rename a label, on at most "
        f"{RENAMED_MAX} tasks. What is in the trash stays as it is, and is spelled anew when it is "
        "restored.",
    )
    delete_tasks = strawberry.field(
        resolver=batches.delete_tasks,
        graphql_type=DeleteTasksResult | None,
        description="Move many tasks into the trash.",
    )
    purge_tasks = strawberry.field(
        resolver=batches.purge_tasks,
        graphql_type=PurgeTasksResult | None,
        description="Remove tasks from the trash for good. Tasks that are not there stay.",
    )
    empty_trash = strawberry.field(
        resolver=batches.empty_trash,
        graphql_type=EmptyTrashResult | None,
        description=f"Remove what is in the trash for good: at most {EMPTIED_MAX} tasks and lists "
        "at once.",
    )
    restore_task = strawberry.field(
        resolver=mutations.restore_task,
        graphql_type=RestoreTaskResult | None,
        description="Restore a task from the trash. A task that is not there stays as it is.",
    )

    create_list = strawberry.field(
        resolver=list_mutations.create_list,
        graphql_type=CreateListResult | None,
        description="Create a list of tasks.",
    )
    update_list = strawberry.field(
        resolver=list_mutations.update_list,
        graphql_type=UpdateListResult | None,
        description="Change a list.",
    )
    move_list = strawberry.field(
        resolver=list_mutations.move_list,
        graphql_type=MoveListResult | None,
        description="Put a list elsewhere among the others. These may get another `position`, in "
        "the same order.",
    )
    delete_list = strawberry.field(
        resolver=list_mutations.delete_list,
        graphql_type=DeleteListResult | None,
        description="Move a list into the trash, and its tasks with it. After a time they are "
        "removed from there.",
    )
    restore_list = strawberry.field(
        resolver=list_mutations.restore_list,
        graphql_type=RestoreListResult | None,
        description="Restore a list from the trash, and the tasks that went there with it. A list "
        "that is not there stays as it is.",
    )
    create_calendar_link = strawberry.field(
        resolver=calendar_links.create_calendar_link,
        graphql_type=CreateCalendarLinkResult | None,
        description="Create an address at which calendar programs read the caller's pending tasks "
        "that are due on a day.",
    )
    revoke_calendar_link = strawberry.field(
        resolver=calendar_links.revoke_calendar_link,
        graphql_type=RevokeCalendarLinkResult | None,
        description="Revoke a calendar link. It leads nowhere from then on, and there is no way "
        "back.",
    )
    undo = strawberry.field(
        resolver=undo.undo,
        graphql_type=UndoResult | None,
        description="Take back all that a mutation with an `idempotencyKey` did, and what followed "
        f"from it: within {UNDONE_WITHIN_HOURS} hours, and if nothing of it has changed since. "
        "What it made goes into the trash. What it removed for good stays so.",
    )


@strawberry.type(description="The subscriptions, over a WebSocket (graphql-transport-ws).")
class Subscription:
    changes = strawberry.subscription(
        resolver=subscriptions.changes,
        description="The changes of all that the caller has, first the past ones and then each new "
        "one, in order. To miss none, subscribe after the last cursor of the query `changes` or of "
        "an event. A change may come twice. Of several changes of a thing, only the latest may "
        "come.",
    )
    task_changes = strawberry.subscription(
        resolver=subscriptions.task_changes,
        deprecation_reason=_USE_CHANGES,
        description="The changes of the caller's tasks, first the past ones and then each new one, "
        "in order. To miss none, subscribe after the last cursor of the query `taskChanges` or of "
        "an event. A change may come twice. Of several changes of a task, only the latest may "
        "come.",
    )


schema = strawberry.Schema(
    query=Query,
    mutation=Mutation,
    subscription=Subscription,
    types=[UserError],
    config=StrawberryConfig(scalar_map=SCALARS),
)
"""The schema; its SDL is the contract in `schema.graphql`. It does not change.

It is made with the module, so that workers that are forked have it in common.
"""
