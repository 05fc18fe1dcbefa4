"""The pages for frontends: what each says is done in an empty folder, and seen in a browser."""

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Route, WebSocketRoute, expect

from tests.api import Caller, Server
from tests.repository import ROOT

MODULES = Path(__file__).parent / "pages" / "node_modules"
"""What the pages have npm install, and what makes an empty project: once for all of them."""

PAGES = ("react-urql", "react-apollo", "relay", "vue", "svelte")
API = "http://127.0.0.1:8000"
PATIENCE = 20_000
"""Milliseconds; enough for a busy machine."""

SHORT_WAITS = """
const wait = setTimeout;
const shortened = (time) => (time > 400 && time < 15_000 && time !== 10_000 ? 20 : time);
setTimeout = (then, time, ...rest) => wait(then, shortened(time), ...rest);
"""
"""A script: what waits a second or some to be sent again does not wait."""

pytestmark = pytest.mark.skipif(
    shutil.which("node") is None or not MODULES.exists(),
    reason="needs Node: npm ci --prefix tests/clients/pages",
)


def text_of(page: str) -> str:
    return (ROOT / "docs" / f"{page}.md").read_text()


def typed(page: str, command: str) -> list[list[str]]:
    """Return what follows a command where the page says to type it."""
    found = re.findall(rf"(?:^|`){command} ([^`\n]+)", text_of(page), re.MULTILINE)
    return [words.split() for words in found]


def write_blocks(page: str, folder: Path) -> None:
    """Write each block of the page whose first line names a file."""
    blocks = r"^```\w+\n((?://|#|<!--) (\S+\.\w+).*\n[\s\S]*?)^```"
    for block, path in re.findall(blocks, text_of(page), re.MULTILINE):
        (folder / path).write_text(block)


