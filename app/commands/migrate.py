"""The command that migrates the database, and makes the role that the server connects as."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from psycopg.conninfo import conninfo_to_dict

from app.database.cluster.distribution import spread_rest
from app.database.embedded import DATABASE, embedded_postgres
from app.database.installation import Retention, check_sequence, complete_migration
from app.database.mending import mend
from app.database.migration import finish as apply_last_steps
from app.database.migration import pending, to_finish, upgrade, upgrade_sql
from app.database.planning import plan_for
from app.database.protection import check_protection
from app.database.roles import ensure_server_role, keep_public_out
from app.database.steps import waiting
from app.database.urls import SERVER_ROLE, libpq_url
from app.failure import Failure
from app.settings import Settings, settings_or_exit


def migrate(
    check: Annotated[
        bool, typer.Option("--check", help="Only say what is to be done; exit 1 if anything is.")
    ] = False,
    plan: Annotated[
        bool,
        typer.Option(
            "--plan",
            help="Only say what each migration would do, lock and take; exit 1 if one would block "
            "writes for over a second.",
        ),
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="With --plan: as JSON, with the SQL.")
    ] = False,
    finish: Annotated[
        bool,
        typer.Option(
            "--finish",
            help="Once all servers are new ones: take away what older code alone needs.",
        ),
    ] = False,
    no_older_code: Annotated[
        bool,
        typer.Option(
            "--no-older-code",
            help="With --finish: connections that do not tell their version are of no older code.",
        ),
    ] = False,
    login: Annotated[
        str | None,
        typer.Option(
            "--login",
            help="Make a login of this name, too, with the password of DATABASE_URL, to change "
            "that while servers run.",
        ),
    ] = None,
    sql: Annotated[
        bool,
        typer.Option(
            "--sql", help="Only print the SQL of all migrations; with --finish of the last."
        ),
    ] = False,
    keep_public_connect: Annotated[
        bool,
        typer.Option(
            "--keep-public-connect",
            help="With DATABASE_ROLE: let every role of the cluster connect to the database.",
        ),
    ] = False,
) -> None:
    """Bring the database up to date, and make the role that the server connects as."""
    if check + plan + (finish or sql) > 1:
        raise Failure("Give one of --check, --plan and --finish.")
    if login is not None and check + plan + finish + sql:
        raise Failure("--login is for a migration alone.")
    settings = settings_or_exit()
    if sql:
        typer.echo(upgrade_sql(settings.database_role, last=finish))
        return
    with owner_url(settings) as url:
        if plan:
            _print_plan(url, settings, as_json=as_json)
        elif finish:
            finish_at(url, settings, trust_unknown=no_older_code)
        else:
            migrate_at(
                url, settings, check=check, login=login, keep_public_connect=keep_public_connect
            )


def logins_of(settings: Settings) -> list[str]:
    """Return the role that servers log in as, where the settings name it."""
    if settings.database_url is None:
        return []
    user = conninfo_to_dict(libpq_url(settings.database_url)).get("user")
    return [str(user)] if user else []


@contextmanager
def owner_url(settings: Settings) -> Iterator[str]:
    """Yield the URL of the database as the role that owns it; start an embedded one if need be."""
    url = settings.migration_database_url or settings.database_url
    if url is not None:
        yield str(url)
        return
    with embedded_postgres(settings.data_dir) as postgres:
        postgres.create_database(DATABASE)
        yield postgres.superuser_url(DATABASE)


def migrate_at(
    url: str,
    settings: Settings,
    *,
    check: bool,
    login: str | None = None,
    keep_public_connect: bool = False,
) -> None:
    """Bring a database up to date, or only say what is to be done.

    Raises:
        SystemExit: something is to be done, or something is left that is not mended.
        MigrationFailed: it could not be done.
    """
    if check:
        _check_at(url, settings)
        return
    role = settings.database_role
    upgrade(url, role=role)
    for sentence in spread_rest(url, role, logins_of(settings)):
        typer.echo(sentence)
    mended = mend(url, role)
    for sentence in mended.done:
        typer.echo(sentence)
    sequence = complete_migration(
        url, Retention(settings.trash_retention_days, settings.idempotency_retention_days)
    )
    if sequence.is_behind:
        typer.echo(f"{sequence} It was moved on.")
    server_url = ensure_server_role(url, settings.database_url, role, login)
    if role != SERVER_ROLE and not keep_public_connect:
        for sentence in keep_public_out(url):
            typer.echo(sentence)
    for sentence in mended.left:
        typer.echo(sentence)
    if mended.left:
        sys.exit(1)
    typer.echo(f"The database is up to date. Let the server connect by:\nDATABASE_URL={server_url}")
    if ":PASSWORD@" in server_url:
        typer.echo("PASSWORD is the one in DATABASE_URL where this command is run: it sets it.")
    _tell_what_waits(url)


def finish_at(url: str, settings: Settings, *, trust_unknown: bool) -> None:
    """Apply the steps that end what older code needs.

    Raises:
        MigrationFailed: older code may be connected, or it could not be done.
    """
    done = apply_last_steps(url, role=settings.database_role, trust_unknown=trust_unknown)
    for step in done:
        typer.echo(f"Applied: {step}. Code older than {step.serves} works no more.")
    if not done:
        typer.echo("Nothing is to be finished.")


def _tell_what_waits(url: str) -> None:
    for step in to_finish(url):
        typer.echo(waiting(step))


def _check_at(url: str, settings: Settings) -> None:
    steps = pending(url)
    for step in steps:
        typer.echo(f"To be applied: {step.revision}")
    sentences = [] if steps else check_protection(url, settings.database_role)
    if not steps and (sequence := check_sequence(url)).is_behind:
        sentences.append(f"{sequence} `todo-api migrate` moves it on.")
    for sentence in sentences:
        typer.echo(sentence)
    if steps or sentences:
        sys.exit(1)
    typer.echo("The database is up to date.")
    _tell_what_waits(url)


def _print_plan(url: str, settings: Settings, *, as_json: bool) -> None:
    plan = plan_for(url, settings.database_role)
    typer.echo(json.dumps(plan.as_json(), indent=2) if as_json else str(plan))
    if plan.blocks:
        sys.exit(1)
