"""Beginnings: a cursor of the feed tells from which database and which account it counts

Code from before goes on working: it reads no beginning, and a row that it adds to `task_counters`
gets one. What it calls `purge_trash` with can no longer shorten the time that trash is kept.
"""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

kind = "before"
serves = "0.1.0"
locks = {"task_counters": "ACCESS EXCLUSIVE"}
rewrites: dict[str, str] = {}

TABLE = """
CREATE TABLE installation (
    only_row boolean DEFAULT true NOT NULL,
    beginning bigint DEFAULT 0 NOT NULL,
    trash_retention_days integer DEFAULT 30 NOT NULL,
    serves text NOT NULL,
    CONSTRAINT installation_pkey PRIMARY KEY (only_row),
    CONSTRAINT installation_only_row_check CHECK (only_row)
)
"""

PURGE = """
DO $do$ BEGIN
    EXECUTE format($create$
        CREATE OR REPLACE FUNCTION purge_trash(days integer, at_most integer) RETURNS integer
        LANGUAGE plpgsql STRICT SECURITY DEFINER SET search_path = pg_catalog, %1$I, pg_temp AS $$
        DECLARE
            purged integer;
        BEGIN
            -- Whoever calls this can keep the trash for longer, and no shorter.
            DELETE FROM tasks WHERE (user_id, id) IN (
                SELECT user_id, id FROM tasks
                WHERE deleted_at < now() - make_interval(
                    days => greatest(days, (SELECT trash_retention_days FROM installation), 1))
                ORDER BY deleted_at LIMIT least(at_most, 1000) FOR UPDATE SKIP LOCKED);
            GET DIAGNOSTICS purged = ROW_COUNT;
            RETURN purged;
        END $$
    $create$, current_schema());
    EXECUTE format($create$
        CREATE OR REPLACE FUNCTION purge_idempotency_keys(at_most integer) RETURNS integer
        LANGUAGE plpgsql STRICT SECURITY DEFINER SET search_path = pg_catalog, %1$I, pg_temp AS $$
        DECLARE
            purged integer;
        BEGIN
            DELETE FROM idempotency_keys WHERE (user_id, key) IN (
                SELECT user_id, key FROM idempotency_keys
                WHERE created_at < now() - interval '1 day'
                ORDER BY created_at LIMIT least(at_most, 1000) FOR UPDATE SKIP LOCKED);
            GET DIAGNOSTICS purged = ROW_COUNT;
            RETURN purged;
        END $$
    $create$, current_schema());
END $do$
"""

PURGE_BEFORE = """
DO $do$ BEGIN
    EXECUTE format($create$
        CREATE OR REPLACE FUNCTION purge_trash(days integer, at_most integer) RETURNS integer
        LANGUAGE plpgsql STRICT SECURITY DEFINER SET search_path = pg_catalog, %1$I, pg_temp AS $$
        DECLARE
            purged integer;
        BEGIN
            -- One at a time; whoever comes second has nothing to do.
            IF NOT pg_try_advisory_xact_lock(hashtext('purge_trash')) THEN
                RETURN 0;
            END IF;
            -- Whoever calls this cannot empty the trash of a day.
            DELETE FROM tasks WHERE id IN (
                SELECT id FROM tasks
                WHERE deleted_at < now() - make_interval(days => greatest(days, 1))
                ORDER BY deleted_at LIMIT least(at_most, 1000) FOR UPDATE SKIP LOCKED);
            GET DIAGNOSTICS purged = ROW_COUNT;
            RETURN purged;
        END $$
    $create$, current_schema());
    EXECUTE format($create$
        CREATE OR REPLACE FUNCTION purge_idempotency_keys(at_most integer) RETURNS integer
        LANGUAGE plpgsql STRICT SECURITY DEFINER SET search_path = pg_catalog, %1$I, pg_temp AS $$
        DECLARE
            purged integer;
        BEGIN
            -- One at a time; whoever comes second has nothing to do.
            IF NOT pg_try_advisory_xact_lock(hashtext('purge_idempotency_keys')) THEN
                RETURN 0;
            END IF;
            DELETE FROM idempotency_keys WHERE (user_id, key) IN (
                SELECT user_id, key FROM idempotency_keys
                WHERE created_at < now() - interval '1 day'
                ORDER BY created_at LIMIT least(at_most, 1000) FOR UPDATE SKIP LOCKED);
            GET DIAGNOSTICS purged = ROW_COUNT;
            RETURN purged;
        END $$
    $create$, current_schema());
END $do$
"""

STATEMENTS = [
    TABLE,
    "INSERT INTO installation (serves) VALUES ('0006')",
    "GRANT SELECT ON installation TO todo_api",
    # Two steps: a default that is drawn anew for each row would rewrite the table.
    "ALTER TABLE task_counters ADD COLUMN beginning bigint DEFAULT 0 NOT NULL",
    "ALTER TABLE task_counters ALTER COLUMN beginning "
    "SET DEFAULT (random() * 9007199254740990 + 1)::bigint",
    PURGE,
]


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    for statement in [
        PURGE_BEFORE,
        "ALTER TABLE task_counters DROP COLUMN beginning",
        "DROP TABLE installation",
    ]:
        op.execute(statement)
