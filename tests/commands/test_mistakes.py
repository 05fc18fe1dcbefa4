"""Mistakes in settings and arguments: a sentence says what to do, and no secret is shown."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from starlette.types import Message

from app.configuration.env_file import misspelt, objection_to
from app.database.urls import can_be_read
from app.exchange import own
from app.exchange.items import Contents
from app.factory import create_app
from tests.api import SECRET, settings_for
from tests.repository import ROOT

BIN = Path(sys.executable).parent
MINIMAL = {"BETTER_AUTH_SECRET": SECRET}


def run(
    folder: Path, *words: str, environment: Mapping[str, str] = MINIMAL, seconds: float = 60
) -> subprocess.CompletedProcess[str]:
    """Run `todo-api` in a folder; a command that goes on is stopped, and its status is 0."""
    process = subprocess.Popen(
        [BIN / "todo-api", *words],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        out, err = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.terminate()
        out, err = process.communicate()
    return subprocess.CompletedProcess(words, process.returncode, out, err)


MALFORMED = [
    "postgresql://u:SEKRET%zz@127.0.0.1:9/db",
    "postgresql://u:SEKRET@[::1/db",
    "postgresql://u:SEK RET@127.0.0.1:9/db",
    "postgresql://u:SEK@RET@127.0.0.1:9/db",
    "postgresql://u:SEK/RET@127.0.0.1:9/db",
    "postgresql://u:SEK?RET@127.0.0.1:9/db",
    "postgresql://u:SEKRET@127.0.0.1:notaport/db",
    "postgresql://u:SEKRET@no such host/db",
]
COMMANDS = [
    ["doctor"],
    ["purge"],
    ["migrate"],
    ["migrate", "--check"],
    ["token", "ada"],
    ["export-schema"],
    ["check-documents", "manifest.json"],
    ["export-user", "ada"],
    ["delete-user", "ada", "--yes"],
    ["export", "--user", "ada"],
    ["import", "ada.json", "--user", "ada"],
    ["serve", "--port", "0"],
]


@pytest.mark.parametrize("url", MALFORMED)
def test_no_command_shows_a_password_of_a_url_that_it_cannot_use(tmp_path: Path, url: str) -> None:
    (tmp_path / "ada.json").write_bytes(own.write(Contents()))
    done = subprocess.run(
        [sys.executable, "-m", "tests.commands.all_commands", *map(json.dumps, COMMANDS)],
        cwd=tmp_path,
        env={
            "PATH": os.environ["PATH"],
            "HOME": os.environ.get("HOME", "/"),
            "PYTHONPATH": str(ROOT),
            "DATABASE_URL": url,
            "BETTER_AUTH_SECRET": SECRET,
            "DATABASE_CONNECT_TIMEOUT": "2",
        },
        capture_output=True,
        text=True,
        check=True,
    )
    for number, words in enumerate(COMMANDS):
        said = [(tmp_path / f"{number}.{name}").read_text() for name in ("out", "err")]
        assert "".join(said), words
        for part in ("SEK", "RET", "Traceback"):
            assert part not in "".join(said), (words, said)
    assert json.loads(done.stdout)[:3] == [1, 1, 1]


@pytest.mark.parametrize("url", [url for url in MALFORMED if not can_be_read(url)])
@pytest.mark.parametrize("name", ["database_url", "listen_database_url", "database_read_url"])
async def test_nor_does_a_server_that_uvicorn_alone_starts(
    caplog: pytest.LogCaptureFixture, name: str, url: str
) -> None:
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "lifespan.startup"}

    async def send(message: Message) -> None:
        sent.append(message)

    settings = settings_for("postgresql://u@127.0.0.1:9/db").model_copy(update={name: url})
    app = create_app(settings)
    await app({"type": "lifespan", "state": {}}, receive, send)
    (failed,) = sent
    assert failed["type"] == "lifespan.startup.failed"
    assert failed["message"].startswith("The database cannot be reached: its URL cannot be read.")
    for part in ("SEK", "RET"):
        assert part not in str(failed) + caplog.text


def test_a_server_does_not_start_by_a_url_of_a_replica_that_it_cannot_read(tmp_path: Path) -> None:
    urls = {"DATABASE_URL": "postgresql://u@127.0.0.1:9/db", "DATABASE_READ_URL": MALFORMED[0]}
    done = run(tmp_path, "serve", "--port", "0", environment={**urls, **MINIMAL})
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("todo-api: The database cannot be reached: its URL cannot be")


def test_what_can_be_read_is_told_in_full(tmp_path: Path) -> None:
    url = "postgresql://u:pw@127.0.0.1:9/db"
    for words in (["doctor"], ["purge"], ["migrate"]):
        done = run(tmp_path, *words, environment={"DATABASE_URL": url, **MINIMAL})
        assert "127.0.0.1" in done.stdout + done.stderr
        assert "refused" in done.stdout + done.stderr


@pytest.mark.parametrize(
    "words",
    [["token", ""], ["token", "two\nlines"], ["token", "x" * 256]],
    ids=["empty", "line break", "too long"],
)
def test_no_token_is_made_that_the_server_would_refuse(tmp_path: Path, words: list[str]) -> None:
    done = run(tmp_path, *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "todo-api: a user's id has 1 to 255 characters, and no control characters.\n"
    )


def test_nor_one_that_lives_too_long_or_is_too_large(tmp_path: Path) -> None:
    done = run(tmp_path, "token", "ada", "--minutes", "99999999999")
    assert (done.returncode, done.stdout) == (2, "")
    assert "--minutes" in done.stderr
    done = run(tmp_path, "token", "ada", "--name", "x" * 9000)
    assert (done.returncode, done.stdout) == (2, "")
    assert "8192" in done.stderr
    assert run(tmp_path, "token", "x" * 255).returncode == 0


@pytest.mark.parametrize(
    "content",
    [
        "DEBUG=true\n".encode("utf-16"),
        "DEBUG=true\n".encode("utf-16-le"),
        "# café\nDEBUG=true\n".encode("latin-1"),
    ],
    ids=["UTF-16", "UTF-16 without a mark", "Latin-1"],
)
def test_a_file_in_another_encoding_is_said_so(tmp_path: Path, content: bytes) -> None:
    (tmp_path / ".env").write_bytes(content)
    for words in (["doctor"], ["token", "ada"]):
        done = run(tmp_path, *words, environment={})
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == "todo-api: .env is not in UTF-8: save it in that encoding.\n"


def test_a_file_as_people_write_it_is_read(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_bytes(f"\ufeff# café\r\nexport BETTER_AUTH_SECRET='{SECRET}'\r\n".encode())
    assert objection_to(file) is None
    assert misspelt(file, ["better_auth_secret"]) == []
    assert run(tmp_path, "token", "ada", environment={}).returncode == 0


KNOWN = ["database_url", "rate_limit", "listen_database_url"]


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        ("DATABSE_URL=x", "DATABASE_URL"),
        ("  export RATE_LIMT = 5", "RATE_LIMIT"),
        ("rate_limits=5", "RATE_LIMIT"),
        ("DATABASE_URL=x", None),
        ("database_url=x", None),
        ("# DATABSE_URL=x", None),
        ("PGPASSWORD=x", None),
        ("VITE_API_URL=http://localhost", None),
    ],
)
def test_a_name_that_is_almost_a_setting_is_named(
    tmp_path: Path, line: str, meant: str | None
) -> None:
    file = tmp_path / ".env"
    file.write_text(f"OTHER=1\n{line}\n")
    sentences = misspelt(file, KNOWN)
    assert len(sentences) == (meant is not None)
    assert all(f"Is {meant} meant?" in sentence and "=" not in sentence for sentence in sentences)


def test_the_doctor_names_it_and_so_does_the_start(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("RATE_LIMT=5\n")
    sentence = ".env sets RATE_LIMT, which is no setting. Is RATE_LIMIT meant?"
    unreachable = {"DATABASE_URL": "postgresql://u@127.0.0.1:9/db", "BETTER_AUTH_SECRET": SECRET}
    assert f"open   {sentence}" in run(tmp_path, "doctor", environment=unreachable).stdout
    started = run(tmp_path, "serve", "--port", "0", environment=unreachable, seconds=15)
    assert f"todo-api: {sentence}\n" in started.stderr


@pytest.mark.parametrize("command", [["token", "ada"], ["doctor"], ["migrate"]])
def test_a_folder_for_data_below_a_file_is_said_so(tmp_path: Path, command: list[str]) -> None:
    (tmp_path / "file").write_text("")
    data = {"DATA_DIR": str(tmp_path / "file" / "data")}
    done = run(tmp_path, *command, environment=data)
    assert done.returncode == 1
    assert "cannot be a folder for data: Not a directory. Set DATA_DIR" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_schema_that_is_not_here_is_said_so(tmp_path: Path) -> None:
    done = run(tmp_path, "export-schema", "--check")
    assert done.returncode == 1
    assert done.stderr.startswith("todo-api: there is no schema.graphql here")
