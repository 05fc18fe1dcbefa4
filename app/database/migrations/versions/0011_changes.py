"""Dates, priorities, labels, lists and places; a change is one statement, and triggers do the rest

Code from before goes on working: it takes versions itself, and gets ids from the identity. What is
new has a default. It takes the new tables for some of Better Auth's, and so leaves the e-mail
address out where it adds a user.

No row is written here: the next migration fills places in and makes the indexes.
"""

from importlib import import_module
from pathlib import Path

from alembic import op

from app.database.migrations.locking import locked

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

kind = "before"
serves = "0.2.0"
locks = {
    "users": "ACCESS EXCLUSIVE",
    "tasks": "ACCESS EXCLUSIVE",
    "task_counters": "ACCESS EXCLUSIVE",
    "idempotency_keys": "ACCESS EXCLUSIVE",
}
rewrites: dict[str, str] = {}

OWN = "user_id = current_setting('app.user_id', true)"
SUB_SELECT = "(SELECT nullif(current_setting('app.user_id', true), ''))"

COLUMNS = {
    "list_id": "bigint",
    "parent_id": "bigint",
    "position": 'text COLLATE "C"',
    "has_subtasks": "boolean DEFAULT false NOT NULL",
    "due_on": "date",
    "due_time": "time(0) without time zone",
    "due_at": "timestamp without time zone DEFAULT 'infinity' NOT NULL",
    "priority": "smallint DEFAULT 0 NOT NULL",
    "labels": "text[] DEFAULT '{}' NOT NULL",
    "completed_on": "date",
}

REFUSE_WHAT_IS_NOT_OURS = """
DO $$
DECLARE
    name text;
BEGIN
    SELECT 'tasks has a column ' || attname INTO name FROM pg_attribute
    WHERE attrelid = 'tasks'::regclass AND NOT attisdropped AND attname IN (NAMES)
    UNION ALL
    SELECT 'there is a table ' || relname FROM pg_class
    WHERE oid IN (to_regclass('task_lists'), to_regclass('task_labels'));
    IF FOUND THEN
        RAISE EXCEPTION 'The tables that are there cannot be adopted without loss: % that is not '
                        'this server''s.', name;
    END IF;
END $$
"""

TABLES = [
    """
    CREATE TABLE task_lists (
        user_id text NOT NULL,
        id bigint NOT NULL,
        name varchar(100) NOT NULL,
        position text COLLATE "C" NOT NULL,
        created_at timestamptz DEFAULT now() NOT NULL,
        updated_at timestamptz DEFAULT now() NOT NULL,
        deleted_at timestamptz,
        version integer NOT NULL,
        CONSTRAINT task_lists_pkey PRIMARY KEY (user_id, id),
        CONSTRAINT task_lists_user_id_fkey
            FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE,
        CONSTRAINT task_lists_name_check CHECK (btrim(name, E' \\t\\n\\x0b\\f\\r') <> '')
    )
    """,
    "CREATE INDEX task_lists_by_version ON task_lists (user_id, version)",
    "CREATE INDEX task_lists_by_position ON task_lists (user_id, position, id) "
    "WHERE deleted_at IS NULL",
    """
    CREATE TABLE task_labels (
        user_id text NOT NULL,
        key text COLLATE "C" NOT NULL,
        task_id bigint NOT NULL,
        name text NOT NULL,
        CONSTRAINT task_labels_pkey PRIMARY KEY (user_id, key, task_id)
    )
    """,
    "CREATE INDEX task_labels_of_task ON task_labels (user_id, task_id)",
]

DROPPED_TRIGGERS = ("note_completion", "note_length", "note_storage", "note_words")
DROPPED_FUNCTIONS = "note_completion(), note_length(), note_storage(), note_words()"

FUNCTIONS = (
    "lock_owner()",
    "take_number(text, integer, bigint, integer)",
    "length_of(text, text, text[])",
    "label_key(text)",
    "spelled(text, text[])",
    "note_new_task()",
    "changes_too(bigint)",
    "note_changed_task()",
    "add_labels(text, bigint, text[])",
    "stored_by(text)",
    "take_next_number(text, integer)",
    "check_id(text, bigint)",
    "key_between(text, text)",
    "key_below(text)",
    "key_above(text, text)",
    "keys_between(text, text, integer)",
    "neighbours(text, bigint, text[], boolean, text, bigint, bigint, integer)",
    "key_of_place(text, bigint, text[], text, bigint)",
    "key_of_number(bigint)",
    "key_of_list(text, bigint)",
    "key_of_task(text, bigint, bigint, bigint)",
    "checked_list(text, bigint, bigint, bigint)",
    "take_subtasks_along()",
    "note_new_list()",
    "note_changed_list()",
    "take_members_along()",
)

