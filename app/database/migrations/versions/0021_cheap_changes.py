"""Changes cost PostgreSQL less, and what an owner has outside the trash is counted in the counter

Code of 0.3.0 and 0.4.0 goes on working, and counts too: triggers do it. An owner is counted when a
task is added; until then `totalCount` counts the rows.
"""

from importlib import import_module
from pathlib import Path

from alembic import op

from app.database.migrations.earlier import made_by
from app.database.migrations.locking import locked

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

kind = "before"
serves = "0.3.0"
locks = {"tasks": "ACCESS EXCLUSIVE", "task_counters": "ACCESS EXCLUSIVE"}
rewrites: dict[str, str] = {}

COLUMNS = "live_tasks, completed_tasks"

FUNCTIONS = ("live_tasks_of(text)", "successor_of(record)", "note_completed_task()")

REPLACED = {
    "note_new_task": "0016_undo.sql",
    "note_changed_task": "0016_undo.sql",
    "note_what_is_gone": "0020_clusters.sql",
}
"""The functions that are made anew, and where they were made before."""

NAMED_BY_OTHER_CHANGES = (
    "id, user_id, title, description, created_at, updated_at, version, completed_at, deleted_at, "
    "words, title_order, list_id, parent_id, position, has_subtasks, due_on, due_time, due_at, "
    "priority, labels, repeats, successor_id"
)
"""All columns of tasks but those that completing a task names."""


def upgrade() -> None:
    fold = import_module("app.database.migrations.versions.0009_fold")
    functions = Path(__file__).with_suffix(".sql").read_text(encoding="utf-8")
    with op.get_context().autocommit_block():
        # The end of the migration before is committed, with the locks that it holds.
        pass
    for statement in [
        locked(*locks),
        "ALTER TABLE task_counters ADD COLUMN live_tasks integer, "
        "ADD COLUMN completed_tasks integer",
        f"GRANT INSERT ({COLUMNS}), UPDATE ({COLUMNS}) ON task_counters TO todo_api",
        words_in().replace("FUNCTION words_in(", "FUNCTION words_in_unicode(", 1),
        fold.in_this_schema(functions),
        f"REVOKE ALL ON FUNCTION {', '.join(FUNCTIONS)} FROM PUBLIC",
        f"GRANT EXECUTE ON FUNCTION {', '.join(FUNCTIONS)} TO todo_api",
        "CREATE OR REPLACE TRIGGER b_note_changed_task "
        f"BEFORE UPDATE OF {NAMED_BY_OTHER_CHANGES} ON tasks "
        "FOR EACH ROW EXECUTE FUNCTION note_changed_task()",
        # Its name has it run after the other one.
        "CREATE TRIGGER b_note_completed_task BEFORE UPDATE OF completed, completed_on ON tasks "
        "FOR EACH ROW EXECUTE FUNCTION note_completed_task()",
    ]:
        op.execute(statement)


def downgrade() -> None:
    for statement in [
        locked(*locks),
        "DROP TRIGGER b_note_completed_task ON tasks",
        "CREATE OR REPLACE TRIGGER b_note_changed_task BEFORE UPDATE ON tasks "
        "FOR EACH ROW EXECUTE FUNCTION note_changed_task()",
        *(made_by(file, name) for name, file in REPLACED.items()),
        f"DROP FUNCTION {', '.join(FUNCTIONS)}",
        words_in(),
        "DROP FUNCTION words_in_unicode(text, text)",
        "ALTER TABLE task_counters DROP COLUMN live_tasks, DROP COLUMN completed_tasks",
    ]:
        op.execute(statement)


def words_in() -> str:
    """Return the statement that makes the function that takes any text."""
    return made_by("0009_fold.sql", "words_in")
