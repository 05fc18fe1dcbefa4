"""What a running server holds, opened and closed in order: keys, tokens' verifier, database."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial

from app.database.changes import Live, TellingDatabase
from app.database.listener import keep_listening, keep_sweeping
from app.database.pipeline import PipelinedDatabase
from app.database.purge import keep_purging
from app.settings import Settings
from app.supervisor import Supervisor
from auth.context import ContextGetter
from auth.keys import Jwks
from auth.tokens import TokenVerifier
from resolvers.users import read_viewer


@dataclass(frozen=True, slots=True)
class Running:
    """The parts that requests need."""

    database: PipelinedDatabase
    live: Live
    supervisor: Supervisor
    get_context: ContextGetter


@asynccontextmanager
async def run(settings: Settings) -> AsyncIterator[Running]:
    """Open the parts that settings describe; close them at the end.

    Raises:
        UnsafeRole: row security would not bind the database role.
    """
    if settings.database_url is None:
        raise ValueError("These settings name no database.")
    async with AsyncExitStack() as stack:
        jwks = None
        if settings.key_set_url is not None:
            jwks = Jwks(settings.key_set_url)
            stack.push_async_callback(jwks.aclose)
        verifier = TokenVerifier(
            secret=settings.better_auth_secret,
            jwks=jwks,
            issuer=settings.issuer,
            audience=settings.audience,
            algorithms=settings.algorithms,
        )
        database = PipelinedDatabase(settings.database_url, settings)
        stack.push_async_callback(database.close)
        await database.open()
        live = Live()
        live.database = database
        supervisor = Supervisor()
        stack.push_async_callback(supervisor.stop)
        supervisor.run("purge", partial(keep_purging, settings.database_url, settings))
        supervisor.run("listener", partial(keep_listening, live, settings))
        supervisor.run("sweeper", partial(keep_sweeping, live))
        told = TellingDatabase(database, live)
        get_context = ContextGetter(verifier, told, live, read_viewer)
        yield Running(database, live, supervisor, get_context)
