"""The command that prints the schema, or compares it with another."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from graphql import build_schema as build_from_sdl
from graphql import find_breaking_changes
from strawberry.printer import print_schema

from graphql_schema.schema import schema

SCHEMA_FILE = Path("schema.graphql")


def export_schema(
    check: Annotated[
        bool,
        typer.Option("--check", help=f"Only compare with {SCHEMA_FILE}; exit 1 if it differs."),
    ] = False,
    against: Annotated[
        Path | None,
        typer.Option(help="Only name what breaks clients of this older schema; exit 1 if any."),
    ] = None,
) -> None:
    """Print the schema in GraphQL's schema definition language."""
    if against is not None:
        _name_breaking_changes(against)
        return
    sdl = _sdl()
    if not check:
        typer.echo(sdl, nl=False)
        return
    if not SCHEMA_FILE.exists():
        sys.exit(
            f"todo-api: there is no {SCHEMA_FILE} here to compare with. Run this in the folder "
            "that has it."
        )
    if SCHEMA_FILE.read_text() != sdl:
        sys.exit(
            f"todo-api: {SCHEMA_FILE} is not the schema that the code has. Mend it by: "
            f"uv run todo-api export-schema > {SCHEMA_FILE}"
        )


def _name_breaking_changes(older: Path) -> None:
    changes = find_breaking_changes(build_from_sdl(older.read_text()), build_from_sdl(_sdl()))
    for change in changes:
        typer.echo(f"{change.type.name}: {change.description}")
    if changes:
        sys.exit(1)


def _sdl() -> str:
    return print_schema(schema) + "\n"
