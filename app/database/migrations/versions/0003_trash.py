"""The trash: tasks are deleted for good only after a time, by a function that does no more

Code from before goes on working: it knows nothing of the new columns, so triggers note for it when
a task was completed, and that a task which it deleted is gone. It shows what newer code has moved
into the trash, and deletes for good, so the time with both should be short.
"""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

kind = "before"
serves = "0.1.0"
locks = {"tasks": "ACCESS EXCLUSIVE", "task_counters": "ACCESS EXCLUSIVE"}
rewrites = {"tasks": "rewritten under its lock"}

REFUSE_OTHER_TYPES = """
DO $$
DECLARE
    problem text;
BEGIN
    SELECT format('tasks.%s is of type %s, and must be a timestamp',
                  attname, format_type(atttypid, atttypmod))
    INTO problem
    FROM pg_attribute
    WHERE attrelid = 'tasks'::regclass AND attname IN ('completed_at', 'deleted_at')
      AND atttypid NOT IN ('timestamp'::regtype, 'timestamptz'::regtype);
    IF problem IS NOT NULL THEN
        RAISE EXCEPTION 'The tables that are there cannot be adopted without loss: %.', problem;
    END IF;
END $$
"""

ADOPT_TIMES = """
DO $$
DECLARE
    found record;
BEGIN
    -- Columns of these names that an earlier system made; a time without a zone was meant as UTC.
    FOR found IN SELECT attname, atttypid FROM pg_attribute
                 WHERE attrelid = 'tasks'::regclass AND attname IN ('completed_at', 'deleted_at')
    LOOP
        EXECUTE format('ALTER TABLE tasks ALTER COLUMN %1$I DROP DEFAULT, '
                       'ALTER COLUMN %1$I DROP NOT NULL', found.attname);
        IF found.atttypid = 'timestamp'::regtype THEN
            EXECUTE format('ALTER TABLE tasks ALTER COLUMN %1$I TYPE timestamptz '
                           'USING %1$I AT TIME ZONE ''UTC''', found.attname);
        END IF;
    END LOOP;
END $$
"""

FILL = """
DO $$
DECLARE
    switch_on text;
    again text[];
BEGIN
    -- A trigger that notes the time of a change must not take this for one.
    SELECT array_agg(format('ALTER TABLE tasks ENABLE %sTRIGGER %I',
                            CASE tgenabled WHEN 'A' THEN 'ALWAYS ' WHEN 'R' THEN 'REPLICA '
                            ELSE '' END, tgname))
    INTO again
    FROM pg_trigger
    WHERE tgrelid = 'tasks'::regclass AND NOT tgisinternal AND tgenabled <> 'D';
    IF again IS NOT NULL THEN
        ALTER TABLE tasks DISABLE TRIGGER USER;
    END IF;
    -- Row security would hide every row from an owner that it binds.
    ALTER TABLE tasks NO FORCE ROW LEVEL SECURITY;
    UPDATE tasks SET completed_at = CASE WHEN completed THEN updated_at END
    WHERE completed IS DISTINCT FROM (completed_at IS NOT NULL);
    ALTER TABLE tasks FORCE ROW LEVEL SECURITY;
    FOREACH switch_on IN ARRAY coalesce(again, '{}') LOOP EXECUTE switch_on; END LOOP;
END $$
"""

NOTE_COMPLETION = [
    """
    CREATE FUNCTION note_completion() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        NEW.completed_at := CASE WHEN NEW.completed THEN pg_catalog.now() END;
        RETURN NEW;
    END $$
    """,
    """
    CREATE TRIGGER note_completion BEFORE INSERT OR UPDATE OF completed ON tasks
    FOR EACH ROW WHEN (NEW.completed IS DISTINCT FROM (NEW.completed_at IS NOT NULL))
    EXECUTE FUNCTION note_completion()
    """,
]

