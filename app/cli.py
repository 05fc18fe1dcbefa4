"""The command line: todo-api."""

import sys

import typer

from app.commands.database_url import database_url
from app.commands.doctor import doctor
from app.commands.documents import check_documents
from app.commands.graphiql_files import graphiql_files
from app.commands.migrate import migrate
from app.commands.purge import purge
from app.commands.schema import export_schema
from app.commands.serve import serve
from app.commands.token import token
from app.database.embedded import EmbeddedUnavailable
from app.database.migration import MigrationFailed
from app.graphiql.files import FilesUnavailable

COMMANDS = (
    serve,
    token,
    migrate,
    database_url,
    export_schema,
    check_documents,
    doctor,
    purge,
    graphiql_files,
)

cli = typer.Typer(
    help="A multi-user task API over GraphQL.",
    add_completion=False,
    pretty_exceptions_enable=False,
    no_args_is_help=False,
)
for command in COMMANDS:
    cli.command()(command)


def main() -> None:
    """Run the command line; end with a sentence where a command cannot go on."""
    try:
        cli()
    except (EmbeddedUnavailable, FilesUnavailable, MigrationFailed) as error:
        sys.exit(f"todo-api: {error}")


@cli.callback(invoke_without_command=True)
def _default(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        serve()
