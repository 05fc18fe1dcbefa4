"""examples/nextjs and its page in the docs: the same code, with types that hold.

`scripts/rehearse/nextjs.py` goes through it in a browser: compiling it takes too long for a test.
"""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.repository import ROOT

FOLDER = ROOT / "examples" / "nextjs"
SHARED = ROOT / "examples" / "shared"
BLOCK = re.compile(r"^```\w+\n// (\S+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(page: str) -> dict[str, str]:
    return dict(BLOCK.findall((ROOT / "docs" / f"{page}.md").read_text()))


def test_the_page_shows_the_files_of_the_example() -> None:
    shown = blocks("nextjs")
    assert len(shown) == 4
    assert shown == {name: (FOLDER / name).read_text() for name in shown}


def test_it_shares_its_code_with_the_other_pages() -> None:
    library = FOLDER / "lib"
    assert (library / "todo.ts").read_text() == (SHARED / "todo.ts").read_text()
    assert (library / "operations.ts").read_text() == (SHARED / "operations.ts").read_text()
    assert (library / "client.ts").read_text() == blocks("react-apollo")["src/client.ts"]


def test_its_settings_are_four_lines() -> None:
    lines = (FOLDER / ".env.example").read_text().splitlines()
    names = [line.partition("=")[0] for line in lines]
    assert names == [
        "BETTER_AUTH_URL",
        "BETTER_AUTH_SECRET",
        "AUTH_DATABASE_URL",
        "NEXT_PUBLIC_API_URL",
    ]


@pytest.mark.skipif(
    shutil.which("node") is None or not (FOLDER / "node_modules").exists(),
    reason="needs Node: npm ci --prefix examples/nextjs",
)
def test_its_types_hold(tmp_path: Path) -> None:
    project = tmp_path / "examples" / "nextjs"
    made = shutil.ignore_patterns("node_modules", ".next", "gql", "next-env.d.ts", ".env.local")
    shutil.copytree(FOLDER, project, ignore=made)
    (project / "node_modules").symlink_to(FOLDER / "node_modules")
    shutil.copy(ROOT / "schema.graphql", tmp_path)
    # Next.js writes it when it first runs.
    (project / "next-env.d.ts").write_text('/// <reference types="next" />\n')
    for command in ("graphql-codegen", "tsc"):
        done = subprocess.run(["npx", command], cwd=project, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
