"""The house itself: imports keep their contracts, importing does nothing, inits are empty."""

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.repository import ROOT

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PACKAGES: list[str] = PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]


def modules() -> list[Path]:
    files = [file.relative_to(ROOT) for room in PACKAGES for file in (ROOT / room).rglob("*.py")]
    return [file for file in files if "tests" not in file.parts]


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


STATEMENTS = "resolvers/statements"
"""How the paths of the modules begin that make statements."""

SQL = re.compile(r"\s*(SELECT|INSERT INTO|UPDATE|DELETE FROM|MERGE INTO|WITH \w+ AS)\s", re.I)
OWNER_COLUMN = re.compile(r"(?<!app\.)\buser_id\b")


def places(is_found: Callable[[ast.AST], bool]) -> list[tuple[Path, int]]:
    """Return the file and line of what is found in the syntax trees, docstrings apart."""
    found: list[tuple[Path, int]] = []
    for module in modules():
        tree = ast.parse((ROOT / module).read_text())
        docstrings = {
            id(node.value)
            for node in ast.walk(tree)
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        }
        found += [
            (module, getattr(node, "lineno", 0))
            for node in ast.walk(tree)
            if id(node) not in docstrings and is_found(node)
        ]
    return found


def outside(places: list[tuple[Path, int]], *rooms: str) -> list[str]:
    """Return those that lie elsewhere, once some lie in the first of the rooms."""
    assert any(str(module).startswith(rooms[0]) for module, _ in places)
    return [f"{module}:{line}" for module, line in places if not str(module).startswith(rooms)]


def names_owner_column(node: ast.AST) -> bool:
    match node:
        case ast.Constant(value=str(text)):
            return OWNER_COLUMN.search(text) is not None
        case ast.Attribute(value=ast.Name(id=name), attr="user_id"):
            return name[0].isupper()
        case ast.Attribute(value=ast.Attribute(attr="c"), attr="user_id"):
            return True
    return False


def test_only_statements_name_the_owner_column() -> None:
    found = places(names_owner_column)
    assert outside(found, STATEMENTS, "models/", "app/database/") == []


def test_only_statements_are_sql() -> None:
    """The doctor reads the version of the migrations; pipelined_postgres knows no tables."""

    def is_sql(node: ast.AST) -> bool:
        match node:
            case ast.Constant(value=str(text)):
                return SQL.match(text) is not None
            case ast.Call(func=ast.Name(id="Statement") | ast.Attribute(attr="Statement")):
                return True
        return False

    rooms = (STATEMENTS, "app/database/", "app/commands/doctor.py", "pipelined_postgres/")
    assert outside(places(is_sql), *rooms) == []


@pytest.mark.parametrize(
    ("made", "rooms"),
    # SQLAlchemy's Identity, which models use, is another.
    [
        ("UserId", ["auth/tokens.py", "auth/calendar_addresses.py"]),
        ("Identity", ["auth/tokens.py", "models/"]),
    ],
)
def test_only_tokens_and_addresses_of_calendars_make_a_user_id(made: str, rooms: list[str]) -> None:
    """By a call, a cast or another name; a field or an argument of the type makes none."""

    def makes_one(node: ast.AST) -> bool:
        match node:
            case ast.Call(func=ast.Name(id="cast") | ast.Attribute(attr="cast")):
                return made in ast.unparse(node.args[0])
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)) if name == made:
                return True
            case ast.Call():
                given = [*node.args, *(keyword.value for keyword in node.keywords)]
                return any(isinstance(each, ast.Name) and each.id == made for each in given)
            case ast.Assign(value=ast.Name(id=name)):
                return name == made
            case ast.alias(name=name, asname=str()):
                return name == made
        return False

    assert outside(places(makes_one), *rooms) == []


def test_importing_everything_touches_nothing_outside() -> None:
    names = [".".join(m.with_suffix("").parts) for m in modules() if "migrations" not in m.parts]
    done = subprocess.run(
        [sys.executable, "-m", "tests.house.imported_alone", *names],
        cwd=ROOT,
        env={
            "PATH": "/nowhere",
            "DATABASE_URL": "not a url",
            "PYTHONWARNINGS": "error",
            "PYTHONDONTWRITEBYTECODE": "1",
        },
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def test_a_server_loads_no_migrations() -> None:
    """They take a tenth of the time in which a worker starts."""
    command = "import sys, app.asgi, app.commands.serve; sys.exit('alembic' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", command], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr or "alembic is imported"


def test_no_garbage_is_looked_for_in_what_a_command_has_imported() -> None:
    """That would take as long as its import takes without."""
    command = "import gc, app.cli; app.cli.imported('serve'); print(len(gc.get_objects()))"
    done = subprocess.run(
        [sys.executable, "-c", command], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < 10_000


def test_the_process_that_starts_workers_imports_nothing_of_the_application() -> None:
    """It is no worker, and would hold half a worker's memory for nothing."""
    parts = ["app.factory", "fastapi", "graphql", "sqlalchemy", "strawberry"]
    command = f"import sys, app.commands.serve; sys.exit(bool(sys.modules.keys() & {parts}))"
    done = subprocess.run(
        [sys.executable, "-c", command], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr or f"one of {parts} is imported"
