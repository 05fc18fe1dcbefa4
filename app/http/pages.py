"""The pages beside GraphQL: what this is, if it is alive, if it is ready, and a list of these."""

from html import escape
from typing import Any

from fastapi import FastAPI, Request, Response
from pydantic import BaseModel
from starlette.responses import HTMLResponse, RedirectResponse

from app.http.draining import Draining
from app.http.readiness import Readiness
from app.http.request import accepts_html


class About(BaseModel):
    """What this is."""

    name: str
    version: str
    graphql: str


class Health(BaseModel):
    """How the server is."""

    status: str


class Ready(Health):
    """Whether requests can be served."""

    reason: str | None
    """Why not: `draining`, `starting`, `database`, `nodes`, `migrations`, `version` or `writes`."""
    message: str
    database: bool
    migrations: bool | None
    writes: bool | None
    age: float
    """Seconds since the database was asked."""


def add_pages(app: FastAPI, graphql_path: str, draining: Draining, *, leads_browsers: bool) -> None:
    """Add the routes `/`, `/health` and `/ready`, and `/docs` where browsers are led.

    `/ready` takes what it asks from ASGI's lifespan state: `running.readiness`. `leads_browsers`:
    whether a browser is led to GraphQL, where there is a page for it: from `/` by a redirect.
    """

    @app.get("/", summary="What this is", response_model=About)
    async def about(request: Request) -> About | Response:
        if leads_browsers and accepts_html(request.headers.get("accept", "")):
            return RedirectResponse(graphql_path)
        return About(name=app.title, version=app.version, graphql=graphql_path)

    @app.get("/health", summary="Whether the process is alive; asks nothing of the database")
    async def health() -> Health:
        return Health(status="ok")

    @app.get(
        "/ready",
        summary="Whether requests can be served: the database reached, migrated, taking changes",
        responses={503: {"model": Ready, "description": "Not now."}},
    )
    async def ready(request: Request, response: Response) -> Ready:
        readiness: Readiness = request.state.running.readiness
        state = readiness.leaving() if draining.is_leaving else await readiness.state()
        if state.lack is not None:
            response.status_code = 503
        return Ready(
            status="ok" if state.lack is None else "unavailable",
            reason=state.lack and state.lack.value,
            message=state.sentence,
            database=state.database,
            migrations=state.migrations,
            writes=state.writes,
            age=state.age,
        )

    for path, answer in (("/", about), ("/health", health), ("/ready", ready)):
        # As monitors ask. uvicorn leaves the body out.
        app.add_api_route(
            path, answer, methods=["HEAD"], include_in_schema=False, response_model=None
        )

    if leads_browsers:

        @app.get("/docs", include_in_schema=False, response_class=HTMLResponse)
        async def docs() -> str:
            return documentation(app.openapi(), graphql_path)


def documentation(openapi: dict[str, Any], graphql_path: str) -> str:
    """Return a page that lists the paths of an OpenAPI document; it needs no other file."""
    title, path = escape(openapi["info"]["title"]), escape(graphql_path)
    operations = "\n".join(
        f"<li><code>{method.upper()} {escape(name)}</code>: {escape(operation['summary'])}.</li>"
        for name, methods in openapi["paths"].items()
        for method, operation in methods.items()
    )
    return f"""<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>{title}</title></head>
<body>
<h1>{title}</h1>
<p>This is a GraphQL API: <a href="{path}">GraphiQL</a> shows its schema, and sends it requests.</p>
<ul>
{operations}
</ul>
<p><a href="/openapi.json">The same as an OpenAPI document</a></p>
</body>
</html>
"""
