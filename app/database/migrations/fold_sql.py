"""Writes the SQL of the functions by which texts are compared, from Unicode's tables.

    python -m app.database.migrations.fold_sql > app/database/migrations/versions/0009_fold.sql

A migration keeps the functions of one version of Unicode: for another version write another file.
All literals are escape strings, so that `standard_conforming_strings` changes nothing.
"""

import sys

from app.database.migrations.unicode_tables import (
    brackets,
    dropped,
    escaped,
    plain_or_escaped,
    rare,
    separators,
    signs,
    spelt_out,
    table,
    without_spaces,
)

BLOCKS = ("LATIN", "GREEK", "CYRILLIC", "ARMENIAN", "ARABIC")

JOINERS = r"\u0027.,\u00b7\\-"
"""What may stand within a word: `wi-fi`, `o'brien`, `1,000`."""

ENDS = r"\u0027.,\u00b7-"
"""The same characters, for `btrim`."""

ASCII_SEPARATORS = r"\u0001-\u0022\u0024-\u0026\u0028-\u002a\u002f\u003a-\u0060\u007b-\u007f"
"""All of ASCII but small letters, digits, joiners, and + and #."""

FOLD = """
-- What texts are compared by: without accents and what nobody sees, small, and in ASCII where a
-- letter or a digit of ASCII stands for another.
CREATE FUNCTION fold(said text) RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    folded text COLLATE "C" := said;
BEGIN
    IF octet_length(folded) = char_length(folded) THEN
        RETURN lower(folded);
    END IF;
    folded := lower(regexp_replace(normalize(folded, NFKD), E'[<DROPPED>]+', '', 'g'));<BLOCKS>
    IF folded ~ E'[<SPELT_OUT>]' THEN
        folded := <REPLACED>;
    END IF;
    IF folded ~ E'[<RARE>]' THEN
        folded := (
            SELECT string_agg(coalesce(E'<RARE_JSON>'::jsonb ->> sign, sign), '' ORDER BY place)
            FROM string_to_table(folded, NULL) WITH ORDINALITY AS signs (sign, place));
    END IF;
    RETURN folded;
END $$;
"""

BLOCK = """
    IF folded ~ E'[<ANY>]' THEN
        folded := translate(folded, E'<FROM>', E'<TO>');
    END IF;"""

WORDS = """
-- A folded text with a space around each sign that is a word. The voicing of kana goes before them:
-- behind them it would be the end of a word that begins as another.
CREATE FUNCTION spaced(folded text) RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    spaced text COLLATE "C" := folded;
BEGIN
    IF spaced ~ E'[<WITHOUT_SPACES><SIGNS>]' THEN
        spaced := regexp_replace(spaced,
            E'([<WITHOUT_SPACES>])([\\u3099\\u309a]?)|([<SIGNS>])', E' \\\\2\\\\1\\\\3 ', 'g');
    END IF;
    -- C++ and C# keep their signs, which are part of no word elsewhere.
    IF spaced ~ '[+#]' THEN
        spaced := regexp_replace(
            regexp_replace(spaced, '([+#]+)', E'\\\\1 ', 'g'),
            E'(^|[<SEPARATORS><JOINERS>])[+#]+', E'\\\\1', 'g');
    END IF;
    RETURN spaced;
END $$;

-- A word is a run of letters and digits; one with joiners counts as its parts, and as one. Who owns
-- a word goes before it. A word of 400 letters fits into an index, and no search is as long.
CREATE FUNCTION words_in(owner text, folded text) RETURNS text[]
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    mark text := left(encode(sha256(convert_to(owner, 'UTF8')), 'hex'), 12);
    spaced text COLLATE "C" := SCHEMA.spaced(folded);
BEGIN
    IF translate(spaced, E'<ENDS>', '') = spaced THEN
        RETURN (
            SELECT coalesce(array_agg(DISTINCT mark || left(word, 400)), '{}')
            FROM regexp_split_to_table(spaced, E'[<SEPARATORS>]+') AS word
            WHERE word <> '');
    END IF;
    RETURN (
        SELECT coalesce(array_agg(DISTINCT mark || left(word, 400)), '{}')
        FROM regexp_split_to_table(spaced, E'[<SEPARATORS>]+') AS run,
             LATERAL unnest(string_to_array(translate(run, E'<ENDS>', '     '), ' ')
                            || translate(run, E'<ENDS>', '')) AS word
        WHERE word <> '');
END $$;

CREATE OR REPLACE FUNCTION words_of(owner text, said text) RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT SCHEMA.words_in(owner, SCHEMA.fold(said)) $$;

-- No syntax can go wrong: there is nothing but letters and digits between the quotes.
CREATE OR REPLACE FUNCTION query_for(owner text, said text) RETURNS tsquery
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, SCHEMA, pg_temp AS $$
DECLARE
    mark text := left(encode(sha256(convert_to(owner, 'UTF8')), 'hex'), 12);
    -- What is joined by + or # is looked for by its parts.
    spaced text COLLATE "C" := spaced(regexp_replace(
        fold(said), E'[+#]+(?=[^<SEPARATORS><JOINERS>+#])', ' ', 'g'));
BEGIN
    RETURN (
        SELECT string_agg(CASE WHEN array_length(parts, 1) > 1
            THEN '((' || (SELECT string_agg(quote_literal(mark || left(part, 400)) || ':*', ' & ')
                          FROM unnest(parts) AS part)
                 || ') | ' || quote_literal(mark || left(array_to_string(parts, ''), 400)) || ':*)'
            ELSE quote_literal(mark || left(parts[1], 400)) || ':*' END, ' & ')::tsquery
        FROM regexp_split_to_table(spaced, E'[<SEPARATORS>]+') AS word,
             LATERAL (SELECT regexp_split_to_array(btrim(word, E'<ENDS>'), E'[<JOINERS>]+'))
             AS cut (parts)
        WHERE parts[1] <> '');
END $$;
"""

