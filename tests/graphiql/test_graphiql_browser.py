"""GraphiQL in a real browser: used as people use it, with nothing asked of anybody else."""

import base64
import json
import re
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route, WebSocketRoute, expect

from app.development import DEMO_USER
from app.graphiql import files as graphiql_files
from app.graphiql.files import FILES, SCRIPT, STYLE, PackagedFile
from app.graphiql.packing import PARTS
from app.graphiql.page import CDN
from tests.api import Server
from tests.database.test_live import eventually, watchers

PATIENCE = 30_000
"""Milliseconds; enough for a busy machine."""

TOKEN_NOW = """
    monaco.editor.getModels()
        .find(({ uri }) => uri.path.endsWith("request-headers.json"))
        .getValue().match(/Bearer ([^"]*)/)[1]
"""
"""The token in the Headers pane, in the browser."""
BEGIN = """() => {
    const socket = new WebSocket(`ws://${location.host}/graphql`);
    socket.onopen = () => socket.send("");
}"""
"""Open a socket and send something."""

Open = Callable[..., "Visit"]


class Visit:
    """A page that somebody looks at, and all that it has asked for and complained of."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        self.asked: list[str] = []
        page.set_default_timeout(PATIENCE)
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self.asked.append(request.url))
        page.on("websocket", lambda socket: self.asked.append(socket.url))

    def _hear(self, message: object) -> None:
        kind, text = getattr(message, "type", ""), getattr(message, "text", "")
        if kind in ("error", "warning"):
            self.complaints.append(text)

    def origins(self) -> set[str]:
        urls = [url for url in self.asked if not url.startswith(("data:", "blob:"))]
        return {"/".join(url.replace("ws://", "http://").split("/")[:3]) for url in urls}

    def show(self, tab: str) -> None:
        self.page.locator(".graphiql-tab-button", has_text=tab).click()

    def run(self) -> None:
        # GraphiQL reads its editors 100 ms after they change; a page's timers keep their order.
        self.page.evaluate("new Promise(done => setTimeout(done, 200))")
        self.page.locator(".graphiql-execute-button").click()

    def write(self, pane: str, text: str) -> None:
        if pane == "Headers":
            self.page.get_by_role("button", name="Headers", exact=True).click()
        section = self.page.get_by_role("region", name=pane)
        section.locator(".view-lines:visible").click()
        self.page.keyboard.press("ControlOrMeta+A")
        self.page.keyboard.insert_text(text)
        # What the editor has closed of itself.
        self.page.keyboard.press("ControlOrMeta+Shift+End")
        self.page.keyboard.press("Delete")

    def sees(self, text: str, *, within: str = ".graphiql-response") -> None:
        expect(self.page.locator(within)).to_contain_text(text, timeout=PATIENCE)


def packaged(folder: Path, file: PackagedFile) -> bytes:
    """Return a file as the package has it: a style's fonts and pictures are put into it again."""

    def put_in(match: re.Match[bytes]) -> bytes:
        name = match[1].decode()
        content = base64.b64encode((folder / name).read_bytes())
        return b"url(data:%s;base64,%s)" % (PARTS[name.rpartition(".")[2]].encode(), content)

    content = (folder / file.name).read_bytes()
    return re.sub(rb"url\(([0-9a-f]{16}\.\w+)\)", put_in, content) if file == STYLE else content


@pytest.fixture
def open_graphiql(browser: Browser) -> Iterator[Open]:
    contexts = []

    def open_page(
        server: Server, *, width: int = 1400, prepare: Callable[[Page], object] = id
    ) -> Visit:
        context = browser.new_context(viewport={"width": width, "height": 1000})
        contexts.append(context)
        visit = Visit(context.new_page())
        prepare(visit.page)
        visit.page.goto(f"{server.url}/graphql")
        visit.page.locator(".graphiql-execute-button").wait_for()
        return visit

    yield open_page
    for context in contexts:
        context.close()


