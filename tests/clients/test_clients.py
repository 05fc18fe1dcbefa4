"""Apollo Client, urql, Relay, graphql-codegen and gql.tada: real ones, against a running server."""

import os
import re
import shutil
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest

from tests.api import Server, running_server, settings_for
from tests.clients.building import build_copy, once
from tests.databases import Database
from tests.repository import ROOT

CLIENTS = Path("tests/clients")
TESTS = [
    pytest.param(source.with_suffix(".js").name, name, id=name)
    for source in sorted((ROOT / CLIENTS).glob("*/*.test.ts*"))
    # A name that is not found here is empty, and then no test is found by it.
    for name in re.findall(r'^test\((?:\s*"(.*?)")?', source.read_text(), re.MULTILINE)
]
TRUSTED = [test for test in TESTS if test.values[0] == "trusted.test.js"]

needs_node = pytest.mark.skipif(
    shutil.which("node") is None or not (ROOT / CLIENTS / "node_modules").exists(),
    reason="needs Node: npm ci --prefix tests/clients",
)


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The compiled project."""

    def build(root: Path) -> str:
        return build_copy(root, str(CLIENTS), "build", "gql", "__generated__")

    return once(tmp_path_factory, "clients", build) / CLIENTS


def run(project: Path, file: str, name: str, server: Server) -> None:
    """Run one test of a compiled file, as a new user."""
    user_id = str(server.user().user_id)
    done = subprocess.run(
        [
            "node",
            "--disable-warning=ExperimentalWarning",
            "--test-reporter=tap",
            f"--test-name-pattern=^{re.escape(name)}$",
            f"build/{file}",
        ],
        cwd=project,
        env={
            "PATH": os.environ["PATH"],
            "API_URL": f"{server.url}/graphql",
            "TOKEN": server.token(user_id),
            "EXPIRED_TOKEN": server.token(user_id, lifetime=timedelta(hours=-1)),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout
    assert "\n# pass 1\n" in done.stdout, done.stdout


@needs_node
@pytest.mark.parametrize(("file", "name"), [test for test in TESTS if test not in TRUSTED])
def test_client(built: Path, server: Server, file: str, name: str) -> None:
    run(built, file, name, server)


@needs_node
@pytest.mark.parametrize(("file", "name"), TRUSTED)
def test_client_of_a_server_that_serves_nothing_but_its_documents(
    built: Path, database: Database, file: str, name: str
) -> None:
    settings = settings_for(
        database.server_url,
        trusted_documents=[str(built / "src/gql/persisted-documents.json")],
        trusted_documents_mode="only",
    )
    with running_server(settings) as server:
        run(built, file, name, server)


@needs_node
@pytest.mark.parametrize("client", ["apollo", "urql"])
def test_clients_send_texts_where_no_document_is_remembered(
    built: Path, database: Database, client: str
) -> None:
    settings = settings_for(database.server_url, graphql_persisted_queries=0)
    with running_server(settings) as server:
        run(built, f"{client}.test.js", f"{client}: three pages become one list", server)
