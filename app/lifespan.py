"""What a running server holds, opened and closed in order: keys, tokens' verifier, database."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from app.database import RunningDatabase
from app.live import Live, TellingDatabase, listening
from app.pipeline import PipelinedDatabase
from app.pool import PooledDatabase
from app.settings import Settings
from app.trash import keep_purging
from auth.context import ContextGetter
from auth.keys import Jwks
from auth.tokens import TokenVerifier
from resolvers.users import read_viewer


@dataclass(frozen=True, slots=True)
class Running:
    """The parts that requests need."""

    database: RunningDatabase
    live: Live
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
        kind = PipelinedDatabase if settings.database_pipeline else PooledDatabase
        database: RunningDatabase = kind(settings.database_url, settings)
        stack.push_async_callback(database.close)
        await database.open()
        await stack.enter_async_context(keep_purging(settings.database_url, settings))
        live = Live()
        live.database = database
        await stack.enter_async_context(listening(live, settings))
        told = TellingDatabase(database, live)
        yield Running(database, live, ContextGetter(verifier, told, live, read_viewer))
