"""Idempotency keys: what came of mutations that a client may send again

Code from before goes on working. It takes the new table for one of Better Auth's, and so leaves the
e-mail address out where it adds a user.
"""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

kind = "before"
serves = "0.1.0"
locks = {"users": "SHARE ROW EXCLUSIVE"}
rewrites: dict[str, str] = {}

OWNER = "(SELECT nullif(current_setting('app.user_id', true), ''))"

TABLE = """
CREATE TABLE idempotency_keys (
    user_id text NOT NULL,
    key text NOT NULL,
    request text NOT NULL,
    outcome jsonb NOT NULL,
    created_at timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT idempotency_keys_pkey PRIMARY KEY (user_id, key),
    CONSTRAINT idempotency_keys_user_id_fkey
        FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
)
"""

# It acts as whoever migrates, and so as one whom the policy below lets at others' rows.
PURGE = """
DO $do$ BEGIN
    EXECUTE format($create$
        CREATE FUNCTION purge_idempotency_keys(at_most integer) RETURNS integer
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
    "CREATE INDEX idempotency_keys_by_created_at ON idempotency_keys (created_at)",
    PURGE,
    "REVOKE ALL ON FUNCTION purge_idempotency_keys(integer) FROM PUBLIC",
    "GRANT EXECUTE ON FUNCTION purge_idempotency_keys(integer) TO todo_api",
    "GRANT SELECT, INSERT (user_id, key, request, outcome) ON idempotency_keys TO todo_api",
    "CREATE POLICY idempotency_keys_owner ON idempotency_keys TO todo_api "
    f"USING (user_id = {OWNER}) WITH CHECK (user_id = {OWNER})",
    "CREATE POLICY idempotency_keys_maintenance ON idempotency_keys TO CURRENT_USER "
    "USING (created_at < now() - interval '1 day')",
    "ALTER TABLE idempotency_keys ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY",
]


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP FUNCTION purge_idempotency_keys(integer)")
    op.execute("DROP TABLE idempotency_keys")
