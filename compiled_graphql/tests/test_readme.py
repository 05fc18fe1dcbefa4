"""The example of the README runs, and prints what the README says."""

import re
import subprocess
import sys
from pathlib import Path

PACKAGE = Path(__file__).parent.parent


def test_the_example_prints_what_it_says() -> None:
    text = (PACKAGE / "README.md").read_text()
    [example] = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    [said] = re.findall(r"print\(.*\)  # (.*)", example)
    command = [sys.executable, "-W", "error", "-c", example]
    done = subprocess.run(command, cwd=PACKAGE.parent, capture_output=True, text=True)
    assert done.stdout.strip() == said, done.stderr
