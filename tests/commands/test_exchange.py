"""The commands that export and import: what they say, and how they end."""

import json
import os
import re
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import psycopg
import pytest

from app.cli import main
from app.commands import import_
from app.exchange import own
from app.exchange.items import Contents, Item, Loss
from app.exchange.planning import Plan
from tests.api import SECRET, Caller, Server, nonempty
from tests.databases import Database
from tests.exchange.importing import with_all_there_is
from tests.repository import ROOT


class Ended(NamedTuple):
    """How a command ended, and what it said."""

    status: Any
    out: str
    err: str


class Commands:
    """Runs commands in this process, which has imported what they need."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch = monkeypatch
        self._capsys = capsys

    def run(self, *words: object) -> Ended:
        self._monkeypatch.setattr("sys.argv", ["todo-api", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        return Ended(ended.value.code, *self._capsys.readouterr())


@pytest.fixture
def commands(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    database: Database,
    tmp_path: Path,
) -> Commands:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", database.server_url)
    monkeypatch.setenv("BETTER_AUTH_SECRET", SECRET)
    return Commands(monkeypatch, capsys)


def rows(database: Database, user: str) -> list[Any]:
    """Return all that is a user's, and the user."""
    tables = ("tasks", "task_lists", "task_labels", "task_counters", "imports")
    with psycopg.connect(database.superuser_url) as connection:
        found = [connection.execute("SELECT * FROM users WHERE id = %s", [user]).fetchall()]
        for table in tables:
            query = f"SELECT t::text FROM {table} t WHERE user_id = %s ORDER BY 1"
            found.append(connection.execute(query, [user]).fetchall())
    return found


def test_a_user_is_carried_to_another(
    server: Server, database: Database, commands: Commands, tmp_path: Path
) -> None:
    ada, bob, file = with_all_there_is(server), f"bob-{uuid4().hex}", tmp_path / "ada.json"
    assert commands.run("export", "--user", ada.user_id, "--trash", "--out", file)[:2] == (0, "")
    assert file.stat().st_mode & 0o777 == 0o600
    text = json.loads(file.read_text())
    printed = json.loads(commands.run("export", "--user", ada.user_id).out)
    assert not any("deletedAt" in task for task in nonempty(printed["tasks"]))
    assert any("deletedAt" in task for task in text["tasks"])
    words = ("import", file, "--user", bob)
    assert commands.run(*words) == (f"todo-api: There is no user {bob}.", "", "")
    before = rows(database, bob)
    dry = commands.run(*words, "--create-user", "Bob", "--dry-run")
    assert dry.status == 0
    assert rows(database, bob) == before
    said = dry.out.removeprefix("Nothing was written. To be added: ")
    assert said.startswith(f"lists {len(text['lists'])}, tasks {len(text['tasks'])}, ")
    done = commands.run(*words, "--create-user", "Bob")
    assert (done.status, done.out) == (0, f"Added: {said}")
    assert server.user(bob).data("{ me { name } }") == {"me": {"name": "Bob"}}
    # Now a dry run says what a real one would: nothing.
    before = rows(database, bob)
    again = commands.run(*words, "--dry-run")
    assert re.sub(r"\d+", "0", said).strip() in again.out
    assert f"Already there: {len(text['tasks'])}.\n" in again.out
    assert rows(database, bob) == before
    assert commands.run(*words, "--limit", "3").out.startswith("Added: lists 0, tasks 0, ")


def test_a_trial_adds_as_many_as_it_may(server: Server, commands: Commands, tmp_path: Path) -> None:
    ada = server.user()
    file = tmp_path / "some.json"
    file.write_bytes(own.write(Contents(items=[Item(str(n), f"{n}") for n in range(9)])))
    ada.create("before")
    assert commands.run("import", file, "--user", ada.user_id, "--limit", "4").status == 0
    assert len(ada.titles()) == 5
    assert commands.run("import", file, "--user", ada.user_id).status == 0
    by_hand = {"field": "POSITION", "direction": "ASC"}
    titles = ada.titles(filter={"inbox": True}, orderBy=by_hand, first=20)
    assert titles == ["before", *map(str, range(9))]


NEW = ("--create-user", "Ada")


