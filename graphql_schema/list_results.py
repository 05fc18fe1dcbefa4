"""The results of the mutations of lists: the list, or a failure that the client can act on."""

from typing import Annotated

import strawberry

from graphql_schema.lists import TaskList
from graphql_schema.results import (
    MESSAGE,
    InvalidInput,
    ListNotFound,
    QuotaExceeded,
    UserError,
)
from models.task_list import TaskListRow


@strawberry.type(
    description="The list has changed since the version that the caller expected. "
    "Nothing was written."
)
class ListVersionConflict(UserError):
    message: str = strawberry.field(
        default="The list has changed since you last saw it.", description=MESSAGE
    )
    current: TaskListRow = strawberry.field(
        graphql_type=TaskList, description="The list as it is now."
    )


@strawberry.type(
    description="The list has been moved into the trash, and with it its tasks that were not there "
    "yet. Together they can be restored."
)
class DeleteListSuccess:
    deleted_list_id: strawberry.ID = strawberry.field(description="The id of the list.")
    version: int = strawberry.field(
        description="The number of the deletion, as the `version` of lists counts."
    )
    deleted_task_count: int = strawberry.field(
        description="How many tasks are in the trash that went there with the list, subtasks among "
        "them."
    )


CreateListResult = Annotated[
    TaskList | InvalidInput | QuotaExceeded,
    strawberry.union("CreateListResult", description="The new list, or why there is none."),
]
UpdateListResult = Annotated[
    TaskList | InvalidInput | ListNotFound | ListVersionConflict | QuotaExceeded,
    strawberry.union("UpdateListResult", description="The changed list, or why nothing changed."),
]
MoveListResult = Annotated[
    TaskList | InvalidInput | ListNotFound | ListVersionConflict,
    strawberry.union("MoveListResult", description="The moved list, or why nothing changed."),
]
DeleteListResult = Annotated[
    DeleteListSuccess | ListNotFound | ListVersionConflict,
    strawberry.union("DeleteListResult", description="The deleted list, or why nothing changed."),
]
RestoreListResult = Annotated[
    TaskList | InvalidInput | ListNotFound | ListVersionConflict,
    strawberry.union("RestoreListResult", description="The restored list, or why nothing changed."),
]
