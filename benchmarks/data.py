"""The database under measurement: migrated as in production, and filled by generated rows."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from app.embedded import embedded_postgres
from app.migration import upgrade
from app.roles import SERVER_ROLE
from benchmarks.workload import TASKS_EACH

USERS = """
INSERT INTO users (id, name)
SELECT 'user-' || lpad(u::text, 5, '0'), 'User ' || u FROM generate_series(0, %(users)s - 1) u"""
TASKS = """
INSERT INTO tasks (id, user_id, title, description, completed, created_at, updated_at, version)
OVERRIDING SYSTEM VALUE
SELECT n, 'user-' || lpad(((n - 1) %% %(users)s)::text, 5, '0'),
       'Task ' || n || ' ' || repeat('x', 30), repeat('y', 120), n %% 3 = 0,
       now() - n %% 365 * interval '1 day' - n * interval '1 ms', now(), (n - 1) / %(users)s + 1
FROM generate_series(1, %(users)s::bigint * %(each)s) n"""
COUNTERS = "INSERT INTO task_counters SELECT user_id, max(version) FROM tasks GROUP BY user_id"
SEQUENCE = "SELECT setval(pg_get_serial_sequence('tasks', 'id'), (SELECT max(id) FROM tasks))"


@contextmanager
def filled_database(folder: Path, users: int) -> Iterator[str]:
    """Yield the URL, as the server's role, of a database with a hundred tasks for each user."""
    name = f"benchmark_{users}"
    with embedded_postgres(folder) as postgres:
        owner_url = postgres.superuser_url(name)
        if postgres.create_database(name):
            upgrade(owner_url)
            with psycopg.connect(owner_url) as connection:
                sizes = {"users": users, "each": TASKS_EACH}
                for statement in (USERS, TASKS):
                    connection.execute(statement, sizes)
                connection.execute(COUNTERS)
                connection.execute(SEQUENCE)
            with psycopg.connect(owner_url, autocommit=True) as connection:
                connection.execute("VACUUM ANALYZE")
        yield postgres.url(SERVER_ROLE, name)
