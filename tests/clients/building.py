"""What tests run of TypeScript: built once a run, by the first worker that needs it."""

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.repository import ROOT


def once(factory: pytest.TempPathFactory, name: str, build: Callable[[Path], str]) -> Path:
    """Return a folder that `build` has filled; that returns what went wrong, if anything did."""
    shared = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    folder, outcome = shared / name, shared / f"{name}-outcome"
    try:
        folder.mkdir()
    except FileExistsError:
        while not outcome.exists():
            time.sleep(0.1)
    else:
        unfinished = shared / f"{name}-unfinished"
        unfinished.write_text(build(folder))
        unfinished.rename(outcome)
    said = outcome.read_text()
    assert said == "", said
    return folder


def build_copy(root: Path, project: str, *made: str) -> str:
    """Build a copy of a project of the repository in the folder, and the schema beside it.

    `made`: names of what its build makes. Returns what went wrong, if anything did.
    """
    ignored = shutil.ignore_patterns("node_modules", *made)
    shutil.copytree(ROOT / project, root / project, ignore=ignored)
    (root / project / "node_modules").symlink_to(ROOT / project / "node_modules")
    shutil.copy(ROOT / "schema.graphql", root)
    return npm_build(root / project)


def npm_build(project: Path, *arguments: str) -> str:
    """Build a project where it is; return what went wrong, if anything did."""
    done = subprocess.run(
        ["npm", "run", "build", *arguments],
        cwd=project,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
    )
    return done.stdout if done.returncode else ""
