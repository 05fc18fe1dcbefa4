"""The client package: its own tests, by Node."""

import subprocess
from pathlib import Path

from tests.clients.client_package import needs_package, package

__all__ = ["package"]


@needs_package
def test_queue_client_and_links_pass_their_tests(package: Path) -> None:
    done = subprocess.run(
        [
            "node",
            "--test",
            "--test-reporter=dot",
            *sorted(map(str, package.glob("tests/*.test.js"))),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout[-5000:]
