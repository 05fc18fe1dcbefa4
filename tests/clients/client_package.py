"""The client package, built from a copy: tests run its files with Node."""

import shutil
from pathlib import Path

import pytest

from tests.clients.building import build_copy, once
from tests.repository import ROOT

PACKAGE = "clients/typescript"

needs_package = pytest.mark.skipif(
    shutil.which("node") is None or not (ROOT / PACKAGE / "node_modules").exists(),
    reason=f"needs Node: npm ci --prefix {PACKAGE}",
)


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built package."""

    def build(root: Path) -> str:
        return build_copy(root, PACKAGE, "dist", "schema")

    return once(tmp_path_factory, "client-package", build) / PACKAGE
