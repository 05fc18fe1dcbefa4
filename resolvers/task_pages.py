"""Pages of tasks: of all of them, or of those of a list."""

from functools import partial

from auth.context import Context
from graphql_schema.connections import Cursor, TaskConnection, page_size
from graphql_schema.filters import TaskOrder, check_order
from graphql_schema.page_arguments import AskedTasks
from graphql_schema.values import given
from resolvers.narrowing import EVERY_TASK, NO_TASK, conditions_of, narrowed
from resolvers.paging import Span, read_page
from resolvers.statements import task_pages as statements
from resolvers.statements.task_conditions import Conditions
from resolvers.statements.task_pages import Page

NEWEST_FIRST = TaskOrder()


async def read_tasks(
    context: Context, asked: AskedTasks, *, list_key: int | None = None
) -> TaskConnection:
    """Return a page of the caller's tasks. `list_key`: only of those in this list.

    Raises:
        BadUserInput: an argument has a value that cannot be used.
    """
    filter, last = given(asked.filter), given(asked.last)
    size, backward = page_size(given(asked.first), last), last is not None
    order, after, before = asked.order_by or NEWEST_FIRST, given(asked.after), given(asked.before)
    check_order(order.field, filter, is_in_one=list_key is not None)
    owner, database = context.user_id, context.database
    conditions = conditions_of(filter) if filter else EVERY_TASK
    if list_key is not None:
        conditions = _in_list(conditions, list_key)
    if filter:
        conditions = await narrowed(database, owner, conditions, order.field)
    page = Page(
        conditions,
        order.field,
        order.direction,
        None if after is None else Cursor.decode(after, order.field, "after"),
        None if before is None else Cursor.decode(before, order.field, "before"),
        asked.selected.columns,
    )
    read = await read_page(
        database,
        Span(page.after, page.before, size, backward),
        lambda limit: statements.tasks(owner, page, limit=limit, backward=backward),
        partial(statements.any_task_beyond, owner, page),
        partial(statements.count_tasks, owner, conditions),
        has_count=asked.selected.has_count,
    )

    return TaskConnection(
        rows=read.rows,
        order=order.field,
        next=read.next,
        previous=read.previous,
        total=read.total,
    )


def _in_list(conditions: Conditions, key: int) -> Conditions:
    if conditions.inbox or conditions.list_id not in (None, key):
        return NO_TASK
    return conditions._replace(list_id=key)
