"""What tests of imports share: a user with all there is, imports, and comparisons."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any
from uuid import uuid4

from app.exchange.exporting import collected
from app.exchange.items import Contents, Item
from app.exchange.planning import Plan
from app.exchange.storing import Import
from app.lifespan import make_database
from auth.identity import Identity
from auth.tokens import named_by_operator
from models.database import Database
from models.quota import Quota
from resolvers.statements import users
from tests.api import Caller, Server, settings_for
from tests.databases import Database as TestDatabase

ROOM = Quota(None, None)


def with_all_there_is(server: Server) -> Caller:
    """Return a user who has something of each kind, in no order by time."""
    user = server.user()
    work, home, twin, gone = (user.create_list(name)["id"] for name in ("Work", "Home", "Home", ""
        "Gone"))  # fmt: skip
    user.move_list(id=twin, place={"first": True})
    parent = user.create("Move", listId=home, labels=["Boxes", "soon"], priority="URGENT")["id"]
    for title in ("Pack", "Label", "Carry"):
        below = user.create(title, parentId=parent, dueOn="2026-12-24", dueTime="23:59")["id"]
        if title == "Label":
            user.toggle(id=below, today="2026-12-01")
        if title == "Carry":
            user.move(id=below, place={"first": True})
            user.delete(id=user.create("no", parentId=parent, labels=["BOXES"])["id"])
    last = user.create("Last of all", description="A line.\n\nAnother. 🧺", listId=work)["id"]
    user.move(id=last, place={"first": True})
    for rrule, due in (("FREQ=DAILY", "2026-12-01"), ("FREQ=MONTHLY;COUNT=2", "2027-01-31")):
        recurring = user.create(rrule, listId=twin, dueOn=due, recurrence={"rrule": rrule})["id"]
        user.toggle(id=recurring, today="2026-12-03")
    # It is put off beyond the end of its rule.
    ends = user.create(
        "ends", dueOn="2026-12-01", recurrence={"rrule": "FREQ=DAILY;UNTIL=20261202"}
    )
    user.update(id=ends["id"], dueOn="2026-12-20")
    user.toggle(id=user.create("done", labels=["\uff37\uff29\uff24\uff25"])["id"])
    # In the trash it keeps the spelling that it had.
    user.delete(id=user.create("tagged", labels=["Tag"])["id"])
    user.create("tagged now", labels=["tag"])
    below_gone = user.create("with its list", listId=gone, labels=["Soon"])["id"]
    user.create("with its parent", parentId=below_gone)
    user.delete_list(id=gone)
    user.delete(id=user.create("gone before", listId=work)["id"])
    return user


@asynccontextmanager
async def database_at(database: TestDatabase) -> AsyncIterator[Database]:
    """Connect as the server does."""
    made = make_database(settings_for(database.server_url))
    await made.open()
    try:
        yield made
    finally:
        await made.close()


async def new_user(database: Database) -> Identity:
    identity = named_by_operator(f"user-{uuid4().hex}")
    await database.fetch(users.add_viewer(identity))
    return identity


async def contents_of(database: Database, user: str | None) -> Contents:
    return await collected(database, named_by_operator(str(user)).user_id, trash=True)


async def imported(
    database: Database,
    user: str,
    contents: Contents,
    quota: Quota = ROOM,
    source: str = "tests",
    limit: int | None = None,
) -> Plan:
    """Import as the command does; return the plan that was made."""
    work = Import(database, named_by_operator(user).user_id, source, contents, quota)
    return await work.run(await work.plan(limit), limit)


def compared(contents: Contents) -> tuple[Sequence[Any], Sequence[Any]]:
    """Return what must be the same of two users: ids are links within each alone.

    What is in the trash has an order of its own, apart from what is not.
    """
    places: Mapping[str | None, object] = {
        None: None,
        **{each.key: (each.name, each.created_at) for each in contents.lists},
        **{each.key: (each.title, each.created_at) for each in contents.items},
    }

    def of_item(item: Item) -> Item:
        list_key, parent, successor = (
            str(places.get(key)) for key in (item.list_key, item.parent, item.successor)
        )
        return replace(item, key="", list_key=list_key, parent=parent, successor=successor)

    lists = [replace(each, key="") for each in contents.lists]
    items = [of_item(item) for item in contents.items]
    return (
        sorted(lists, key=lambda each: each.deleted_at is not None),
        sorted(items, key=lambda each: each.deleted_at is not None),
    )
