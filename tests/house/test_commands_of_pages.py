"""What the pages about running it tell to type is typed here in its order, on its own cluster.

Each line of their code blocks is run, or stands in `NOT_RUN` with the reason.
"""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from app.cli import COMMANDS, imported, main
from app.database.embedded import SUPERUSER, EmbeddedPostgres, embedded_postgres
from app.database.urls import libpq_url
from tests.api import SECRET, running_server, settings_for
from tests.repository import ROOT

PAGES = ("deploying", "import", "operations", "runbook")
"""In the order in which somebody needs them."""

NOT_RUN = {
    "todo-api serve": "It goes on; tests/processes/test_workers.py starts it.",
    "uvicorn app.asgi:app": "It goes on; tests/http starts servers by uvicorn.",
    "CREATE SUBSCRIPTION": "It needs a second cluster; scripts/rehearse/move.py has one.",
    "python -m scripts.rehearse.roll": "It takes minutes.",
    "python -m scripts.rehearse.move": "It takes minutes, and an older PostgreSQL.",
    "python -m scripts.rehearse.slow_wire": "It takes minutes, and a PgBouncer.",
    "python -m scripts.rehearse.replica": "It takes a minute.",
    "python -m scripts.rehearse.day": "It takes minutes, and other programs.",
    "python -m scripts.rehearse.idle": "It takes eleven minutes.",
    "python -m scripts.rehearse.crossing": "It takes a minute.",
    "python -m scripts.rehearse.cluster": "It needs a cluster of Citus.",
}
"""How lines begin that are not run, and why."""

RETRIED = ("--retry", "9", "--retry-delay", "1")
"""For curl: on a busy machine a server that has just started may not be ready yet."""

Line = tuple[str, str]
"""The language, and what is typed."""


def lines_of(page: str) -> Iterator[Line]:
    """Return the commands and statements in the code blocks of a page."""
    text = (ROOT / "docs" / f"{page}.md").read_text()
    for language, block in re.findall(r"^```(sh|sql|console)\n(.*?)^```", text, re.M | re.S):
        if language == "sql":
            yield from (("sql", each.strip()) for each in block.split(";") if each.strip())
            continue
        for line in block.replace("\\\n", " ").splitlines():
            if line.strip() and not line.startswith("#"):
                # uv brings what is here already.
                yield "sh", re.sub(r"^uv run (--\S+ )*", "", line.removeprefix("$ "))


LINES = {page: list(lines_of(page)) for page in PAGES}


def is_run(typed: str) -> bool:
    return not any(typed.startswith(beginning) for beginning in NOT_RUN)


@pytest.fixture
def cluster(
    data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[EmbeddedPostgres]:
    """A cluster whose roles may be changed, and an environment as that of who begins."""
    for name in [name for name in os.environ if name.endswith(("_URL", "_SECRET"))]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BETTER_AUTH_SECRET", SECRET)
    with embedded_postgres(data_folder) as postgres:
        postgres.create_database("todo")
        with psycopg.connect(postgres.superuser_url("todo")) as connection:
            cursor = connection.execute("SELECT setting FROM pg_config() WHERE name = 'BINDIR'")
            ((programs,),) = cursor.fetchall()
        # pg_dump is that of the server.
        monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
        yield postgres


def here(line: str, postgres: EmbeddedPostgres) -> tuple[str, str]:
    """Return the variable that a line exports, and its URL in the cluster of this test."""
    found = re.fullmatch(r"export (\w+)='postgresql://(\w+):[^@]+@[\w.-]+/(\w+)\S*'", line)
    assert found is not None, line
    name, role, database = found.groups()
    role = SUPERUSER if role == "owner" else role
    return name, postgres.url(role, database.replace("neondb", "todo"))


def type_in_shell(
    line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Run a line; a command of ours in this process, which has imported what it needs."""
    words = [os.path.expandvars(word) for word in shlex.split(line)]
    if words[0] == "todo-api":
        monkeypatch.setattr(sys, "argv", words)
        with pytest.raises(SystemExit) as ended:
            main()
        assert not ended.value.code, (line, ended.value.code, capsys.readouterr())
        return
    if words[0] == "curl":
        with running_server(settings_for(os.environ["DATABASE_URL"])) as server:
            words[-1] = words[-1].replace("http://127.0.0.1:8000", server.url)
            done = subprocess.run([*words, *RETRIED], capture_output=True, text=True)
    else:
        done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, (line, done.stderr)


def ask(statement: str) -> None:
    """Run a statement as a superuser."""
    url = libpq_url(os.environ["MIGRATION_DATABASE_URL"])
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement.encode())


@pytest.mark.timeout(300)
def test_what_is_told_to_type_works_in_its_order(
    cluster: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for page in PAGES:
        for language, typed in LINES[page]:
            if not is_run(typed):
                continue
            if language == "sql":
                ask(typed)
            elif typed.startswith("export "):
                monkeypatch.setenv(*here(typed, cluster))
            else:
                type_in_shell(typed, monkeypatch, capsys)
        if page == "deploying":
            ask("INSERT INTO users (id, name) VALUES ('ada', 'Ada')")


def test_what_is_not_run_is_on_a_page_and_has_its_options() -> None:
    left = [typed for lines in LINES.values() for _, typed in lines if not is_run(typed)]
    assert len(left) == len(NOT_RUN)
    for beginning in NOT_RUN:
        (typed,) = (each for each in left if each.startswith(beginning))
        options = re.findall(r"--[\w-]+", typed)
        if beginning.startswith("python -m "):
            source = (ROOT / f"{typed.split()[2].replace('.', '/')}.py").read_text()
            named = {f"--{name}" for name in re.findall(r"^    (\w+): Annotated", source, re.M)}
            assert set(options) <= named | set(re.findall(r'"(--[\w-]+)"', source)), typed
        elif beginning.startswith("uvicorn "):
            said = subprocess.run(["uvicorn", "--help"], capture_output=True, text=True).stdout
            for option in options:
                # Of a pair uvicorn's help may break the line.
                assert option in said, option


def test_every_command_that_is_named_takes_its_options() -> None:
    """Also those that stand in a sentence, such as `todo-api migrate --plan`."""
    text = "\n".join((ROOT / "docs" / f"{page}.md").read_text() for page in PAGES)
    named = re.findall(r"todo-api\s+([a-z][a-z-]*)((?:\s--[a-z-]+)*)", text)
    assert len(named) > 30
    for name, options in named:
        assert name in COMMANDS, name
        known = {option for each in imported(name).params for option in each.opts}
        assert set(options.split()) <= known, (name, options)
