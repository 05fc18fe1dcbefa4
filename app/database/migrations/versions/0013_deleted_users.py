"""Deleted users: a token from before its user was deleted makes no row of theirs anew

Code from before goes on working. What it would add for a deleted user is refused there, too, as an
internal error, for as long as the row in `deleted_users` is there.

The owner of the tables may see and delete what belongs to the one user that `app.user_id` names.
"""

from importlib import import_module

from alembic import op

from app.database.migrations.locking import locked

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

kind = "before"
serves = "0.2.0"
locks = dict.fromkeys(
    ("users", "tasks", "task_labels", "task_lists", "idempotency_keys"), "ACCESS EXCLUSIVE"
)
rewrites: dict[str, str] = {}

TABLE = """
CREATE TABLE deleted_users (
    id_hash bytea NOT NULL,
    deleted_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    CONSTRAINT deleted_users_pkey PRIMARY KEY (id_hash)
)
"""

FUNCTIONS = """
-- Whether a user was deleted after a token was issued, in seconds since 1970. The clock that issues
-- tokens may be half a minute ahead. The server's role is told of the user in `app.user_id` alone.
CREATE FUNCTION is_deleted(owner text, issued_at double precision) RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT EXISTS (
        SELECT FROM SCHEMA.deleted_users d
        WHERE d.id_hash = sha256(convert_to(owner, 'UTF8'))
          AND to_timestamp(issued_at) < d.deleted_at + interval '30 seconds')
$$;

-- `app.issued_at` has when the token was issued; where it is not set, that was long ago.
CREATE FUNCTION refuse_deleted_user() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    -- Better Auth, which names nobody, adds whom it likes.
    IF NEW.id = current_setting('app.user_id', true) THEN
        -- Whoever deletes the user has the turn until that is committed.
        PERFORM pg_advisory_xact_lock(hashtextextended(NEW.id, 0));
        IF SCHEMA.is_deleted(
                NEW.id,
                coalesce(nullif(current_setting('app.issued_at', true), ''), '0')::double precision)
        THEN
            RAISE 'the user is deleted' USING ERRCODE = 'TD012';
        END IF;
    END IF;
    RETURN NEW;
END $$;

-- Who was deleted after a time, in seconds since 1970, for workers that must know of all. This and
-- the next one act as whoever migrates, and so as one whom the policy below lets at all rows.
CREATE FUNCTION deletions_since(since double precision)
RETURNS TABLE (hash text, seconds double precision)
LANGUAGE sql STABLE STRICT SECURITY DEFINER SET search_path = pg_catalog, SCHEMA, pg_temp AS $$
    SELECT encode(id_hash, 'hex'), extract(epoch FROM deleted_at)::double precision
    FROM deleted_users WHERE deleted_at > to_timestamp(since)
$$;

CREATE FUNCTION purge_deleted_users(at_most integer) RETURNS integer
LANGUAGE plpgsql STRICT SECURITY DEFINER SET search_path = pg_catalog, SCHEMA, pg_temp AS $$
DECLARE
    purged integer;
BEGIN
    DELETE FROM deleted_users WHERE id_hash IN (
        SELECT id_hash FROM deleted_users WHERE expires_at < now()
        LIMIT least(at_most, 1000) FOR UPDATE SKIP LOCKED);
    GET DIAGNOSTICS purged = ROW_COUNT;
    RETURN purged;
END $$;
"""

CALLABLE = (
    "is_deleted(text, double precision), refuse_deleted_user(), "
    "deletions_since(double precision), purge_deleted_users(integer)"
)

OF_ONE_USER = ("tasks", "task_labels", "task_lists", "idempotency_keys")


def upgrade() -> None:
    fold = import_module("app.database.migrations.versions.0009_fold")
    with op.get_context().autocommit_block():
        # The end of the migration before is committed, with the locks that it holds.
        pass
    for statement in [
        locked("users", *OF_ONE_USER),
        TABLE,
        fold.in_this_schema(FUNCTIONS),
        f"REVOKE ALL ON FUNCTION {CALLABLE} FROM PUBLIC",
        f"GRANT EXECUTE ON FUNCTION {CALLABLE} TO todo_api",
        "GRANT SELECT ON deleted_users TO todo_api",
        "CREATE POLICY deleted_users_owner ON deleted_users FOR SELECT TO todo_api USING "
        "(id_hash = sha256(convert_to(current_setting('app.user_id', true), 'UTF8')))",
        "CREATE POLICY deleted_users_maintenance ON deleted_users TO CURRENT_USER USING (true)",
        "ALTER TABLE deleted_users ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY",
        "CREATE TRIGGER refuse_deleted_user BEFORE INSERT ON users FOR EACH ROW "
        "EXECUTE FUNCTION refuse_deleted_user()",
        *(
            f"CREATE POLICY {table}_of_one_user ON {table} TO CURRENT_USER "
            "USING (user_id = current_setting('app.user_id', true))"
            for table in OF_ONE_USER
        ),
    ]:
        op.execute(statement)


def downgrade() -> None:
    for statement in [
        locked("users", *OF_ONE_USER),
        *(f"DROP POLICY {table}_of_one_user ON {table}" for table in OF_ONE_USER),
        "DROP TRIGGER refuse_deleted_user ON users",
        f"DROP FUNCTION {CALLABLE}",
        "DROP TABLE deleted_users",
    ]:
        op.execute(statement)
