"""The timeouts that sessions of a login begin with; a member of a role does not inherit them."""

from typing import Any

import psycopg
from psycopg import sql
from psycopg.errors import InsufficientPrivilege

TIMEOUTS = {"statement_timeout": "60s", "idle_in_transaction_session_timeout": "10s"}
"""What a login's sessions begin with in this database, where nobody has set something else."""

_SET_ALREADY = """
SELECT split_part(setting, '=', 1)
FROM pg_db_role_setting, unnest(setconfig) AS setting
WHERE setrole = (SELECT oid FROM pg_roles WHERE rolname = %s)
  AND setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
"""

_SET = """
DO $$ BEGIN
  EXECUTE format('ALTER ROLE %I IN DATABASE %I SET {} = %L', {}, current_database(), {});
END $$
"""

Connection = psycopg.Connection[tuple[Any, ...]]


def timeouts_to_set(connection: Connection, role: str) -> dict[str, str]:
    """Return those that nobody has set for the role, by their names."""
    record = connection.execute(_SET_ALREADY, [role]).fetchall()
    already = {name for (name,) in record}
    return {name: value for name, value in TIMEOUTS.items() if name not in already}


def set_timeouts(connection: Connection, role: str) -> list[str]:
    """Set those that nobody has set, where whoever is connected may; return their names."""
    done = []
    for name, value in timeouts_to_set(connection, role).items():
        statement = sql.SQL(_SET).format(
            sql.Identifier(name), sql.Literal(role), sql.Literal(value)
        )
        try:
            with connection.transaction():
                connection.execute(statement)
        except InsufficientPrivilege:
            continue
        done.append(name)
    return done