# The names decide the order in which PostgreSQL runs them.
TRIGGERS = [
    "CREATE TRIGGER b_note_new_task BEFORE INSERT ON tasks FOR EACH ROW "
    "EXECUTE FUNCTION note_new_task()",
    "CREATE TRIGGER b_note_changed_task BEFORE UPDATE ON tasks FOR EACH ROW "
    "EXECUTE FUNCTION note_changed_task()",
    "CREATE TRIGGER c_take_subtasks_along AFTER UPDATE OF completed, deleted_at, list_id ON tasks "
    "FOR EACH ROW WHEN (NEW.has_subtasks) EXECUTE FUNCTION take_subtasks_along()",
    "CREATE TRIGGER b_note_new_list BEFORE INSERT ON task_lists FOR EACH ROW "
    "EXECUTE FUNCTION note_new_list()",
    "CREATE TRIGGER b_note_changed_list BEFORE UPDATE ON task_lists FOR EACH ROW "
    "EXECUTE FUNCTION note_changed_list()",
    "CREATE TRIGGER c_take_members_along AFTER UPDATE ON task_lists FOR EACH ROW "
    "WHEN (NEW.deleted_at IS DISTINCT FROM OLD.deleted_at) EXECUTE FUNCTION take_members_along()",
    "CREATE TRIGGER note_what_lists_are_gone AFTER DELETE ON task_lists "
    "REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION note_what_lists_are_gone()",
]

RIGHTS = [
    "GRANT INSERT (id, due_on, due_time, priority, labels, completed_on, list_id, parent_id, "
    "position), UPDATE (due_on, due_time, priority, labels, completed_on, list_id, parent_id, "
    "position, has_subtasks) ON tasks TO todo_api",
    "GRANT INSERT (last_id, tasks, bytes), UPDATE (last_id, tasks, bytes) "
    "ON task_counters TO todo_api",
    "GRANT SELECT, INSERT, DELETE ON task_labels TO todo_api",
    "GRANT SELECT, DELETE, INSERT (user_id, id, name, position), "
    "UPDATE (name, position, deleted_at) ON task_lists TO todo_api",
]

# Permissive all of them, without a sub-select: some engines know no other.
POLICIES = [
    "DROP POLICY users_everybody ON users",
    "DROP POLICY users_owner ON users",
    # The server sees its caller's row; Better Auth, whatever its role, keeps its table.
    "CREATE POLICY users_owner ON users TO todo_api "
    "USING (id = current_setting('app.user_id', true)) "
    "WITH CHECK (id = current_setting('app.user_id', true))",
    "CREATE POLICY users_others ON users USING (NOT pg_has_role('todo_api', 'USAGE')) "
    "WITH CHECK (NOT pg_has_role('todo_api', 'USAGE'))",
    "DROP POLICY tasks_owner ON tasks",
    "DROP POLICY tasks_removal ON tasks",
    *(
        policy
        for table in ("tasks", "task_lists")
        for policy in (
            f"CREATE POLICY {table}_owner ON {table} FOR SELECT TO todo_api USING ({OWN})",
            f"CREATE POLICY {table}_owner_insert ON {table} FOR INSERT TO todo_api "
            f"WITH CHECK ({OWN})",
            f"CREATE POLICY {table}_owner_update ON {table} FOR UPDATE TO todo_api "
            f"USING ({OWN}) WITH CHECK ({OWN})",
            # What was not in the trash before cannot be removed, whatever the server's role is
            # told.
            f"CREATE POLICY {table}_owner_delete ON {table} FOR DELETE TO todo_api "
            f"USING ({OWN} AND deleted_at IS NOT NULL)",
        )
    ),
    f"CREATE POLICY task_labels_owner ON task_labels TO todo_api USING ({OWN}) WITH CHECK ({OWN})",
    "CREATE POLICY task_lists_maintenance ON task_lists TO CURRENT_USER "
    "USING (deleted_at < now() - interval '1 day')",
    # Whoever migrates counts what each user has, as `tasks_search` shows the tasks.
    "CREATE POLICY task_lists_counting ON task_lists FOR SELECT TO CURRENT_USER USING (true)",
    f"ALTER POLICY task_counters_owner ON task_counters USING ({OWN}) WITH CHECK ({OWN})",
    f"ALTER POLICY idempotency_keys_owner ON idempotency_keys USING ({OWN}) WITH CHECK ({OWN})",
]
POLICIES_BEFORE = [
    "DROP POLICY users_others ON users",
    "DROP POLICY users_owner ON users",
    "CREATE POLICY users_everybody ON users USING (true) WITH CHECK (true)",
    "CREATE POLICY users_owner ON users AS RESTRICTIVE TO todo_api "
    f"USING (id = {SUB_SELECT}) WITH CHECK (id = {SUB_SELECT})",
    "DROP POLICY tasks_owner_delete ON tasks",
    "DROP POLICY tasks_owner_update ON tasks",
    "DROP POLICY tasks_owner_insert ON tasks",
    "DROP POLICY tasks_owner ON tasks",
    "CREATE POLICY tasks_removal ON tasks AS RESTRICTIVE FOR DELETE TO todo_api "
    "USING (deleted_at IS NOT NULL)",
    *(
        f"{verb} POLICY {table}_owner ON {table} {to}"
        f"USING (user_id = {SUB_SELECT}) WITH CHECK (user_id = {SUB_SELECT})"
        for verb, table, to in (
            ("CREATE", "tasks", "TO todo_api "),
            ("ALTER", "task_counters", ""),
            ("ALTER", "idempotency_keys", ""),
        )
    ),
]


