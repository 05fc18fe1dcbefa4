"""Calendar links: addresses by which calendar programs read the tasks that are due on a day

Code of 0.3.0 and 0.4.0 goes on working. It takes the new table, as that of 0017, for one of Better
Auth's, and so takes no name and no address from tokens.
"""

from importlib import import_module

from alembic import op

from app.database.migrations.locking import locked, tried

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

kind = "before"
serves = "0.3.0"
locks = {"users": "SHARE ROW EXCLUSIVE"}
rewrites: dict[str, str] = {}

TABLE = r"""
CREATE TABLE calendar_links (
    user_id text NOT NULL,
    id bigint NOT NULL,
    name varchar(100) NOT NULL,
    secret_hash text NOT NULL,
    created_at timestamptz DEFAULT now() NOT NULL,
    last_used_at timestamptz,
    CONSTRAINT calendar_links_pkey PRIMARY KEY (user_id, id),
    CONSTRAINT calendar_links_user_id_fkey
        FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE,
    CONSTRAINT calendar_links_name_check CHECK (btrim(name, E' \t\n\x0b\f\r') <> ''),
    CONSTRAINT calendar_links_secret_hash_check CHECK (length(secret_hash) = 64)
)
"""

NOTE_NEW_CALENDAR_LINK = """
-- The id of a new link is made as that of a task, and is greater than those of its owner's others.
-- It is the owner's turn, so nobody else adds one meanwhile.
CREATE FUNCTION note_new_calendar_link() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    links integer;
    latest bigint;
BEGIN
    SELECT count(*), max(l.id) INTO links, latest
    FROM SCHEMA.calendar_links l WHERE l.user_id = NEW.user_id;
    IF links >= 10 THEN
        RAISE 'there are too many calendar links' USING ERRCODE = 'TD018';
    END IF;
    NEW.id := greatest(latest + 1,
                       (floor(extract(epoch FROM clock_timestamp()))::bigint << 21)
                       + floor(random() * 2097152)::bigint);
    RETURN NEW;
END $$;
"""

IS_OWN = "user_id = current_setting('app.user_id', true)"


def upgrade() -> None:
    fold = import_module("app.database.migrations.versions.0009_fold")
    with op.get_context().autocommit_block():
        # The end of the migration before is committed, with the locks that it holds.
        pass
    for statement in [
        tried("LOCK TABLE users IN SHARE ROW EXCLUSIVE MODE"),
        TABLE,
        fold.in_this_schema(NOTE_NEW_CALENDAR_LINK),
        "REVOKE ALL ON FUNCTION note_new_calendar_link() FROM PUBLIC",
        "GRANT EXECUTE ON FUNCTION note_new_calendar_link() TO todo_api",
        "CREATE TRIGGER a_lock_owner BEFORE INSERT OR UPDATE OR DELETE ON calendar_links "
        "FOR EACH STATEMENT EXECUTE FUNCTION lock_owner()",
        "CREATE TRIGGER b_note_new_calendar_link BEFORE INSERT ON calendar_links "
        "FOR EACH ROW EXECUTE FUNCTION note_new_calendar_link()",
        "GRANT SELECT, INSERT (user_id, name, secret_hash), UPDATE (last_used_at), DELETE "
        "ON calendar_links TO todo_api",
        "CREATE POLICY calendar_links_owner ON calendar_links TO todo_api "
        f"USING ({IS_OWN}) WITH CHECK ({IS_OWN})",
        "CREATE POLICY calendar_links_of_one_user ON calendar_links TO CURRENT_USER "
        f"USING ({IS_OWN})",
        "ALTER TABLE calendar_links ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY",
    ]:
        op.execute(statement)


def downgrade() -> None:
    for statement in [
        locked("users"),
        "DROP TABLE calendar_links",
        "DROP FUNCTION note_new_calendar_link()",
    ]:
        op.execute(statement)
