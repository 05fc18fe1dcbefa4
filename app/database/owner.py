"""Connections of the role that owns the tables, by which commands look at them and mend them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from app.database.urls import libpq_url
from app.failure import MigrationFailed


@contextmanager
def connected(
    url: str, failure: str, *, autocommit: bool = False
) -> Iterator[psycopg.Connection[Any]]:
    """Connect for one transaction, or for statements that are each their own.

    Raises:
        MigrationFailed: the database cannot be reached or refuses something; says `failure`, and
            what the database said.
    """
    try:
        with psycopg.connect(libpq_url(url), autocommit=autocommit) as connection:
            yield connection
    except psycopg.Error as error:
        raise MigrationFailed(f"{failure}: {error.diag.message_primary or error}") from error
