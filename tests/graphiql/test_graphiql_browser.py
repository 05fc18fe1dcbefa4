"""GraphiQL in a real browser: used as people use it, with nothing asked of anybody else."""

import base64
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Route, WebSocketRoute, expect

from app.development import DEMO_USER
from app.graphiql import files as graphiql_files
from app.graphiql.files import FILES, SCRIPT, STYLE, PackagedFile
from app.graphiql.packing import PARTS
from app.graphiql.page import CDN
from tests.api import Server
from tests.database.test_live import eventually, watchers
from tests.graphiql.visits import TOKEN_NOW, Open

BEGIN = """() => {
    const socket = new WebSocket(`ws://${location.host}/graphql`);
    socket.onopen = () => socket.send("");
}"""
"""Open a socket and send something."""


def packaged(folder: Path, file: PackagedFile) -> bytes:
    """Return a file as the package has it: a style's fonts and pictures are put into it again."""

    def put_in(match: re.Match[bytes]) -> bytes:
        name = match[1].decode()
        content = base64.b64encode((folder / name).read_bytes())
        return b"url(data:%s;base64,%s)" % (PARTS[name.rpartition(".")[2]].encode(), content)

    content = (folder / file.name).read_bytes()
    return re.sub(rb"url\(([0-9a-f]{16}\.\w+)\)", put_in, content) if file == STYLE else content


def test_on_the_embedded_database_everything_is_at_hand(
    open_graphiql: Open, development_server: Server, graphiql_folder: Path
) -> None:
    visit = open_graphiql(development_server)
    page = visit.page

    expect(page.locator(".graphiql-tab")).to_have_count(2)
    visit.run()
    visit.sees("Point your frontend at this server")
    visit.show("AddTask")
    visit.run()
    visit.sees('"title": "Water the plants"')
    page.locator(".graphiql-tab-active .graphiql-tab-close").click()
    visit.example("Add a task")
    visit.run()
    visit.sees('"title": "Water the plants"')
    visit.example("Edit a task")
    visit.run()
    visit.sees('"description": "Changed in GraphiQL"')
    visit.example("A conflict of two edits")
    visit.run()
    visit.sees('"current": {')
    visit.example("The next page")
    visit.run()
    visit.sees('"endCursor": "')
    visit.example("Follow live")
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
    visit.show("ListTasks")

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
    assert "todo-api:history" in kept
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
    visit.sees("No token yet", within=".bar")
    expect(visit.page.locator("#renew")).to_be_hidden()
    visit.run()
    visit.sees("UNAUTHENTICATED")
    visit.sees("(401). Sign in: send a valid token", within=".sentence")
    visit.complaints.clear()  # Of the answers 401.
    user = graphiql_server.user()
    user.create("Ada's")
    visit.page.locator(".sentence").get_by_role("button", name="Paste a token").click()
    visit.page.get_by_label("Token", exact=True).fill(str(user.token))
    visit.page.keyboard.press("Enter")
    visit.sees(f"{user.user_id}, until ", within=".bar")
    visit.run()
    visit.sees("Ada's")
    visit.show("AddTask")
    visit.run()
    visit.sees("Water the plants")
    assert str(user.token) not in str(visit.page.evaluate("JSON.stringify({...localStorage})"))
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
    assert "query ListTasks($first: Int) {" in text
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
    renew.click()
    page.wait_for_function(f"first => ({TOKEN_NOW.strip()}) !== first", arg=first)

    ada = development_server.token("ada", email="ada@example.com")
    visit.write("Headers", json.dumps({"Authorization": f"Bearer {ada}"}))
    visit.sees("ada@example.com, until ", within=".bar")
    visit.sees("(in 4 minutes)", within=".bar")
    expect(renew).to_be_hidden()

    # It is renewed before a run, by a request and by a socket.
    over = development_server.token("demo", timedelta(hours=-2), email="demo@example.com")
    for example, seen in {"See my tasks": '"nodes": [', "Follow live": '"title": "Told"'}.items():
        visit.example(example)
        visit.write("Headers", json.dumps({"Authorization": f"Bearer {over}"}))
        visit.sees("demo@example.com: the token expired on ", within=".bar")
        visit.sees("(2 hours ago)", within=".bar")
        visit.run()
        visit.sees("demo@example.com, until ", within=".bar")
        if example == "Follow live":
            eventually(lambda: watchers(development_server) > 0, True)
            time.sleep(0.3)
            development_server.bearer(development_server.token("demo")).create("Told")
        visit.sees(seen)
    expect(page.locator(".sentence")).to_have_count(0)
    assert visit.complaints == []

    # The other tabs had the token of the page.
    renewed = page.evaluate(TOKEN_NOW)
    visit.show("AddTask")
    page.wait_for_function(f"renewed => ({TOKEN_NOW.strip()}) === renewed", arg=renewed)


def test_one_acts_as_another_and_the_page_keeps_that(
    open_graphiql: Open, development_server: Server, graphiql_folder: Path
) -> None:
    grace, zoe = development_server.user("grace"), development_server.user("Zoë & Co")
    grace.create("Grace's alone")
    visit = open_graphiql(development_server)
    page = visit.page
    visit.open("Act as …").get_by_role("button", name="grace").click()
    visit.sees("grace, until ", within=".bar")
    visit.run()
    visit.sees("Grace's alone")
    page.reload()
    visit.sees("grace, until ", within=".bar")
    page.locator(".graphiql-execute-button").wait_for()
    expect(page.locator(".graphiql-tab")).to_have_count(2)

    visit.open("Act as …").get_by_label("Another name").fill(str(zoe.user_id))
    page.keyboard.press("Enter")
    visit.sees("Zoë & Co, until ", within=".bar")
    visit.run()
    visit.sees('"totalCount": 0')
    visit.open("Act as …").get_by_label("Another name").fill("x" * 256)
    page.keyboard.press("Enter")
    visit.sees("No token is made for this name.", within="#account")
    assert visit.complaints == []


