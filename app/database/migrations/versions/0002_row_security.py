"""Row-level security, and the role that it binds: the second layer that keeps users apart"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

kind = "before"
serves = "0.1.0"
locks = {
    "users": "ACCESS EXCLUSIVE",
    "tasks": "ACCESS EXCLUSIVE",
    "task_counters": "ACCESS EXCLUSIVE",
}
rewrites: dict[str, str] = {}

# An unset setting is NULL in a new session, and '' where a transaction has set it before. In a
# sub-select it is read once for each statement, not once for each row.
OWNER = "(SELECT nullif(current_setting('app.user_id', true), ''))"

MAKE_ROLE = """
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'todo_api') THEN
        CREATE ROLE todo_api LOGIN;
    END IF;
EXCEPTION
    -- Roles belong to the whole cluster: another database's migration was faster.
    WHEN duplicate_object OR unique_violation THEN NULL;
    WHEN insufficient_privilege THEN
        RAISE EXCEPTION 'the role % may not create roles: have an administrator run '
            '"CREATE ROLE todo_api LOGIN", then migrate again', current_user;
END $$
"""

SET_TIMEOUTS = """
DO $$ BEGIN
    -- On the role, for a pooler passes no settings of a session on.
    EXECUTE format('ALTER ROLE todo_api IN DATABASE %I SET statement_timeout = ''60s''',
                   current_database());
    EXECUTE format('ALTER ROLE todo_api IN DATABASE %I '
                   'SET idle_in_transaction_session_timeout = ''10s''', current_database());
EXCEPTION
    WHEN insufficient_privilege THEN
        RAISE NOTICE 'the timeouts of the role todo_api could not be set';
END $$
"""

GRANTS = [
    "GRANT SELECT ON alembic_version TO todo_api",
    # Not on id: whoever chooses ids can find out which there are.
    "GRANT SELECT, DELETE, INSERT (user_id, title, description, completed, version), "
    "UPDATE (title, description, completed, updated_at, version) ON tasks TO todo_api",
    "GRANT SELECT, INSERT, UPDATE (version) ON task_counters TO todo_api",
    "GRANT SELECT (id, email, name, created_at), "
    "INSERT (id, email, name, email_verified, created_at, updated_at) ON users TO todo_api",
]


def upgrade() -> None:
    op.execute(MAKE_ROLE)
    op.execute(
        "DO $$ BEGIN EXECUTE format('GRANT USAGE ON SCHEMA %I TO todo_api', current_schema()); "
        "END $$"
    )
    for grant in GRANTS:
        op.execute(grant)
    op.execute(SET_TIMEOUTS)
    for table in ("tasks", "task_counters"):
        op.execute(
            f"CREATE POLICY {table}_owner ON {table} "
            f"USING (user_id = {OWNER}) WITH CHECK (user_id = {OWNER})"
        )
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY")
    # Better Auth keeps its table, whatever role it has; the server sees its caller's row.
    op.execute("CREATE POLICY users_everybody ON users USING (true) WITH CHECK (true)")
    op.execute(
        "CREATE POLICY users_owner ON users AS RESTRICTIVE TO todo_api "
        f"USING (id = {OWNER}) WITH CHECK (id = {OWNER})"
    )
    op.execute("ALTER TABLE users ENABLE ROW LEVEL SECURITY")


def downgrade() -> None:
    """Take the role's rights back. The role stays: other databases may use it."""
    for table in ("users", "tasks", "task_counters"):
        op.execute(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY")
        op.execute(f"DROP POLICY {table}_owner ON {table}")
        op.execute(f"REVOKE ALL ON {table} FROM todo_api")
    op.execute("DROP POLICY users_everybody ON users")
    op.execute("REVOKE ALL ON alembic_version FROM todo_api")
