"""What stands in the way of several nodes is told, each thing by a sentence, and by nothing else.

The catalogue is made to look as if there were Citus, so that this runs everywhere.
"""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from app.database.cluster.obstacles import obstacles
from app.database.cluster.plan import plan_of
from app.failure import MigrationFailed
from tests.databases import Database

LOOKS_LIKE_CITUS = """
SET allow_system_table_mods = on;
INSERT INTO pg_extension (oid, extname, extowner, extnamespace, extrelocatable, extversion)
SELECT 99999, 'citus', 10, 'public'::regnamespace, false, '14.0-1';
CREATE TABLE pg_dist_partition (logicalrelid oid);
CREATE TABLE pg_dist_node (nodename text, nodeport int, isactive bool, shouldhaveshards bool);
INSERT INTO pg_dist_node VALUES ('worker1', 5432, true, true);
CREATE FUNCTION run_command_on_workers(command text)
RETURNS TABLE (nodename text, nodeport int, success bool, result text) LANGUAGE sql AS $$
    SELECT nodename, nodeport, true,
           current_setting('server_version_num')::int / 10000 || ' ' || '14.0-1'
    FROM pg_dist_node
$$;
CREATE TABLE health (from_nodename text, from_nodeport int, to_nodename text, to_nodeport int,
                     result bool);
GRANT SELECT ON health, pg_dist_node TO todo_api;
CREATE FUNCTION citus_check_cluster_node_health() RETURNS SETOF health LANGUAGE sql
AS 'SELECT * FROM health';
"""

A_FUNCTION = "CREATE FUNCTION odd() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'"


@pytest.fixture
def connection(migrated_database: Database) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(migrated_database.superuser_url) as connection:
        connection.execute(LOOKS_LIKE_CITUS)
        connection.commit()
        yield connection
        connection.rollback()


def test_nothing_stands_in_the_way(
    connection: psycopg.Connection[Any], migrated_database: Database
) -> None:
    assert obstacles(connection, migrated_database.superuser_url) == []


def test_without_citus_that_is_all_that_is_told(migrated_database: Database) -> None:
    url = migrated_database.superuser_url
    with psycopg.connect(url) as connection:
        (obstacle,) = obstacles(connection, url)
    assert "has no Citus" in obstacle.sentence
    assert obstacle.hinders


@pytest.mark.parametrize(
    ("made", "told"),
    [
        ("DELETE FROM pg_dist_node", "No node takes rows"),
        (
            "CREATE OR REPLACE FUNCTION run_command_on_workers(command text) RETURNS TABLE "
            "(nodename text, nodeport int, success bool, result text) LANGUAGE sql "
            "AS $$ SELECT 'worker1', 5432, false, 'failed to connect' $$",
            "The node worker1:5432 does not answer: failed to connect.",
        ),
        (
            "CREATE OR REPLACE FUNCTION run_command_on_workers(command text) RETURNS TABLE "
            "(nodename text, nodeport int, success bool, result text) LANGUAGE sql "
            "AS $$ SELECT 'worker1', 5432, true, '12 13.0-1' $$",
            "The node worker1:5432 has other versions than the coordinator: PostgreSQL 12, "
            "Citus 13.0-1.",
        ),
        ("CREATE UNIQUE INDEX odd ON tasks (id)", "odd of tasks is unique over all users"),
        (
            "CREATE TABLE session (user_id text REFERENCES users (id))",
            "session refers to users and is none of this server's",
        ),
        (
            "CREATE POLICY odd ON tasks AS RESTRICTIVE USING (true)",
            "The policy odd of tasks only restricts",
        ),
        (
            "CREATE POLICY odd ON tasks USING (EXISTS (SELECT FROM users))",
            "The policy odd of tasks has a sub-select",
        ),
        (
            f"{A_FUNCTION}; CREATE TRIGGER odd BEFORE INSERT ON tasks FOR EACH ROW "
            "EXECUTE FUNCTION odd()",
            "The trigger odd of tasks is none of this server's",
        ),
        (
            "INSERT INTO health VALUES ('coordinator', 5432, 'worker2', 5432, false)",
            "The node coordinator:5432 cannot log in as todo_api at worker2:5432",
        ),
    ],
)
def test_each_obstacle_is_a_sentence(
    connection: psycopg.Connection[Any], migrated_database: Database, made: str, told: str
) -> None:
    connection.execute(made.encode())
    (obstacle,) = obstacles(connection, migrated_database.superuser_url)
    assert obstacle.hinders
    assert told in obstacle.sentence


def test_that_no_node_lets_the_role_in_is_told(
    connection: psycopg.Connection[Any], migrated_database: Database
) -> None:
    connection.execute(
        "CREATE OR REPLACE FUNCTION run_command_on_workers(command text) RETURNS TABLE "
        "(nodename text, nodeport int, success bool, result text) LANGUAGE sql AS $$ "
        "SELECT nodename, nodeport, current_user <> 'todo_api', "
        "current_setting('server_version_num')::int / 10000 || ' 14.0-1' FROM pg_dist_node $$"
    )
    connection.execute("INSERT INTO health VALUES ('coordinator', 5432, 'worker1', 5432, NULL)")
    (obstacle,) = obstacles(connection, migrated_database.superuser_url)
    assert "The node coordinator:5432 cannot log in as todo_api at worker1" in obstacle.sentence


def test_without_citus_there_is_no_plan(migrated_database: Database) -> None:
    with pytest.raises(MigrationFailed, match="The database has no Citus"):
        plan_of(migrated_database.superuser_url)


def test_another_version_of_citus_is_a_note(
    connection: psycopg.Connection[Any], migrated_database: Database
) -> None:
    connection.execute("UPDATE pg_extension SET extversion = '15.0-1' WHERE extname = 'citus'")
    connection.execute(
        "CREATE OR REPLACE FUNCTION run_command_on_workers(command text) RETURNS TABLE "
        "(nodename text, nodeport int, success bool, result text) LANGUAGE sql AS $$ "
        "SELECT nodename, nodeport, true, current_setting('server_version_num')::int / 10000 "
        "|| ' 15.0-1' FROM pg_dist_node $$"
    )
    (obstacle,) = obstacles(connection, migrated_database.superuser_url)
    assert not obstacle.hinders
    assert "tried with Citus 14, and not with 15.0-1" in str(obstacle)


def test_a_role_that_is_missing_is_told(
    connection: psycopg.Connection[Any], migrated_database: Database
) -> None:
    (obstacle,) = obstacles(connection, migrated_database.superuser_url, "nobody_there")
    assert "The role nobody_there is missing" in obstacle.sentence


def test_servers_are_to_be_stopped_before_and_not_later(
    connection: psycopg.Connection[Any], migrated_database: Database
) -> None:
    url = migrated_database.superuser_url
    with psycopg.connect(migrated_database.server_url, application_name="todo-api/9"):
        (obstacle,) = obstacles(connection, url)
        assert "Servers are connected, and would not know" in obstacle.sentence
        connection.execute("INSERT INTO pg_dist_partition VALUES ('users'::regclass)")
        assert obstacles(connection, url) == []


def test_nodes_that_log_in_at_each_other_are_no_servers(
    connection: psycopg.Connection[Any], migrated_database: Database
) -> None:
    with psycopg.connect(migrated_database.server_url, application_name="citus_internal gpid=1"):
        assert obstacles(connection, migrated_database.superuser_url) == []
