"""The application: create_app(settings) puts the parts together; nothing runs before its start."""

import asyncio
import gc
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response
from starlette.responses import RedirectResponse
from starlette.routing import Route, WebSocketRoute
from strawberry.printer import print_schema

from app.assistants import STATE, Assistants
from app.database.listener import USUAL_INTERVALS, Intervals
from app.database.session import UnsafeRole
from app.development import DEMO_USER, completed, token_of
from app.failure import Failure
from app.graphiql.page import GraphiQL
from app.http.calendar import CalendarFeed
from app.http.connections import Connections, most_connections
from app.http.cors import CrossOrigin, StrictCORSMiddleware
from app.http.direct import Direct
from app.http.dispatch import Application
from app.http.draining import Draining
from app.http.endpoint import METHODS, GraphQLEndpoint
from app.http.metrics_page import MetricsPage
from app.http.middleware import Observed, Observer
from app.http.openapi import describe_endpoint
from app.http.origins import Origins, is_of_this_machine
from app.http.pages import add_pages
from app.http.schema_file import SchemaFile
from app.http.startup import FromState, ReadableStartupFailure, warn_without_limits
from app.http.websocket import GraphQLSocket
from app.http.websocket_shared import Shared
from app.lifespan import run
from app.measuring import gathered, start_measuring
from app.operations.documents import Documents
from app.operations.execution import Executor
from app.operations.persisted import PersistedQueries
from app.operations.trusted import ManifestError, TrustedDocuments, check_documents, read_manifests
from app.settings import GRAPHQL_PATH, Settings, TrustedDocumentsMode, settings_or_exit
from app.telemetry.gathering import Alone, Member
from app.telemetry.log import configure_logging
from app.telemetry.metrics import Metrics, OperationNames
from app.telemetry.request_log import RequestLog
from app.telemetry.traces import Traces, exporter_to
from auth.signing import is_user_id
from graphql_schema.schema import schema
from models.calendar_link import CALENDAR_PATH
from resolvers.calendars import Calendars

EXPOSED = ("Date", "Retry-After", "WWW-Authenticate", "X-Request-ID")
"""The headers of an answer that a page of another origin may read."""

GARBAGE_THRESHOLD = 20_000
"""Allocations less deallocations after which the garbage collector visits the young objects."""


@dataclass(frozen=True, slots=True)
class Unstarted:
    """What an application has before its start."""

    settings: Settings
    intervals: Intervals
    requests: RequestLog
    metrics: Metrics | None
    gathering: Alone | Member
    traces: Traces | None
    documents: Documents
    persisted: PersistedQueries
    cross_origin: CrossOrigin
    observer: Observer
    graphiql: GraphiQL | None
    assistants: Assistants | None
    draining: Draining


