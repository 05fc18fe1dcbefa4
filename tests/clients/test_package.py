"""The client package: its own tests by Node, and what is installed of it."""

import json
import re
import subprocess
import tarfile
import tomllib
from pathlib import Path

import pytest

from tests.clients.client_package import PACKAGE, needs_package, package
from tests.repository import ROOT

__all__ = ["package"]

#: What who installs the package has beside it.
BESIDE = ["@apollo", "@urql", "graphql", "graphql-ws", "idb", "relay-runtime", "rxjs"]
#: What these bring along.
BELOW = ["@0no-co", "@graphql-typed-document-node", "@wry", "optimism", "tslib", "wonka"]


def run(*command: str, cwd: Path) -> None:
    done = subprocess.run(
        command,
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout[-5000:]


def test_version_is_that_of_the_server() -> None:
    server = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert json.loads((ROOT / PACKAGE / "package.json").read_text())["version"] == server


@needs_package
def test_queue_client_and_links_pass_their_tests(package: Path) -> None:
    files = sorted(str(file) for file in package.glob("tests/*.test.js"))
    run("node", "--test", "--test-reporter=dot", *files, cwd=package)


@pytest.fixture
def installed(package: Path, tmp_path: Path) -> Path:
    """An empty project in which the packed package is installed."""
    run("npm", "pack", "--ignore-scripts", f"--pack-destination={tmp_path}", cwd=package)
    [packed] = tmp_path.glob("*.tgz")
    with tarfile.open(packed) as archive:
        archive.extractall(tmp_path, filter="data")
    modules = tmp_path / "node_modules"
    (modules / "@todo-api").mkdir(parents=True)
    (tmp_path / "package").rename(modules / "@todo-api" / "client")
    for name in [*BESIDE, *BELOW]:
        (modules / name).symlink_to(package / "node_modules" / name)
    (tmp_path / "package.json").write_text(json.dumps({"type": "module"}))
    return tmp_path


@needs_package
@pytest.mark.parametrize(
    ("module", "resolution"), [("esnext", "bundler"), ("nodenext", "nodenext")]
)
def test_examples_of_its_page_compile_where_it_is_installed(
    module: str, resolution: str, package: Path, installed: Path
) -> None:
    page = (package / "README.md").read_text()
    examples = re.findall(r"^\*\*`(.*?)`\*\*\n\n```ts\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    for name, code in examples:
        (installed / name).write_text(code)
    assert len(examples) == 5
    options = [
        "--strict",
        "--noEmit",
        "--skipLibCheck",
        "--resolveJsonModule",
        "--target",
        "es2022",
    ]
    kinds = ["--module", module, "--moduleResolution", resolution]
    tsc = package / "node_modules" / "typescript" / "bin" / "tsc"
    names = [name for name, _ in examples]
    run(
        "node",
        str(tsc),
        *options,
        *kinds,
        "--lib",
        "es2023,dom,dom.iterable",
        *names,
        cwd=installed,
    )


@needs_package
def test_package_leads_to_files_that_are_there(package: Path, installed: Path) -> None:
    publint = package / "node_modules" / "publint" / "src" / "cli.js"
    root = installed / "node_modules" / "@todo-api" / "client"
    run("node", str(publint), "--strict", "--pack=false", str(root), cwd=installed)
