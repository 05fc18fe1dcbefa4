"""Database roles: the one that the server connects as, and what it is to the tables."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

import psycopg
from psycopg import AsyncConnection, sql
from psycopg.conninfo import conninfo_to_dict

from app.database.owner import connected
from app.database.timeouts import set_timeouts
from app.database.urls import SERVER_ROLE, libpq_url
from app.failure import MigrationFailed
from models.metadata import OWNED_TABLES

CREDENTIALS = ("user", "password", "passfile")

INSPECTION = """
WITH tables AS (
    SELECT * FROM pg_class
    WHERE oid IN (SELECT to_regclass(name) FROM unnest(%(tables)s::text[]) AS name)
),
functions AS (
    SELECT * FROM pg_proc
    WHERE pronamespace IN (SELECT relnamespace FROM tables) AND prosecdef
      AND proname IN ('purge_trash', 'purge_idempotency_keys', 'search_tasks', 'take_claims')
)
SELECT r.rolname, r.rolsuper, r.rolbypassrls, %(server_role)s::text,
       EXISTS (SELECT FROM pg_roles WHERE rolname = %(server_role)s::text
               AND pg_has_role(r.oid, oid, 'USAGE')),
       ARRAY(SELECT relname::text FROM tables WHERE pg_has_role(r.oid, relowner, 'USAGE')
             UNION SELECT proname::text FROM functions WHERE pg_has_role(r.oid, proowner, 'USAGE')),
       (SELECT count(*) FROM tables)
FROM pg_roles r
WHERE r.rolname = current_user
"""


OTHER_DATABASES = """
SELECT datname FROM pg_shdepend JOIN pg_database ON pg_database.oid = CASE
    -- A right on a database itself, such as to connect to it, belongs to the whole cluster.
    WHEN classid = 'pg_database'::regclass THEN objid ELSE dbid END
WHERE refclassid = 'pg_authid'::regclass AND datname <> current_database()
  AND refobjid = (SELECT oid FROM pg_roles WHERE rolname = %s)
GROUP BY datname ORDER BY datname LIMIT 3
"""
"""Other databases in which a role has rights: roles, and their passwords, belong to the cluster."""

REACHES = """
SELECT pg_get_userbyid(refobjid), datname
FROM pg_shdepend JOIN pg_database ON pg_database.oid = dbid, pg_roles AS role
WHERE refclassid = 'pg_authid'::regclass AND datname <> current_database()
  AND rolname = %s AND NOT rolsuper AND pg_has_role(role.oid, refobjid, 'MEMBER')
"""
"""Another database in which a role has rights, and the role that they are given to."""

REACHES_AS_MEMBER = f"{REACHES} AND refobjid <> role.oid"

PUBLIC_CONNECTS = "SELECT has_database_privilege('public', current_database(), 'CONNECT')"

THOSE_WITH_RIGHTS = """
SELECT DISTINCT quote_ident(rolname), quote_ident(current_database())
FROM pg_shdepend JOIN pg_database ON pg_database.oid = CASE
         WHEN classid = 'pg_database'::regclass THEN objid ELSE dbid END
     JOIN pg_roles ON pg_roles.oid = refobjid
WHERE refclassid = 'pg_authid'::regclass AND datname = current_database()
ORDER BY 1
"""
"""Roles that own something in this database, or have a right in it."""

LOGIN_UNFIT = (
    "The tables are up to date, but there is no new login: --login names a role that neither owns "
    "them nor has the server's rights itself, and DATABASE_URL has the password for it."
)


@dataclass(frozen=True, slots=True)
class RoleFacts:
    """What the catalog says of a role."""

    name: str
    is_superuser: bool
    bypasses_row_security: bool
    server_role: str
    """The role that has the rights the server needs, by DATABASE_ROLE."""
    is_server_role: bool
    owns: list[str]
    """Owned tables, and functions that act as their owner, that are the role's own."""
    table_count: int
    """How many of the owned tables there are."""

    def objections(self) -> list[str]:
        """Return a sentence for each reason why row security would not bind the role."""
        reasons = []
        if self.is_superuser:
            reasons.append("is a superuser")
        elif self.owns:
            reasons.append(f"owns {', '.join(sorted(self.owns))}")
        if self.bypasses_row_security and not self.is_superuser:
            reasons.append("has BYPASSRLS")
        if not self.is_server_role:
            reasons.append(f"is no member of {self.server_role}")
        return [
            f"The database role {self.name} {reason}, so row security would not keep users apart: "
            f"connect as {self.server_role}, which `todo-api migrate` makes."
            for reason in reasons
        ]


async def inspect_role(
    connection: AsyncConnection[Any], server_role: str = SERVER_ROLE
) -> RoleFacts:
    """Return the facts of the role that the connection has."""
    names = {"tables": list(OWNED_TABLES), "server_role": server_role}
    cursor = await connection.execute(INSPECTION, names)
    record = await cursor.fetchone()
    assert record is not None
    return RoleFacts(*record)


