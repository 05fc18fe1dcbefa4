r"""Writes the SQL of the function by which labels are compared, from Unicode's tables.

    python -m app.database.migrations.label_sql \
        > app/database/migrations/versions/0011_label_key.sql

A migration keeps the function of one version of Unicode: for another version write another file.
"""

import sys
import unicodedata

from app.database.migrations.unicode_tables import escaped

LABEL_KEY = """
-- What labels are compared by: NFKC and full case folding, so that case and width make no
-- difference; accents do.
CREATE FUNCTION label_key(said text) RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
BEGIN
    IF octet_length(said) = char_length(said) THEN
        RETURN lower(said COLLATE "C");
    END IF;
    RETURN normalize((
        SELECT string_agg(coalesce(E'{<CASES>}'::jsonb ->> sign, sign), '' ORDER BY place)
        FROM string_to_table(normalize(said, NFKC), NULL) WITH ORDINALITY AS signs (sign, place)
    ), NFKC);
END $$;
"""


def key(text: str) -> str:
    """Return what a label is compared by, as the function in SQL does."""
    normal = unicodedata.normalize("NFKC", text)
    return unicodedata.normalize("NFKC", "".join(map(_folded, normal)))


def _folded(sign: str) -> str:
    return unicodedata.normalize("NFKC", sign.casefold())


def function() -> str:
    """Return the SQL that makes the function."""
    signs = (chr(code) for code in range(sys.maxunicode + 1) if not 0xD800 <= code < 0xE000)
    cases = ",".join(
        f'"{_json(sign)}":"{_json(_folded(sign))}"'
        for sign in signs
        if unicodedata.normalize("NFKC", sign) == sign != _folded(sign)
    )
    return LABEL_KEY.replace("<CASES>", cases)


def _json(text: str) -> str:
    return "".join(c if c.isascii() else escaped(ord(c)) for c in text)


if __name__ == "__main__":
    sys.stdout.write(function())