ORDER = """
-- What titles are ordered by, byte for byte: from the first letter or digit on, and numbers by
-- their length before their digits, for 9 comes before 10.
CREATE FUNCTION place_of(folded text) RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    place text COLLATE "C" := regexp_replace(folded, E'^[<SEPARATORS><JOINERS><SIGNS>+#]+', '');
BEGIN
    IF place = '' THEN
        place := folded;
    END IF;
    IF place ~ E'[\\u0009-\\u000d\\u0085\\u2028\\u2029]|  ' THEN
        place := regexp_replace(place, E'[ \\u0009-\\u000d\\u0085\\u2028\\u2029]+', ' ', 'g');
    END IF;
    IF place ~ '[0-9]' THEN
        place := (
            SELECT string_agg(CASE WHEN part[1] ~ '[0-9]'
                THEN lpad(length(ltrim(part[1], '0'))::text, 3, '0') || ltrim(part[1], '0')
                ELSE part[1] END, '' ORDER BY number)
            FROM regexp_matches(place, '[0-9]+|[^0-9]+', 'g') WITH ORDINALITY
                 AS parts (part, number));
    END IF;
    -- No more fits into an index beside the longest owner.
    RETURN left(place, 400);
END $$;

CREATE FUNCTION order_of(said text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$ SELECT SCHEMA.place_of(SCHEMA.fold(said)) $$;
"""


def functions() -> str:
    """Return the SQL that makes the functions, with SCHEMA in the place of the schema's name."""
    replaced = "folded"
    for letter, spelt in spelt_out().items():
        replaced = f"replace({replaced}, E'{escaped(ord(letter))}', '{spelt}')"
    json = ",".join(f'"{escaped(ord(c))}":"{plain_or_escaped(p)}"' for c, p in rare().items())
    values = {
        "BLOCKS": "".join(map(_block, BLOCKS)),
        "DROPPED": dropped(),
        "SPELT_OUT": brackets(spelt_out()),
        "REPLACED": replaced,
        "RARE": brackets(rare()),
        "RARE_JSON": f"{{{json}}}",
        "SEPARATORS": ASCII_SEPARATORS + separators(),
        "SIGNS": signs(),
        "WITHOUT_SPACES": without_spaces(),
        "JOINERS": JOINERS,
        "ENDS": ENDS,
    }
    return _filled(FOLD + WORDS + ORDER, values)


def _block(name: str) -> str:
    any_, from_, to = table(name)
    return _filled(BLOCK, {"ANY": any_, "FROM": from_, "TO": to})


def _filled(template: str, values: dict[str, str]) -> str:
    for name, value in values.items():
        template = template.replace(f"<{name}>", value)
    return template


if __name__ == "__main__":
    sys.stdout.write(functions())