def ensure_server_role(
    migration_url: str,
    server_url: str | None,
    server_role: str = SERVER_ROLE,
    login: str | None = None,
) -> str:
    """Let the role of the server's URL connect and act as the server; make it where it is missing.

    Returns the URL to let the server connect by, with PASSWORD in the place of any password. The
    password itself goes to PostgreSQL as a SCRAM verifier, so that no log of it has one. A role
    that has rights in another database keeps its password, for servers connect with it there.

    `login`: another role that is to connect, with the password of the server's URL, and whose
    timeouts are set. The role that the URL names stays as it is, for servers connect as it now.

    Raises:
        MigrationFailed: the role could not be made so; says what to do by hand.
    """
    given = conninfo_to_dict(libpq_url(server_url or migration_url))
    owner = conninfo_to_dict(libpq_url(migration_url)).get("user")
    role, password = str(given.get("user") or ""), given.get("password")
    if server_url is None or role in ("", owner):
        role, password = server_role, None
    if login is not None:
        if password is None or login in (owner, server_role):
            raise MigrationFailed(LOGIN_UNFIT)
        role = login
    failure = f"The tables are up to date, but the role {role} could not be made ready"
    with connected(migration_url, failure, autocommit=True) as connection:
        is_new = _ensure_login(connection, role, server_role)
        if server_role != SERVER_ROLE:
            _refuse_what_reaches_others(connection, role)
        # A member does not inherit the timeouts.
        set_timeouts(connection, role)
        # Somebody else's role keeps the password that it has.
        if password is not None and (is_new or role in (server_role, login)):
            _ensure_password(connection, role, str(password), str(server_url))
    return _url_of(role, server_url or migration_url)


def _ensure_login(
    connection: psycopg.Connection[tuple[Any, ...]], role: str, server_role: str
) -> bool:
    """Let the role log in and act as the server; return whether it had to be made."""
    name = sql.Identifier(role)
    known = connection.execute(
        "SELECT pg_has_role(oid, %s, 'USAGE') FROM pg_roles WHERE rolname = %s", [server_role, role]
    ).fetchone()
    if known is None:
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(name))
    if role != server_role and known != (True,):
        connection.execute(sql.SQL("GRANT {} TO {}").format(sql.Identifier(server_role), name))
    return known is None


def _refuse_what_reaches_others(connection: psycopg.Connection[tuple[Any, ...]], role: str) -> None:
    """Refuse a role that could read another database of the cluster as a member of its role."""
    found = connection.execute(REACHES_AS_MEMBER, [role]).fetchone()
    if found is not None:
        raise MigrationFailed(
            f"The tables are up to date, but the role {role} is a member of {found[0]}, which has "
            f'rights in the database {found[1]}: run "REVOKE {found[0]} FROM {role}", then migrate '
            "again."
        )


def _ensure_password(
    connection: psycopg.Connection[tuple[Any, ...]], role: str, password: str, server_url: str
) -> None:
    names = [str(name) for (name,) in connection.execute(OTHER_DATABASES, [role]).fetchall()]
    if names:
        if _lets_in(server_url):
            return
        raise MigrationFailed(
            f"The tables are up to date, but the role {role} has rights in other databases "
            f"({', '.join(names)}), so its password was not changed. Name another role in "
            "DATABASE_URL, then migrate again; or set the password by hand."
        )
    verifier = connection.pgconn.encrypt_password(
        password.encode(), role.encode(), b"scram-sha-256"
    )
    try:
        connection.execute(
            sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}").format(
                sql.Identifier(role), verifier.decode()
            )
        )
    except psycopg.Error as error:
        if not _lets_in(server_url):
            raise MigrationFailed(
                f"The tables are up to date, but the password of the role {role} could not be set: "
                f"{error.diag.message_primary or error}. Set it by hand to the one in "
                "DATABASE_URL, then migrate again."
            ) from error


def _lets_in(url: str) -> bool:
    try:
        psycopg.connect(libpq_url(url)).close()
    except psycopg.Error:
        return False
    return True


def _url_of(role: str, url: str) -> str:
    parts = urlsplit(libpq_url(url))
    place = parts.netloc.rpartition("@")[2]
    password = ":PASSWORD" if place else ""
    query = [(name, value) for name, value in parse_qsl(parts.query) if name not in CREDENTIALS]
    return urlunsplit(
        parts._replace(
            netloc=f"{quote(role, safe='')}{password}@{place}", query=urlencode(query, safe="/")
        )
    )


def keep_public_out(url: str) -> list[str]:
    """Let only roles connect that have rights in the database; return what was done, in sentences.

    Raises:
        MigrationFailed: it could not be done.
    """
    failure = "The tables are up to date, but every role may still connect to the database"
    with connected(url, failure) as connection:
        if not public_connects(connection):
            return []
        rows = connection.execute(THOSE_WITH_RIGHTS).fetchall()
        roles, database = [role for role, _ in rows], rows[0][1]
        connection.execute(f"GRANT CONNECT ON DATABASE {database} TO {', '.join(roles)}")
        # Of a role that may not, PostgreSQL takes nothing and only warns.
        connection.execute(f"REVOKE CONNECT ON DATABASE {database} FROM PUBLIC")
        refused = public_connects(connection)
    if refused:
        return [f"Have its owner run: REVOKE CONNECT ON DATABASE {database} FROM PUBLIC."]
    return [
        f"From now on these roles may connect to the database, for they have rights in it: "
        f"{', '.join(roles)}. To let others: GRANT CONNECT ON DATABASE {database} TO them."
    ]


def public_connects(connection: psycopg.Connection[Any]) -> bool:
    """Return whether every role of the cluster may connect to the database."""
    return connection.execute(PUBLIC_CONNECTS).fetchone() == (True,)
