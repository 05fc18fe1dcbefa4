"""The example frontend, as people meet it: one command, a real browser, and two people."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import httpx2
import psutil
import psycopg
import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Dialog,
    Page,
    Route,
    expect,
)

from app.database.embedded import DATABASE, embedded_postgres
from app.database.installation import begin_after_restore
from app.database.urls import SERVER_ROLE
from tests.api import Caller
from tests.http.test_serving import free_port, postgres_of
from tests.repository import ROOT

FOLDER = ROOT / "examples" / "web"
PATIENCE = 60
"""Seconds; enough for a busy machine."""

pytestmark = [
    pytest.mark.skipif(
        not all(map(shutil.which, ("npm", "uv"))) or not (FOLDER / "node_modules").exists(),
        reason="needs uv and Node: npm ci --prefix examples/web",
    ),
    pytest.mark.timeout(5 * PATIENCE),
]


@contextmanager
def started(environment: dict[str, str], log: Path) -> Iterator[psutil.Popen]:
    """Run `npm start` as a terminal does, so that all it starts can be stopped together."""
    names = ("PATH", "HOME", "LANG", "TMPDIR")
    inherited = {name: os.environ[name] for name in names if name in os.environ}
    with log.open("wb") as out:
        process = psutil.Popen(
            ["npm", "start"],
            cwd=FOLDER,
            env={**inherited, **environment},
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    left: list[psutil.Process] = []
    try:
        yield process
    finally:
        if process.poll() is None:
            family = [process, *process.children(recursive=True)]
            os.killpg(process.pid, signal.SIGINT)
            _, left = psutil.wait_procs(family, PATIENCE)
        for survivor in left:
            survivor.kill()
    assert left == [], log.read_text()


class Tab:
    """A page of the app, and all that it has complained of."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.complaints: list[str] = []
        self.email = ""
        page.set_default_timeout(PATIENCE * 1000)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", self._hear)
        page.goto(url)

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"{message.text} ({message.location['url']})")

    def press(self, name: str) -> None:
        self.page.get_by_role("button", name=name).click()

    def show(self, name: str) -> None:
        """All tasks, those that are pending or those that are completed."""
        self.page.get_by_label("Which tasks").get_by_role("button", name=name).click()

    def choose(self, name: str) -> None:
        self.page.get_by_label("Lists").get_by_role("button", name=name).click()

    def lists(self, *names: str) -> None:
        buttons = self.page.get_by_label("Lists").get_by_role("button")
        expect(buttons).to_have_text(["All tasks", "Inbox", *names], timeout=PATIENCE * 1000)

    def write(self, label: str, text: str, *, then: str = "Tab", form: str = "") -> None:
        """Fill in a field: the only one with this label, or that of a form with a name."""
        page = self.page.get_by_role("form", name=form) if form else self.page
        field = page.get_by_label(label)
        field.fill(text)
        field.press(then)

    def sign_up(self, name: str) -> None:
        self.press("I am new here")
        self.write("Name", name)
        self.email = f"{name}-{uuid4().hex}@example.com"
        self._enter(name)

    def sign_in(self, name: str, email: str) -> None:
        self.email = email
        self._enter(name)

    def _enter(self, name: str) -> None:
        self.write("E-mail", self.email)
        self.write("Password", "correct horse", then="Enter")
        self.sees(name)

    def add(self, *titles: str) -> None:
        for title in titles:
            self.write("What is to be done?", title, then="Enter")
            self.sees(f"Added “{title}”.")

    def sees(self, text: str) -> None:
        expect(self.page.get_by_text(text).first).to_be_visible(timeout=PATIENCE * 1000)

    def has(self, *titles: str) -> None:
        expect(self.page.locator(".title")).to_have_text(titles, timeout=PATIENCE * 1000)

    def counts(self, *counts: int) -> None:
        badges = self.page.get_by_label("Which tasks").locator(".badge")
        expect(badges).to_have_text([str(count) for count in counts], timeout=PATIENCE * 1000)


