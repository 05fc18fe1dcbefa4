"""What a filter says of the tasks of a list, and the ids of the tasks where they are few."""

from collections.abc import Iterator, Mapping
from typing import Any, cast

from graphql_schema.connections import NO_PRIORITY
from graphql_schema.filters import TaskFilter, TaskLevel, TaskOrderField, TaskTrash
from graphql_schema.types import TaskPriority, TaskStatus
from graphql_schema.values import given, task_key
from models.database import Database
from models.statement import Statement
from models.task import TASK_FACTS
from models.user import UserId
from resolvers.statements import label_pages, lookups
from resolvers.statements.task_conditions import Conditions

FOUND_MAX = 1000
"""Tasks that are looked up. If there are more, every page is soon full of them."""

FOUND_IN_RANGE_MAX = 100
"""Tasks that are looked up where a range of days is read from its index anyway."""

EVERY_TASK = Conditions()
NO_TASK = Conditions(ids=[])


def conditions_of(filter: TaskFilter) -> Conditions:
    """Return what the filter says, without ids where no task can meet all of it.

    Raises:
        BadUserInput: it has values that cannot be used.
    """
    filter.check()
    words = given(filter.labels)
    lists = words.lists() if words else {}
    ids, search = given(filter.ids), given(filter.search)
    priorities = given(filter.priorities)
    chosen = sorted({cast("int", each.value) for each in priorities or ()})
    container, level = filter.container(), filter.level
    if "parent_id" in container and level is TaskLevel.SUBTASKS:
        level = TaskLevel.ALL
    statuses, due = filter.statuses(), filter.due_bounds()
    has_due_date, bounds = given(filter.has_due_date), filter.bounds()
    # PostgreSQL would look at every task.
    if (
        len(statuses) > 1
        or (due and (due[0] >= due[1] or has_due_date is False))
        or priorities == []
        or lists.get("any") == []
        or _is_empty(bounds)
        or None in container.values()
        or (filter.inbox and "list_id" in container)
        or ("parent_id" in container and level is TaskLevel.TOP)
    ):
        return NO_TASK
    return Conditions(
        status=next(iter(statuses), TaskStatus.ALL),
        trash=filter.trash,
        ids=None if ids is None else [key for id in ids if (key := task_key(id)) is not None],
        inbox=filter.inbox,
        level=level,
        list_id=container.get("list_id"),
        parent_id=container.get("parent_id"),
        search=search if search and not search.isspace() else None,
        has_due_date=True if due else has_due_date,
        # With all of them it is no condition.
        priorities=chosen if 0 < len(chosen) < len(TaskPriority) else None,
        labels_all=lists.get("all") or None,
        labels_any=lists.get("any"),
        labels_none=lists.get("none") or None,
        bounds=bounds,
    )


def _is_empty(bounds: Mapping[str, Any]) -> bool:
    """Return whether a range ends where it begins, or before."""
    return any(
        from_ in bounds and until in bounds and bounds[from_] >= bounds[until]
        for from_, until in (fact.bounds for fact in TASK_FACTS.values())
    )


async def narrowed(
    database: Database, owner: UserId, conditions: Conditions, field: TaskOrderField
) -> Conditions:
    """Return conditions with the ids of the tasks that meet one of them, where they are few.

    The rest is tested in each of these tasks. Where they are many, every condition is tested in one
    task after another in the order of the list.
    """
    if conditions.ids is not None:
        return conditions
    if conditions.search is not None:
        statement = lookups.search_tasks(owner, conditions.search, FOUND_MAX + 1)
        found = await database.fetch(statement)
        if len(found) <= FOUND_MAX:
            return conditions._replace(ids=sorted(id for (id,) in found), search=None)
    most = FOUND_IN_RANGE_MAX if "due_from" in conditions.bounds else FOUND_MAX
    for statement in _lookups(owner, conditions, field, most + 1):
        found = await database.fetch(statement)
        if len(found) <= most:
            return conditions._replace(ids=sorted(id for (id,) in found))
    return conditions


def _lookups(
    owner: UserId, conditions: Conditions, field: TaskOrderField, limit: int
) -> Iterator[Statement[tuple[int]]]:
    if conditions.trash is TaskTrash.ONLY or conditions.parent_id is not None:
        return
    if conditions.labels_all:
        yield label_pages.labelled_tasks(owner, conditions.labels_all, limit, rarest=True)
    if conditions.labels_any:
        yield label_pages.labelled_tasks(owner, conditions.labels_any, limit, rarest=False)
    priorities = conditions.priorities
    # The order by priority is read from their index anyway.
    if priorities and NO_PRIORITY not in priorities and field is not TaskOrderField.PRIORITY:
        yield lookups.prioritized_tasks(owner, priorities, conditions.status, limit)
    # By hand, they are read from their index anyway.
    if conditions.inbox and field is not TaskOrderField.POSITION:
        yield lookups.tasks_in_inbox(owner, conditions.status, limit)