def create_app(
    settings: Settings | None = None,
    intervals: Intervals = USUAL_INTERVALS,
    gathering: Alone | Member | None = None,
) -> FastAPI:
    """Return the application. It opens the database and all else when it is started.

    Without settings it reads them, as `uvicorn --factory` needs; if some are wrong or missing it
    exits with a sentence for each.

    `gathering`: where a worker among several leaves its numbers; None: it is the only one.
    """
    settings = settings or settings_or_exit(to_serve=True)
    parts = make_unstarted(settings, intervals, gathering or Alone())
    app = Application(
        GRAPHQL_PATH,
        FromState("endpoint"),
        title="Todo API",
        version=version("todo-api"),
        description="A multi-user task API over GraphQL. The schema describes itself in GraphQL.",
        lifespan=partial(_lifespan, parts),
        # FastAPI's own pages of the API take scripts from a CDN, and say nothing of GraphQL.
        docs_url=None,
        redoc_url=None,
        # The redirect would name the scheme that a proxy uses here, which is not the client's.
        redirect_slashes=False,
        # Its own telemetry would take requests for GraphQL a long way.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.router.routes.append(WebSocketRoute("/{path:path}", FromState("socket")))
    app.router.routes.append(Route(f"{GRAPHQL_PATH}/", _without_slash, methods=METHODS))
    app.router.routes.append(Route(f"{CALENDAR_PATH}{{name}}", FromState("calendars")))
    if parts.settings.allows_introspection:
        file = make_schema_file(parts.settings)
        app.router.routes.append(Route(f"{GRAPHQL_PATH}/schema.graphql", file.answer))
    if parts.graphiql is not None:
        app.router.routes += parts.graphiql.routes
    if parts.assistants is not None:
        app.router.routes += parts.assistants.routes
    if parts.metrics is not None and parts.settings.metrics == "path":
        figures = partial(gathered, parts.metrics, parts.gathering)
        page = MetricsPage(str(parts.settings.metrics_token), figures)
        app.router.routes.append(Route("/metrics", page))
    leads_browsers = parts.graphiql is not None
    add_pages(app, GRAPHQL_PATH, parts.draining, leads_browsers=leads_browsers)
    describe_endpoint(app, GRAPHQL_PATH)
    _add_middleware(app, parts)
    return app


def make_unstarted(
    settings: Settings, intervals: Intervals, gathering: Alone | Member
) -> Unstarted:
    """Make what needs no database, each part after those that it needs."""
    # First, so that whatever is logged from here on has one form.
    requests = RequestLog(settings.log_share, settings.slow_ms)
    configure_logging(requests, readable=settings.logs_for_people, debug=settings.debug)
    documents = Documents(
        schema,
        settings.limits,
        allow_introspection=settings.allows_introspection,
        compiles=settings.compile_operations,
    )
    trusted = _trusted_or_exit(settings, documents)
    metrics = Metrics(OperationNames(trusted.names)) if settings.is_measured else None
    persisted = PersistedQueries(settings.graphql_persisted_queries, documents, trusted)
    draining = Draining()
    origins = Origins(settings.cors_origins, this_machine=settings.is_embedded)
    graphiql = make_graphiql(settings) if settings.shows_graphiql else None
    traces = None
    if settings.otel_exporter_otlp_endpoint is not None:
        exporter = exporter_to(settings.otel_exporter_otlp_endpoint)
        traces = Traces(exporter, version("todo-api"), trusted.names)
    return Unstarted(
        settings,
        intervals,
        requests,
        metrics,
        gathering,
        traces,
        documents,
        persisted,
        CrossOrigin(origins, EXPOSED),
        Observer(requests, draining, metrics, traces),
        graphiql,
        Assistants(settings, documents) if settings.mcp else None,
        draining,
    )


def make_graphiql(settings: Settings) -> GraphiQL:
    """Make the page; on an embedded database it has a token, of the user that `?as=` names."""

    def token_for(request: Request) -> str | None:
        # A request with an origin comes from a script, which may be another page's.
        is_page = "origin" not in request.headers
        is_open = settings.is_embedded and is_page and is_of_this_machine(request.scope)
        user = request.query_params.get("as", DEMO_USER)
        return token_of(settings, user) if is_open and is_user_id(user) else None

    return GraphiQL(GRAPHQL_PATH, token_for)


def make_schema_file(settings: Settings) -> SchemaFile:
    """Make the schema's file; on an embedded database, programs of this machine need no token."""
    return SchemaFile(print_schema(schema) + "\n", open_to_this_machine=settings.is_embedded)


@asynccontextmanager
async def _lifespan(parts: Unstarted, app: Application) -> AsyncIterator[dict[str, Any]]:
    """Run the application; yield the state that each request finds in its scope."""
    settings, graphiql = parts.settings, parts.graphiql
    # What was imported stays, so the look for garbage below need not visit it.
    gc.freeze()
    async with AsyncExitStack() as stack:
        stack.callback(parts.requests.flush)
        if parts.traces is not None:
            stack.push_async_callback(asyncio.to_thread, parts.traces.close)
        complete = await stack.enter_async_context(completed(settings))
        running = await stack.enter_async_context(
            run(complete, parts.intervals, parts.metrics, explains=settings.is_embedded)
        )
        if graphiql is not None:
            running.supervisor.run("fetch of GraphiQL's files", graphiql.fetch, returns=True)
        executor = Executor(schema, parts.documents, running.budget)
        endpoint = GraphQLEndpoint(
            running.get_context,
            executor,
            parts.persisted,
            settings.request_timeout,
            graphiql.page if graphiql else None,
            compresses=settings.compress_answers,
        )
        socket = GraphQLSocket(
            (GRAPHQL_PATH, f"{GRAPHQL_PATH}/"),
            Shared(
                running.get_context,
                executor,
                parts.persisted,
                parts.requests,
                parts.metrics,
                parts.traces,
            ),
            parts.cross_origin.origins,
        )
        calendars = CalendarFeed(
            Calendars(running.notifying),
            running.budget,
            settings.request_timeout,
            version("todo-api"),
        )
        if parts.metrics is not None:
            start_measuring(parts.metrics, parts.gathering, running, socket, complete)
        if not settings.is_embedded:
            warn_without_limits()
        connections = Connections(most_connections(settings.database_pool_max_size + 1))
        running.supervisor.run("watch over connections", connections.watch)
        # These objects live as long as the server: the garbage collector need not visit them.
        gc.collect()
        gc.freeze()
        gc.enable()
        # Requests leave next to no cycles: to look for some every 700 objects is a waste.
        gc.set_threshold(GARBAGE_THRESHOLD)
        state: dict[str, Any] = {
            "running": running,
            "endpoint": endpoint,
            "socket": socket,
            "calendars": calendars,
            "connections": connections,
            "draining": parts.draining,
        }
        if settings.answer_directly and app.has_only_its_own_middleware:
            state["direct"] = Direct(
                app, GRAPHQL_PATH, endpoint, parts.cross_origin, parts.observer
            )
        if parts.assistants is not None:
            serving = parts.assistants.serving(running, executor, parts.cross_origin.origins)
            state[STATE] = await stack.enter_async_context(serving)
        yield state


def _add_middleware(app: Application, parts: Unstarted) -> None:
    app.add_middleware(StrictCORSMiddleware, cross_origin=parts.cross_origin, methods=METHODS)
    app.add_middleware(Observed, observer=parts.observer)
    app.add_middleware(ReadableStartupFailure, refusals=(UnsafeRole, Failure))
    app.own_middleware = [*app.user_middleware]


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
