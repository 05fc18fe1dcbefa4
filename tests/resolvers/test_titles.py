"""Titles: one line with something to see. Descriptions: as they were typed, or none."""

import sys
from unicodedata import category

import psycopg
import pytest
from strawberry import ID

from graphql_schema.inputs import CreateTaskInput, UpdateTaskInput
from graphql_schema.issues import InputIssueCode
from models.text import is_visible, one_line
from tests.api import CREATE, UPDATE, Server, nonempty
from tests.counts import Count
from tests.databases import Database

BLANK_LETTERS = ("\u115f", "\u1160", "\u2800", "\u3164", "\uffa0")

UNSEEN = [
    *("\u200b", "\u2060", "\ufeff", "\u00ad", "\u200e", "\u202e", "\ufe0f", "\u034f", "\u0301"),
    *("\x07", "\ue000", "\u00a0", "\u3000", "\u2028", "\u0085", *BLANK_LETTERS),
    "\u200b \u3164\t\u0301",
]

TIDIED = {
    " Milk ": "Milk",
    "\u00a0\u3000Milk\u2003": "Milk",
    "\nMilk\r\n": "Milk",
    "Milk\tand\x07honey": "Milk and honey",
    "two\r\nlines": "two lines",
    "two \n\n  lines": "two lines",
    "a\u0085b\u2028c\u2029d\x0be\x0cf\x9fg": "a b c d e f g",
    "two  spaces": "two  spaces",
    "no\u00a0break": "no\u00a0break",
    # What directs the letters, and what joins them, stays.
    "\u202eright to left\u202c": "\u202eright to left\u202c",
    "👨\u200d👩\u200d👧": "👨\u200d👩\u200d👧",
    "\u200bMilk\u200b": "\u200bMilk\u200b",
}


def can_be_seen(character: str) -> bool:
    return category(character)[0] in "LNPS" and character not in BLANK_LETTERS


def test_every_code_point_alone_is_visible_by_its_category(count: Count) -> None:
    every = [chr(code) for code in range(sys.maxunicode + 1)]
    assert [c for c in every if is_visible(c) is not can_be_seen(c)] == []
    assert [c for c in every if can_be_seen(c) and one_line(c) != c] == []
    count("code points tried as titles", len(every))


@pytest.mark.parametrize("start", [0, 0x800, 0x1000, 0x2000, 0x3000])
def test_a_title_of_one_code_point_is_taken_if_it_is_visible(start: int) -> None:
    codes = range(start, start + 0x800) if start < 0x3000 else range(start, sys.maxunicode, 499)
    for character in nonempty(map(chr, codes)):
        issues = {issue.code for issue in CreateTaskInput(title=character).issues()}
        if can_be_seen(character):
            assert issues == set()
        else:
            cannot_be_stored = character == "\0" or category(character) == "Cs"
            assert issues == {
                InputIssueCode.INVALID if cannot_be_stored else InputIssueCode.TOO_SHORT
            }


@pytest.mark.parametrize("title", UNSEEN, ids=ascii)
def test_a_title_that_nobody_can_see_is_refused(server: Server, title: str) -> None:
    user = server.user()
    id = user.create()["id"]
    for query, more in ((CREATE, {}), (UPDATE, {"id": id})):
        (answer,) = user.data(query, input={"title": title, **more}).values()
        assert [(issue["path"], issue["code"]) for issue in answer["issues"]] == [
            (["title"], "TOO_SHORT")
        ]
    assert user.titles() == ["Milk"]


@pytest.mark.parametrize(("typed", "kept"), TIDIED.items(), ids=ascii)
def test_a_title_is_one_line_without_white_space_around_it(
    server: Server, typed: str, kept: str
) -> None:
    user = server.user()
    task = user.create(typed)
    assert task["title"] == kept
    assert user.update(id=task["id"], title="x")["title"] == "x"
    assert user.update(id=task["id"], title=typed)["title"] == kept
    assert user.get(task["id"])["title"] == kept


def test_the_limit_is_of_the_title_that_is_kept(server: Server) -> None:
    longest = "x" * 200
    assert server.user().create(f"  {longest}\n")["title"] == longest


@pytest.mark.parametrize("description", ["", " ", "\t\n", "\u200b", "\u3000", " " * 1001])
def test_a_blank_description_is_none(server: Server, description: str) -> None:
    user = server.user()
    task = user.create(description=description)
    assert task["description"] is None
    user.update(id=task["id"], description="Two bottles")
    assert user.update(id=task["id"], description=description)["description"] is None
    assert user.get(task["id"])["description"] is None


def test_what_is_stored_already_stays_until_it_is_edited(
    server: Server, database: Database
) -> None:
    user = server.user()
    id = user.create()["id"]
    with psycopg.connect(database.superuser_url) as connection:
        connection.execute(
            "UPDATE tasks SET title = %s, description = '' WHERE id = %s", [" \u200b\n", int(id)]
        )
    task = user.toggle(id=id)
    assert (task["title"], task["description"]) == (" \u200b\n", "")
    assert user.update(id=id, description=" ")["description"] is None
    assert user.update(id=id, title=" Milk ")["title"] == "Milk"


def test_an_input_is_not_changed_by_reading_its_values() -> None:
    input = UpdateTaskInput(id=ID("7"), title=" Milk ", description="")
    assert input.values() == {"title": "Milk", "description": None}
    assert (input.title, input.description) == (" Milk ", "")
