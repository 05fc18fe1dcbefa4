"""The built app with Better Auth on one port and the API on another, and the people who come."""

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import psutil
from playwright.sync_api import BrowserContext, Page

from tests.api import SECRET, Caller, Server, running_server, settings_for
from tests.clients.building import npm_build
from tests.clients.web.window import PATIENCE
from tests.databases import Database
from tests.http.test_serving import free_port
from tests.repository import ROOT

FOLDER = ROOT / "examples" / "web"
PASSWORD = "correct horse"

TASKS = """{
  tasks(first: 100, orderBy: {field: CREATED_AT, direction: ASC}) {
    nodes { id title description completed dueOn priority labels list { name } parent { title } }
  }
}"""


@dataclass
class Person:
    """Somebody who has an account, and what the server has of theirs."""

    name: str
    email: str
    caller: Caller

    def nodes(self) -> list[dict[str, Any]]:
        """All tasks outside the trash, the oldest first."""
        nodes: list[dict[str, Any]] = self.caller.data(TASKS)["tasks"]["nodes"]
        return nodes

    def tasks(self) -> dict[str, dict[str, Any]]:
        """All tasks outside the trash, by title; a title that is there twice fails."""
        nodes = self.nodes()
        titles = [node["title"] for node in nodes]
        assert len(titles) == len(set(titles)), titles
        return {node["title"]: node for node in nodes}

    def state(self) -> dict[str, bool]:
        """Whether each task is completed."""
        return {title: task["completed"] for title, task in self.tasks().items()}

    def has(self, state: dict[str, bool], page: Page) -> None:
        """Wait until the server has these tasks, each completed or not."""
        self.wait_for(lambda: self.state() == state, page)
        assert self.state() == state

    def wait_for(self, condition: Callable[[], bool], page: Page) -> None:
        """Wait until the server has it, or for as long as one may; the page lives on meanwhile."""
        deadline = time.monotonic() + PATIENCE / 1000
        while not condition() and time.monotonic() < deadline:
            page.wait_for_timeout(50)


@dataclass
class Site:
    url: str
    server: Server

    @property
    def api(self) -> str:
        return f"{self.server.url}/graphql"

    def person(self, context: BrowserContext, name: str = "Ada", *titles: str) -> Person:
        """Make an account with tasks, signed in in this context; the page was not asked for it."""
        email = f"{name}-{uuid4().hex}@example.com".lower()
        account = {"name": name, "email": email, "password": PASSWORD}
        self._post(context, "sign-up/email", account)
        person = Person(name, email, self.caller(context))
        for title in titles:
            person.caller.create(title)
        return person

    def caller(self, context: BrowserContext) -> Caller:
        """Whoever is signed in in this context, past the page; for as long as a token lives."""
        token = context.request.get(f"{self.url}/api/auth/token").json()["token"]
        return self.server.bearer(token)

    def sign_in(self, context: BrowserContext, person: Person) -> None:
        self._post(context, "sign-in/email", {"email": person.email, "password": PASSWORD})

    def _post(self, context: BrowserContext, path: str, data: dict[str, str]) -> None:
        answer = context.request.post(
            f"{self.url}/api/auth/{path}", data=data, headers={"Origin": self.url}
        )
        assert answer.ok, answer.text()


def enter(page: Page, *, name: str | None = None, email: str) -> None:
    """Sign in on the page, or with a name sign up."""
    if name is not None:
        page.get_by_role("button", name="I am new here").click()
        page.get_by_label("Name").fill(name)
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")


def build(target: Path) -> str:
    """Build the app into the folder; return what went wrong, if anything did."""
    return npm_build(FOLDER, "--", "--outDir", str(target), "--emptyOutDir")


@contextmanager
def served(built: Path, database: Database, log: Path) -> Iterator[Site]:
    """Start the API on the database, and beside it the app with Better Auth."""
    port = free_port()
    url = f"http://localhost:{port}"
    settings = settings_for(
        database.server_url,
        migration_database_url=database.superuser_url,
        better_auth_url=url,
        cors_origins=[url],
    )
    with running_server(settings) as server, log.open("wb") as out:
        names = ("PATH", "HOME", "LANG", "TMPDIR")
        process = psutil.Popen(
            ["node", "node_modules/vite/bin/vite.js", "preview", "--outDir", str(built)],
            cwd=FOLDER,
            env={
                **{name: os.environ[name] for name in names if name in os.environ},
                # Better Auth lets few people sign up in a minute where it is in production.
                "NODE_ENV": "development",
                "PORT": str(port),
                "VITE_API_URL": server.url,
                "AUTH_DATABASE_URL": database.superuser_url,
                "BETTER_AUTH_SECRET": SECRET,
            },
            stdout=out,
            stderr=subprocess.STDOUT,
        )
        try:
            wait_for(f"{url}/api/auth/ok", process, log)
            yield Site(url, server)
        finally:
            family = [process, *process.children(recursive=True)]
            for each in family:
                each.terminate()
            for survivor in psutil.wait_procs(family, 10)[1]:
                survivor.kill()


def wait_for(url: str, process: psutil.Popen, log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        try:
            if httpx2.get(url).is_success:
                return
        except httpx2.TransportError:
            time.sleep(0.1)
    raise AssertionError(log.read_text())


def missing() -> bool:
    """Whether there is no Node, or its packages were not installed."""
    return shutil.which("node") is None or not (FOLDER / "node_modules").exists()
