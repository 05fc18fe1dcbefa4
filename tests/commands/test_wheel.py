"""The wheel: it has every file that the program reads, and its commands work in an empty folder."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api import SECRET
from tests.databases import Database
from tests.repository import ROOT

VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


@pytest.fixture(scope="module")
def wheel() -> Iterator[Path]:
    """A folder that everybody may read, with what `pip install --no-deps` makes of the wheel.

    The libraries are those of this environment.
    """
    if shutil.which("uv") is None:
        pytest.skip("needs uv, which builds the wheel")
    folder = Path(tempfile.mkdtemp(prefix="todo-api-wheel-"))
    folder.chmod(0o755)
    for words in (
        ["uv", "build", "--quiet", "--wheel", "--out-dir", f"{folder}/dist", str(ROOT)],
        ["uv", "pip", "install", "--quiet", "--python", sys.executable, "--no-deps", "--no-index",
         "--compile-bytecode",
         "--find-links", f"{folder}/dist", "--target", f"{folder}/installed", "todo-api"],
    ):  # fmt: skip
        subprocess.run(words, check=True, capture_output=True, text=True, cwd=folder)
    (folder / "empty").mkdir()
    yield folder
    shutil.rmtree(folder)


def run(wheel: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Python in the empty folder, where it finds what was installed."""
    return subprocess.run(
        [sys.executable, *words],
        cwd=wheel / "empty",
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": f"{wheel}/installed:{ROOT}",
            "BETTER_AUTH_SECRET": SECRET,
            **environment,
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def test_it_has_every_file_of_its_packages(wheel: Path) -> None:
    rooms = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = rooms["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    listed = subprocess.run(
        ["git", "ls-files", *packages], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.split()
    wanted = {name for name in listed if "/tests/" not in name}
    installed = wheel / "installed"
    there = {str(file.relative_to(installed)) for file in installed.rglob("*") if file.is_file()}
    assert wanted
    assert wanted - there == set()
    # The names of its packages are those that it takes on a machine.
    assert {name.split("/")[0] for name in there} - {".lock"} == {
        *packages, "bin", f"todo_api-{VERSION}.dist-info"
    }  # fmt: skip


def test_its_commands_work_in_an_empty_folder(wheel: Path, database: Database) -> None:
    cases = {
        ("--version",): (0, f"todo-api {VERSION}\n"),
        ("--help",): (0, "export-user"),
        ("token", "ada"): (0, "."),
        ("migrate", "--sql"): (0, "CREATE TABLE task_lists"),
        ("migrate", "--check"): (0, "up to date"),
        ("migrate",): (0, "up to date"),
        ("database-url",): (0, database.server_url),
        ("export-schema",): (0, (ROOT / "schema.graphql").read_text()),
        ("export-schema", "--check"): (1, "there is no schema.graphql here"),
        ("check-documents", "none.json"): (1, "none.json"),
        ("doctor",): (0, "Row security keeps users apart"),
        ("purge",): (0, "Removed for good: "),
        ("restored",): (1, "Was this database restored?"),
        ("export-user", "nobody"): (1, "There is no user nobody."),
        ("delete-user", "nobody", "--yes"): (1, "There is no user nobody."),
        ("export", "--user", "nobody"): (1, "There is no user nobody."),
        ("serve", "--port", "0"): (0, "Application startup complete"),
    }
    urls = {"DATABASE_URL": database.server_url, "MIGRATION_DATABASE_URL": database.superuser_url}
    words = [json.dumps(each) for each in cases]
    done = run(wheel, "-m", "tests.commands.all_commands", *words, **urls)
    assert done.returncode == 0, done.stderr
    for number, (case, (code, said)) in enumerate(cases.items()):
        told = "".join(
            (wheel / "empty" / f"{number}.{name}").read_text() for name in ("out", "err")
        )
        assert (json.loads(done.stdout)[number], said in told) == (code, True), (case, told)
        assert "Traceback" not in told, case
    made = {path.name for path in (wheel / "empty").iterdir()}
    assert made == {f"{n}.{name}" for n in range(len(cases)) for name in ("out", "err")}


@pytest.mark.parametrize("start", [["-m", "app"], ["../installed/bin/todo-api"]])
def test_it_starts_by_either_name_and_from_its_own_files(wheel: Path, start: list[str]) -> None:
    done = run(wheel, *start, "--version")
    assert (done.returncode, done.stdout) == (0, f"todo-api {VERSION}\n"), done.stderr
    where = run(wheel, "-c", "import app.cli; print(app.cli.__file__)")
    assert where.stdout == f"{wheel}/installed/app/cli.py\n"
