"""Assistants: the protocol's own client, over HTTP, with somebody's token."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CallToolResult, TextContent

from tests.api import NO_CERTIFICATES, Caller, Server

ERAS = ("legacy", "2026-07-28")
"""How a client begins: with a handshake, or with none as from 2026-07-28 on."""


class Assistant:
    """A client that has connected, and calls tools."""

    def __init__(self, client: Client) -> None:
        self.client = client

    async def call(self, tool: str, **arguments: Any) -> CallToolResult:
        result = await self.client.call_tool(tool, arguments)
        assert isinstance(result, CallToolResult)
        return result

    async def data(self, tool: str, **arguments: Any) -> Any:
        """Return the data of a call that must succeed."""
        result = await self.call(tool, **arguments)
        assert not result.is_error, text_of(result)
        return result.structured_content

    async def refusal(self, tool: str, **arguments: Any) -> str:
        """Return what a call says that must fail."""
        result = await self.call(tool, **arguments)
        assert result.is_error, text_of(result)
        assert result.structured_content is None
        return text_of(result)


def text_of(result: CallToolResult) -> str:
    [content] = result.content
    assert isinstance(content, TextContent)
    return content.text


@asynccontextmanager
async def assistant_of(
    user: Caller, era: str = ERAS[0], transport: httpx2.AsyncBaseTransport | None = None
) -> AsyncIterator[Assistant]:
    """Connect an assistant that has a user's token."""
    authorization = {"Authorization": f"Bearer {user.token}"} if user.token else {}
    url = str(user.http.base_url.join("/mcp"))
    async with (
        httpx2.AsyncClient(
            headers=authorization, timeout=30, verify=NO_CERTIFICATES, transport=transport
        ) as http,
        Client(streamable_http_client(url, http_client=http), mode=era) as client,
    ):
        yield Assistant(client)


def message(server: Server, user: Caller, body: object, **headers: str) -> httpx2.Response:
    """Send one message of the protocol by hand."""
    given = {"Accept": "application/json, text/event-stream", **headers}
    return user.http.post("/mcp", json=body, headers=given)


def call_of(tool: str, **arguments: Any) -> dict[str, Any]:
    """Return the message that calls a tool."""
    params = {"name": tool, "arguments": arguments}
    return {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