def test_it_can_be_built_and_its_types_fit() -> None:
    done = subprocess.run(
        ["npm", "run", "build"], cwd=FOLDER, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_one_command_starts_all_of_it_and_two_people_use_it(
    browser: Browser, data_folder: Path, tmp_path: Path
) -> None:
    page_port, api_port = free_port(), free_port()
    url = f"http://localhost:{page_port}"
    environment = {
        "PORT": str(page_port),
        "API_PORT": str(api_port),
        "DATA_DIR": str(data_folder),
        "UV_PROJECT_ENVIRONMENT": sys.prefix,
        "UV_NO_SYNC": "1",
    }
    with started(environment, tmp_path / "said") as process:
        wait_for(url, process, tmp_path / "said")
        context = browser.new_context(viewport={"width": 1000, "height": 600})
        ada = Tab(context.new_page(), url)
        ada.sign_up("Ada")
        add_tick_and_filter(ada)
        edit_by_keyboard(ada)
        save_again_when_the_answer_is_lost(ada)
        other = Tab(context.new_page(), url)
        show_changes_in_both_windows(ada, other)
        set_dates_and_labels(ada, other)
        use_lists(ada, other)
        resolve_conflicts(ada, other)
        delete(ada)
        survive_an_expired_token(ada)
        phone = Tab(browser.new_context(viewport={"width": 400, "height": 600}).new_page(), url)
        titles = scroll(ada, phone, f"http://127.0.0.1:{api_port}", url)
        work_offline(ada, phone, url, titles)
        outlast_failures(ada, f"http://127.0.0.1:{api_port}", url)
        begin_anew_after_a_restore(ada, data_folder, f"http://127.0.0.1:{api_port}", url)
        ada.press("Sign out")
        ada.sign_up("Grace")
        ada.sees("No tasks yet.")
        ada.counts(0, 0, 0)
        assert ada.complaints == []
        context.close()
        # Better Auth keeps its sessions and keys in the same database, to itself.
        assert hidden_from_the_api(data_folder) >= {"account", "jwks", "session", "verification"}
    assert postgres_of(data_folder) == []


def wait_for(url: str, process: psutil.Popen, log: Path) -> None:
    deadline = time.monotonic() + 2 * PATIENCE
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        try:
            if httpx2.get(url).is_success:
                return
        except httpx2.TransportError:
            time.sleep(0.1)
    pytest.fail(f"not ready: {log.read_text()}")


def hidden_from_the_api(folder: Path) -> set[str]:
    with (
        embedded_postgres(folder) as postgres,
        psycopg.connect(postgres.url(SERVER_ROLE, DATABASE)) as connection,
    ):
        tables = connection.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace "
            "AND relkind = 'r' AND NOT has_any_column_privilege(oid, 'SELECT')"
        )
        return {name for (name,) in tables}


def add_tick_and_filter(tab: Tab) -> None:
    tab.write("What is to be done?", " ", then="Enter")
    wrong = tab.page.get_by_label("What is to be done?")
    expect(wrong).to_have_accessible_description("The title must not be blank.")
    expect(wrong).to_have_value(" ")
    tab.add("Milk", "Bread", "Eggs")
    expect(wrong).not_to_have_attribute("aria-invalid", "true")
    tab.has("Eggs", "Bread", "Milk")
    tab.page.get_by_role("checkbox", name="Bread").press("Space")
    tab.counts(3, 2, 1)
    tab.show("Pending")
    tab.has("Eggs", "Milk")
    tab.show("Completed")
    tab.has("Bread")
    tab.show("All")


def edit_by_keyboard(tab: Tab) -> None:
    edit = tab.page.get_by_role("button", name="Edit Milk")
    edit.press("Enter")
    tab.write("Title", "Thrown away", then="Escape")
    expect(edit).to_be_focused()
    edit.press("Enter")
    tab.write("Description", "Two litres")
    tab.write("Title", "", then="Enter")
    tab.sees("The title must not be blank.")
    tab.write("Title", "Oat milk", then="Enter")
    tab.sees("Two litres")
    tab.has("Eggs", "Bread", "Oat milk")