def test_on_the_embedded_database_everything_is_at_hand(
    open_graphiql: Open, development_server: Server, graphiql_folder: Path
) -> None:
    visit = open_graphiql(development_server)
    page = visit.page

    visit.run()
    visit.sees("Point your frontend at this server")
    visit.show("CreateTask")
    visit.run()
    visit.sees('"title": "Water the plants"')
    visit.show("UpdateTask")
    visit.run()
    visit.sees('"description": "Changed in GraphiQL"')
    visit.show("EditConflict")
    visit.run()
    visit.sees('"current": {')
    visit.show("PendingCount")
    visit.run()
    visit.sees('"totalCount"')
    visit.show("FollowChanges")
    visit.run()
    token = development_server.token(DEMO_USER)
    # Nobody's budget is counted there.
    limit = development_server.bearer(token).data("{ rateLimit { remaining } }")
    assert limit == {"rateLimit": None}
    eventually(lambda: watchers(development_server) > 0, True)
    time.sleep(0.3)
    development_server.bearer(token).create("Seen at once")
    visit.sees('"title": "Seen at once"')
    visit.run()
    visit.show("PendingCount")

    page.get_by_label("Show Documentation Explorer").click()
    visit.sees("Mutation", within=".graphiql-plugin")
    page.get_by_label("Show GraphiQL Explorer").click()
    page.locator(".graphiql-plugin").get_by_text("me", exact=True).click()
    page.locator(".graphiql-plugin").get_by_text("email", exact=True).click()
    visit.sees("email", within=".graphiql-query-editor")
    visit.run()
    visit.sees("demo@example.com")
    assert visit.complaints == []

    visit.write("Headers", '{"Authorization": "Bearer wrong"}')
    with page.expect_response("**/graphql") as refused:
        visit.run()
    assert refused.value.status == 401
    visit.sees("UNAUTHENTICATED")
    [complaint] = visit.complaints
    assert "401" in complaint

    # What was written is there again, and the token too, though the browser has not kept it.
    token = "eyJ"
    page.wait_for_function("localStorage.getItem('todo-api:graphiql:tabState')?.includes('email')")
    kept = str(page.evaluate("JSON.stringify([localStorage, sessionStorage, document.cookie])"))
    assert "EditConflict" in kept
    assert token not in kept
    assert "wrong" not in kept
    page.reload()
    visit.run()
    visit.sees("demo@example.com")
    assert visit.complaints == [complaint]
    assert page.url == f"{development_server.url}/graphql"
    assert visit.origins() == {development_server.url}


def test_with_a_database_one_brings_a_token(
    open_graphiql: Open, graphiql_server: Server, graphiql_folder: Path
) -> None:
    visit = open_graphiql(graphiql_server)
    visit.sees("No token: put one into the Headers pane.", within=".bar")
    expect(visit.page.locator("#renew")).to_be_hidden()
    visit.run()
    visit.sees("UNAUTHENTICATED")
    visit.sees("(401). Sign in: send a valid token", within=".sentence")
    visit.complaints.clear()  # Of the answers 401.
    user = graphiql_server.user()
    user.create("Ada's")
    visit.write("Headers", json.dumps({"Authorization": f"Bearer {user.token}"}))
    visit.page.get_by_label("Re-fetch GraphQL schema").click()
    visit.run()
    visit.sees("Ada's")
    expect(visit.page.locator(".sentence")).to_have_count(0)
    visit.page.get_by_label("Show Documentation Explorer").click()
    visit.sees("Mutation", within=".graphiql-plugin")
    assert visit.complaints == []
    assert visit.origins() == {graphiql_server.url}


def test_on_a_phone_all_of_it_can_be_reached(
    open_graphiql: Open, development_server: Server, graphiql_folder: Path
) -> None:
    visit = open_graphiql(development_server, width=390)
    page = visit.page
    visit.run()
    visit.sees('"nodes": [')
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    result = page.locator(".graphiql-response").bounding_box()
    assert result is not None
    assert result["width"] > 300
    page.get_by_label("Show Documentation Explorer").click()
    visit.sees("Mutation", within=".graphiql-plugin")
    page.get_by_label("Hide Documentation Explorer").click()
    visit.run()
    assert visit.complaints == []


