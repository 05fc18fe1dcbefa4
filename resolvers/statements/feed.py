"""The statement of the feed of changes, which has all kinds of things."""

from functools import cache

from models.statement import Sql, Statement
from models.task import TaskRow
from models.task_list import TaskListRow
from models.user import UserId
from resolvers.statements import pages
from resolvers.statements.compiling import named
from resolvers.statements.lists import LIST
from resolvers.statements.pages import FeedRow
from resolvers.statements.tasks import TASK


def changes(
    owner: UserId, after_version: int, limit: int
) -> Statement[FeedRow[TaskRow | TaskListRow]]:
    """Return up to `limit` things that have changed since, in the trash or not, oldest first.

    One row comes back without a thing where there are none, and no row where there never were any.
    """
    return Statement(_changes(), owner, {"after_version": after_version, "limit": limit})


@cache
@named
def _changes() -> Sql[FeedRow[TaskRow | TaskListRow]]:
    return pages.feed(TASK, LIST)