def upgrade() -> None:
    fold = import_module("app.database.migrations.versions.0009_fold")
    folder = Path(__file__).parent
    functions = "".join(
        (folder / name).read_text(encoding="utf-8")
        for name in ("0011_label_key.sql", "0011_changes.sql", "0011_lists.sql")
    )
    added = ", ".join(f"ADD COLUMN {name} {type}" for name, type in COLUMNS.items())
    with op.get_context().autocommit_block():
        # The end of the migration before is committed, with the locks that it holds.
        pass
    for statement in [
        locked("users", "tasks", "task_counters", "idempotency_keys"),
        REFUSE_WHAT_IS_NOT_OURS.replace("NAMES", ", ".join(f"'{name}'" for name in COLUMNS)),
        f"ALTER TABLE tasks {added}",
        "ALTER TABLE task_counters ADD COLUMN last_id bigint DEFAULT 3308963600793600 NOT NULL",
        "ALTER TABLE users ADD CONSTRAINT users_id_check CHECK (id <> '') NOT VALID",
        *TABLES,
        *(f"DROP TRIGGER {name} ON tasks" for name in DROPPED_TRIGGERS),
        f"DROP FUNCTION {DROPPED_FUNCTIONS}",
        fold.in_this_schema(functions),
        f"REVOKE ALL ON FUNCTION {', '.join(FUNCTIONS)}, note_what_lists_are_gone() FROM PUBLIC",
        f"GRANT EXECUTE ON FUNCTION {', '.join(FUNCTIONS)} TO todo_api",
        *POLICIES,
    ]:
        op.execute(statement)
    for table in ("task_lists", "task_labels"):
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY")
    for table in ("tasks", "task_lists"):
        op.execute(
            f"CREATE TRIGGER a_lock_owner BEFORE INSERT OR UPDATE OR DELETE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION lock_owner()"
        )
    for trigger in TRIGGERS:
        op.execute(trigger)
    for right in RIGHTS:
        op.execute(right)


def downgrade() -> None:
    """Drop what is new, with all that was written there: older code cannot show it."""
    trash, beginnings, storage, fold = (
        import_module(f"app.database.migrations.versions.{name}")
        for name in ("0003_trash", "0006_beginnings", "0007_storage", "0009_fold")
    )
    for statement in [
        locked(
            *("users", "tasks", "task_counters", "idempotency_keys", "task_labels", "task_lists")
        ),
        "DROP TRIGGER a_lock_owner ON tasks",
        "DROP TRIGGER b_note_new_task ON tasks",
        "DROP TRIGGER b_note_changed_task ON tasks",
        "DROP TRIGGER c_take_subtasks_along ON tasks",
        "DROP TABLE task_labels, task_lists",
        storage.FUNCTIONS,
        beginnings.PURGE,
        f"DROP FUNCTION {', '.join(FUNCTIONS)}, note_what_lists_are_gone()",
        *trash.NOTE_COMPLETION,
        *(s for s in storage.STATEMENTS if "TRIGGER note_" in s or "REVOKE ALL ON FUNCTION" in s),
        fold.in_this_schema(fold.NOTE_WORDS),
        "REVOKE ALL ON FUNCTION note_words() FROM PUBLIC",
        "CREATE TRIGGER note_words BEFORE INSERT OR UPDATE OF user_id, title, description "
        "ON tasks FOR EACH ROW EXECUTE FUNCTION note_words()",
        *POLICIES_BEFORE,
        "REVOKE INSERT (id) ON tasks FROM todo_api",
        "REVOKE INSERT (tasks, bytes), UPDATE (tasks, bytes) ON task_counters FROM todo_api",
        "ALTER TABLE users DROP CONSTRAINT users_id_check",
        "ALTER TABLE task_counters DROP COLUMN last_id",
        "ALTER TABLE tasks " + ", ".join(f"DROP COLUMN {name}" for name in COLUMNS),
    ]:
        op.execute(statement)
