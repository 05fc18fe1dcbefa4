"""What commands need that act for one user as the server does, with its role and its statements."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import typer

from app.database.changes import Live, NotifyingDatabase
from app.database.notifications import Notifier
from app.database.people import UnknownUser
from app.database.session import UnsafeRole
from app.database.turns import Turns
from app.development import development
from app.failure import Failure
from app.lifespan import make_database
from app.settings import Settings
from auth.identity import Identity
from auth.tokens import named_by_operator
from models.database import Database, DatabaseUnavailable, Refused
from resolvers.statements import users

STATEMENT_SECONDS = 60.0
"""How long a statement may take: these are longer than those of requests."""


@contextmanager
def with_a_database(settings: Settings) -> Iterator[Settings]:
    """Yield settings that name a database; start an embedded one if need be."""
    if settings.database_url is not None:
        yield settings
        return
    with development(settings) as started:
        yield started.settings


def identity_of(user: str, name: str | None = None) -> Identity:
    """Return the identity of the user that an option names; end the command where it is none."""
    try:
        return named_by_operator(user, name)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--user") from error


@asynccontextmanager
async def servers_database(settings: Settings) -> AsyncIterator[Database]:
    """Connect as the server does. Servers are notified of what is written, as by each other.

    Raises:
        Failure: the database cannot be reached, or row security would not bind the role.
    """
    patient = settings.model_copy(update={"database_statement_timeout": STATEMENT_SECONDS})
    primary = make_database(patient)
    notifier = Notifier(primary)
    turns = Turns(settings.database_pool_timeout)
    try:
        await primary.open()
        sending = asyncio.create_task(notifier.keep_sending())
        try:
            yield NotifyingDatabase(primary, Live(), notifier, turns)
        finally:
            sending.cancel()
            await notifier.send()
    except (DatabaseUnavailable, UnsafeRole) as error:
        raise Failure(str(error)) from error
    finally:
        await primary.close()


async def is_there(database: Database, identity: Identity) -> bool:
    """Return whether there is such a user."""
    return bool(await database.fetch(users.viewer(identity)))


async def find(database: Database, identity: Identity, *, or_add: bool = False) -> None:
    """Have the user there, or end.

    Raises:
        UnknownUser: there is none, and none is to be added.
        Failure: one is to be added, who was deleted a moment ago.
    """
    if await is_there(database, identity):
        return
    if not or_add:
        raise UnknownUser(identity.user_id)
    try:
        await database.fetch(users.add_viewer(identity))
    except Refused as error:
        raise Failure(f"The user {identity.user_id} was just deleted: try again later.") from error
