"""Undo: an action with an idempotency key notes what it overwrites, so that it can be taken back

Code of 0.3.0 and 0.4.0 goes on working: it names no action, so nothing is noted of what it changes.

What an action has noted goes with its key, whatever deletes that: by a trigger, since a reference
would take a fifth of the time of a change.
"""

from importlib import import_module
from pathlib import Path

from alembic import op

from app.database.migrations.earlier import made_by
from app.database.migrations.locking import locked, tried

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

kind = "before"
serves = "0.3.0"
locks = {"idempotency_keys": "SHARE ROW EXCLUSIVE"}
rewrites: dict[str, str] = {}

TABLE = """
CREATE TABLE action_steps (
    user_id text NOT NULL,
    key text NOT NULL,
    id bigint NOT NULL,
    version integer NOT NULL,
    previous integer,
    asked boolean NOT NULL,
    before jsonb,
    CONSTRAINT action_steps_pkey PRIMARY KEY (user_id, key, id, version)
)
"""

OWN = "user_id = current_setting('app.user_id', true)"

FUNCTIONS = (
    "overwritten_of_task(record, record)",
    "overwritten_of_list(record, record)",
    "note_step(text, bigint, integer, integer, jsonb)",
    "what_was(text, bigint)",
    "undo_action(text, text)",
)

REPLACED = {
    "note_new_task": "0015_recurrence.sql",
    "note_changed_task": "0015_recurrence.sql",
    "take_subtasks_along": "0011_lists.sql",
    "take_members_along": "0011_lists.sql",
    "note_new_list": "0011_lists.sql",
    "note_changed_list": "0011_lists.sql",
}
"""The functions that note steps and put back what was, and where they were made before."""


def upgrade() -> None:
    fold = import_module("app.database.migrations.versions.0009_fold")
    functions = Path(__file__).with_name("0016_undo.sql").read_text(encoding="utf-8")
    with op.get_context().autocommit_block():
        # The end of the migration before is committed, with the locks that it holds.
        pass
    for statement in [
        tried("LOCK TABLE idempotency_keys IN SHARE ROW EXCLUSIVE MODE"),
        TABLE,
        "CREATE INDEX action_steps_by_version ON action_steps (user_id, version)",
        fold.in_this_schema(functions),
        f"REVOKE ALL ON FUNCTION {', '.join(FUNCTIONS)}, remove_steps() FROM PUBLIC",
        f"GRANT EXECUTE ON FUNCTION {', '.join(FUNCTIONS)} TO todo_api",
        "GRANT SELECT, INSERT, UPDATE (version), DELETE ON action_steps TO todo_api",
        f"CREATE POLICY action_steps_owner ON action_steps TO todo_api USING ({OWN}) "
        f"WITH CHECK ({OWN})",
        "CREATE POLICY action_steps_maintenance ON action_steps TO CURRENT_USER USING (true)",
        "ALTER TABLE action_steps ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY",
        "CREATE TRIGGER remove_steps AFTER DELETE ON idempotency_keys "
        "REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION remove_steps()",
    ]:
        op.execute(statement)


def downgrade() -> None:
    """Drop what actions have noted: older code cannot take them back."""
    for statement in [
        locked("idempotency_keys"),
        *(made_by(file, name) for name, file in REPLACED.items()),
        "DROP TRIGGER remove_steps ON idempotency_keys",
        f"DROP FUNCTION {', '.join(FUNCTIONS)}, remove_steps()",
        "DROP TABLE action_steps",
    ]:
        op.execute(statement)