def test_files_that_this_server_has_not_come_from_elsewhere_and_are_checked(
    open_graphiql: Open,
    development_server: Server,
    graphiql_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(graphiql_files, "folder", lambda: tmp_path / "nothing")
    altered: set[str] = set()

    def answer(route: Route) -> None:
        file = FILES[route.request.url.removeprefix(CDN)]
        content = packaged(graphiql_folder, file)
        route.fulfill(
            body=content + b" " if file.path in altered else content,
            content_type=file.media_type,
            headers={"access-control-allow-origin": "*"},
        )

    visit = open_graphiql(development_server, prepare=lambda page: page.route(f"{CDN}**", answer))
    visit.run()
    visit.sees("totalCount")
    visit.page.get_by_label("Show GraphiQL Explorer").click()
    # The editor's worker marks what does not fit the schema.
    visit.write("Operation Editor", "{ nothing }")
    visit.page.locator(".squiggly-error").first.wait_for()
    assert visit.complaints == []
    assert {url for url in visit.asked if url.startswith(CDN)} == {CDN + path for path in FILES}

    altered |= set(FILES)
    visit.page.reload()
    visit.sees("could not be loaded", within="#graphiql")


def test_the_page_is_seen_before_the_editor_has_come(
    open_graphiql: Open, development_server: Server, graphiql_folder: Path
) -> None:
    seen = []

    def wait(route: Route) -> None:
        page = route.request.frame.page
        page.get_by_text("demo@example.com, until ").wait_for()
        seen.append(page.locator("body").inner_text())
        route.continue_()

    visit = open_graphiql(
        development_server, prepare=lambda page: page.route(f"**/{SCRIPT.path}", wait)
    )
    [text] = seen
    assert "Loading the editor …" in text
    assert "query ListTasks($first: Int, $after: String) {" in text
    visit.run()
    visit.sees("totalCount")
    assert "Loading" not in visit.page.locator("body").inner_text()
    fonts = {url for url in visit.asked if url.endswith(("woff2", "woff", "ttf"))}
    assert 0 < len(fonts) < 8
    assert visit.complaints == []


def test_the_bar_says_whose_token_it_is_and_renews_it(
    open_graphiql: Open, development_server: Server, graphiql_folder: Path
) -> None:
    visit = open_graphiql(development_server)
    page, renew = visit.page, visit.page.locator("#renew")
    visit.sees("demo@example.com, until ", within=".bar")
    visit.sees("(in 6 days)", within=".bar")
    first = page.evaluate(TOKEN_NOW)

    ada = development_server.token("ada", email="ada@example.com")
    visit.write("Headers", json.dumps({"Authorization": f"Bearer {ada}"}))
    visit.sees("ada@example.com, until ", within=".bar")
    visit.sees("(in 4 minutes)", within=".bar")
    expect(renew).to_be_hidden()

    over = development_server.token("demo", timedelta(hours=-2), email="demo@example.com")
    visit.write("Headers", json.dumps({"Authorization": f"Bearer {over}"}))
    visit.sees("demo@example.com: the token expired on ", within=".bar")
    visit.sees("(2 hours ago)", within=".bar")
    visit.run()
    visit.sees("(401). The token expired at ", within=".sentence")
    visit.sees("Renew it above.", within=".sentence")
    renew.click()
    visit.sees("demo@example.com, until ", within=".bar")
    visit.run()
    visit.sees('"nodes": [')
    expect(page.locator(".sentence")).to_have_count(0)
    renewed = page.evaluate(TOKEN_NOW)
    assert renewed not in {first, over}

    # The other tabs had the token of the page.
    visit.show("CreateTask")
    page.wait_for_function(f"renewed => ({TOKEN_NOW.strip()}) === renewed", arg=renewed)


def test_a_closed_socket_says_why_above_the_answer(
    open_graphiql: Open, development_server: Server, graphiql_folder: Path
) -> None:
    codes: list[int] = []

    def close(route: WebSocketRoute) -> None:
        if codes:
            route.on_message(lambda _: route.close(code=codes[0]))
        else:
            route.connect_to_server()

    visit = open_graphiql(
        development_server, prepare=lambda page: page.route_web_socket("**/graphql", close)
    )
    visit.show("FollowChanges")
    visit.write("Headers", '{"Authorization": "Bearer wrong"}')
    visit.run()
    visit.sees("The socket was closed (4403, Forbidden).", within=".sentence")
    visit.sees("Renew it above.", within=".sentence")
    visit.page.locator("#renew").click()

    for code, words in {
        1006: "The connection broke",
        1009: "A message was too big.",
        1011: "The server failed.",
        1012: "The server restarts.",
        1013: "The server can do no more for now",
        4400: "did not understand a message",
        4401: "before the connection was begun",
        4408: "was not begun in time",
        4409: "with the same id is running",
        4429: "was begun twice",
    }.items():
        codes[:] = [code]
        visit.page.evaluate(BEGIN)
        visit.sees(words, within=".sentence")
        visit.sees(f"({code})", within=".sentence")
    codes.clear()
    visit.page.evaluate(
        "void new WebSocket(`ws://${location.host}/graphql`, 'graphql-transport-ws')"
    )
    expect(visit.page.locator(".sentence")).to_have_count(0)
