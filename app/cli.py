"""The command line: todo-api. Of the commands, it imports only the one that is run.

Each worker imports this module first, for it starts by importing the main program again; until it
is done, it does not answer the process that watches over it.
"""

import gc
import importlib
import sys
from importlib.metadata import version
from keyword import iskeyword
from types import MappingProxyType
from typing import Annotated

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from app.failure import Failure

COMMANDS = MappingProxyType(
    {
        "serve": "Serve the API; with no DATABASE_URL, on an embedded PostgreSQL.",
        "token": "Print a token of a user, signed with the configured secret, to try things out "
        "with.",
        "migrate": "Bring the database up to date, and make the role that the server connects as.",
        "database-url": "Print the database's URL; of the embedded one while a server runs on it.",
        "export-schema": "Print the schema in GraphQL's schema definition language.",
        "check-documents": "Check that the operations clients ship fit the schema; exit 1 if one "
        "does not.",
        "doctor": "Say what is configured, can be reached, and is open; exit 1 if something is "
        "wrong.",
        "purge": "Remove for good what has been in the trash for TRASH_RETENTION_DAYS, as servers "
        "do hourly.",
        "distribute": "Distribute the tables over the nodes of a Citus cluster, each user's rows "
        "on one of them.",
        "restored": "After a restore, before a server starts: no client goes on from before, no id "
        "comes twice.",
        "export-user": "Print all that is a user's, as lines of JSON; exit 1 if there is no such "
        "user.",
        "export": "Print what a user has, for this or another program to read: lists, tasks and "
        "rules.",
        "import": "Add what a file has to what a user has, each task once; exit 1 if it cannot be "
        "read.",
        "delete-user": "Delete a user and all that is theirs, for good; exit 1 if there is no such "
        "user.",
        "graphiql-files": "Fetch GraphiQL's files by npm now, so that the page works without "
        "internet later.",
    }
)
"""The commands, each with the docstring of its function, which is not imported for a list."""

DEFAULT = "serve"
"""The command that is run where none is named."""


def main() -> None:
    """Run the command line; end with a sentence where a command cannot go on."""
    arguments = sys.argv[1:] or [DEFAULT]
    app = typer.Typer(add_completion=False)
    app.callback()(todo_api)
    cli = get_command(app)
    assert isinstance(cli, TyperGroup)
    for name, line in COMMANDS.items():
        cli.add_command(TyperCommand(name, help=line))
    asked = next((word for word in arguments if not word.startswith("-")), "")
    if asked in COMMANDS:
        cli.add_command(imported(asked))
    try:
        cli(arguments)
    except Failure as error:
        sys.exit(f"todo-api: {error}")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"todo-api {version('todo-api')}")
        raise typer.Exit


def todo_api(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", is_eager=True, callback=_print_version
        ),
    ] = False,
) -> None:
    """A multi-user task API over GraphQL."""


def function_of(name: str) -> str:
    """Return the name of a command's function, and of its module: where Python has it, with `_`."""
    function = name.replace("-", "_")
    return f"{function}_" if iskeyword(function) else function


def imported(name: str) -> TyperCommand:
    """Return the command of this name: the function of that name in its module in app.commands."""
    function = function_of(name)
    # Imports make nothing but what stays: to look for garbage takes a tenth of their time. What is
    # frozen is not visited right afterwards either.
    gc.disable()
    module = importlib.import_module(f"app.commands.{function}")
    gc.freeze()
    gc.enable()
    app = typer.Typer(add_completion=False)
    app.command(name)(getattr(module, function))
    command = get_command(app)
    assert isinstance(command, TyperCommand)
    return command
