"""Imports: what of a file is in already, and rows that bear times of the past

Code of 0.3.0 and 0.4.0 goes on working. What it adds still cannot bear such times. It takes the new
table for one of Better Auth's, since that refers to users, and so takes no name and no address from
tokens.
"""

from importlib import import_module
from pathlib import Path

from alembic import op

from app.database.migrations.earlier import made_by
from app.database.migrations.locking import locked

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

kind = "before"
serves = "0.3.0"
locks = dict.fromkeys(("users", "tasks", "task_lists"), "ACCESS EXCLUSIVE")
rewrites: dict[str, str] = {}

OWN = "user_id = current_setting('app.user_id', true)"

TABLE = """
CREATE TABLE imports (
    user_id text NOT NULL,
    source text NOT NULL,
    kind text NOT NULL,
    key text NOT NULL,
    id bigint NOT NULL,
    created_at timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT imports_pkey PRIMARY KEY (user_id, source, kind, key),
    CONSTRAINT imports_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
)
"""

# What an import alone gives: else the row is of now, and in no trash.
OF_NOW = {
    "tasks": "created_at = now() AND updated_at = now() AND deleted_at IS NULL "
    "AND successor_id IS NULL AND (completed_at IS NULL OR completed_at = now())",
    "task_lists": "created_at = now() AND updated_at = now() AND deleted_at IS NULL",
}


def upgrade() -> None:
    fold = import_module("app.database.migrations.versions.0009_fold")
    functions = Path(__file__).with_name("0017_imports.sql").read_text(encoding="utf-8")
    with op.get_context().autocommit_block():
        # The end of the migration before is committed, with the locks that it holds.
        pass
    for statement in [
        locked(*locks),
        TABLE,
        "ALTER TABLE imports ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY",
        f"CREATE POLICY imports_owner ON imports TO todo_api USING ({OWN}) WITH CHECK ({OWN})",
        f"CREATE POLICY imports_of_one_user ON imports TO CURRENT_USER USING ({OWN})",
        "GRANT SELECT, INSERT (user_id, source, kind, key, id) ON imports TO todo_api",
        fold.in_this_schema(functions),
        *(
            f"ALTER POLICY {table}_owner_insert ON {table} WITH CHECK "
            f"({OWN} AND ({of_now} OR current_setting('app.import', true) <> ''))"
            for table, of_now in OF_NOW.items()
        ),
        "GRANT INSERT (created_at, updated_at, deleted_at, completed_at, successor_id) "
        "ON tasks TO todo_api",
        "GRANT INSERT (created_at, updated_at, deleted_at) ON task_lists TO todo_api",
    ]:
        op.execute(statement)


def downgrade() -> None:
    """Forget what was imported: what is there stays."""
    for statement in [
        locked(*locks),
        "REVOKE INSERT (created_at, updated_at, deleted_at) ON task_lists FROM todo_api",
        "REVOKE INSERT (created_at, updated_at, deleted_at, completed_at, successor_id) "
        "ON tasks FROM todo_api",
        *(f"ALTER POLICY {table}_owner_insert ON {table} WITH CHECK ({OWN})" for table in OF_NOW),
        made_by("0011_lists.sql", "checked_list"),
        made_by("0015_recurrence.sql", "checked_rule"),
        "DROP TABLE imports",
    ]:
        op.execute(statement)