def lists_of(caller: Caller) -> dict[str | None, int]:
    """Return how many tasks are in each list, and in the inbox."""
    tasks = caller.data("{ tasks(first: 100) { nodes { list { name } } } }")["tasks"]["nodes"]
    return Counter(task["list"] and task["list"]["name"] for task in tasks)


def test_a_csv_is_the_same_file_under_another_name(
    server: Server, commands: Commands, tmp_path: Path
) -> None:
    """A browser calls the second download "Home (1).csv"."""
    ada, rows = server.user(), "TYPE,CONTENT\ntask,Milk\ntask,Milk\ntask,Bread\n"
    for name, words in (("Home", ()), ("Home (1)", ()), ("Home", ("--list", "Other"))):
        file = tmp_path / f"{name}.csv"
        file.write_text(rows)
        assert commands.run("import", file, "--user", ada.user_id, *NEW, *words).status == 0
    assert lists_of(ada) == {"Home": 3}


@pytest.mark.parametrize(
    ("name", "of_list"),
    [("Inbox", None), ("Inbox [2203306140]", None), ("Home [2203306141]", "Home")],
)
def test_a_file_of_a_backup_is_read_alone_as_it_is_in_it(
    server: Server, commands: Commands, tmp_path: Path, name: str, of_list: str | None
) -> None:
    ada, file = server.user(), tmp_path / f"{name}.csv"
    file.write_text("TYPE,CONTENT\ntask,Milk\n")
    assert commands.run("import", file, "--user", ada.user_id, *NEW).status == 0
    assert lists_of(ada) == {of_list: 1}


