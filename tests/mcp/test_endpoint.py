"""The protocol over HTTP: who may ask, for how much, and what becomes of a call that is cut off."""

import asyncio
import json
import logging
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from mcp.shared.exceptions import MCPError

from app.factory import create_app
from app.mcp.tools import TOOLS
from auth.signing import make_token
from models.user import UserId
from tests.api import SECRET, Caller, Server, nonempty, running_server, settings_for
from tests.databases import Database
from tests.locks import held_turn, until_waiting
from tests.mcp.clients import ERAS, assistant_of, call_of, message
from tests.repository import ROOT

PUBLIC, AUTH = "https://api.example.com/todo", "https://auth.example.com"
RESOURCE = f"{PUBLIC}/mcp"
METADATA = "https://api.example.com/.well-known/oauth-protected-resource/todo/mcp"
LIST = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
LIMIT = 600


@pytest.fixture(scope="module")
def protected(database: Database) -> Iterator[Server]:
    """A server that knows its own address and Better Auth's, with a budget."""
    settings = settings_for(
        database.server_url,
        mcp=True,
        public_url=PUBLIC,
        better_auth_url=AUTH,
        rate_limit=LIMIT,
        cors_origins=["https://app.example.com"],
    )
    with running_server(settings) as running:
        yield running


@pytest.fixture(scope="module")
def impatient(database: Database) -> Iterator[Server]:
    with running_server(settings_for(database.server_url, mcp=True, request_timeout=2)) as running:
        yield running


