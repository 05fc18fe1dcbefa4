"""What a user has becomes the contents of a file."""

import hashlib
from datetime import date, datetime, time

from app.exchange.items import Contents, Item, ItemList
from models.database import Database
from models.instant import Instant, rfc_3339
from models.task import TaskRow
from models.task_list import TaskListRow
from models.user import UserId
from resolvers.statements import imports


async def collected(database: Database, owner: UserId, *, trash: bool) -> Contents:
    """Return all that the owner has, the inbox first, then each list; `trash`: what is there, too.

    Raises:
        DatabaseUnavailable: the database cannot be reached.
    """
    # Lists last: so the lists of all tasks are among them, unless they have just been deleted.
    tasks = await database.fetch(imports.all_tasks(owner))
    lists = await database.fetch(imports.all_lists(owner))
    names = {each.id: each.name for each in lists}
    places = {each.id: place for place, each in enumerate(lists)}
    tasks.sort(key=lambda each: -1 if each.list_id is None else places.get(each.list_id, -1))
    return Contents(
        lists=[_item_list(each) for each in lists if trash or each.deleted_at is None],
        items=[_item(each, names) for each in tasks if trash or each.deleted_at is None],
        # Ids are good in all exports of one user. Who that is need not be told.
        account=hashlib.sha256(owner.encode()).hexdigest(),
    )


def _item_list(row: TaskListRow) -> ItemList:
    return ItemList(
        key=list_key(row.id),
        name=row.name,
        created_at=_moment(row.created_at),
        updated_at=_moment(row.updated_at),
        deleted_at=_moment(row.deleted_at),
    )


def _item(row: TaskRow, names: dict[int, str]) -> Item:
    is_in_list = row.list_id in names
    return Item(
        key=str(row.id),
        title=row.title,
        description=row.description,
        # Of what was completed before that was kept, the last change is known.
        completed_at=_moment(row.completed_at or row.updated_at) if row.completed else None,
        completed_on=None if row.completed_on is None else date.fromisoformat(row.completed_on),
        created_at=_moment(row.created_at),
        updated_at=_moment(row.updated_at),
        deleted_at=_moment(row.deleted_at),
        due_on=None if row.due_on is None else date.fromisoformat(row.due_on),
        due_time=None if row.due_time is None else time.fromisoformat(row.due_time),
        priority=row.priority,
        labels=row.labels,
        list_name=names[row.list_id] if is_in_list and row.list_id is not None else None,
        list_key=list_key(row.list_id) if is_in_list and row.list_id is not None else None,
        parent=None if row.parent_id is None else str(row.parent_id),
        rule=row.repeats,
        successor=None if row.successor_id is None else str(row.successor_id),
    )


def list_key(id: int) -> str:
    """Return the id of a list as clients know it."""
    return f"L{id}"


def _moment(instant: Instant | None) -> datetime | None:
    return None if instant is None else datetime.fromisoformat(rfc_3339(instant))
