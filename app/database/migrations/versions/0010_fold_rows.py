"""The rows that are there get their words and their place in the order by title

Servers go on working meanwhile: the rows are filled in batches, each in a transaction of its own,
and the indexes are made beside whoever writes. Where this is interrupted it is run again.

Code from before goes on working, but turns the pages of long lists by title more slowly.
"""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

kind = "before"
serves = "0.1.0"
locks = {"tasks": "ACCESS EXCLUSIVE"}
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
      AND tgname NOT IN ('note_words', 'note_completion', 'note_what_is_gone', 'note_storage',
                         'note_length');
    LOOP
        FOREACH switch IN ARRAY coalesce(switch_off, '{}') LOOP EXECUTE switch; END LOOP;
        WITH batch AS (
            -- Locked in the order in which users' batches lock them.
            SELECT id FROM tasks WHERE id > last ORDER BY id LIMIT 1000 FOR NO KEY UPDATE
        ), filled AS (
            UPDATE tasks SET title_order = order_of(title),
                words = array_to_tsvector(words_of(user_id, concat_ws(' ', title, description)))
            FROM batch WHERE tasks.id = batch.id AND title_order IS NULL
        )
        SELECT max(id) INTO last FROM batch;
        FOREACH switch IN ARRAY coalesce(switch_on, '{}') LOOP EXECUTE switch; END LOOP;
        COMMIT;
        EXIT WHEN last IS NULL;
    END LOOP;
END $$
"""

INDEXES = {"tasks_by": "IS NULL", "tasks_in_trash_by": "IS NOT NULL"}


def upgrade() -> None:
    op.execute("DROP POLICY IF EXISTS tasks_filling ON tasks")
    # Row security would hide every row from an owner that it binds.
    op.execute("CREATE POLICY tasks_filling ON tasks TO CURRENT_USER USING (true)")
    with op.get_context().autocommit_block():
        # A limit that a role or a database sets is meant for queries.
        op.execute("SET statement_timeout = 0")
        op.execute(FILL)
        for name, condition in INDEXES.items():
            # One that was interrupted is there, and is not valid.
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}_title_order")
            op.execute(
                f"CREATE INDEX CONCURRENTLY {name}_title_order "
                f"ON tasks (user_id, completed, title_order, id) WHERE deleted_at {condition}"
            )
        # Where a constraint says so, SET NOT NULL does not look at every row under its lock.
        op.execute("ALTER TABLE tasks DROP CONSTRAINT IF EXISTS tasks_have_an_order")
        op.execute(
            "ALTER TABLE tasks ADD CONSTRAINT tasks_have_an_order "
            "CHECK (title_order IS NOT NULL) NOT VALID"
        )
        op.execute("ALTER TABLE tasks VALIDATE CONSTRAINT tasks_have_an_order")
        op.execute("RESET statement_timeout")
    for statement in [
        "ALTER TABLE tasks ALTER COLUMN title_order SET NOT NULL, "
        "DROP CONSTRAINT tasks_have_an_order",
        "DROP INDEX tasks_by_title_key, tasks_in_trash_by_title_key",
        "DROP POLICY tasks_filling ON tasks",
    ]:
        op.execute(statement)


def downgrade() -> None:
    for name, condition in INDEXES.items():
        op.execute(f"DROP INDEX {name}_title_order")
        op.execute(
            f"CREATE INDEX {name}_title_key ON tasks (user_id, completed, title_key, id) "
            f"WHERE deleted_at {condition}"
        )
    op.execute("ALTER TABLE tasks ALTER COLUMN title_order DROP NOT NULL")