def run(project: Path, *command: str) -> None:
    done = subprocess.run(
        command, cwd=project, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert done.returncode == 0, done.stdout


def install(project: Path) -> None:
    """Do as npm would, with what is there: TypeScript in the version that the project asks for."""
    wanted = json.loads((project / "package.json").read_text())["devDependencies"]["typescript"]
    modules = project / "node_modules"
    modules.mkdir()
    for package in MODULES.iterdir():
        if package.name not in (".bin", "typescript"):
            (modules / package.name).symlink_to(package)
    newest = MODULES / "typescript-7"
    (modules / "typescript").symlink_to(newest if "7." in wanted else MODULES / "typescript")
    shutil.copytree(MODULES / ".bin", modules / ".bin", symlinks=True)


def make(page: str, folder: Path, server: Server, user: Caller) -> Path:
    """Do what the page says, and return the project, built."""
    ((_, name, _, *options),) = typed(page, "npm create")
    run(folder, "node", str(MODULES / "create-vite" / "index.js"), name, *options)
    project = folder / name
    install(project)
    for copied, to in typed(page, "cp"):
        for file in ROOT.glob(copied.removeprefix("../todo-api/")):
            shutil.copy(file, project / to)
    write_blocks(page, project)
    for file in (project / "codegen.ts", project / "src" / "token.ts"):
        if file.exists():
            file.write_text(file.read_text().replace(API, server.url))
    (project / ".env.local").write_text(f"VITE_TOKEN={user.token}\n")
    for words in typed(page, "npm pkg"):
        run(project, "npm", "pkg", *words)
    for words in typed(page, "curl"):
        run(project, "curl", "--silent", *(word.replace(API, server.url) for word in words))
    for words in typed(page, "npx"):
        run(project, "npx", *words)
    for script in ("check", "build"):
        run(project, "npm", "run", script, "--if-present")
    return project


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a built page, and yield its address."""

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=folder)) as files:
        thread = threading.Thread(target=files.serve_forever)
        thread.start()
        try:
            yield f"http://localhost:{files.server_port}"
        finally:
            files.shutdown()
            thread.join()


class Tab:
    """The page in a browser, and what it has complained of."""

    def __init__(self, page: Page, server: Server) -> None:
        self.page = page
        self.complaints: list[str] = []
        self.failures: list[tuple[int, str]] = []
        """What the next changes are answered with, a status and a body; 0 is no answer at all."""
        page.set_default_timeout(PATIENCE)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", self._hear)
        page.add_init_script(SHORT_WAITS)
        page.route(f"{server.url}/graphql", self._answer)
        page.route_web_socket("**/graphql", self._open)

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and "Failed to load resource" not in message.text:
            self.complaints.append(message.text)

    def _answer(self, route: Route) -> None:
        if "mutation" not in (route.request.post_data or "") or not self.failures:
            return route.continue_()
        status, body = self.failures.pop(0)
        if not status:
            route.fetch()
            return route.abort()
        headers = {"Access-Control-Allow-Origin": "*", "Content-Type": "application/json"}
        return route.fulfill(status=status, body=body, headers=headers)

    def _open(self, socket: WebSocketRoute) -> None:
        self.socket = socket
        socket.connect_to_server()

    def break_socket(self) -> None:
        """Close the socket as the server does when the token is over."""
        self.socket.close(code=4403, reason="The token is over")

    def has(self, *titles: str) -> None:
        expect(self.page.get_by_role("listitem")).to_have_text(titles, timeout=PATIENCE)

    def tick(self, title: str) -> None:
        box = self.page.get_by_label(title)
        box.click()
        expect(box).to_be_checked(timeout=PATIENCE)

    def add(self, title: str) -> None:
        field = self.page.get_by_label("What is to be done?")
        field.fill(title)
        field.press("Enter")


def refusal(code: str) -> str:
    return json.dumps({"data": None, "errors": [{"message": code, "extensions": {"code": code}}]})


def expect_a_list(tab: Tab, user: Caller) -> None:
    """Expect a list that works: of a user whose only task is Milk."""
    tab.has("Milk")
    (milk,) = user.page()["nodes"]

    tab.failures = [
        (503, refusal("SERVICE_UNAVAILABLE")),
        (502, "<h1>Bad Gateway</h1>"),
        (200, refusal("IDEMPOTENCY_CONCURRENT_REQUEST")),
        (0, ""),
    ]
    tab.add("Bread")
    tab.has("Bread", "Milk")
    assert (tab.failures, user.titles()) == ([], ["Bread", "Milk"])

    tab.tick("Milk")
    while not user.get(milk["id"])["completed"]:
        tab.page.wait_for_timeout(50)
    user.update(id=milk["id"], title="Oat milk", completed=False)
    tab.has("Bread", "Oat milk")
    expect(tab.page.get_by_label("Oat milk")).not_to_be_checked(timeout=PATIENCE)
    user.create("Tea")
    tab.has("Tea", "Bread", "Oat milk")
    tab.break_socket()
    user.delete(id=milk["id"])
    tab.has("Tea", "Bread")
    user.create("Salt")
    tab.has("Salt", "Tea", "Bread")

    tab.add(" ")
    expect(tab.page.get_by_role("alert")).not_to_be_empty(timeout=PATIENCE)
    tab.has("Salt", "Tea", "Bread")


@pytest.mark.parametrize("name", PAGES)
def test_what_a_page_has_installed_is_what_it_is_tested_with(name: str) -> None:
    known = json.loads((MODULES.parent / "package.json").read_text())
    packages = {word for words in typed(name, "npm install") for word in words if word != "-D"}
    assert packages
    assert packages <= {*known["dependencies"], *known["devDependencies"]}


def test_pages_are_short() -> None:
    lines = {name: len(text_of(name).splitlines()) for name in (*PAGES, "fetch", "nextjs")}
    assert {name for name, count in lines.items() if count > 150} == set()


@pytest.mark.timeout(180)
@pytest.mark.parametrize("name", PAGES)
def test_a_page_makes_a_list_that_works(
    name: str, tmp_path: Path, browser: Browser, development_server: Server
) -> None:
    user = development_server.user()
    user.create("Milk")
    project = make(name, tmp_path, development_server, user)
    with served(project / "dist") as address:
        tab = Tab(browser.new_page(), development_server)
        tab.page.goto(address)
        expect_a_list(tab, user)

        # The token is over: it is renewed, and nobody notices.
        tab.failures = [(401, refusal("UNAUTHENTICATED"))]
        tab.tick("Bread")
        assert tab.failures == []
        user.create_many(*({"title": f"Cup {number}"} for number in range(20)))
        tab.page.reload()
        expect(tab.page.get_by_role("listitem")).to_have_count(20, timeout=PATIENCE)
        tab.page.get_by_role("button", name="More").click()
        expect(tab.page.get_by_role("listitem")).to_have_count(23, timeout=PATIENCE)
        assert tab.complaints == []


def test_fetch_alone_makes_a_list_that_works(
    tmp_path: Path, browser: Browser, development_server: Server
) -> None:
    user = development_server.user()
    user.create("Milk")
    write_blocks("fetch", tmp_path)
    page = tmp_path / "tasks.html"
    text = page.read_text().replace(API, development_server.url)
    page.write_text(text.replace("YOUR TOKEN", str(user.token)))
    with served(tmp_path) as address:
        tab = Tab(browser.new_page(), development_server)
        tab.page.goto(f"{address}/tasks.html")
        expect_a_list(tab, user)
        assert tab.complaints == []


def test_scripts_add_a_task_and_list_what_is_pending(
    tmp_path: Path, development_server: Server
) -> None:
    user = development_server.user()
    write_blocks("fetch", tmp_path)
    said = {}
    for program, name, *arguments in (
        (sys.executable, "add_task.py", "Milk"),
        ("node", "tasks.mjs"),
    ):
        script = tmp_path / name
        script.write_text(script.read_text().replace(API, development_server.url))
        said[name] = subprocess.run(
            [program, script, *arguments],
            env={"PATH": os.environ["PATH"], "TOKEN": str(user.token)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    assert "'__typename': 'Task'" in said["add_task.py"]
    assert said["tasks.mjs"] == "Milk\n"


MAIN = """
import { todoFetch } from "./todo";
import { url } from "./token";

const query = "mutation ($input: CreateTaskInput!) { createTask(input: $input) { __typename } }";
Object.assign(window, {
  async add(input: object): Promise<number> {
    const body = JSON.stringify({ query, variables: { input } });
    const headers = { "Content-Type": "application/json" };
    return (await todoFetch(url, { method: "POST", headers, body })).status;
  },
});
"""


def test_a_change_is_sent_again_with_a_key_alone(
    tmp_path: Path, browser: Browser, development_server: Server
) -> None:
    user = development_server.user()
    (tmp_path / "node_modules").symlink_to(MODULES)
    shutil.copy(ROOT / "examples" / "shared" / "todo.ts", tmp_path)
    (tmp_path / "token.ts").write_text(
        f'export const url = "{development_server.url}/graphql";\n'
        f'export const fetchToken = async () => "{user.token}";\n'
    )
    (tmp_path / "main.ts").write_text(MAIN)
    run(tmp_path, "npx", "rolldown", "main.ts", "--format", "esm", "--file", "main.js")
    (tmp_path / "index.html").write_text('<script type="module" src="main.js"></script>')
    failure = (503, refusal("SERVICE_UNAVAILABLE"))
    with served(tmp_path) as address:
        tab = Tab(browser.new_page(), development_server)
        tab.page.goto(address)
        tab.page.wait_for_function("() => 'add' in window")

        tab.failures = [failure, failure]
        assert tab.page.evaluate("add({ title: 'Milk' })") == 503
        assert tab.failures == [failure]

        tab.failures = [failure, failure]
        assert tab.page.evaluate("add({ title: 'Milk', idempotencyKey: 'one' })") == 200
        assert (tab.failures, user.titles()) == ([], ["Milk"])
