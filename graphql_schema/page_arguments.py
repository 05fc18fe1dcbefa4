"""What is asked of fields that return a page of tasks."""

from typing import Annotated, NamedTuple

import strawberry

from graphql_schema.connections import PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX
from graphql_schema.filters import TaskFilter, TaskOrder
from graphql_schema.selected import SelectedOfPage

Filter = Annotated[TaskFilter | None, strawberry.argument(description="Conditions on the tasks.")]
OrderBy = Annotated[
    TaskOrder | None,
    strawberry.argument(
        description="The order; newest first if left out. By hand: POSITION, ascending."
    ),
]
First = Annotated[
    int | None,
    strawberry.argument(
        description=f"At most this many, from the start: 0 to {PAGE_SIZE_MAX}; "
        f"{PAGE_SIZE_DEFAULT} if neither `first` nor `last` is given."
    ),
]
After = Annotated[str | None, strawberry.argument(description="Only tasks after this cursor.")]
Last = Annotated[
    int | None,
    strawberry.argument(description=f"At most this many, from the end: 0 to {PAGE_SIZE_MAX}."),
]
Before = Annotated[str | None, strawberry.argument(description="Only tasks before this cursor.")]


class AskedTasks(NamedTuple):
    """The arguments, each as it is given or left out, and what is selected."""

    filter: TaskFilter | None
    order_by: TaskOrder | None
    first: int | None
    after: str | None
    last: int | None
    before: str | None
    selected: SelectedOfPage
