"""One command starts the API, the page and Better Auth, and Ctrl-C stops them all."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import psycopg
import pytest
from playwright.sync_api import Browser, expect

from app.database.embedded import DATABASE, embedded_postgres
from app.database.installation import begin_after_restore
from app.database.urls import SERVER_ROLE
from tests.api import Caller
from tests.clients.web.site import FOLDER, enter, missing, wait_for
from tests.clients.web.window import PATIENCE, Window
from tests.http.test_serving import free_port, postgres_of

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.skipif(missing(), reason="needs Node: npm ci --prefix examples/web"),
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
            _, left = psutil.wait_procs(family, 60)
        for survivor in left:
            survivor.kill()
    assert left == [], log.read_text()


def test_one_command_starts_all_of_it(browser: Browser, data_folder: Path, tmp_path: Path) -> None:
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
        context = browser.new_context(viewport={"width": 1200, "height": 700})
        window = Window(context, url)
        enter(window.page, name="Ada", email="ada@example.com")
        window.add("Milk", "Salt")
        window.has("Milk", "Salt")
        window.has_sent_all()
        token = context.request.get(f"{url}/api/auth/token").json()["token"]
        begin_anew_after_a_restore(window, data_folder, f"http://127.0.0.1:{api_port}", token)
        assert window.complaints == []
        context.close()
        # Better Auth keeps its sessions and keys in the same database, to itself.
        assert hidden_from_the_api(data_folder) >= {"account", "jwks", "session", "verification"}
    assert postgres_of(data_folder) == []


def begin_anew_after_a_restore(window: Window, folder: Path, api: str, token: str) -> None:
    """The feed does not go on from before, so what was lost goes from the page, too."""
    with embedded_postgres(folder) as postgres:
        database = postgres.superuser_url(DATABASE)
        with psycopg.connect(database) as connection:
            # No trigger notes it: the backup never had the task.
            connection.execute("SET session_replication_role = replica")
            connection.execute("DELETE FROM tasks WHERE title = 'Salt'")
        begin_after_restore(database)
    ada = Caller(api, None, token)
    with ada.http:
        ada.create("Honey")
    window.has("Milk", "Honey")
    expect(window.box("Salt")).to_have_count(0, timeout=PATIENCE)


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
