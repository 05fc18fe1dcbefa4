"""Locks that a migration takes while servers work: tried for a moment, and again a little later.

Whoever waits for a table keeps all waiting that come after. So no migration waits long for one, and
none waits for a table while it holds another that somebody is waiting for: a deadlock is looked for
only after a longer time than that. Many short tries rather than a few of a second each: whoever
comes meanwhile waits for 0.2 s at the most for each table, and the moments in which a busy table is
free are more often met.
"""

from textwrap import indent

_TRIED = """
DO $do$
DECLARE
    before text := current_setting('lock_timeout');
    tries integer := 0;
BEGIN
    LOOP
        BEGIN
            PERFORM set_config('lock_timeout', '200ms', true);
{statements}
            EXIT;
        EXCEPTION WHEN lock_not_available THEN
            tries := tries + 1;
            IF tries = 100 THEN
                RAISE;
            END IF;
            PERFORM pg_sleep(0.2);
        END;
    END LOOP;
    PERFORM set_config('lock_timeout', before, true);
END $do$
"""


def tried(*statements: str) -> str:
    """Return SQL that runs the statements together, again and again until all locks are free."""
    text = ";\n".join(statements)
    return _TRIED.format(statements=indent(text, " " * 12) + ";")


def locked(*tables: str) -> str:
    """Return SQL that locks the tables against everybody until the transaction's end."""
    return tried(f"LOCK TABLE {', '.join(tables)} IN ACCESS EXCLUSIVE MODE")
