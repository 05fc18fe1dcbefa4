"""The statements of lists of tasks. Each takes its owner first and names it in SQL."""

from functools import cache
from typing import NamedTuple

from graphql_schema.filters import TaskTrash
from graphql_schema.lists import ListCursor
from models.metadata import metadata
from models.statement import Sql, Statement
from models.task_list import TASK_LIST_FACTS, TaskListRow
from models.user import UserId
from resolvers.statements import owned, pages
from resolvers.statements.compiling import row_maker
from resolvers.statements.kind import Kind
from resolvers.statements.pages import Stretch, position

LIST = Kind(
    metadata.tables["task_lists"],
    metadata.tables["task_counters"],
    TaskListRow._fields,
    row_maker(TaskListRow),
)


class ListPage(NamedTuple):
    """Which of the owner's lists a page may hold."""

    trash: TaskTrash
    after: ListCursor | None = None
    before: ListCursor | None = None


def task_list(owner: UserId, key: int) -> Statement[TaskListRow]:
    return Statement(_task_list(), owner, {"key": key})


def task_lists(
    owner: UserId, list_page: ListPage, *, limit: int, backward: bool
) -> Statement[TaskListRow]:
    """Return up to `limit` lists from the page's start; backward: from its end, last one first."""
    trash, after, before = list_page
    sql = _task_lists(trash, after is not None, before is not None, backward=backward)
    places = {**position("after", after), **position("before", before)}
    return Statement(sql, owner, {"limit": limit, **places})


def any_list_beyond(
    owner: UserId, trash: TaskTrash, list_cursor: ListCursor, *, before: bool
) -> Statement[tuple[bool]]:
    """Return whether any list stands at the cursor or on the far side of it."""
    return Statement(_any_list_beyond(trash, before), owner, position("cursor", list_cursor))


def count_lists(owner: UserId, trash: TaskTrash) -> Statement[tuple[int]]:
    return Statement(_count_lists(trash), owner, {})


# What follows is the SQL: one function a statement, run once for each shape.


@cache
def _task_list() -> Sql[TaskListRow]:
    return owned.find(LIST)


@cache
def _task_lists(trash: TaskTrash, after: bool, before: bool, *, backward: bool) -> Sql[TaskListRow]:
    places = [name for name, given in (("after", after), ("before", before)) if given]
    stretch = Stretch(_parts(trash), places)
    return pages.page(LIST, [stretch], _ORDER, read_descending=backward, descending=False)


@cache
def _any_list_beyond(trash: TaskTrash, before: bool) -> Sql[tuple[bool]]:
    return pages.any_beyond(LIST, [Stretch(_parts(trash), ["cursor"])], _ORDER, smaller=before)


@cache
def _count_lists(trash: TaskTrash) -> Sql[tuple[int]]:
    return pages.count(LIST, _parts(trash))


_ORDER = TASK_LIST_FACTS["position"]


def _parts(trash: TaskTrash) -> pages.Parts:
    return [[LIST.is_live if trash is TaskTrash.EXCLUDE else LIST.is_in_trash]]