def fail_at_first(tab: Tab, *ways: Callable[[Route], None]) -> list[str]:
    """Have the first tries of the next changes fail, each in its way.

    Returns the keys of the changes that have been tried, also of later ones.
    """
    tried: list[str] = []
    left = list(ways)

    def answer(route: Route) -> None:
        request = route.request.post_data_json or {}
        key = request.get("variables", {}).get("input", {}).get("idempotencyKey")
        if key is None or key in tried:
            return route.continue_()
        tried.append(key)
        return left.pop(0)(route) if left else route.continue_()

    tab.page.route("**/graphql", answer)
    return tried


def save_again_when_the_answer_is_lost(tab: Tab) -> None:
    def lose(route: Route) -> None:
        route.fetch()
        route.abort()

    tried = fail_at_first(tab, lose)
    tab.press("Edit Oat milk")
    tab.write("Title", "Hemp milk", then="Enter")
    tab.sees("The server cannot be reached.")
    tab.press("Save")
    tab.sees("Saved “Hemp milk”.")
    tab.page.unroute("**/graphql")
    assert len(tried) == 1
    tab.press("Edit Hemp milk")
    tab.write("Title", "Oat milk", then="Enter")
    tab.sees("Saved “Oat milk”.")
    tab.complaints.clear()


def show_changes_in_both_windows(tab: Tab, other: Tab) -> None:
    """What is done in one shows in the other, lists and counts, and nobody reloads."""
    other.has("Eggs", "Bread", "Oat milk")
    tab.add("Tea")
    other.has("Tea", "Eggs", "Bread", "Oat milk")
    other.counts(4, 3, 1)
    other.page.get_by_role("checkbox", name="Tea").press("Space")
    expect(tab.page.get_by_role("checkbox", name="Tea")).to_be_checked(timeout=PATIENCE * 1000)
    tab.counts(4, 2, 2)
    other.show("Pending")
    other.has("Eggs", "Oat milk")
    tab.page.get_by_role("checkbox", name="Tea").press("Space")
    other.has("Tea", "Eggs", "Oat milk")
    other.show("All")
    other.press("Delete Tea")
    tab.has("Eggs", "Bread", "Oat milk")
    tab.counts(3, 2, 1)


def set_dates_and_labels(tab: Tab, other: Tab) -> None:
    def has_details(title: str, *details: str) -> None:
        for one in (tab, other):
            row = one.page.get_by_role("listitem").filter(has_text=title)
            expect(row.locator(".details > *")).to_have_text(details, timeout=PATIENCE * 1000)

    tab.page.get_by_text("Date, priority, labels").click()
    tab.write("Time", "09:30")
    tab.page.get_by_label("Priority").select_option("Urgent")
    tab.write("Labels", "home , money,")
    tab.write("What is to be done?", "Rent", then="Enter")
    expect(tab.page.get_by_label("Due on")).to_have_accessible_description(
        "A task that is due at a time must be due on a day, too."
    )
    expect(tab.page.get_by_label("Labels")).to_have_value("home , money,")
    tab.write("Due on", "2020-02-03", then="Enter")
    tab.sees("Added “Rent”.")
    has_details("Rent", "Late: 3 Feb 2020 09:30", "Urgent", "home", "money")
    tab.page.get_by_role("checkbox", name="Rent").press("Space")
    has_details("Rent", "Due 3 Feb 2020 09:30", "Urgent", "home", "money")
    tab.page.get_by_role("checkbox", name="Rent").press("Space")
    has_details("Rent", "Late: 3 Feb 2020 09:30", "Urgent", "home", "money")
    other.press("Edit Rent")
    today = other.page.evaluate("new Date().toLocaleDateString('sv')")
    other.write("Due on", today, form="Edit Rent")
    other.write("Time", "", form="Edit Rent")
    edit = other.page.get_by_role("form", name="Edit Rent")
    edit.get_by_label("Priority").select_option("None")
    other.write("Labels", "money", form="Edit Rent", then="Enter")
    has_details("Rent", "Due today", "money")
    other.press("Edit Rent")
    other.write("Due on", "", form="Edit Rent")
    other.write("Labels", "", form="Edit Rent", then="Enter")
    has_details("Rent")
    other.press("Delete Rent")
    tab.has("Eggs", "Bread", "Oat milk")


