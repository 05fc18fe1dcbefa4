"""The public audits of GraphQL over HTTP: every MUST, SHOULD and MAY of npm's graphql-http."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.api import Server
from tests.counts import Count

AUDITS = Path(__file__).parent / "audits"
COUNT = 61

pytestmark = pytest.mark.skipif(
    shutil.which("node") is None or not (AUDITS / "node_modules").exists(),
    reason="needs Node: npm ci --prefix tests/clients/audits",
)


def test_every_audit_passes(graphiql_server: Server, count: Count) -> None:
    done = subprocess.run(
        ["node", "audit.js", f"{graphiql_server.url}/graphql", str(graphiql_server.user().token)],
        cwd=AUDITS,
        capture_output=True,
        text=True,
        check=True,
    )
    results = json.loads(done.stdout)
    count("audits of GraphQL over HTTP", len(results))
    failed = [result for result in results if result["status"] != "ok"]
    count("audits of GraphQL over HTTP that failed or warned", len(failed))
    assert failed == []
    assert len(results) == COUNT


def test_in_production_only_the_audit_that_asks_for_the_schema_fails(server: Server) -> None:
    done = subprocess.run(
        ["node", "audit.js", f"{server.url}/graphql", str(server.user().token)],
        cwd=AUDITS,
        capture_output=True,
        text=True,
        check=True,
    )
    results = json.loads(done.stdout)
    failed = {result["id"] for result in results if result["status"] == "error"}
    assert failed == {"28B9"}
