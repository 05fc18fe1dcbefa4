"""What people type is compared by Unicode's own tables, whatever the database's locale."""

# ruff: noqa: RUF001 -- letters that look alike are what this is about.

import json
import random
import re
import sys
import unicodedata
from collections.abc import Callable, Iterator
from typing import Any
from unicodedata import category, decimal, name, normalize
from uuid import uuid4

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.database.embedded import EmbeddedPostgres
from app.database.migration import upgrade
from app.database.migrations.fold_sql import functions
from app.database.migrations.label_sql import function, key
from tests.api import Caller, Server, nonempty, running_server, settings_for
from tests.counts import Count
from tests.databases import Database
from tests.repository import ROOT

STROKED = re.compile(r"LATIN (?:SMALL|CAPITAL) LETTER ([A-Z]) WITH .*")
SPELT = {"ß": "ss", "æ": "ae", "œ": "oe", "þ": "th", "ð": "d", "ŋ": "n", "\u0131": "i", "ĸ": "q"}


@pytest.fixture(scope="session")
def in_locale_c(postgres: EmbeddedPostgres) -> Database:
    """A migrated database whose locale knows no letter but those of ASCII."""
    name = f"test_{uuid4().hex}"
    with psycopg.connect(postgres.superuser_url("postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C'")
    database = Database(postgres, name)
    upgrade(database.superuser_url)
    return database


@pytest.fixture(scope="module", params=["usual locale", "locale C"])
def either(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server on a database of the usual locale, and one on a database of locale C."""
    if request.param == "usual locale":
        yield request.getfixturevalue("server")
        return
    database = request.getfixturevalue("in_locale_c")
    with running_server(settings_for(database.server_url)) as server:
        yield server


@pytest.fixture(scope="module", params=["database", "in_locale_c"])
def connection(request: pytest.FixtureRequest) -> Iterator[psycopg.Connection[Any]]:
    database: Database = request.getfixturevalue(request.param)
    with psycopg.connect(database.superuser_url, autocommit=True) as connection:
        yield connection


def every() -> Iterator[str]:
    """Every character but those of ASCII."""
    return map(chr, range(0x80, sys.maxunicode + 1))


FINDS = "array_to_tsvector(words_of('ada', title)) @@ query_for('ada', search)"


def not_found(
    connection: psycopg.Connection[Any], pairs: list[tuple[str, str]]
) -> list[tuple[str, str]]:
    """Return the pairs of which one text, in a word, is not found by the other, both ways."""
    both = [(f"q{a}q", f"q{b}q") for one, other in pairs for a, b in ((one, other), (other, one))]
    return connection.execute(
        f"SELECT title, search FROM unnest(%s::text[], %s::text[]) AS t (title, search) "
        f"WHERE NOT coalesce({FINDS}, false)",
        [[title for title, _ in both], [search for _, search in both]],
    ).fetchall()


def stroked() -> list[tuple[str, str]]:
    found = [
        (c, match[1].lower())
        for c in every()
        if normalize("NFKD", c) == c and (match := STROKED.fullmatch(name(c, "")))
    ]
    return [*found, *SPELT.items(), *((c.upper(), plain) for c, plain in SPELT.items())]


def has_iota_below(character: str) -> bool:
    """Return whether it has the one mark that case folding makes a letter. It counts as a mark."""
    return "\u0345" in normalize("NFD", character)


TABLES: dict[str, Callable[[], list[tuple[str, str]]]] = {
    "letters with a stroke, and ligatures": stroked,
    "letters whose small form is not their folded one": lambda: [
        (c, c.casefold()) for c in every() if c.casefold() != c.lower() and not has_iota_below(c)
    ],
    "letters of two cases": lambda: [
        (c, c.casefold()) for c in every() if c.casefold() != c and not has_iota_below(c)
    ],
    "letters that Unicode takes apart": lambda: [
        (c, normalize("NFD", c)) for c in every() if normalize("NFD", c) != c
    ],
    "accents": lambda: [(f"e{chr(code)}", "e") for code in range(0x300, 0x370)],
    "points of Arabic and Hebrew": lambda: [
        (c, "") for c in every() if category(c) == "Mn" and re.match("ARABIC|HEBREW", name(c))
    ],
    "characters that nobody sees": lambda: [(c, "") for c in every() if category(c) == "Cf"],
    "variation selectors and skin tones": lambda: [
        (chr(code), "") for code in [*range(0xFE00, 0xFE10), *range(0x1F3FB, 0x1F400)]
    ],
    "digits": lambda: [(c, str(decimal(c))) for c in every() if category(c) == "Nd"],
    "forms of alef, and letters alike": lambda: [
        *(("\u0623", "\u0627"), ("\u0625", "\u0627"), ("\u0622", "\u0627"), ("\u0671", "\u0627")),
        *(("\u0649", "\u064a"), ("\u06cc", "\u064a"), ("\u06a9", "\u0643"), ("\u0629", "\u0647")),
    ],
    "apostrophes": lambda: [("\u2019", "'"), ("\u02bc", "'"), ("\u2018", "'"), ("\u02bb", "'")],
}
"""Made where they are tried: they are slow to make."""


@pytest.mark.parametrize("table", TABLES)
def test_one_text_is_found_by_the_other_in_whole_tables(
    connection: psycopg.Connection[Any], count: Count, table: str
) -> None:
    pairs = nonempty(TABLES[table]())
    assert not_found(connection, pairs) == []
    count(f"pairs of {table}", len(pairs))


# The table is the package's, too: it searches by the same rules on the device.
CASES = json.loads((ROOT / "clients/typescript/tests/search-cases.json").read_text("utf-8"))
ALIKE, DIFFERENT = CASES["found"], CASES["notFound"]
"""Titles, and what people type for them; titles, and what must not find them."""


def test_words_of_ascii_are_those_of_any_text(
    connection: psycopg.Connection[Any], count: Count
) -> None:
    dice = random.Random(1)
    letters = "".join(map(chr, range(1, 0x80)))
    texts = [
        "".join(dice.choices(letters if n % 2 else "ab1 .,'-+#A~", k=dice.randrange(30)))
        for n in range(20_000)
    ]
    others = connection.execute(
        "SELECT said FROM unnest(%s::text[]) AS said "
        "WHERE array_to_tsvector(words_in('ada', said)) "
        "<> array_to_tsvector(words_in_unicode('ada', said))",
        [[*texts, "", " ", "a" * 401, "b " * 500]],
    ).fetchall()
    assert others == []
    count("texts in ASCII", len(texts))


@pytest.mark.parametrize(("title", "search"), ALIKE)
def test_a_task_is_found_by_what_people_type_for_it(
    either: Server, title: str, search: str
) -> None:
    user = either.user()
    user.create("something else")
    task = user.create(title)
    assert [each["id"] for each in user.page(filter={"search": search})["nodes"]] == [task["id"]]


@pytest.mark.parametrize(("title", "search"), DIFFERENT)
def test_a_task_is_not_found_by_something_else(either: Server, title: str, search: str) -> None:
    user = either.user()
    user.create(title)
    assert user.page(filter={"search": search})["nodes"] == []
    assert user.titles(filter={"search": title}) == [title]


letters = st.sampled_from("aeiоßłé1٣-'.,+# 🎉→か漢한हिمuX\u00ad\u200d") | st.characters(
    exclude_categories=["Cs"], exclude_characters="\0\u3099\u309a\uff9e\uff9f"
)
# After a voicing mark of kana the sign before it is another one.
texts = st.text(letters, max_size=40)


@settings(max_examples=300)
@given(title=texts, more=texts, data=st.data())
def test_a_search_never_finds_less_for_a_longer_title(
    connection: psycopg.Connection[Any], title: str, more: str, data: st.DataObject
) -> None:
    search = data.draw(st.sampled_from([title, title[: len(title) // 2], more[:2]]))
    short, long = connection.execute(
        f"SELECT {FINDS}, array_to_tsvector(words_of('ada', longer)) @@ query_for('ada', search) "
        "FROM (VALUES (%s, %s, %s)) AS t (title, longer, search)",
        [title, title + more, search],
    ).fetchone() or (None, None)
    assert not short or long


ORDERED = [
    ["1", "2", "2.9", "2.10", "10", "099", "100"],
    ["Task 1", "task 2", "Task 9", "Task 10", "Task 100"],
    ["äpfel", "Apple", "Ärger", "Banana", "éclair", "nube", "ñandú?", "Zebra", "Zoo"],
    ["ёж", "Ёлка", "Ель", "Я", "яблоко"],
    ["#1", "2nd", "(a)", " b", "“c”", "\u3000d", "🎉 e", "-f", "+g"],
    ["café", "cafe\u0301", "Café noir"],
    ["Straße", "STRASSE 2", "Strassen"],
    ["a  b", "a b c", "a\u00a0b d"],
    ["٣", "4", "५"],
    ["か", "が", "き"],
    ["🎉", "🥛"],
]
"""Titles in the order in which people look for them. Equal ones are in the order of their ids."""
ORDERED[2].sort(key=lambda title: normalize("NFD", title).encode("ascii", "ignore").lower())


def walked(user: Caller, size: int, direction: str, *, forward: bool) -> list[str]:
    order = {"field": "TITLE", "direction": direction}
    titles: list[str] = []
    cursor = None
    while True:
        place = {"first": size, "after": cursor} if forward else {"last": size, "before": cursor}
        page = user.page(orderBy=order, **place)
        found = [task["title"] for task in page["nodes"]]
        titles = titles + found if forward else found + titles
        side = ("hasNextPage", "endCursor") if forward else ("hasPreviousPage", "startCursor")
        more, cursor = (page["pageInfo"][each] for each in side)
        if not more:
            return titles


@pytest.mark.parametrize("titles", ORDERED, ids=lambda titles: str(titles[0]))
def test_titles_are_in_peoples_order_by_any_pages(either: Server, titles: list[str]) -> None:
    user = either.user()
    # Made in another order, but that those of one place keep theirs.
    made = sorted(titles, key=len)
    kept = {title: user.create(title)["title"] for title in made}
    whole = walked(user, 100, "ASC", forward=True)
    assert whole == [kept[title] for title in titles]
    for size in (1, 2, 3, 7):
        assert walked(user, size, "ASC", forward=True) == whole
        assert walked(user, size, "ASC", forward=False) == whole
        assert walked(user, size, "DESC", forward=True) == whole[::-1]
        assert walked(user, size, "DESC", forward=False) == whole[::-1]


def test_a_page_goes_on_where_it_was_when_titles_change(either: Server) -> None:
    user = either.user()
    ids = [user.create(f"Task {n}")["id"] for n in range(1, 12)]
    order = {"field": "TITLE", "direction": "ASC"}
    page = user.page(orderBy=order, first=3)
    assert [task["title"] for task in page["nodes"]] == ["Task 1", "Task 2", "Task 3"]
    user.update(id=ids[2], title="Zebra")
    user.update(id=ids[0], title="“Task 4½”")
    rest = user.page(orderBy=order, first=20, after=page["pageInfo"]["endCursor"])["nodes"]
    titles = ["Task 4", "“Task 4½”", *(f"Task {n}" for n in range(5, 12)), "Zebra"]
    assert sorted(task["title"] for task in rest) == sorted(titles)
    assert [task["title"] for task in rest if task["title"] != "“Task 4½”"] == [
        title for title in titles if title != "“Task 4½”"
    ]


@settings(max_examples=100)
@given(st.lists(st.text(min_size=1, max_size=12), min_size=2))
def test_whatever_is_typed_has_one_place(
    connection: psycopg.Connection[Any], titles: list[str]
) -> None:
    stored = [title.replace("\0", "") for title in titles]
    stored = [title for title in stored if title.encode(errors="ignore").decode() == title]
    for form in ("NFC", "NFD"):
        places = connection.execute(
            "SELECT order_of(title) = order_of(other) FROM unnest(%s::text[], %s::text[]) "
            "AS t (title, other)",
            [stored, [normalize(form, title) for title in stored]],
        ).fetchall()
        assert all(is_same for (is_same,) in places)


@pytest.mark.parametrize("title", ["\ufdfa" * 200, "1a" * 100, "😀" * 200, "9" * 200, "x-" * 100])
def test_the_longest_title_of_the_longest_user_has_a_place(either: Server, title: str) -> None:
    user = either.user("😀" * 219 + uuid4().hex)
    user.create("a")
    assert user.create(title, description="\ufdfa" * 1000)["title"] == title
    assert len(user.titles(orderBy={"field": "TITLE", "direction": "ASC"})) == 2


def test_the_functions_are_those_that_the_tables_make() -> None:
    if unicodedata.unidata_version != "14.0.0":
        pytest.skip("this Python has the tables of another version of Unicode")
    file = ROOT / "app/database/migrations/versions/0009_fold.sql"
    assert file.read_text(encoding="utf-8") == functions()


KNOWN = [
    chr(code) for code in range(1, sys.maxunicode + 1) if category(chr(code)) not in ("Cn", "Cs")
]
"""Every sign that Unicode has, as this Python knows it."""


def needs_unicode_14() -> None:
    if unicodedata.unidata_version != "14.0.0":
        pytest.skip("this Python has the tables of another version of Unicode")


def label_keys(connection: psycopg.Connection[Any], labels: list[str]) -> list[str]:
    """Return the keys of labels, of which none has a line break: it stands between them."""
    ((keys,),) = connection.execute("SELECT label_key(%s)", ["\n".join(labels)]).fetchall()
    return str(keys).split("\n")


def test_labels_are_compared_by_every_sign_as_python_does(
    connection: psycopg.Connection[Any], count: Count
) -> None:
    needs_unicode_14()
    signs = [sign for sign in nonempty(KNOWN) if sign != "\n"]
    different = [
        (sign, found)
        # Each stands alone, and between others, with which it might be composed.
        for labels in (signs, [f"E{sign}a" for sign in signs])
        for start in range(0, len(labels), 20_000)
        for sign, found in zip(
            labels[start : start + 20_000],
            label_keys(connection, labels[start : start + 20_000]),
            strict=True,
        )
        if found != key(sign)
    ]
    assert different == []
    count("signs by which labels were compared as Python does", len(signs))


@settings(max_examples=100)
@given(st.text(st.characters(exclude_categories=["Cs", "Cn"], exclude_characters="\0\n")))
def test_the_key_of_a_label_is_that_of_its_other_spellings(
    connection: psycopg.Connection[Any], label: str
) -> None:
    needs_unicode_14()
    spellings = [label, *(normalize(form, label) for form in ("NFC", "NFD", "NFKC"))]
    keys = {label_keys(connection, [spelling])[0] for spelling in spellings}
    assert keys == {key(label)}
    # Two that are alike by their keys stay so: a key is its own key.
    (again,) = label_keys(connection, [key(label)])
    assert again == key(label)


@pytest.mark.parametrize(
    ("label", "other", "alike"),
    [
        *(("Work", "WORK", True), ("Work", "ＷＯＲＫ", True), ("Straße", "STRASSE", True)),
        *(("École", "e\u0301cole", True), ("École", "ecole", False), ("work", "works", False)),
        *(("ΟΔΟΣ", "οδος", True), ("\u0130", "i", False), ("ﬁn", "FIN", True)),
    ],
)
def test_labels_that_people_take_for_one_have_one_key(
    connection: psycopg.Connection[Any], label: str, other: str, alike: bool
) -> None:
    ((one, two),) = connection.execute(
        "SELECT label_key(%s), label_key(%s)", [label, other]
    ).fetchall()
    assert (one == two) is alike


def test_the_function_of_labels_is_that_which_the_tables_make() -> None:
    needs_unicode_14()
    file = ROOT / "app/database/migrations/versions/0011_label_key.sql"
    assert file.read_text(encoding="utf-8") == function()
