"""GraphiQL's page over HTTP: what it names, what it gives away, and to whom."""

import gzip
import http.client
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import jwt
import pytest
from starlette.requests import Request

from app.factory import make_graphiql
from app.graphiql.files import EDITION, FILES, STYLE
from app.graphiql.page import OWN_FILES, GraphiQL
from tests.api import NO_CERTIFICATES, Server, nonempty, settings_for

HTML = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "font-src 'self' data:; img-src 'self' data:; connect-src 'self'; worker-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class Scripts(HTMLParser):
    """The script elements of a page, and whatever else could run."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.sources: list[str] = []
        self.configuration = ""
        self.inline: list[object] = []
        self._type: str | None = None
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        self._type = attributes.get("type") if tag == "script" else None
        if tag == "script" and "src" in attributes:
            self.sources.append(str(attributes["src"]))
        elif tag == "script" and self._type != "application/json":
            self.inline.append(attributes)
        self.inline += [name for name in attributes if name.startswith("on") or name == "style"]

    def handle_data(self, data: str) -> None:
        if self._type == "application/json":
            self.configuration += data

    def handle_endtag(self, tag: str) -> None:
        self._type = None


def page_of(server: Server, **headers: str) -> httpx2.Response:
    return httpx2.get(
        f"{server.url}/graphql", headers={**HTML, **headers}, timeout=30, verify=NO_CERTIFICATES
    )


def configuration_of(page: httpx2.Response) -> Any:
    return json.loads(Scripts(page.text).configuration)


def status_of(server: Server, path: str) -> int:
    """Return the status of a path that is sent as it is, dots and all."""
    address = urlsplit(server.url)
    connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=30)
    try:
        connection.request("GET", path, headers=HTML)
        return connection.getresponse().status
    finally:
        connection.close()


def test_the_page_runs_no_script_but_files_of_this_server(
    graphiql_server: Server, graphiql_folder: Path
) -> None:
    page = page_of(graphiql_server)
    assert page.headers["content-security-policy"] == POLICY
    assert page.headers["cache-control"] == "no-store"
    scripts = Scripts(page.text)
    assert len(scripts.sources) == 2
    assert all(source.startswith("/graphql/assets/") for source in scripts.sources)
    assert scripts.inline == []
    assert "https:" not in page.text


def test_what_the_page_names_is_there_and_is_kept_for_long(
    graphiql_server: Server, graphiql_folder: Path
) -> None:
    page = page_of(graphiql_server).text
    kinds = {
        "js": "text/javascript",
        "css": "text/css",
        "svg": "image/svg+xml",
        "json": "application/json",
    }
    named = set(re.findall(r'"(/graphql/assets/[^"]+)"', page))
    base = str(configuration_of(page_of(graphiql_server))["examples"]).rpartition("/")[0]
    # What the page's programs ask for by themselves.
    later = ("accessible.js", "examples.js", "history-panel.js", "panels.js", "snippets.js")
    named |= {f"{base}/{name}" for name in later}
    assert len(named) == len(OWN_FILES) + len(FILES)
    for path in named:
        file = graphiql_server.bearer(None).http.get(path)
        assert file.status_code == 200
        media_type = kinds[path.rpartition(".")[2]]
        assert file.headers["content-type"].partition(";")[0] == media_type
        assert file.headers["cache-control"] == "public, max-age=31536000, immutable"


def test_what_is_seen_first_is_small_and_waits_for_no_style(graphiql_server: Server) -> None:
    page = page_of(graphiql_server).text
    assert 'rel="stylesheet"' not in page
    own = set(re.findall(r'"(/graphql/assets/[0-9a-f]{12}/[^"]+)"', page))
    texts = [graphiql_server.bearer(None).http.get(path).text for path in nonempty(own)]
    assert sum(len(gzip.compress(text.encode())) for text in [page, *texts]) < 15_000


def test_no_other_file_is_served(graphiql_server: Server, graphiql_folder: Path) -> None:
    own = str(configuration_of(page_of(graphiql_server))["examples"]).rpartition("/")[0]
    local = f"/graphql/assets/{EDITION}"
    assert status_of(graphiql_server, f"{local}/{STYLE.path}") == 200
    for base in (own, local, "/graphql/assets"):
        for path in (
            "",
            "package.json",
            "dist/../dist/graphiql.css",
            "../../app/factory.py",
            "..%2f..%2fapp%2ffactory.py",
            "%2e%2e/%2e%2e/app/factory.py",
            "..%5c..%5capp%5cfactory.py",
            "//etc/passwd",
            "%2fetc%2fpasswd",
            "graphiql.html",
            "graphiql.css%00",
            "dist/graphiql.css.br",
            "dist/0123456789abcdef.woff2",
        ):
            assert status_of(graphiql_server, f"{base}/{path}") == 404, (base, path)


def test_where_graphiql_is_off_there_is_none_of_it(server: Server, graphiql_folder: Path) -> None:
    assert page_of(server).status_code == 401
    assert status_of(server, f"/graphql/assets/{EDITION}/{STYLE.path}") == 404


def test_the_development_token_is_in_the_page_and_works(development_server: Server) -> None:
    token = configuration_of(page_of(development_server))["token"]
    assert development_server.bearer(token).data("{ me { id } }") == {"me": {"id": "demo"}}


def test_with_a_database_there_is_no_token_in_the_page(graphiql_server: Server) -> None:
    page = page_of(graphiql_server)
    assert configuration_of(page)["token"] is None
    assert "eyJ" not in page.text


def test_a_site_that_points_its_name_at_this_machine_gets_no_token(
    development_server: Server,
) -> None:
    page = page_of(development_server, Host="evil.example:8000")
    assert page.status_code == 200
    assert configuration_of(page)["token"] is None


def request_from(client: str | None, host: str, query: str = "") -> Request:
    scope = {
        "type": "http",
        "method": "GET",
        "scheme": "http",
        "path": "/graphql",
        "query_string": query.encode(),
        "headers": [(b"host", host.encode())],
        "client": client and (client, 5000),
    }
    return Request(scope)


@pytest.mark.parametrize(
    ("client", "host", "has_token"),
    [
        ("127.0.0.1", "127.0.0.1:8000", True),
        ("127.0.0.1", "localhost:3000", True),
        ("::1", "[::1]:8000", True),
        ("192.0.2.7", "localhost:8000", False),
        ("127.0.0.1", "localhost.evil.example", False),
        ("127.0.0.1", "evil_site.example", False),
        ("127.0.0.1", "localhost@evil.example", False),
        ("127.0.0.1", "", False),
        ("not an address", "localhost", False),
        (None, "localhost", False),
    ],
)
async def test_only_this_machine_is_given_the_token(
    client: str | None, host: str, has_token: bool
) -> None:
    settings = settings_for(None)
    response = await make_graphiql(settings).page(request_from(client, host))
    token = json.loads(Scripts(bytes(response.body).decode()).configuration)["token"]
    assert (token is not None) is has_token


async def token_in(request: Request) -> str | None:
    response = await make_graphiql(settings_for(None)).page(request)
    token: str | None = json.loads(Scripts(bytes(response.body).decode()).configuration)["token"]
    return token


async def test_the_page_acts_as_whoever_is_named_on_this_machine_alone() -> None:
    for query, name in {"as=ada": "ada", "as=Zo%C3%AB+%26+Co": "Zoë & Co", "": "demo"}.items():
        token = await token_in(request_from("127.0.0.1", "localhost", query))
        assert token is not None
        assert jwt.decode(token, options={"verify_signature": False})["sub"] == name
        assert await token_in(request_from("192.0.2.7", "localhost", query)) is None
        assert await token_in(request_from("127.0.0.1", "evil.example", query)) is None


@pytest.mark.parametrize("name", ["", "%00", "a" * 256])
async def test_there_is_no_token_for_what_is_no_name(name: str) -> None:
    assert await token_in(request_from("127.0.0.1", "localhost", f"as={name}")) is None


async def test_a_script_of_another_page_gets_no_token() -> None:
    request = request_from("127.0.0.1", "localhost")
    request.scope["headers"].append((b"origin", b"http://localhost:5173"))
    response = await make_graphiql(settings_for(None)).page(request)
    assert json.loads(Scripts(bytes(response.body).decode()).configuration)["token"] is None


@pytest.mark.parametrize(
    "header", ["forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-real-ip"]
)
async def test_a_proxy_on_this_machine_gets_no_token(header: str) -> None:
    request = request_from("127.0.0.1", "localhost")
    request.scope["headers"].append((header.encode(), b"for=203.0.113.7"))
    response = await make_graphiql(settings_for(None)).page(request)
    assert json.loads(Scripts(bytes(response.body).decode()).configuration)["token"] is None


async def test_nothing_that_is_put_into_the_page_ends_its_element() -> None:
    token = "</script><script>alert(1)</script><!-- $own &quot;"
    page = GraphiQL("/graphql", lambda _: token)
    response = await page.page(request_from("127.0.0.1", "localhost"))
    scripts = Scripts(bytes(response.body).decode())
    assert scripts.inline == []
    assert json.loads(scripts.configuration)["token"] == token
