"""One way to compare texts: for words, for searches, and for the order by title

`fold` is made of Unicode's own tables, so that nothing depends on the locale of the database.

Code from before goes on working: it searches by the new functions, and orders by `title_key`, which
is kept as it was. The rows that are there get their words and their place in the next migration.
"""

from importlib import import_module
from pathlib import Path

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

kind = "before"
serves = "0.1.0"
locks = {"tasks": "ACCESS EXCLUSIVE"}
rewrites: dict[str, str] = {}

REFUSE_WHAT_IS_NOT_OURS = """
DO $$ BEGIN
    IF EXISTS (SELECT FROM pg_attribute WHERE attrelid = 'tasks'::regclass AND NOT attisdropped
               AND attname = 'title_order') THEN
        RAISE EXCEPTION 'The tables that are there cannot be adopted without loss: tasks has a '
                        'column title_order that is not this server''s.';
    END IF;
END $$
"""

NOTE_WORDS = """
CREATE OR REPLACE FUNCTION note_words() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, SCHEMA, pg_temp AS $$
DECLARE
    folded text := fold(NEW.title);
BEGIN
    NEW.title_key := lower(NEW.title);
    NEW.title_order := place_of(folded);
    NEW.words := array_to_tsvector(
        words_in(NEW.user_id, concat_ws(' ', folded, fold(NEW.description))));
    RETURN NEW;
END $$;
"""


def in_this_schema(functions: str) -> str:
    """Return a statement that makes the functions, with SCHEMA as the name of the schema."""
    return (
        f"DO $do$ BEGIN EXECUTE replace($create${functions}$create$, 'SCHEMA', "
        "quote_ident(current_schema())); END $do$"
    )


def upgrade() -> None:
    functions = Path(__file__).with_name("0009_fold.sql").read_text(encoding="utf-8")
    for statement in [
        REFUSE_WHAT_IS_NOT_OURS,
        'ALTER TABLE tasks ADD COLUMN title_order text COLLATE "C"',
        in_this_schema(functions + NOTE_WORDS),
    ]:
        op.execute(statement)


def downgrade() -> None:
    before = import_module("app.database.migrations.versions.0004_search")
    for statement in [
        "DROP TRIGGER note_words ON tasks",
        "DROP FUNCTION search_tasks(text, integer), note_words(), query_for(text, text), "
        "words_of(text, text), words_in(text, text), order_of(text), place_of(text), "
        "spaced(text), fold(text)",
        "ALTER TABLE tasks DROP COLUMN title_order",
        before.FUNCTIONS,
        before.FILL,
        *before.TRIGGER_AND_RIGHTS,
    ]:
        op.execute(statement)