def use_lists(tab: Tab, other: Tab) -> None:
    # What is looked at once is there without a network, too.
    tab.choose("Inbox")
    tab.has("Eggs", "Bread", "Oat milk")
    tab.press("New list")
    tab.write("Name of the list", " ", then="Enter")
    name = tab.page.get_by_label("Name of the list")
    expect(name).to_have_accessible_description("The name must not be blank.")
    tab.write("Name of the list", "Home", then="Enter")
    tab.sees("No tasks yet.")
    tab.lists("Home 0")
    tab.add("Sofa")
    tab.has("Sofa")
    tab.counts(1, 1, 0)
    other.lists("Home 1")
    other.has("Sofa", "Eggs", "Bread", "Oat milk")
    other.choose("Inbox")
    other.has("Eggs", "Bread", "Oat milk")
    other.counts(3, 2, 1)
    other.choose("Home")
    other.has("Sofa")
    add_to_a_list_offline(tab, other)
    other.choose("All tasks")
    other.has("Lamp", "Sofa", "Eggs", "Bread", "Oat milk")
    other.counts(5, 3, 2)
    other.choose("Home")
    tab.press("Rename")
    tab.write("Name of the list", "House", then="Enter")
    other.lists("House 1")
    tab.page.once("dialog", Dialog.accept)
    tab.press("Move to trash")
    for one in (tab, other):
        one.lists()
        one.has("Eggs", "Bread", "Oat milk")
        one.counts(3, 2, 1)


def add_to_a_list_offline(tab: Tab, other: Tab) -> None:
    """Its list and its labels show at once, in this window alone until there is a network."""
    context = tab.page.context
    context.set_offline(True)
    tab.sees("Offline. What you do is kept, and sent later.")
    tab.write("Labels", "light")
    tab.write("What is to be done?", "Lamp", then="Enter")
    tab.page.get_by_role("checkbox", name="Sofa").press("Space")
    tab.sees("The change of “Sofa” is kept, and sent later.")
    tab.has("Lamp", "Sofa")
    tab.counts(2, 1, 1)
    tab.lists("Home 1")
    other.lists("Home 1")
    tab.choose("Inbox")
    tab.has("Eggs", "Bread", "Oat milk")
    tab.choose("All tasks")
    tab.has("Lamp", "Sofa", "Eggs", "Bread", "Oat milk")
    tab.choose("Home")
    tab.press("Rename")
    tab.write("Name of the list", "House", then="Enter")
    tab.sees("The server cannot be reached.")
    tab.press("Cancel")
    context.set_offline(False)
    for one in (tab, other):
        one.has("Lamp", "Sofa")
        one.counts(2, 1, 1)
        one.lists("Home 1")
        expect(one.page.locator(".details")).to_have_text(["light"])
        # A socket that is being opened when the network goes is closed.
        missing = ("ERR_INTERNET_DISCONNECTED", "closed before the connection is established")
        others = [text for text in one.complaints if not any(each in text for each in missing)]
        assert others == []
        one.complaints.clear()


def resolve_conflicts(tab: Tab, other: Tab) -> None:
    conflict(tab, other, "Bread", mine="Rye bread", theirs="Spelt bread")
    tab.press("Keep mine")
    tab.has("Eggs", "Rye bread", "Oat milk")
    conflict(tab, other, "Oat milk", mine="Rice milk", theirs="Soy milk")
    tab.press("Take theirs")
    tab.has("Eggs", "Rye bread", "Soy milk")
    other.has("Eggs", "Rye bread", "Soy milk")
    tab.press("Edit Soy milk")
    other.press("Edit Soy milk")
    other.write("Description", "Three litres")
    other.press("Save")
    other.sees("Saved “Soy milk”.")
    # Another text was changed than here: both changes stay, and nobody is asked.
    tab.write("Title", "Pea milk", then="Enter")
    tab.sees("Saved “Pea milk”.")
    tab.sees("Three litres")
    tab.press("Edit Pea milk")
    tab.write("Title", "Soy milk", then="Enter")
    tab.sees("Saved “Soy milk”.")
    assert other.complaints == []
    other.page.close()


