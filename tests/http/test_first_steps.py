"""What somebody meets who has just started the server, and how it differs in production."""

import logging
from collections.abc import Iterator

import pytest
from starlette.types import Scope

from app.http.origins import Origins
from tests.api import Server, running_server, settings_for
from tests.databases import folder_for_postgres
from tests.repository import ROOT
from tests.sockets import socket_to

SCHEMA = (ROOT / "schema.graphql").read_text()
BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
PREFLIGHT = {"Access-Control-Request-Method": "POST"}


@pytest.fixture(scope="module")
def embedded() -> Iterator[Server]:
    """The application with nothing configured."""
    with (
        folder_for_postgres() as folder,
        running_server(settings_for(None, better_auth_secret=None, data_dir=folder)) as server,
    ):
        yield server


@pytest.mark.parametrize(
    "origin", ["http://localhost:5173", "http://127.0.0.1:3001", "http://[::1]", "http://localhost"]
)
def test_on_the_embedded_database_pages_of_this_machine_may_call(
    embedded: Server, server: Server, origin: str
) -> None:
    asked = {"Origin": origin, **PREFLIGHT}
    answer = embedded.bearer(None).http.options("/graphql", headers=asked)
    assert answer.headers["access-control-allow-origin"] == origin
    with socket_to(embedded.url, origin=origin) as socket:
        assert socket.connection.subprotocol == "graphql-transport-ws"
    assert server.bearer(None).http.options("/graphql", headers=asked).status_code == 400


@pytest.mark.parametrize(
    "origin", ["https://localhost:1", "http://localhost.evil.example", "http://192.0.2.1", "null"]
)
def test_pages_of_other_machines_may_not(embedded: Server, origin: str) -> None:
    answer = embedded.bearer(None).http.options("/graphql", headers={"Origin": origin, **PREFLIGHT})
    assert answer.status_code == 400
    assert "access-control-allow-origin" not in answer.headers


def test_a_refused_origin_is_logged_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    now = 0.0
    origins = Origins(["http://localhost:3000"], clock=lambda: now)

    def ask(origin: str, host: bytes = b"api.example") -> bool:
        headers = [(b"host", host), (b"origin", origin.encode())]
        scope: Scope = {"type": "http", "headers": headers}
        return origins.allow(scope)

    with caplog.at_level(logging.WARNING):
        assert ask("http://localhost:3000")
        assert ask("http://10.0.0.7:8000", b"10.0.0.7:8000")
        assert ask("http://[::1]:8000", b"[::1]:8000")
        assert not ask("http://localhost:5173")
        now = 59.0
        assert not ask("http://localhost:5173")
        assert not ask("http://x\r\ny")
        now = 60.0
        assert not ask("http://localhost:5173")
    refused = "Refused a page of 'http://localhost:5173': it is not in CORS_ORIGINS."
    odd = r"Refused a page of 'http://x\r\ny': it is not in CORS_ORIGINS."
    again = f"{refused} (and once more since the line before)"
    assert [record.getMessage() for record in caplog.records] == [refused, odd, again]


def test_the_schema_is_a_file_that_this_machine_may_read(embedded: Server) -> None:
    stranger = embedded.bearer(None).http
    answer = stranger.get("/graphql/schema.graphql")
    assert answer.text == SCHEMA
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    known = {"If-None-Match": answer.headers["etag"]}
    assert stranger.get("/graphql/schema.graphql", headers=known).status_code == 304
    foreign = {"Host": "todo.example"}
    assert stranger.get("/graphql/schema.graphql", headers=foreign).status_code == 401


def test_with_a_database_the_schemas_file_needs_a_token_and_introspection(
    server: Server, graphiql_server: Server
) -> None:
    path = "/graphql/schema.graphql"
    assert server.user().http.get(path).status_code == 404
    refused = graphiql_server.bearer(None).http.get(path)
    assert refused.status_code == 401
    assert refused.headers["www-authenticate"] == "Bearer"
    assert graphiql_server.user().http.get(path).text == SCHEMA


def test_a_browser_is_led_to_graphiql_where_that_is_on(
    server: Server, graphiql_server: Server
) -> None:
    led = graphiql_server.bearer(None).http.get("/", headers=BROWSER, follow_redirects=False)
    assert (led.status_code, led.headers["location"]) == (307, "/graphql")
    assert graphiql_server.bearer(None).http.get("/").json()["graphql"] == "/graphql"
    assert server.bearer(None).http.get("/", headers=BROWSER).json()["graphql"] == "/graphql"
