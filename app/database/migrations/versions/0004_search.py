"""Search, and an index for every filter in every order

A task's words lie in an index that all users share, each word marked as its owner's, so that one
user's search touches no other's. Row security keeps the server's role from using that index, for
the operator that it serves is not leakproof: a function looks the caller's tasks up instead.

Code from before goes on working, but turns the pages of long lists more slowly.
"""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

kind = "before"
serves = "0.1.0"
locks = {"tasks": "ACCESS EXCLUSIVE"}
rewrites = {"tasks": "rewritten under its lock"}

REFUSE_WHAT_CANNOT_BE_SEARCHED = """
DO $$ BEGIN
    IF getdatabaseencoding() <> 'UTF8' THEN
        RAISE EXCEPTION 'the database is encoded in %, and must be in UTF8: only there can accents '
                        'be told from letters', getdatabaseencoding();
    END IF;
    IF EXISTS (SELECT FROM pg_attribute WHERE attrelid = 'tasks'::regclass AND NOT attisdropped
               AND attname IN ('title_key', 'words')) THEN
        RAISE EXCEPTION 'The tables that are there cannot be adopted without loss: tasks has a '
                        'column title_key or words that is not this server''s.';
    END IF;
END $$
"""

FUNCTIONS = r"""
DO $do$ BEGIN
    EXECUTE format($create$
        -- A word is a run of letters and digits, without accents and in lower case; of scripts
        -- that are written without spaces each sign is one. Who owns a word goes before it.
        CREATE FUNCTION words_of(owner text, said text) RETURNS text[]
        LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
            SELECT coalesce(array_agg(DISTINCT marked.owner || left(word, 60)), '{}')
            FROM (SELECT left(encode(sha256(convert_to(owner, 'UTF8')), 'hex'), 12) AS owner)
                     AS marked,
                 regexp_split_to_table(
                     regexp_replace(
                         regexp_replace(
                             translate(lower(normalize(said, NFKD)), '_', ' '),
                             '[\u0300-\u036f]', '', 'g'),
                         '([\u2e80-\u9fff\uf900-\ufaff\U00020000-\U0003ffff])', ' \1 ', 'g'),
                     '\W+') AS word
            WHERE word <> ''
        $$;

        -- No syntax can go wrong: there is nothing but letters and digits between the quotes.
        CREATE FUNCTION query_for(owner text, said text) RETURNS tsquery
        LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
            SELECT string_agg(quote_literal(word) || ':*', ' & ')::tsquery
            FROM unnest(%1$I.words_of(owner, said)) AS word
        $$;

        CREATE FUNCTION note_words() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            NEW.title_key := lower(NEW.title);
            NEW.words := array_to_tsvector(
                %1$I.words_of(NEW.user_id, concat_ws(' ', NEW.title, NEW.description)));
            RETURN NEW;
        END $$;

        -- Whose words they are decides, not the owner's column: that would be no use of the index.
        CREATE FUNCTION search_tasks(said text, at_most integer)
        RETURNS TABLE (owner text, id bigint) LANGUAGE sql STABLE SECURITY DEFINER
        SET search_path = pg_catalog, %1$I, pg_temp SET enable_seqscan = off AS $$
            WITH found AS MATERIALIZED (
                SELECT user_id, tasks.id FROM tasks
                WHERE words @@ (
                    SELECT query_for(nullif(current_setting('app.user_id', true), ''), said))
            )
            SELECT user_id, found.id FROM found
            WHERE user_id = nullif(current_setting('app.user_id', true), '') LIMIT at_most
        $$
    $create$, current_schema());
END $do$
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
    ALTER TABLE tasks DISABLE TRIGGER USER;
    -- Row security would hide every row from an owner that it binds.
    ALTER TABLE tasks NO FORCE ROW LEVEL SECURITY;
    UPDATE tasks SET title_key = lower(title),
        words = array_to_tsvector(words_of(user_id, concat_ws(' ', title, description)));
    ALTER TABLE tasks FORCE ROW LEVEL SECURITY;
    FOREACH switch_on IN ARRAY coalesce(again, '{}') LOOP EXECUTE switch_on; END LOOP;
END $$
"""

TRIGGER_AND_RIGHTS = [
    "CREATE TRIGGER note_words BEFORE INSERT OR UPDATE OF user_id, title, description "
    "ON tasks FOR EACH ROW EXECUTE FUNCTION note_words()",
    "REVOKE ALL ON FUNCTION search_tasks(text, integer), note_words() FROM PUBLIC",
    "GRANT EXECUTE ON FUNCTION search_tasks(text, integer) TO todo_api",
]

ORDERS = ("created_at", "updated_at", "title_key")
BEFORE = {"created_at": "created_at", "updated_at": "updated_at", "title": "lower(title)"}


def upgrade() -> None:
    for statement in [
        REFUSE_WHAT_CANNOT_BE_SEARCHED,
        "ALTER TABLE tasks ADD COLUMN title_key text, ADD COLUMN words tsvector",
        FUNCTIONS,
        FILL,
        "ALTER TABLE tasks ALTER COLUMN title_key SET NOT NULL, ALTER COLUMN words SET NOT NULL",
        *TRIGGER_AND_RIGHTS,
        *(f"DROP INDEX tasks_by_{name}" for name in BEFORE),
        *(
            f"CREATE INDEX tasks_by_{order} ON tasks (user_id, completed, {order}, id) "
            "WHERE deleted_at IS NULL"
            for order in ORDERS
        ),
        *(
            f"CREATE INDEX tasks_in_trash_by_{order} ON tasks (user_id, completed, {order}, id) "
            "WHERE deleted_at IS NOT NULL"
            for order in ORDERS
        ),
        # Every search goes through the list of what is still to be sorted in: it is kept short.
        "CREATE INDEX tasks_by_words ON tasks USING gin (words) "
        "WITH (gin_pending_list_limit = 256)",
        # A condition would keep the function from the index as it does the server's role.
        "CREATE POLICY tasks_search ON tasks FOR SELECT TO CURRENT_USER USING (true)",
    ]:
        op.execute(statement)


def downgrade() -> None:
    for statement in [
        "DROP POLICY tasks_search ON tasks",
        "DROP TRIGGER note_words ON tasks",
        "DROP FUNCTION search_tasks(text, integer), note_words(), query_for(text, text), "
        "words_of(text, text)",
        "DROP INDEX tasks_by_created_at, tasks_by_updated_at, tasks_in_trash_by_created_at, "
        "tasks_in_trash_by_updated_at",
        "ALTER TABLE tasks DROP COLUMN title_key, DROP COLUMN words",
        *(
            f"CREATE INDEX tasks_by_{name} ON tasks (user_id, {key}, id)"
            for name, key in BEFORE.items()
        ),
    ]:
        op.execute(statement)