def conflict(tab: Tab, other: Tab, title: str, *, mine: str, theirs: str) -> None:
    tab.press(f"Edit {title}")
    other.press(f"Edit {title}")
    other.write("Title", theirs, then="Enter")
    other.sees(f"Saved “{theirs}”.")
    tab.write("Title", mine, then="Enter")
    expect(tab.page.get_by_role("alert")).to_contain_text(theirs, timeout=PATIENCE * 1000)


def delete(tab: Tab) -> None:
    tab.press("Delete Eggs")
    tab.sees("Deleted “Eggs”.")
    tab.has("Rye bread", "Soy milk")
    tab.counts(2, 1, 1)
    expect(tab.page.get_by_role("list", name="Tasks")).to_be_focused()


def survive_an_expired_token(tab: Tab) -> None:
    def expire(route: Route) -> None:
        route.continue_(headers={**route.request.headers, "authorization": "Bearer expired"})

    tab.page.route("**/graphql", expire, times=1)
    tab.add("Butter")
    tab.has("Butter", "Rye bread", "Soy milk")
    [complaint] = tab.complaints
    assert "401" in complaint
    tab.complaints.clear()


def caller(tab: Tab, api: str, url: str) -> Caller:
    """Whoever is signed in, past the page."""
    token = tab.page.request.get(f"{url}/api/auth/token").json()["token"]
    return Caller(api, None, token)


def scroll(tab: Tab, phone: Tab, api: str, url: str) -> list[str]:
    """A list of three pages is fetched as far as it is looked at. Returns what it holds."""
    ada = caller(tab, api, url)
    with ada.http:
        titles = [ada.create(f"Task {number}")["title"] for number in range(50)]
    expected = [*reversed(titles), "Butter", "Rye bread", "Soy milk"]
    phone.sign_in("Ada", tab.email)
    phone.has(*expected[:20])
    phone.page.get_by_role("button", name="More").scroll_into_view_if_needed()
    phone.has(*expected[:40])
    phone.page.get_by_role("button", name="More").scroll_into_view_if_needed()
    phone.has(*expected)
    phone.add("Sugar")
    phone.has("Sugar", *expected)
    tab.has("Sugar", *expected)
    return expected


KEPT = """
async () => {
  const [{ name }] = await indexedDB.databases();
  const result = (request) =>
    new Promise((resolve) => (request.onsuccess = () => resolve(request.result)));
  const kept = (await result(indexedDB.open(name))).transaction("metadata");
  return (await result(kept.objectStore("metadata").get("metadata")))?.length;
}"""
"""How many changes are kept on the device, to be sent later."""


def work_offline(tab: Tab, phone: Tab, url: str, titles: list[str]) -> None:
    """What is done without a network shows at once, outlives the page, and is sent once."""
    tab.add("Flour", "Eggs")
    phone.has("Eggs", "Flour", "Sugar", *titles)
    phone.counts(56, 55, 1)
    context = phone.page.context
    context.set_offline(True)
    phone.sees("Offline. What you do is kept, and sent later.")
    phone.write("What is to be done?", "Yeast", then="Enter")
    phone.sees("“Yeast” is kept, and added later.")
    phone.sees("Not sent yet")
    phone.page.get_by_role("checkbox", name="Flour").press("Space")
    phone.press("Delete Sugar")
    phone.has("Yeast", "Eggs", "Flour", *titles)
    phone.counts(56, 54, 2)
    assert phone.page.wait_for_function(f"async () => (await ({KEPT})()) === 3")
    stay_for_what_is_not_sent(phone)
    phone.page.close()
    tab.press("Delete Eggs")
    tab.has("Flour", "Sugar", *titles)
    # Another day, in reach of a network.
    context.set_offline(False)
    close_while_it_is_sent(context, url)
    phone = Tab(context.new_page(), url)
    for one in (tab, phone):
        one.has("Yeast", "Flour", *titles)
        one.counts(55, 53, 2)
        expect(one.page.get_by_role("checkbox", name="Flour")).to_be_checked()
        expect(one.page.get_by_text("Not sent yet")).to_have_count(0)
    assert phone.complaints == []
    context.close()