def test_what_was_run_is_found_again_and_as_code(
    open_graphiql: Open, development_server: Server, graphiql_folder: Path
) -> None:
    visit = open_graphiql(development_server)
    page = visit.page
    visit.run()
    visit.sees('"nodes": [')
    visit.show("AddTask")
    visit.run()
    visit.sees('"createTask"')
    visit.write("Operation Editor", "query Wrong { nothing }")
    visit.run()
    visit.sees('"errors"')
    [complaint] = visit.complaints
    assert "400" in complaint
    token = page.evaluate(TOKEN_NOW)
    for text in ("Authorization", token, token.split(".")[2]):
        assert text not in page.evaluate("localStorage.getItem('todo-api:history')")

    panel = visit.open("History")
    runs = panel.get_by_role("listitem")
    expect(runs).to_contain_text(["Wrong", "AddTask", "ListTasks"])
    expect(runs.get_by_text("failed")).to_have_count(1)
    panel.get_by_role("button", name="Star ListTasks").click()
    panel.get_by_label("Search the history").fill("WATER the")
    expect(runs).to_contain_text(["AddTask"])
    panel.get_by_label("Search the history").fill("")
    panel.get_by_role("button", name="Clear all without a star").click()
    expect(runs).to_contain_text(["ListTasks"])
    # More than the last 50 are not kept, but for those with a star.
    page.evaluate(
        """() => {
            const run = { document: "{ me { id } }", at: 1, failed: false, starred: false };
            const many = Array.from({ length: 60 }, (_, at) => ({ ...run, variables: "{}" + at }));
            const runs = JSON.parse(localStorage.getItem("todo-api:history"));
            localStorage.setItem("todo-api:history", JSON.stringify([...many, ...runs]));
        }"""
    )
    panel.get_by_role("button", name=re.compile("^ListTasks")).click()
    visit.sees("query ListTasks", within=".graphiql-query-editor")
    visit.run()
    visit.sees('"nodes": [')
    kept = page.evaluate("JSON.parse(localStorage.getItem('todo-api:history')).length")
    assert kept == 51

    panel = visit.open("Snippet")
    for form, text in {"curl": "curl http://", "Python": "urlopen", "urql": "@urql/core"}.items():
        panel.get_by_label("This tab as").select_option(form)
        visit.sees(text, within="#snippet pre")
        visit.sees("Bearer $TOKEN", within="#snippet pre")
        visit.sees("query ListTasks", within="#snippet pre")
    assert token not in panel.inner_text()
    assert visit.complaints == [complaint]


@dataclass(frozen=True)
class Refusal:
    """An answer that the server gives seldom."""

    status: int
    error: Mapping[str, object]
    headers: Mapping[str, str]


def test_a_refusal_says_what_helps(
    open_graphiql: Open, development_server: Server, graphiql_folder: Path
) -> None:
    refusals: list[Refusal] = []

    def refuse(route: Route) -> None:
        if route.request.method == "POST" and refusals:
            refusal = refusals.pop()
            body = {"errors": [{"message": "No.", "extensions": refusal.error}]}
            route.fulfill(status=refusal.status, json=body, headers=dict(refusal.headers))
        else:
            route.fallback()

    visit = open_graphiql(development_server, prepare=lambda page: page.route("**/graphql", refuse))
    sentence = visit.page.locator(".sentence")

    reader = development_server.token("demo", scope="tasks:read")
    visit.show("AddTask")
    visit.write("Headers", json.dumps({"Authorization": f"Bearer {reader}"}))
    visit.run()
    visit.sees("(403): its scope lacks tasks:write.", within=".sentence")
    sentence.get_by_role("button", name="Renew, and run again").click()
    visit.sees('"createTask"')
    expect(sentence).to_have_count(0)

    visit.write("Headers", "{ Authorization: ")
    visit.run()
    visit.sees("Nothing was sent: the headers are invalid JSON", within=".sentence")
    sentence.get_by_role("button", name="Reset the headers").click()
    visit.run()
    expect(sentence).to_have_count(0)
    visit.sees('"createTask"')

    refusals.append(Refusal(403, {"code": "OPERATION_NOT_ALLOWED"}, {}))
    visit.run()
    visit.sees("no other documents than those", within=".sentence")
    expect(sentence.get_by_role("button")).to_be_hidden()

    refusals.append(Refusal(429, {"code": "RATE_LIMITED"}, {"retry-after": "2"}))
    visit.run()
    visit.sees("(429). Run again in 2 s.", within=".sentence")
    expect(sentence.get_by_role("button", name="Run again")).to_be_disabled()
    visit.sees("Run again now.", within=".sentence")
    sentence.get_by_role("button", name="Run again").click()
    visit.sees('"createTask"')
    expect(sentence).to_have_count(0)


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
    visit.example("Follow live")
    visit.write("Headers", '{"Authorization": "Bearer wrong"}')
    visit.run()
    visit.sees("The socket was closed (4403, Forbidden).", within=".sentence")
    visit.page.get_by_role("button", name="Renew, and run again").click()
    expect(visit.page.locator(".sentence")).to_have_count(0)
    visit.run()

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
