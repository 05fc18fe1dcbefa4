"""The rows that are there get their place; the indexes of dates, priorities and places are made

Servers go on working meanwhile: the rows are filled in batches, each in a transaction of its own,
the indexes are made beside whoever writes, and constraints are checked without a lock that they
would wait for. Where this is interrupted it is run again.

Ids are unique for their owner, and no longer for all: a client may choose them.
"""

from alembic import op

from app.database.migrations.locking import locked, tried

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

kind = "before"
serves = "0.2.0"
locks = {
    "tasks": "ACCESS EXCLUSIVE",
    "task_labels": "ACCESS EXCLUSIVE",
    "task_lists": "SHARE ROW EXCLUSIVE",
    "users": "SHARE UPDATE EXCLUSIVE",
}
rewrites = {"tasks": "filled in batches"}

FILL = """
DO $$
DECLARE
    last bigint := 0;
    switch text;
    switch_off text[];
    switch_on text[];
BEGIN
    -- A trigger that notes the time of a change must not take this for one.
    SELECT array_agg(format('ALTER TABLE tasks DISABLE TRIGGER %I', tgname)),
           array_agg(format('ALTER TABLE tasks ENABLE %sTRIGGER %I',
                            CASE tgenabled WHEN 'A' THEN 'ALWAYS ' WHEN 'R' THEN 'REPLICA '
                            ELSE '' END, tgname))
    INTO switch_off, switch_on FROM pg_trigger
    WHERE tgrelid = 'tasks'::regclass AND NOT tgisinternal AND tgenabled <> 'D'
      AND tgname NOT IN ('a_lock_owner', 'b_note_new_task', 'b_note_changed_task',
                         'c_take_subtasks_along', 'note_what_is_gone');
    LOOP
        FOREACH switch IN ARRAY coalesce(switch_off, '{}') LOOP EXECUTE switch; END LOOP;
        WITH batch AS (
            SELECT id FROM tasks WHERE id > last ORDER BY id LIMIT 1000
        ), free AS (
            -- Who waits for a row of a change keeps the rows that it has from other changes.
            SELECT id FROM tasks WHERE id IN (SELECT id FROM batch) AND position IS NULL
            FOR NO KEY UPDATE SKIP LOCKED
        ), filled AS (
            UPDATE tasks SET position = key_of_number(tasks.id)
            FROM free WHERE tasks.id = free.id
        )
        SELECT max(id) INTO last FROM batch;
        FOREACH switch IN ARRAY coalesce(switch_on, '{}') LOOP EXECUTE switch; END LOOP;
        COMMIT;
        EXIT WHEN last IS NULL;
    END LOOP;
    -- Those that were being changed, one after the other.
    LOOP
        SELECT id INTO last FROM tasks WHERE position IS NULL LIMIT 1;
        EXIT WHEN NOT FOUND;
        FOREACH switch IN ARRAY coalesce(switch_off, '{}') LOOP EXECUTE switch; END LOOP;
        UPDATE tasks SET position = key_of_number(id)
        WHERE position IS NULL AND id = last;
        FOREACH switch IN ARRAY coalesce(switch_on, '{}') LOOP EXECUTE switch; END LOOP;
        COMMIT;
    END LOOP;
END $$
"""

INDEXES = {
    "tasks_by_position": "(user_id, list_id, completed, position, id) WHERE deleted_at IS NULL",
    "tasks_by_completed_at": (
        "(user_id, completed_at, id) WHERE completed_at IS NOT NULL AND deleted_at IS NULL"
    ),
    "tasks_of_parent": "(user_id, parent_id, position, id) WHERE parent_id IS NOT NULL",
    "tasks_by_due": (
        "(user_id, completed, due_at, id) WHERE deleted_at IS NULL AND due_at < 'infinity'"
    ),
    "tasks_by_priority": (
        "(user_id, completed, priority, id) WHERE deleted_at IS NULL AND priority > 0"
    ),
}

# The tables that they refer to are read, not locked against writes.
CONSTRAINTS = {
    "tasks_have_a_place": ("tasks", "CHECK (position IS NOT NULL)"),
    "tasks_list_fkey": (
        "tasks",
        "FOREIGN KEY (user_id, list_id) REFERENCES task_lists (user_id, id)",
    ),
    "tasks_parent_fkey": (
        "tasks",
        "FOREIGN KEY (user_id, parent_id) REFERENCES tasks (user_id, id) ON DELETE CASCADE",
    ),
    "task_labels_task_fkey": (
        "task_labels",
        # A trigger writes the labels of a new task before the task itself.
        "FOREIGN KEY (user_id, task_id) REFERENCES tasks (user_id, id) ON DELETE CASCADE "
        "DEFERRABLE INITIALLY DEFERRED",
    ),
}


def upgrade() -> None:
    op.execute(locked("tasks"))
    op.execute("DROP POLICY IF EXISTS tasks_filling ON tasks")
    # Row security would hide every row from an owner that it binds.
    op.execute("CREATE POLICY tasks_filling ON tasks TO CURRENT_USER USING (true)")
    with op.get_context().autocommit_block():
        # A limit that a role or a database sets is meant for queries.
        op.execute("SET statement_timeout = 0")
        op.execute(FILL)
        # What was interrupted is there, and may not be valid.
        for name, (table, _) in CONSTRAINTS.items():
            op.execute(tried(f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {name}"))
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS tasks_by_owner")
        op.execute("CREATE UNIQUE INDEX CONCURRENTLY tasks_by_owner ON tasks (user_id, id)")
        op.execute(
            tried(
                "ALTER TABLE tasks DROP CONSTRAINT tasks_pkey, "
                "ADD CONSTRAINT tasks_pkey PRIMARY KEY USING INDEX tasks_by_owner"
            )
        )
        for name, definition in INDEXES.items():
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
            op.execute(f"CREATE INDEX CONCURRENTLY {name} ON tasks {definition}")
        for name, (table, definition) in CONSTRAINTS.items():
            op.execute(tried(f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition} NOT VALID"))
            op.execute(f"ALTER TABLE {table} VALIDATE CONSTRAINT {name}")
        op.execute("ALTER TABLE users VALIDATE CONSTRAINT users_id_check")
        op.execute("RESET statement_timeout")
    for statement in [
        locked("tasks"),
        # Where a constraint says so, SET NOT NULL does not look at every row under its lock.
        "ALTER TABLE tasks ALTER COLUMN position SET NOT NULL, DROP CONSTRAINT tasks_have_a_place",
        "DROP POLICY tasks_filling ON tasks",
    ]:
        op.execute(statement)


def downgrade() -> None:
    for name, (table, _) in CONSTRAINTS.items():
        op.execute(f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {name}")
    for name in INDEXES:
        op.execute(f"DROP INDEX {name}")
    # Fails where two users' tasks have one id: clients choose them.
    op.execute(
        "ALTER TABLE tasks DROP CONSTRAINT tasks_pkey, ADD CONSTRAINT tasks_pkey PRIMARY KEY (id)"
    )
    op.execute("ALTER TABLE tasks ALTER COLUMN position DROP NOT NULL")
