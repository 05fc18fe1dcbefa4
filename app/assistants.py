"""What assistants are served by: loaded by its name where it is on, for its library takes long."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module
from importlib.metadata import version

from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp

from app.http.origins import Origins
from app.http.startup import FromState
from app.lifespan import Running
from app.operations.documents import Documents
from app.operations.execution import Executor
from app.operations.trusted import ManifestError, check_documents
from app.settings import MCP_PATH, Settings

STATE = "assistants"
"""The name in the lifespan's state."""


class Assistants:
    """What serves assistants, by what the settings say of it."""

    def __init__(self, settings: Settings, documents: Documents) -> None:
        """Exit with a sentence for each tool whose document goes beyond a limit."""
        self._timeout = settings.request_timeout
        self._endpoint = import_module("app.mcp.endpoint")
        tools = import_module("app.mcp.tools").TOOLS
        try:
            check_documents({name: tool.document for name, tool in tools.items()}, documents)
        except ManifestError as error:
            for sentence in error.sentences:
                sys.stderr.write(f"todo-api: {sentence}\n")
            sys.exit(2)
        module = import_module("app.mcp.metadata")
        self._well_known = module.WELL_KNOWN
        resource, issuer = settings.mcp_url, settings.issuer if settings.better_auth_url else None
        self._metadata = module.Metadata(resource, issuer) if resource and issuer else None

    @property
    def routes(self) -> list[BaseRoute]:
        found: list[BaseRoute] = [Route(MCP_PATH, FromState(STATE))]
        if self._metadata is not None:
            paths = (self._well_known, self._well_known + MCP_PATH)
            found += [Route(path, self._metadata.answer) for path in paths]
        return found

    @asynccontextmanager
    async def serving(
        self, running: Running, executor: Executor, origins: Origins
    ) -> AsyncIterator[ASGIApp]:
        """Yield the ASGI application that serves assistants, while it can."""
        async with self._endpoint.serving(
            running.get_context,
            executor,
            running.budget,
            origins,
            self._metadata,
            self._timeout,
            version("todo-api"),
        ) as endpoint:
            yield endpoint
