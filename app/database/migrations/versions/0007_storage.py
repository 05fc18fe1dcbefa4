"""Storage: how many tasks each user has, and the bytes of their texts; nothing but trash is removed

Code from before goes on working, and triggers count what it writes. What was there before is
counted by `todo-api migrate`, user by user, after the migration is committed; and where it was not,
when its owner next adds a task or changes a text. Until then both columns are null. To have a user
counted anew, set them to null.
"""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

kind = "before"
serves = "0.1.0"
locks = {"tasks": "ACCESS EXCLUSIVE", "task_counters": "ACCESS EXCLUSIVE"}
rewrites: dict[str, str] = {}

# They act as whoever migrates: the server's role can write neither column.
FUNCTIONS = """
DO $do$ BEGIN
    EXECUTE format($create$
        CREATE FUNCTION note_storage() RETURNS trigger
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, %1$I, pg_temp AS $$
        BEGIN
            -- Each counter is locked already by the change that this follows.
            UPDATE task_counters c
            SET tasks = coalesce(c.tasks + n.tasks,
                                 (SELECT count(*) FROM tasks t WHERE t.user_id = c.user_id)),
                bytes = coalesce(c.bytes + n.bytes,
                                 (SELECT sum(octet_length(title)
                                             + coalesce(octet_length(description), 0))
                                  FROM tasks t WHERE t.user_id = c.user_id))
            FROM (SELECT user_id, count(*) AS tasks,
                         sum(octet_length(title) + coalesce(octet_length(description), 0)) AS bytes
                  FROM made GROUP BY user_id) AS n
            WHERE c.user_id = n.user_id;
            RETURN NULL;
        END $$
    $create$, current_schema());
    EXECUTE format($create$
        CREATE FUNCTION note_length() RETURNS trigger
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, %1$I, pg_temp AS $$
        BEGIN
            UPDATE task_counters c
            SET tasks = coalesce(c.tasks,
                                 (SELECT count(*) FROM tasks t WHERE t.user_id = c.user_id)),
                bytes = coalesce(c.bytes
                                 + octet_length(NEW.title)
                                 + coalesce(octet_length(NEW.description), 0)
                                 - octet_length(OLD.title)
                                 - coalesce(octet_length(OLD.description), 0),
                                 (SELECT sum(octet_length(title)
                                             + coalesce(octet_length(description), 0))
                                  FROM tasks t WHERE t.user_id = c.user_id))
            WHERE c.user_id = NEW.user_id;
            RETURN NULL;
        END $$
    $create$, current_schema());
    EXECUTE format($create$
        CREATE OR REPLACE FUNCTION note_what_is_gone() RETURNS trigger
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, %1$I, pg_temp AS $$
        BEGIN
            -- Who saw a task in the trash knows; a task that never was there leaves no trace, so
            -- its going takes a number of its own.
            UPDATE task_counters c
            SET version = CASE WHEN g.unseen THEN c.version + 1 ELSE c.version END,
                purged_version = CASE WHEN g.unseen THEN c.version + 1
                                 ELSE greatest(c.purged_version, g.version) END,
                tasks = c.tasks - g.tasks,
                bytes = c.bytes - g.bytes
            FROM (SELECT user_id, max(version) AS version, bool_or(deleted_at IS NULL) AS unseen,
                         count(*) AS tasks,
                         sum(octet_length(title) + coalesce(octet_length(description), 0)) AS bytes
                  FROM gone GROUP BY user_id) AS g
            WHERE c.user_id = g.user_id;
            RETURN NULL;
        END $$
    $create$, current_schema());
END $do$
"""

GONE_BEFORE = """
DO $do$ BEGIN
    EXECUTE format($create$
        CREATE OR REPLACE FUNCTION note_what_is_gone() RETURNS trigger
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
END $do$
"""

STATEMENTS = [
    "ALTER TABLE task_counters ADD COLUMN tasks integer, ADD COLUMN bytes bigint",
    FUNCTIONS,
    # What was not in the trash before cannot be removed, whatever the server's role is told.
    "CREATE POLICY tasks_removal ON tasks AS RESTRICTIVE FOR DELETE TO todo_api "
    "USING (deleted_at IS NOT NULL)",
    "REVOKE ALL ON FUNCTION note_storage(), note_length() FROM PUBLIC",
    """
    CREATE TRIGGER note_storage AFTER INSERT ON tasks REFERENCING NEW TABLE AS made
    FOR EACH STATEMENT EXECUTE FUNCTION note_storage()
    """,
    # A change of nothing but `completed` or `deleted_at` does not come here.
    """
    CREATE TRIGGER note_length AFTER UPDATE OF title, description ON tasks
    FOR EACH ROW WHEN (octet_length(NEW.title) <> octet_length(OLD.title)
                       OR coalesce(octet_length(NEW.description), 0)
                          <> coalesce(octet_length(OLD.description), 0))
    EXECUTE FUNCTION note_length()
    """,
]


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    for statement in [
        "DROP POLICY tasks_removal ON tasks",
        "DROP TRIGGER note_length ON tasks",
        "DROP TRIGGER note_storage ON tasks",
        "DROP FUNCTION note_length(), note_storage()",
        GONE_BEFORE,
        "ALTER TABLE task_counters DROP COLUMN tasks, DROP COLUMN bytes",
    ]:
        op.execute(statement)
