"""The databases under measurement: migrated as in production, and filled by generated rows."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil
import psycopg

from app.database.embedded import EmbeddedPostgres, embedded_postgres
from app.database.migration import upgrade
from app.database.urls import SERVER_ROLE
from benchmarks.workload import TASKS_EACH

USERS = """
INSERT INTO users (id, name)
SELECT 'user-' || lpad(u::text, 5, '0'), 'User ' || u FROM generate_series(0, %(users)s - 1) u"""
# What the triggers would make, row by row in many times the time.
INSERT = """
INSERT INTO tasks (id, user_id, title, description, completed, completed_at, created_at, updated_at,
                   version, position, title_order, words)
SELECT id, owner, 'Task ' || n || ' ' || repeat('x', 30), repeat('y', 120), n %% 3 = 0,
       CASE WHEN n %% 3 = 0 THEN now() END, created_at, now(), version,
       lpad(to_hex(id), 14, '0') || 'V',
       'task ' || lpad(length(n::text)::text, 3, '0') || n || ' ' || repeat('x', 30),
       array_to_tsvector(ARRAY[hash || 'task', hash || n, hash || repeat('x', 30),
                               hash || repeat('y', 120)])
FROM ({rows}) AS row (id, n, owner, created_at, version),
     LATERAL (SELECT left(encode(sha256(convert_to(owner, 'UTF8')), 'hex'), 12)) AS marked (hash)"""
TASKS = INSERT.format(
    rows="""
    SELECT n, n, 'user-' || lpad(((n - 1) %% %(users)s)::text, 5, '0'),
           now() - n %% 365 * interval '1 day' - n * interval '1 ms', (n - 1) / %(users)s + 1
    FROM generate_series(1, %(users)s::bigint * %(each)s) n"""
)
OWNERS_OF_LISTS = """
INSERT INTO users (id, name)
SELECT 'list-' || size, 'Has ' || size FROM unnest(%(lists)s::integer[]) size"""
# As people add them: in time, each a while after the owner's last one, with others' in between.
LISTS = INSERT.format(
    rows="""
    SELECT n, n, 'list-' || size,
           now() - interval '1 year' * (size - n) / size, n
    FROM unnest(%(lists)s::integer[]) size, generate_series(1, size) n ORDER BY n::float / size"""
)
COUNTERS = "INSERT INTO task_counters SELECT user_id, max(version) FROM tasks GROUP BY user_id"
# Sorted once, they are made far sooner than row by row.
INDEXES = """
SELECT indexname, indexdef FROM pg_indexes
WHERE tablename = 'tasks' AND indexname NOT IN (SELECT conname FROM pg_constraint)"""


def list_owner(size: int) -> str:
    """Return the id of the user who has so many tasks."""
    return f"list-{size}"


@contextmanager
def filled_database(folder: Path, users: int, lists: Sequence[int] = ()) -> Iterator[str]:
    """Yield the URL, as the server's role, of a database with a hundred tasks for each user.

    For each size in `lists` it has one user more, with so many tasks. What lies in the folder
    from an earlier run is used again.
    """
    name = "_".join(["benchmark", str(users), *map(str, lists)])
    with embedded_postgres(folder) as postgres:
        if not _is_there(postgres, name):
            _fill(postgres, name, users, lists)
        yield postgres.url(SERVER_ROLE, name)


def postmaster(folder: Path) -> psutil.Process:
    """Return the process whose children serve the folder's databases."""
    first, *_ = (folder / "postgres" / "postmaster.pid").read_text().splitlines()
    return psutil.Process(int(first))


def _is_there(postgres: EmbeddedPostgres, name: str) -> bool:
    with psycopg.connect(postgres.superuser_url("postgres")) as connection:
        found = connection.execute("SELECT FROM pg_database WHERE datname = %s", [name])
        return found.fetchone() is not None


def _fill(postgres: EmbeddedPostgres, name: str, users: int, lists: Sequence[int]) -> None:
    # Under another name until it is whole: who breaks off halfway starts anew.
    unfinished = f"unfinished_{name}"
    url = postgres.superuser_url(unfinished)
    with psycopg.connect(postgres.superuser_url("postgres"), autocommit=True) as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{unfinished}"')
        postgres.create_database(unfinished)
        upgrade(url)
        with psycopg.connect(url) as filling:
            sizes = {"users": users, "each": TASKS_EACH, "lists": list(lists)}
            filling.execute("SET session_replication_role = replica")
            filling.execute("SET maintenance_work_mem = '512MB'")
            indexes = filling.execute(INDEXES).fetchall()
            for name_of_index, _ in indexes:
                filling.execute(f'DROP INDEX "{name_of_index}"')
            for statement in (USERS, TASKS, OWNERS_OF_LISTS, LISTS, COUNTERS):
                filling.execute(statement, sizes)
            for _, definition in indexes:
                filling.execute(definition)
        with psycopg.connect(url, autocommit=True) as vacuuming:
            vacuuming.execute("VACUUM ANALYZE")
        connection.execute(f'ALTER DATABASE "{unfinished}" RENAME TO "{name}"')
