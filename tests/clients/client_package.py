"""The client package, built from a copy: tests run its files with Node."""

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from tests.repository import ROOT

PACKAGE = "clients/typescript"

needs_package = pytest.mark.skipif(
    shutil.which("node") is None or not (ROOT / PACKAGE / "node_modules").exists(),
    reason=f"needs Node: npm ci --prefix {PACKAGE}",
)


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built package: made once a run, by the first worker that needs it."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    root, outcome = shared / "client-package", shared / "client-package-outcome"
    try:
        root.mkdir()
    except FileExistsError:
        while not outcome.exists():
            time.sleep(0.1)
    else:
        unfinished = shared / "client-package-unfinished"
        unfinished.write_text(_build(root))
        unfinished.rename(outcome)
    assert outcome.read_text() == ""
    return root / PACKAGE


def _build(root: Path) -> str:
    """Build a copy of the package in the folder; return what went wrong, if anything did."""
    made = shutil.ignore_patterns("node_modules", "dist", "schema")
    shutil.copytree(ROOT / PACKAGE, root / PACKAGE, ignore=made)
    (root / PACKAGE / "node_modules").symlink_to(ROOT / PACKAGE / "node_modules")
    shutil.copy(ROOT / "schema.graphql", root)
    done = subprocess.run(
        ["npm", "run", "build"],
        cwd=root / PACKAGE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
    )
    return done.stdout if done.returncode else ""
