"""The command that checks the operations that clients ship."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from app.operations.documents import Documents
from app.operations.trusted import ManifestError, read_manifests
from app.operations.trusted import check_documents as check_trusted_documents
from app.settings import settings_or_exit
from graphql_schema.schema import schema


def check_documents(
    manifests: Annotated[list[Path], typer.Argument(help="Manifests of operations.")],
) -> None:
    """Check that the operations clients ship fit the schema; exit 1 if one does not."""
    settings = settings_or_exit()
    documents = Documents(schema, settings.limits, allow_introspection=False, compiles=False)
    try:
        texts = read_manifests(manifests)
        check_trusted_documents(texts, documents)
    except ManifestError as error:
        for sentence in error.sentences:
            typer.echo(sentence)
        sys.exit(1)
    typer.echo(f"All {len(texts)} documents fit the schema.")
