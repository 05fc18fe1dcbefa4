"""What tables that are distributed over several nodes ask of functions

Code of 0.3.0 and 0.4.0 goes on working.
"""

from importlib import import_module
from pathlib import Path

from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

kind = "before"
serves = "0.3.0"
locks: dict[str, str] = {}
rewrites: dict[str, str] = {}

FUNCTIONS = Path(__file__).with_suffix(".sql")

SEARCH_BEFORE = """
CREATE OR REPLACE FUNCTION search_tasks(said text, at_most integer)
RETURNS TABLE (owner text, id bigint) LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, SCHEMA, pg_temp SET enable_seqscan = off AS $$
    WITH found AS MATERIALIZED (
        SELECT user_id, tasks.id FROM tasks
        WHERE words @@ (
            SELECT query_for(nullif(current_setting('app.user_id', true), ''), said))
    )
    SELECT user_id, found.id FROM found
    WHERE user_id = nullif(current_setting('app.user_id', true), '') LIMIT at_most
$$
"""


def upgrade() -> None:
    fold = import_module("app.database.migrations.versions.0009_fold")
    op.execute(fold.in_this_schema(FUNCTIONS.read_text(encoding="utf-8")))


def downgrade() -> None:
    claims = import_module("app.database.migrations.versions.0008_claims")
    op.execute("DROP FUNCTION take_claims(text, text, timestamptz)")
    for statement in claims.STATEMENTS[2:5]:
        op.execute(statement)
    fold = import_module("app.database.migrations.versions.0009_fold")
    op.execute(fold.in_this_schema(SEARCH_BEFORE))
    # It makes both functions; that of the keys is another since.
    op.execute(import_module("app.database.migrations.versions.0006_beginnings").PURGE)
    retention = import_module("app.database.migrations.versions.0019_retention_of_keys")
    op.execute(fold.in_this_schema(retention.PURGE))
    op.execute("DROP FUNCTION tokens_count(text[])")
    op.execute("DROP FUNCTION act_as(text, text, text[])")
    op.execute("DROP FUNCTION is_distributed()")
