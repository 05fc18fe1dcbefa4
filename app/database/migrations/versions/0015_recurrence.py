"""Recurrence: a task has a rule, and completing it makes the task that comes next

Code of 0.3.0 and 0.4.0 goes on working. A recurring task that it completes has a successor, too,
for which it keeps to no quota; what a rule forbids there is an internal error.
"""

from importlib import import_module
from pathlib import Path

from alembic import op

from app.database.migrations.locking import locked

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

kind = "before"
serves = "0.3.0"
locks = {"tasks": "ACCESS EXCLUSIVE"}
rewrites: dict[str, str] = {}

FUNCTIONS = (
    "day_in_month(jsonb, date)",
    "next_in_series(jsonb, date)",
    "next_due(jsonb, date, date)",
    "next_rule(jsonb)",
    "next_days(jsonb, date, integer)",
    "checked_rule(jsonb, date, bigint)",
    "make_successor(record)",
    "kept_successor(record)",
)


def upgrade() -> None:
    fold = import_module("app.database.migrations.versions.0009_fold")
    functions = Path(__file__).with_name("0015_recurrence.sql").read_text(encoding="utf-8")
    with op.get_context().autocommit_block():
        # The end of the migration before is committed, with the locks that it holds.
        pass
    for statement in [
        locked("tasks"),
        "ALTER TABLE tasks ADD COLUMN repeats jsonb, ADD COLUMN successor_id bigint",
        fold.in_this_schema(functions),
        f"REVOKE ALL ON FUNCTION {', '.join(FUNCTIONS)} FROM PUBLIC",
        f"GRANT EXECUTE ON FUNCTION {', '.join(FUNCTIONS)} TO todo_api",
        # A trigger alone writes `successor_id`.
        "GRANT INSERT (repeats), UPDATE (repeats) ON tasks TO todo_api",
    ]:
        op.execute(statement)


def downgrade() -> None:
    """Drop the rules, and what was made by them stays: older code shows it as other tasks."""
    before = import_module("app.database.migrations.versions.0014_finish_0_3_0")
    for statement in [
        locked("tasks"),
        *(before.trigger_function(name) for name in ("note_new_task", "note_changed_task")),
        f"DROP FUNCTION {', '.join(FUNCTIONS)}",
        "ALTER TABLE tasks DROP COLUMN successor_id, DROP COLUMN repeats",
    ]:
        op.execute(statement)