def test_nobody_is_served_and_nothing_is_imported_where_it_is_off(server: Server) -> None:
    assert message(server, server.user(), LIST).status_code == 404
    assert server.bearer(None).http.get("/.well-known/oauth-protected-resource").status_code == 404
    code = (
        "import sys; from app.factory import create_app; from app.settings import Settings; "
        f"create_app(Settings(_env_file=None, better_auth_secret={SECRET!r})); "
        "print(sorted({'mcp', 'mcp_types', 'jsonschema', 'app.mcp'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr


def test_tools_whose_documents_go_beyond_a_limit_are_told_at_the_start(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        create_app(settings_for(None, mcp=True, graphql_max_tokens=20))
    first, *others = capsys.readouterr().err.splitlines()
    assert first.startswith("todo-api: McpFindTasks (find_tasks) cannot be served: ")
    assert len(others) == len(TOOLS) - 1


def test_who_has_no_token_is_led_to_where_there_are_some(protected: Server) -> None:
    nobody = protected.bearer(None)
    for caller, error in nonempty(
        [(nobody, ""), (protected.bearer("nonsense"), 'error="invalid_token", ')]
    ):
        answer = message(protected, caller, LIST)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == (
            f'Bearer {error}resource_metadata="{METADATA}", scope="tasks:read tasks:write"'
        )
        assert answer.json()["error"]["data"]["code"] == "UNAUTHENTICATED"
    for path in ("", "/mcp"):
        answer = nobody.http.get(f"/.well-known/oauth-protected-resource{path}")
        assert answer.headers["access-control-allow-origin"] == "*"
        assert answer.json() == {
            "resource": RESOURCE,
            "resource_name": "Todo API",
            "authorization_servers": [AUTH],
            "scopes_supported": ["tasks:read", "tasks:write"],
            "bearer_methods_supported": ["header"],
        }


def test_without_an_address_nothing_is_told_of_it(door: Server) -> None:
    nobody = door.bearer(None)
    assert message(door, nobody, LIST).headers["www-authenticate"] == "Bearer"
    assert nobody.http.get("/.well-known/oauth-protected-resource/mcp").status_code == 404


def test_a_token_for_this_resource_is_taken_and_one_for_another_is_not(protected: Server) -> None:
    def status(audience: str) -> int:
        lifetime = timedelta(minutes=5)
        token = make_token(SECRET, user_id="ada", lifetime=lifetime, issuer=AUTH, audience=audience)
        return message(protected, protected.bearer(token), LIST).status_code

    assert [status(each) for each in (AUTH, RESOURCE, f"{RESOURCE}/")] == [200] * 3
    assert status("https://other.example.com/mcp") == 401


@pytest.mark.parametrize("era", ERAS)
def test_a_scope_that_is_missing_is_told_to_clients_that_can_ask_for_it(
    protected: Server, era: str
) -> None:
    headers, body = {}, call_of("add_list", name="x")
    if era != ERAS[0]:
        headers = {
            "Mcp-Protocol-Version": era,
            "Mcp-Method": "tools/call",
            "Mcp-Name": "add_list",
        }
        body["params"]["_meta"] = {
            "io.modelcontextprotocol/protocolVersion": era,
            "io.modelcontextprotocol/clientCapabilities": {},
        }
    answer = message(protected, protected.user(scope="tasks:read"), body, **headers)
    assert answer.status_code == 403, answer.text
    assert answer.headers["www-authenticate"] == (
        f'Bearer error="insufficient_scope", scope="tasks:write", resource_metadata="{METADATA}"'
    )
    assert answer.json()["id"] == 1


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_there_is_no_stream_to_listen_to_and_no_session_to_end(door: Server, method: str) -> None:
    answer = door.user().http.request(method, "/mcp", headers={"Accept": "text/event-stream"})
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


def test_pages_of_other_origins_are_refused(protected: Server) -> None:
    user = protected.user()
    own = str(user.http.base_url).rstrip("/")
    statuses = {
        origin: message(protected, user, LIST, Origin=origin).status_code
        for origin in ("https://app.example.com", own, "https://evil.example", "null", "")
    }
    assert list(statuses.values()) == [200, 200, 403, 403, 403]
    # A name that was led to this machine is no proof of anything.
    rebound = message(protected, user, LIST, Origin="http://evil.example", Host="evil.example")
    assert rebound.status_code == 403


def test_bodies_are_bounded_in_size(protected: Server) -> None:
    user = protected.user()
    assert message(protected, user, call_of("find_tasks", search="x" * 102_000)).status_code == 200
    answer = message(protected, user, call_of("find_tasks", search="x" * 102_400))
    assert (answer.status_code, answer.json()["error"]["data"]["code"]) == (
        413,
        "PAYLOAD_TOO_LARGE",
    )
    assert message(protected, user, [LIST]).status_code == 400


def test_bodies_are_bounded_in_time(impatient: Server) -> None:
    def slowly() -> Iterator[bytes]:
        yield b"{"
        time.sleep(2.5)
        yield b"}"

    user, headers = impatient.user(), {"Content-Type": "application/json"}
    assert user.http.post("/mcp", content=slowly(), headers=headers).status_code == 408


async def test_a_budget_that_is_spent_is_an_error_with_seconds(protected: Server) -> None:
    user = protected.user()
    tasks = [{"title": "x"}] * 100
    async with assistant_of(user) as assistant:
        await assistant.data("add_tasks", tasks=tasks)
        said = await assistant.refusal("add_tasks", tasks=tasks)
        assert said.startswith(f"Of {LIMIT} points a minute fewer than 500 are left: try again in")
        assert said.endswith("seconds.")
        # What runs no document costs a point, too.
        assert protected.running.budget is not None
        protected.running.budget.take(UserId(str(user.user_id)), LIMIT)
        with pytest.raises(MCPError, match="fewer than 1 are left: try again in"):
            await assistant.client.list_tools()


async def test_a_call_that_takes_too_long_says_by_which_name_it_can_be_sent_again(
    impatient: Server, database: Database
) -> None:
    user = impatient.user()
    assert user.data("{ me { id } }")
    new: dict[str, Any] = {"tasks": [{"title": "once"}]}
    async with assistant_of(user) as assistant:
        with held_turn(database, user.user_id):
            said = await assistant.refusal("add_tasks", **new)
        assert said.startswith("It took longer than 2 seconds.\nTo be sure, call again with")
        key = json.loads(said.split("actionKey ")[1].split(":")[0])
        await assistant.data("add_tasks", actionKey=key, **new)
        await assistant.data("add_tasks", actionKey=key, **new)
    assert user.titles() == ["once"]


async def test_a_connection_that_is_cut_amid_a_call_does_it_once(
    door: Server, database: Database
) -> None:
    user = door.user()
    assert user.data("{ me { id } }")
    new = {"tasks": [{"title": "once"}], "actionKey": "cut"}
    body = json.dumps(call_of("add_tasks", **new)).encode()
    head = (
        f"POST /mcp HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {user.token}\r\n"
        "Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    with (
        held_turn(database, user.user_id) as holder,
        # The client is gone before there is an answer.
        socket.create_connection(("127.0.0.1", user.http.base_url.port)) as connection,
    ):
        connection.sendall(head.encode() + body)
        await asyncio.to_thread(until_waiting, database, holder)
    async with assistant_of(user) as assistant:
        assert [task["title"] for task in (await assistant.data("add_tasks", **new))["tasks"]] == [
            "once"
        ]
    assert user.titles() == ["once"]


class Alternating(httpx2.AsyncHTTPTransport):
    """Sends each request to another server than the one before."""

    def __init__(self, *servers: Server) -> None:
        super().__init__()
        self._ports = [httpx2.URL(server.url).port for server in servers]
        self.sent: list[int | None] = []

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        port = self._ports[len(self.sent) % len(self._ports)]
        self.sent.append(port)
        request.url = request.url.copy_with(port=port)
        return await super().handle_async_request(request)


@pytest.mark.parametrize("era", ERAS)
async def test_any_of_several_workers_answers_any_message(
    door: Server, protected: Server, era: str
) -> None:
    # Both take the token: where no audience is asked for, none is looked at.
    user = protected.user()
    transport = Alternating(door, protected)
    async with assistant_of(user, era, transport=transport) as assistant:
        added = await assistant.data("add_tasks", tasks=[{"title": "x"}], actionKey="k")
        for _ in range(2):
            assert await assistant.data("add_tasks", tasks=[{"title": "x"}], actionKey="k") == added
            assert (await assistant.data("find_tasks"))["totalCount"] == 1
    assert len(set(transport.sent)) == 2


def request_lines(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    return [line.__dict__["values"] for line in caplog.records if "values" in line.__dict__]


async def test_calls_are_in_the_log_as_operations_are(
    door: Server, caplog: pytest.LogCaptureFixture
) -> None:
    user = door.user()
    with caplog.at_level(logging.INFO):
        async with assistant_of(user) as assistant:
            await assistant.data("add_tasks", tasks=[{"title": "secret"}])
            await assistant.call("get_task")
        async with asyncio.timeout(10):
            while len(lines := request_lines(caplog)) < 4:
                await asyncio.sleep(0.05)
    told = [(line.get("op"), line.get("code")) for line in lines if line["path"] == "/mcp"]
    assert ("McpAddTasks", None) in told
    assert (None, "BAD_USER_INPUT") in told
    assert len({line["user"] for line in lines}) == 1
    assert "secret" not in str(lines)


async def test_many_calls_at_once_are_answered_each_to_its_own(door: Server) -> None:
    users = [door.user() for _ in range(4)]

    async def add_and_find(user: Caller) -> None:
        async with assistant_of(user) as assistant:
            await asyncio.gather(
                *(assistant.data("add_tasks", tasks=[{"title": str(user.user_id)}]) for _ in "123")
            )
            found = await assistant.data("find_tasks")
            assert [task["title"] for task in found["tasks"]] == [user.user_id] * 3

    await asyncio.gather(*map(add_and_find, users))
