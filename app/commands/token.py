"""The command that makes a token, to try things out with."""

import sys
from datetime import timedelta
from typing import Annotated, NoReturn

import typer

from app.secret import secret_of
from app.settings import settings_or_exit
from auth.scopes import Scope
from auth.signing import TOKEN_MAX_LENGTH, USER_ID_MAX_LENGTH, is_user_id, make_token

MINUTES_MAX = 52_560_000
"""A hundred years."""


def token(
    user: Annotated[str, typer.Argument(help="The user's id: the token's `sub`.")],
    email: Annotated[str | None, typer.Option(help="The `email` claim.")] = None,
    name: Annotated[str | None, typer.Option(help="The `name` claim.")] = None,
    scope: Annotated[
        list[str] | None,
        typer.Option(
            help="What the token is for: `tasks:read`, `tasks:write`, or none (''). Several times, "
            "or with spaces between; without it, everything.",
        ),
    ] = None,
    minutes: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=MINUTES_MAX,
            help="How long it lives; JWT_EXPIRATION_MINUTES if not given.",
        ),
    ] = None,
) -> None:
    """Print a token of a user, signed with the configured secret, to try things out with."""
    settings = settings_or_exit()
    if not is_user_id(user):
        _refuse(f"a user's id has 1 to {USER_ID_MAX_LENGTH} characters, and no control characters.")
    words = None if scope is None else [word for given in scope for word in given.split()]
    if unknown := set(words or ()) - set(Scope):
        _refuse(f"no scope is called {sorted(unknown)[0]!r}: there are {', '.join(Scope)}.")
    if settings.database_url is not None and settings.better_auth_secret is None:
        sys.exit("todo-api: BETTER_AUTH_SECRET is not set, and without it no token can be signed.")
    made = make_token(
        secret_of(settings),
        user_id=user,
        lifetime=timedelta(minutes=minutes or settings.jwt_expiration_minutes),
        issuer=settings.issuer,
        audience=settings.audience,
        email=email,
        name=name,
        scope=None if words is None else " ".join(words),
    )
    if len(made) > TOKEN_MAX_LENGTH:
        _refuse(f"the server refuses a token of more than {TOKEN_MAX_LENGTH} characters.")
    typer.echo(made)


def _refuse(sentence: str) -> NoReturn:
    sys.stderr.write(f"todo-api: {sentence}\n")
    sys.exit(2)
