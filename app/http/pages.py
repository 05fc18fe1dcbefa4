"""The pages beside GraphQL: what this is, whether it is alive, whether it is ready."""

from collections.abc import Callable
from typing import Protocol

from fastapi import FastAPI, Request, Response
from pydantic import BaseModel
from starlette.responses import RedirectResponse

from app.http.request import accepts_html
from models.database import DatabaseUnavailable


class About(BaseModel):
    """What this is."""

    name: str
    version: str
    graphql: str


class Health(BaseModel):
    """How the server is."""

    status: str


class MigratedDatabase(Protocol):
    """A database that knows which migration it is at."""

    async def revision(self) -> str | None:
        """Return the migration; None when there has been none.

        Raises:
            DatabaseUnavailable: the database cannot be reached.
        """
        ...


def add_pages(
    app: FastAPI, graphql_path: str, newest_revision: Callable[[], str], *, leads_browsers: bool
) -> None:
    """Add the routes `/`, `/health` and `/ready`.

    `/ready` takes the database from ASGI's lifespan state: `running.database`. `leads_browsers`:
    whether a browser at `/` is redirected to GraphQL, where there is a page for it.
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
        summary="Whether requests can be served: the database reached, its migrations current",
        responses={503: {"model": Health, "description": "Not now."}},
    )
    async def ready(request: Request, response: Response) -> Health:
        database: MigratedDatabase = request.state.running.database
        try:
            revision = await database.revision()
        except DatabaseUnavailable as error:
            response.status_code = 503
            return Health(status=str(error))
        # Newer code may have migrated the database: it still fits this one.
        if revision is None or revision < newest_revision():
            response.status_code = 503
            return Health(status="The database is not migrated: run `todo-api migrate`.")
        return Health(status="ok")