# Both act as whoever migrates, and so as one whom the policies below let at others' rows.
FUNCTIONS = """
DO $do$ BEGIN
    EXECUTE format($create$
        CREATE FUNCTION note_what_is_gone() RETURNS trigger
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, %1$I, pg_temp AS $$
        BEGIN
            -- Who saw a task in the trash knows; a task that never was there leaves no trace, so
            -- its going takes a number of its own.
            UPDATE task_counters c
            SET version = CASE WHEN g.unseen THEN c.version + 1 ELSE c.version END,
                purged_version = CASE WHEN g.unseen THEN c.version + 1
                                 ELSE greatest(c.purged_version, g.version) END
            FROM (SELECT user_id, max(version) AS version, bool_or(deleted_at IS NULL) AS unseen
                  FROM gone GROUP BY user_id) AS g
            WHERE c.user_id = g.user_id;
            RETURN NULL;
        END $$
    $create$, current_schema());
    EXECUTE format($create$
        CREATE FUNCTION purge_trash(days integer, at_most integer) RETURNS integer
        LANGUAGE plpgsql STRICT SECURITY DEFINER SET search_path = pg_catalog, %1$I, pg_temp AS $$
        DECLARE
            purged integer;
        BEGIN
            -- One at a time; whoever comes second has nothing to do.
            IF NOT pg_try_advisory_xact_lock(hashtext('purge_trash')) THEN
                RETURN 0;
            END IF;
            -- Whoever calls this cannot empty the trash of a day.
            DELETE FROM tasks WHERE id IN (
                SELECT id FROM tasks
                WHERE deleted_at < now() - make_interval(days => greatest(days, 1))
                ORDER BY deleted_at LIMIT least(at_most, 1000) FOR UPDATE SKIP LOCKED);
            GET DIAGNOSTICS purged = ROW_COUNT;
            RETURN purged;
        END $$
    $create$, current_schema());
END $do$
"""

STATEMENTS = [
    REFUSE_OTHER_TYPES,
    ADOPT_TIMES,
    "ALTER TABLE tasks ADD COLUMN IF NOT EXISTS completed_at timestamptz, "
    "ADD COLUMN IF NOT EXISTS deleted_at timestamptz",
    "ALTER TABLE task_counters ADD COLUMN purged_version integer DEFAULT 0 NOT NULL",
    FILL,
    "CREATE INDEX tasks_by_version ON tasks (user_id, version)",
    "CREATE INDEX tasks_in_trash ON tasks (deleted_at) WHERE deleted_at IS NOT NULL",
    *NOTE_COMPLETION,
    FUNCTIONS,
    """
    CREATE TRIGGER note_what_is_gone AFTER DELETE ON tasks REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION note_what_is_gone()
    """,
    "REVOKE ALL ON FUNCTION note_what_is_gone(), purge_trash(integer, integer) FROM PUBLIC",
    "GRANT EXECUTE ON FUNCTION purge_trash(integer, integer) TO todo_api",
    # The right to delete stays, for code from before needs it.
    "GRANT UPDATE (deleted_at) ON tasks TO todo_api",
    "REVOKE INSERT ON task_counters FROM todo_api",
    "GRANT INSERT (user_id, version) ON task_counters TO todo_api",
    # What the functions may see, and so the most that they can do, whatever they are told.
    "ALTER POLICY tasks_owner ON tasks TO todo_api",
    "ALTER POLICY task_counters_owner ON task_counters TO todo_api",
    "CREATE POLICY tasks_maintenance ON tasks TO CURRENT_USER "
    "USING (deleted_at < now() - interval '1 day')",
    "CREATE POLICY task_counters_maintenance ON task_counters TO CURRENT_USER USING (true)",
]


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Empty the trash: to older code, what is in it has been deleted."""
    for statement in [
        "DROP TRIGGER note_what_is_gone ON tasks",
        "DROP TRIGGER note_completion ON tasks",
        "DROP FUNCTION note_what_is_gone(), note_completion(), purge_trash(integer, integer)",
        "DROP POLICY tasks_maintenance ON tasks",
        "DROP POLICY task_counters_maintenance ON task_counters",
        "ALTER POLICY tasks_owner ON tasks TO PUBLIC",
        "ALTER POLICY task_counters_owner ON task_counters TO PUBLIC",
        "GRANT INSERT ON task_counters TO todo_api",
        "ALTER TABLE tasks NO FORCE ROW LEVEL SECURITY",
        "DELETE FROM tasks WHERE deleted_at IS NOT NULL",
        "ALTER TABLE tasks FORCE ROW LEVEL SECURITY",
        "ALTER TABLE tasks DROP COLUMN completed_at, DROP COLUMN deleted_at",
        "ALTER TABLE task_counters DROP COLUMN purged_version",
        "DROP INDEX tasks_by_version",
    ]:
        op.execute(statement)
