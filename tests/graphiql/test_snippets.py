"""GraphiQL's snippets: each form is run as it is, with a token in place of `$TOKEN`."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.api import Server
from tests.database.test_live import eventually, watchers
from tests.repository import ROOT

MODULES = ROOT / "tests" / "clients" / "node_modules"
SNIPPETS = ROOT / "app" / "graphiql" / "static" / "snippets.js"
FORMS = ["curl", "fetch", "urql", "Apollo Client", "Python"]
CLIENTS = ["urql", "Apollo Client"]

ODD = "It's \"odd\": \\ ` ${x} $y ''' # END"
"""What ends a text in some language."""
ADD = '''\
# It's `odd`: ${x} \\ """ query X { y }
mutation Add($title: String!) {
  createTask(input: { title: $title, description: """It's "odd": \\ ` ${x} \'\'\' #""" }) {
    ... on Task { title description }
    ... on InvalidInput { issues { message } }
  }
}'''
SEVERAL = """\
query First { me { id } }
query Second { tasks { totalCount } }"""
FOLLOW = "subscription Follow { changes { node { node { ... on Task { title } } } } }"

pytestmark = pytest.mark.skipif(
    shutil.which("node") is None or not MODULES.exists(),
    reason="needs Node: npm ci --prefix tests/clients",
)


def snippet(form: str, server: Server, document: str, **tab: object) -> str:
    """Return what the page shows of a tab, made by the page's own program."""
    asked = {"document": document, "variables": {}, "url": f"{server.url}/graphql", **tab}
    program = f"""
        import {{ NAMES, snippetOf }} from {json.dumps(SNIPPETS.as_uri())};
        const text = snippetOf({json.dumps(form)}, {json.dumps(asked)});
        process.stdout.write(JSON.stringify([NAMES, text]));
    """
    options = ["--disable-warning=MODULE_TYPELESS_PACKAGE_JSON", "--input-type=module", "-e"]
    done = subprocess.run(["node", *options, program], capture_output=True, text=True, check=True)
    names, text = json.loads(done.stdout)
    assert names == FORMS
    return str(text)


def started(form: str, text: str, token: str | None, folder: Path) -> subprocess.Popen[str]:
    """Start a snippet as somebody does who has pasted it."""
    name = {"curl": "x.sh", "Python": "x.py"}.get(form, "x.mjs")
    program = {"curl": "sh", "Python": sys.executable}.get(form, "node")
    (folder / "node_modules").symlink_to(MODULES)
    # A shell has a variable; elsewhere the token is written in.
    (folder / name).write_text(text if form == "curl" else text.replace("$TOKEN", str(token)))
    environment = {"PATH": os.environ["PATH"], "TOKEN": str(token)}
    if program == "node":
        # Node.js 20 has a WebSocket only if it is asked to.
        environment["NODE_OPTIONS"] = "--experimental-websocket"
    return subprocess.Popen(
        [program, name],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def answer(form: str, text: str, token: str | None, folder: Path) -> Mapping[str, Any]:
    process = started(form, text, token, folder)
    said, complaints = process.communicate(timeout=60)
    assert process.returncode == 0, complaints
    if form == "Python":
        said = said.replace("'", '"')
    result: dict[str, Any] = json.loads(said)
    return result


@pytest.mark.parametrize("form", FORMS)
def test_a_mutation_as_code_does_what_the_tab_does(
    server: Server, tmp_path: Path, form: str
) -> None:
    user = server.user()
    text = snippet(form, server, ADD, variables={"title": ODD})
    assert str(user.token) not in text
    process = started(form, text, user.token, tmp_path)
    _, complaints = process.communicate(timeout=60)
    assert process.returncode == 0, complaints
    [task] = user.data("{ tasks { nodes { title description } } }")["tasks"]["nodes"]
    assert task == {"title": ODD, "description": "It's \"odd\": \\ ` ${x} ''' #"}


@pytest.mark.parametrize("form", FORMS)
def test_of_several_operations_the_one_that_is_meant_is_sent(
    server: Server, tmp_path: Path, form: str
) -> None:
    text = snippet(form, server, SEVERAL, operation="Second")
    if form in CLIENTS:
        assert text == "Such clients send one operation: leave the others out."
        return
    result = answer(form, text, server.user().token, tmp_path)
    assert result.get("data", result)["tasks"]["totalCount"] == 0


@pytest.mark.parametrize("form", FORMS)
def test_a_subscription_as_code_follows(server: Server, tmp_path: Path, form: str) -> None:
    text = snippet(form, server, FOLLOW)
    if form not in CLIENTS:
        assert re.fullmatch("A subscription comes over a WebSocket: .*urql or Apollo.*", text)
        return
    user = server.user()
    process = started(form, text, user.token, tmp_path)
    try:
        eventually(lambda: watchers(server) > 0, True)
        user.create("Seen")
        assert process.stdout is not None
        assert any('"title": "Seen"' in line for line in process.stdout)
    finally:
        process.kill()
        process.communicate()
