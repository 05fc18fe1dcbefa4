"""The application: create_app(settings) puts the parts together; nothing runs before its start."""

import asyncio
import gc
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from importlib.metadata import version
from pathlib import Path

import starlette.types
from fastapi import FastAPI, Request, Response
from pydantic import BaseModel
from starlette.responses import RedirectResponse
from starlette.routing import Route, WebSocketRoute

from app.database.embedded import EmbeddedUnavailable
from app.database.migration import MigrationFailed, head
from app.database.session import UnsafeRole
from app.development import demo_token, development
from app.graphiql.page import GraphiQL
from app.http.cors import StrictCORSMiddleware
from app.http.dispatch import Application
from app.http.endpoint import METHODS, GraphQLEndpoint
from app.http.middleware import Observed
from app.http.openapi import describe_endpoint
from app.http.websocket import GraphQLSocket
from app.lifespan import run
from app.operations.budget import Budget
from app.operations.documents import Documents
from app.operations.execution import Executor
from app.operations.persisted import PersistedQueries
from app.operations.trusted import ManifestError, TrustedDocuments, check_documents, read_manifests
from app.settings import Settings, TrustedDocumentsMode, settings_or_exit
from app.telemetry.log import configure_logging
from app.telemetry.records import RequestLog
from graphql_schema.schema import build_schema
from models.database import DatabaseUnavailable

GRAPHQL_PATH = "/graphql"

GARBAGE_THRESHOLD = 20_000
"""Objects made beyond those deleted before the garbage collector looks at the young ones."""


class About(BaseModel):
    """What this is."""

    name: str
    version: str
    graphql: str


class Health(BaseModel):
    """How the server is."""

    status: str


def create_app(settings: Settings | None = None) -> FastAPI:
    """Return the application. It opens the database and all else when it is started.

    Without settings it reads them, as `uvicorn --factory` needs; if some are wrong or missing it
    exits with a sentence for each.
    """
    settings = settings or settings_or_exit(to_serve=True)
    # Before the server says its first line.
    requests = RequestLog()
    configure_logging(requests, readable=settings.logs_for_people, debug=settings.debug)
    schema = build_schema()
    documents = Documents(
        schema,
        settings.limits,
        allow_introspection=settings.allows_introspection,
        compiles=settings.compile_operations,
    )
    graphiql = GraphiQL(GRAPHQL_PATH) if settings.shows_graphiql else None
    executor = Executor(schema, documents)
    trusted = _trusted_or_exit(settings, documents)
    persisted = PersistedQueries(settings.graphql_persisted_queries, documents, trusted)
    socket = GraphQLSocket(executor, persisted, requests, settings.cors_origins)
    endpoint = GraphQLEndpoint(
        executor,
        persisted,
        settings.request_timeout,
        graphiql.page if graphiql else None,
    )

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            stack.callback(requests.flush)
            complete = settings
            if settings.database_url is None:
                embedded = development(settings)
                complete = (await asyncio.to_thread(embedded.__enter__)).settings
                stack.push_async_callback(asyncio.to_thread, embedded.__exit__, None, None, None)
                if graphiql:
                    graphiql.make_token = partial(demo_token, complete)
            if graphiql:
                await stack.enter_async_context(graphiql.fetching())
            running = await stack.enter_async_context(run(complete))
            endpoint.get_context = socket.get_context = running.get_context
            if settings.points_per_minute:
                executor.budget = Budget(settings.points_per_minute, running.live)
            app.state.database, app.state.live = running.database, running.live
            # What is here now stays: the garbage collector need not look at it ever again.
            gc.collect()
            gc.freeze()
            # Requests leave next to no cycles: to look for some every 700 objects is a waste.
            gc.set_threshold(GARBAGE_THRESHOLD)
            yield

    app = Application(
        GRAPHQL_PATH,
        endpoint,
        title="Todo API",
        version=version("todo-api"),
        description="A multi-user task API over GraphQL. The schema describes itself in GraphQL.",
        lifespan=lifespan,
        # It would name the scheme that a proxy in front asks by, which is not the client's.
        redirect_slashes=False,
    )
    app.router.routes.append(WebSocketRoute(GRAPHQL_PATH, socket))
    app.router.routes.append(Route(f"{GRAPHQL_PATH}/", _without_slash, methods=METHODS))
    if graphiql:
        app.router.routes += graphiql.routes
    _add_pages(app)
    describe_endpoint(app, GRAPHQL_PATH)
    app.add_middleware(
        StrictCORSMiddleware,
        allow_origins=settings.cors_origins,
        allow_methods=METHODS,
        allow_headers=["*"],
        expose_headers=["Retry-After", "WWW-Authenticate", "X-Request-ID"],
    )
    app.add_middleware(Observed, log=requests)
    app.add_middleware(ReadableStartupFailure)
    return app


def _trusted_or_exit(settings: Settings, documents: Documents) -> TrustedDocuments:
    """Return the trusted documents, or exit with a sentence for each that cannot be used."""
    mode, paths = settings.trusted_documents_mode, settings.trusted_documents
    if mode is TrustedDocumentsMode.OFF:
        return TrustedDocuments(mode, {})
    try:
        texts = read_manifests([Path(path) for path in paths])
        if mode is TrustedDocumentsMode.ONLY and not texts:
            raise ManifestError(["TRUSTED_DOCUMENTS names no document, and no other is allowed."])
        check_documents(texts, documents)
    except ManifestError as error:
        for sentence in error.sentences:
            sys.stderr.write(f"todo-api: {sentence}\n")
        sys.exit(2)
    return TrustedDocuments(mode, texts)


async def _without_slash(request: Request) -> Response:
    query = f"?{request.url.query}" if request.url.query else ""
    return RedirectResponse(GRAPHQL_PATH + query)


def _add_pages(app: FastAPI) -> None:
    @app.get("/", summary="What this is")
    async def about() -> About:
        return About(name=app.title, version=app.version, graphql=GRAPHQL_PATH)

    @app.get("/health", summary="Whether the process is alive; asks nothing of the database")
    async def health() -> Health:
        return Health(status="ok")

    @app.get(
        "/ready",
        summary="Whether requests can be served: the database reached, its migrations current",
        responses={503: {"model": Health, "description": "Not now."}},
    )
    async def ready(request: Request, response: Response) -> Health:
        try:
            revision = await request.app.state.database.revision()
        except DatabaseUnavailable as error:
            response.status_code = 503
            return Health(status=str(error))
        if revision != head():
            response.status_code = 503
            return Health(status="The database is not migrated: run `todo-api migrate`.")
        return Health(status="ok")


class ReadableStartupFailure:
    """Lets a refused start end with its sentence, where Starlette would log a traceback."""

    def __init__(self, app: starlette.types.ASGIApp) -> None:
        self._app = app

    async def __call__(
        self,
        scope: starlette.types.Scope,
        receive: starlette.types.Receive,
        send: starlette.types.Send,
    ) -> None:
        if scope["type"] != "lifespan":
            await self._app(scope, receive, send)
            return

        async def hold_failure(message: starlette.types.Message) -> None:
            if message["type"] != "lifespan.startup.failed":
                await send(message)

        try:
            await self._app(scope, receive, hold_failure)
        except (UnsafeRole, MigrationFailed, EmbeddedUnavailable) as error:
            await send({"type": "lifespan.startup.failed", "message": str(error)})
        except BaseException as error:
            await send({"type": "lifespan.startup.failed", "message": repr(error)})
            raise