def stay_for_what_is_not_sent(tab: Tab) -> None:
    asked: list[str] = []

    def refuse(dialog: Dialog) -> None:
        asked.append(dialog.message)
        dialog.dismiss()

    tab.page.once("dialog", refuse)
    tab.press("Sign out")
    assert asked == ["3 changes are not sent yet. Sign out and throw this away?"]
    tab.sees("Not sent yet")


def close_while_it_is_sent(context: BrowserContext, url: str) -> None:
    """What has no answer yet is still kept."""
    held: list[Route] = []

    def hold(route: Route) -> None:
        request = route.request.post_data_json or {}
        if "idempotencyKey" in request.get("variables", {}).get("input", {}):
            held.append(route)
        else:
            route.continue_()

    context.route("**/graphql", hold)
    tab = Tab(context.new_page(), url)
    while not held:
        tab.page.wait_for_timeout(10)
    assert tab.page.wait_for_function(f"async () => (await ({KEPT})()) === 3")
    tab.page.close()
    context.unroute("**/graphql")


def fail_visibly(route: Route) -> None:
    headers = {
        "Access-Control-Allow-Origin": "*",
        "Access-Control-Expose-Headers": "Retry-After",
        "Retry-After": "3",
    }
    error = {"message": "Try again later.", "extensions": {"code": "SERVICE_UNAVAILABLE"}}
    route.fulfill(status=503, headers=headers, json={"data": None, "errors": [error]})


def fail_as_a_proxy_does(route: Route) -> None:
    """Without CORS, so that the page may read neither the status nor the headers."""
    route.fulfill(status=503, headers={"Retry-After": "1"}, body="<h1>Unavailable</h1>")


SHORT_PATIENCE = """
() => {
  const usual = AbortSignal.timeout;
  AbortSignal.timeout = () => usual.call(AbortSignal, 3000);
}"""


def outlast_failures(tab: Tab, api: str, url: str) -> None:
    """A change whose first try fails is made in the end, once, and none overtakes another."""
    ada = caller(tab, api, url)
    with ada.http:
        count = ada.page(first=0)["totalCount"]
        held: list[Route] = []
        ways = (fail_visibly, fail_as_a_proxy_does, Route.abort, held.append)
        tried = fail_at_first(tab, *ways)
        tab.page.get_by_role("checkbox", name="Yeast").press("Space")
        tab.sees("The change of “Yeast” is kept, and sent later.")
        tab.sees("“Yeast” is completed.")
        tab.add("Salt", "Pepper")
        # The next one is never answered: after a while it counts as failed.
        tab.page.evaluate(SHORT_PATIENCE)
        tab.write("What is to be done?", "Ham", then="Enter")
        tab.write("What is to be done?", "Jam", then="Enter")
        expect(tab.page.get_by_label("What is to be done?")).to_have_value("")
        while not held:
            tab.page.wait_for_timeout(10)
        tab.write("What is to be done?", "Yam", then="Enter")
        tab.sees("Added “Yam”.")
        tab.page.unroute("**/graphql")
        page = ada.page(orderBy={"field": "CREATED_AT", "direction": "DESC"}, first=6)
    assert len(tried) == 6
    assert page["totalCount"] == count + 5
    assert [(task["title"], task["completed"]) for task in page["nodes"]] == [
        ("Yam", False),
        ("Jam", False),
        ("Ham", False),
        ("Pepper", False),
        ("Salt", False),
        ("Yeast", True),
    ]
    expect(tab.page.get_by_text("Not sent yet")).to_have_count(0)
    tab.complaints.clear()


def begin_anew_after_a_restore(tab: Tab, folder: Path, api: str, url: str) -> None:
    """The feed does not go on from before, so what was lost goes from the page, too."""
    lost = tab.page.locator(".title", has_text="Salt")
    expect(lost).to_have_count(1)
    with embedded_postgres(folder) as postgres:
        database = postgres.superuser_url(DATABASE)
        with psycopg.connect(database) as connection:
            # No trigger notes it: the backup never had the task.
            connection.execute("SET session_replication_role = replica")
            connection.execute("DELETE FROM tasks WHERE title = 'Salt'")
        begin_after_restore(database)
    ada = caller(tab, api, url)
    with ada.http:
        ada.create("Honey")
    tab.sees("Honey")
    expect(lost).to_have_count(0)
    tab.complaints.clear()
