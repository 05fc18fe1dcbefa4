"""What is made of a file is stored: each task and list once, some at a time, whatever happens.

`imports` has what is in, in the row that is written in the statement that makes the thing. So an
import that ended at any moment goes on where it was, when it is run again.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import TypeVar

from app.exchange import fitting
from app.exchange.items import Contents, Item, ItemList
from app.exchange.planning import Plan, Present, plan_of, things_of, with_plain_keys
from app.failure import Failure
from models.database import AlreadyThere, Database, DatabaseUnavailable, OwnerUnknown, Refused, Rule
from models.imported import IDS, LIST, TASK
from models.quota import Quota
from models.statement import Statement
from models.user import UserId
from resolvers.statements import imports, tasks
from resolvers.statements.imports import Added

BATCH = 100
"""Tasks, or lists, that are added in one transaction."""

TRIES_MAX = 3
"""How often a plan is made anew, without anything added, since others changed what it builds on."""

GO_ON = "Run the command again: it goes on where it was."

Thing = TypeVar("Thing", Item, ItemList)


class Import:
    """An import of one file for one user."""

    def __init__(
        self, database: Database, owner: UserId, source: str, contents: Contents, quota: Quota
    ) -> None:
        """`source`: what `source_of` says."""
        self._database = database
        self._owner = owner
        self._source = source
        self._contents = with_plain_keys(contents)
        self._quota = quota
        self._set_aside: Mapping[str, int] = {}
        """The last of the ids that are set aside, by what for."""
        self._clashes = 0
        """How often an id was taken, though it was set aside: clients make ids, too."""
        self.added = 0
        """Tasks that were added so far."""

    async def plan(self, limit: int | None = None) -> Plan:
        """Return what is to be made, as things are now."""
        fetch, owner = self._database.fetch, self._owner
        known = await fetch(imports.imported(owner, self._source))
        lists = [each for each in await fetch(imports.all_lists(owner)) if each.deleted_at is None]
        (stored,) = await fetch(tasks.stored(owner))
        self._set_aside = {each.key: each.id for each in known if each.kind == IDS}
        return plan_of(self._contents, Present(known, lists, stored, self._quota), limit)

    async def run(self, plan: Plan, limit: int | None = None) -> Plan:
        """Make what a plan says; return it, or the last one, where others made it change.

        Raises:
            Failure: not all of it was made; a sentence that says what to do.
        """
        tries, before = 0, -1
        while True:
            try:
                await self._make(plan)
            except (AlreadyThere, Refused) as error:
                # Somebody, or another import of the same file, changed something meanwhile.
                if isinstance(error, Refused) and error.rule is Rule.ID_IS_FREE:
                    self._clashes += 1
                tries = tries + 1 if self.added == before else 0
                before = self.added
                if tries == TRIES_MAX:
                    raise Failure(f"What the user has changes all the time. {GO_ON}") from error
                rest = None if limit is None else limit - self.added
                plan = await self.plan(rest)
            except DatabaseUnavailable as error:
                raise Failure(f"{error} {self.added} tasks are in. {GO_ON}") from error
            except OwnerUnknown as error:
                raise Failure(f"There is no user {self._owner} any more.") from error
            else:
                return plan

    async def _make(self, plan: Plan) -> None:
        if not plan.lists and not plan.items:
            return
        ids = await self._ids(plan)
        for trash in (True, False):
            # Those in the trash first: they are there to be filled, and count for no limit.
            lists = [each for each in plan.lists if (each.deleted_at is not None) == trash]
            for some in _batches(lists):
                rows = json.dumps([_list_row(each, ids) for each in some])
                await self._database.fetch(
                    imports.import_lists(self._owner, self._source, rows, self._quota, trash=trash)
                )
        for trash in (False, True):
            items = [each for each in plan.items if (each.deleted_at is not None) == trash]
            for batch in _batches(items):
                await self._database.fetch(self._adding(batch, ids, trash=trash))
                self.added += len(batch)

    def _adding(
        self, batch: Sequence[Item], ids: Mapping[tuple[str, str], int], *, trash: bool
    ) -> Statement[Added]:
        rows = json.dumps([_task_row(item, ids) for item in batch])
        return imports.import_tasks(self._owner, self._source, rows, self._quota, trash=trash)

    async def _ids(self, plan: Plan) -> Mapping[tuple[str, str], int]:
        """Return the ids of what is in, and of what is to be made.

        These are set aside for the whole file, the first time that it is imported. So each thing
        has its place from then on.
        """
        things = things_of(self._contents)
        words = json.dumps([*things, self._clashes])
        key = hashlib.sha256(words.encode()).hexdigest()
        last = self._set_aside.get(key)
        if last is None:
            asked = imports.reserve_ids(self._owner, self._source, key, len(things))
            ((last,),) = await self._database.fetch(asked)
        return {
            **dict(zip(things, range(last - len(things) + 1, last + 1), strict=True)),
            **{(LIST, key): id for key, id in plan.list_ids.items()},
            **{(each.kind, each.key): each.id for each in plan.present},
        }


def source_of(name: str, contents: Contents, data: bytes) -> str:
    """Return what a file's keys are good in: the format, and the hash of its account or of it."""
    account = contents.account
    known_by = hashlib.sha256(data if account is None else account.encode())
    return f"{name} {known_by.hexdigest()}"


def _batches(things: Sequence[Thing]) -> Iterator[list[Thing]]:
    rest = iter(things)
    while batch := list(islice(rest, BATCH)):
        yield batch


def _list_row(each: ItemList, ids: Mapping[tuple[str, str], int]) -> dict[str, object]:
    return {"key": each.key, "id": ids[LIST, each.key], "name": each.name, **_times(each)}


def _task_row(item: Item, ids: Mapping[tuple[str, str], int]) -> dict[str, object]:
    # A subtask is in the list of its parent.
    list_key = item.list_key if item.parent is None else None
    return {
        "key": item.key,
        "id": ids[TASK, item.key],
        "title": item.title,
        "description": item.description,
        "completed_at": fitting.instant(item.completed_at),
        "completed_on": item.completed_on and item.completed_on.isoformat(),
        "list_id": None if list_key is None else ids[LIST, list_key],
        "parent_id": None if item.parent is None else ids[TASK, item.parent],
        "due_on": item.due_on and item.due_on.isoformat(),
        "due_time": item.due_time and item.due_time.strftime("%H:%M"),
        "priority": item.priority,
        "labels": [*item.labels],
        "repeats": None if item.rule is None else {**item.rule},
        "successor_id": None if item.successor is None else ids.get((TASK, item.successor)),
        **_times(item),
    }


def _times(thing: Item | ItemList) -> dict[str, object]:
    return {
        "created_at": fitting.instant(thing.created_at),
        "updated_at": fitting.instant(thing.updated_at),
        "deleted_at": fitting.instant(thing.deleted_at),
    }
