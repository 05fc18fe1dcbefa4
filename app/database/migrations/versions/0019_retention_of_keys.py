"""How long idempotency keys are kept: the installation says so, seven days at first

Code of 0.3.0 and 0.4.0 goes on working, and keeps them for as long: it calls the same function.
"""

from importlib import import_module

from alembic import op

from app.database.migrations.locking import locked

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

kind = "before"
serves = "0.3.0"
locks = {"installation": "ACCESS EXCLUSIVE"}
rewrites: dict[str, str] = {}

PURGE = """
-- Whoever calls this deletes what the installation lets go, whatever the server is told.
CREATE OR REPLACE FUNCTION purge_idempotency_keys(at_most integer) RETURNS integer
LANGUAGE plpgsql STRICT SECURITY DEFINER SET search_path = pg_catalog, SCHEMA, pg_temp AS $$
DECLARE
    purged integer;
BEGIN
    DELETE FROM idempotency_keys WHERE (user_id, key) IN (
        SELECT user_id, key FROM idempotency_keys
        WHERE created_at < now() - make_interval(
            days => greatest((SELECT idempotency_retention_days FROM installation), 1))
        ORDER BY created_at LIMIT least(at_most, 1000) FOR UPDATE SKIP LOCKED);
    GET DIAGNOSTICS purged = ROW_COUNT;
    RETURN purged;
END $$
"""


def upgrade() -> None:
    fold = import_module("app.database.migrations.versions.0009_fold")
    with op.get_context().autocommit_block():
        # The end of the migration before is committed, with the locks that it holds.
        pass
    for statement in [
        locked(*locks),
        "ALTER TABLE installation ADD COLUMN idempotency_retention_days integer DEFAULT 7 NOT NULL",
        fold.in_this_schema(PURGE),
    ]:
        op.execute(statement)


def downgrade() -> None:
    beginnings = import_module("app.database.migrations.versions.0006_beginnings")
    # It makes both functions; that of the trash is the same to this day.
    op.execute(beginnings.PURGE)
    op.execute("ALTER TABLE installation DROP COLUMN idempotency_retention_days")