def test_a_pipe_is_read_and_names_no_list(
    server: Server, commands: Commands, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada, pipe = server.user(), tmp_path / "stdin"
    os.mkfifo(pipe)

    def piped(text: str) -> Ended:
        writer = threading.Thread(target=pipe.write_text, args=(text,))
        writer.start()
        ended = commands.run("import", pipe, "--user", ada.user_id, *NEW)
        writer.join()
        return ended

    assert piped("TYPE,CONTENT\ntask,Milk\n").status == 0
    assert lists_of(ada) == {None: 1}
    monkeypatch.setattr(import_, "BYTES_MAX", 9)
    assert "it has more than 9 bytes" in str(piped("TYPE,CONTENT\ntask,Bread\n").status)


def test_what_is_lost_is_told_of_the_whole_file_each_time(
    server: Server, commands: Commands, tmp_path: Path
) -> None:
    """An import that was interrupted has told nothing of what it added."""
    ada, file = server.user(), tmp_path / "Home.csv"
    file.write_text("TYPE,CONTENT\n" + "".join(f"task,{n}{'x' * 250}\n" for n in range(3)))
    words = ("import", file, "--user", ada.user_id, *NEW)
    commands.run(*words, "--limit", "1")
    for added in (2, 0):
        out = commands.run(*words).out
        assert f"tasks {added}," in out
        assert "Lost or changed, in the whole file:" in out
        assert "- titles that go on in the description 3: " in out


def test_losses_are_told_with_the_first_three_titles() -> None:
    losses = [Loss("comments", f"\x1b[2J{n}\n{'x' * 99}") for n in range(4)]
    losses.append(Loss("buckets", "a"))
    plan = Plan([], [], [], losses, {})
    lines = list(import_._report(plan, is_dry=True))
    shown = f"[2J0 {'x' * 54}…"
    assert lines[1:] == [
        "Lost or changed:",
        f"- comments 4: “{shown}”, “{shown.replace('0', '1')}”, “{shown.replace('0', '2')}”, …",
        "- buckets 1: “a”",
    ]


@pytest.mark.parametrize(
    ("data", "words", "status"),
    [
        (
            b'{"format": "todo-api",\n"tasks": [{}]}',
            (),
            "line 2, column 11: This object has",
        ),
        (
            b"\0" * 1000,
            (),
            "The format of the file is not known. Say it by --format: json",
        ),
        (
            b"\0" * 1000,
            ("--format", "json"),
            "cannot be read as json: line 1, column 1: This is no text",
        ),
        (b"", ("--format", "json"), "line 1, column 1: The file ends too early."),
        (b" \n", (), "cannot be read: It is empty."),
        (b"{}", ("--format", "xml"), 2),
        (b"{}", ("--timezone", "Mars/Base"), 2),
        (b"{}", ("--timezone", "../../etc/passwd"), 2),
        (b"{}", ("--today", "tomorrow"), 2),
        (b"{}", ("--sections", "lists"), 2),
        (b"{}", ("--limit", "0"), 2),
        (b"{}", ("--user", ""), 2),
        (None, (), 2),
    ],
)
def test_what_cannot_be_read_ends_with_1_and_wrong_use_with_2(
    commands: Commands, tmp_path: Path, data: bytes | None, words: tuple[str, ...], status: object
) -> None:
    file = tmp_path / "file"
    if data is not None:
        file.write_bytes(data)
    ended = commands.run("import", file, "--user", "ada", *words)
    if status == 2:
        assert ended.status == 2
    else:
        # Python prints it, and exits with 1.
        assert str(status) in str(ended.status)
        assert str(ended.status).startswith(f"todo-api: {file} ")


def test_an_export_says_what_its_format_cannot_say(
    commands: Commands, server: Server, tmp_path: Path
) -> None:
    ada = server.user()
    rule = {"unit": "WEEK", "from": "COMPLETION"}
    ada.create("a", dueOn="2026-12-01", dueTime="09:00", recurrence={"rule": rule})
    parent = ada.create("b", priority="URGENT", labels=["x"])["id"]
    ada.create("c", parentId=parent)
    ada.toggle(id=parent)

    def said(*words: str) -> str:
        ended = commands.run("export", "--user", ada.user_id, "--out", tmp_path / "file", *words)
        assert ended.status == 0
        return ended.err

    assert said() == said("--format", "json") == ""
    missing = "Missing in the file, since {} cannot say it: {}.\n".format
    assert said("--format", "ics") == missing("ics", "recurring 1")
    assert said("--format", "taskwarrior") == missing(
        "taskwarrior", "subtasks 1, recurring 1, priority URGENT 1"
    )
    lost = "tasks 2, subtasks 1, completed 2, labels 1, priority URGENT 1"
    assert said("--format", "csv", "--spreadsheet") == missing("csv", lost)


def test_an_export_for_nobody_or_into_nowhere_is_refused(
    commands: Commands, server: Server, tmp_path: Path
) -> None:
    ada = server.user()
    ada.create()
    assert commands.run("export", "--user", "nobody").status == "todo-api: There is no user nobody."
    assert commands.run("export", "--user", ada.user_id, "--format", "xml").status == 2
    output = tmp_path / "none" / "file"
    refused = commands.run("export", "--user", ada.user_id, "--out", output)
    assert "cannot be written: No such file or directory" in str(refused.status)


MEASURE = """
import re, sys
from pathlib import Path
from app.cli import main
sys.argv = ["todo-api", "import", sys.argv[1], "--user", "ada"]
try:
    main()
except SystemExit as ended:
    print(ended.code)
# Unlike ru_maxrss it knows nothing of the process that started this one.
print(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])
"""


@pytest.mark.parametrize("kind", ["a gigabyte of zeros", "cut in its midst"])
def test_a_bad_file_takes_little_memory(tmp_path: Path, kind: str) -> None:
    file = tmp_path / "file"
    with file.open("wb") as opened:
        if kind == "cut in its midst":
            opened.write(b'{"format": "todo-api", "version": 1, "tasks": [\n')
            for n in range(20_000):
                opened.write(b'{"id": "%d", "title": "%s"},\n' % (n, b"x" * 1000))
        else:
            opened.truncate(2**30)
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(file)], cwd=ROOT, capture_output=True, text=True
    )
    *_, said, kilobytes = done.stdout.splitlines()
    assert "more than 100,000,000 bytes" in said or "line 20002, column 1" in said, said
    assert int(kilobytes) < 200_000


def test_only_commands_act_for_whomever_they_name() -> None:
    """Elsewhere nobody has the identity of a user without a token."""
    found = [
        file.relative_to(ROOT)
        for room in ("app", "auth", "resolvers", "graphql_schema", "compiled_graphql")
        for file in (ROOT / room).rglob("*.py")
        if "named_by_operator" in file.read_text()
    ]
    assert {str(file) for file in nonempty(found)} == {
        *("app/commands/for_user.py", "auth/tokens.py"),
    }
