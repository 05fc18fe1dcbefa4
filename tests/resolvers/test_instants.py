"""Instants: written in one form, and read by the grammar of RFC 3339."""

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.instant import Instant, all_rfc_3339, parse_rfc_3339, rfc_3339
from tests.api import Server
from tests.databases import Database

FIND = "query ($from: DateTime) { tasks(filter: {createdAt: {from: $from}}) { totalCount } }"

AS_WRITTEN = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")

ACCEPTED = {
    "2026-01-31T12:00:00Z": datetime(2026, 1, 31, 12, tzinfo=UTC),
    "2026-01-31t12:00:00z": datetime(2026, 1, 31, 12, tzinfo=UTC),
    "2026-01-31T12:00:00.5Z": datetime(2026, 1, 31, 12, 0, 0, 500_000, tzinfo=UTC),
    "2026-01-31T12:00:00.000001Z": datetime(2026, 1, 31, 12, 0, 0, 1, tzinfo=UTC),
    "2026-01-31T12:00:00+05:30": datetime(2026, 1, 31, 6, 30, tzinfo=UTC),
    "2026-01-31T12:00:00-23:59": datetime(2026, 2, 1, 11, 59, tzinfo=UTC),
    # What RFC 3339 has for an offset that is not known.
    "2026-01-31T12:00:00-00:00": datetime(2026, 1, 31, 12, tzinfo=UTC),
    "2024-02-29T23:59:59Z": datetime(2024, 2, 29, 23, 59, 59, tzinfo=UTC),
    "0001-01-01T00:00:00Z": datetime(1, 1, 1, tzinfo=UTC),
    "9999-12-31T23:59:59.999999Z": datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    # The examples of RFC 3339, 5.8, that are no leap seconds.
    "1985-04-12T23:20:50.52Z": datetime(1985, 4, 12, 23, 20, 50, 520_000, tzinfo=UTC),
    "1996-12-19T16:39:57-08:00": datetime(1996, 12, 20, 0, 39, 57, tzinfo=UTC),
    "1937-01-01T12:00:27.87+00:20": datetime(1937, 1, 1, 11, 40, 27, 870_000, tzinfo=UTC),
}

NO_FORM = [
    *("", "now", "2026-01-31", "2026-01-31T12:00:00", "12:00:00Z", "2026-01-31T12:00Z"),
    *("2026-01-31 12:00:00Z", "2026-01-31😀12:00:00Z", "20260131T120000Z", "2026-W05-6T12:00:00Z"),
    *("2026-031T12:00:00Z", "2026-01-31T12Z", "2026-01-31T12:00:00+01", "2026-01-31T12:00:00+0100"),
    *("2026-01-31T12:00:00,5Z", "2026-01-31T12:00:00.Z", "2026-01-31T12:00:00 Z"),
    *(
        " 2026-01-31T12:00:00Z",
        "2026-01-31T12:00:00Z\n",
        "2026-1-31T12:00:00Z",
        "26-01-31T12:00:00Z",
    ),
    *("2026-01-31T24:00:00Z", "2026-01-31T12:60:00Z", "2016-12-31T23:59:60Z"),
    *("2026-01-31T12:00:00+24:00", "2026-01-31T12:00:00+01:60", "2026-01-31T12:00:00+01:00:30"),
    *("2026-01-31T12:00:00UTC", "+02026-01-31T12:00:00Z", "-2026-01-31T12:00:00Z"),
    # Digits, but not those of the grammar.
    *("٢٠٢٦-01-31T12:00:00Z", "2026-01-31T12:00:00.\uff15Z"),
    *(7, 7.5, True, [], {}),
]
FORM = "An instant must look like 2026-01-31T12:00:00Z"
REFUSED = {
    **{f"2026-0{month}-{day}T00:00:00Z": FORM for month, day in ((2, 29), (4, 31), (1, 32))},
    "2026-13-01T00:00:00Z": FORM,
    "0000-01-01T00:00:00Z": FORM,
    "2026-01-31T12:00:00.0000001Z": "at most six digits",
    "2026-01-31T12:00:00.000000000Z": "at most six digits",
    "0001-01-01T00:00:00+00:01": "the years 0001 to 9999",
    "9999-12-31T23:59:59-00:01": "the years 0001 to 9999",
}


@pytest.mark.parametrize(("text", "moment"), ACCEPTED.items())
def test_what_the_grammar_has_is_accepted(server: Server, text: str, moment: datetime) -> None:
    assert parse_rfc_3339(text) == moment
    assert server.user().data(FIND, **{"from": text})["tasks"] == {"totalCount": 0}


@pytest.mark.parametrize(("text", "words"), [*((text, FORM) for text in NO_FORM), *REFUSED.items()])
def test_what_it_has_not_is_refused_in_plain_words(server: Server, text: Any, words: str) -> None:
    response = server.user().post(FIND, {"from": text})
    assert response.status_code == 400
    (error,) = response.json()["errors"]
    assert words in error["message"]
    assert error["extensions"]["code"] == "BAD_USER_INPUT"


def test_an_instant_in_the_document_is_read_alike(server: Server) -> None:
    document = '{{ tasks(filter: {{createdAt: {{from: "{}"}}}}) {{ totalCount }} }}'
    user = server.user()
    assert user.data(document.format("2026-01-31t12:00:00z"))["tasks"] == {"totalCount": 0}
    response = user.post(document.format("2026-01-31 12:00:00Z"))
    assert response.status_code == 400
    assert FORM in response.json()["errors"][0]["message"]


@pytest.mark.parametrize("microsecond", [0, 100_000, 250_000, 304_330, 999_999, 1])
def test_every_instant_is_written_in_one_form(
    server: Server, database: Database, microsecond: int
) -> None:
    user, moment = server.user(), datetime(2026, 1, 31, 12, 0, 0, microsecond, tzinfo=UTC)
    ids = [user.create(completed)["id"] for completed in ("done", "deleted")]
    with psycopg.connect(database.superuser_url) as connection:
        connection.execute(
            "UPDATE tasks SET created_at = %(at)s, updated_at = %(at)s, completed = true, "
            "completed_at = %(at)s WHERE user_id = %(owner)s",
            {"at": moment, "owner": user.user_id},
        )
    task = user.get(ids[0])
    written = f"2026-01-31T12:00:00.{microsecond:06d}Z"
    assert [task["createdAt"], task["updatedAt"], task["completedAt"]] == [written] * 3
    assert user.data(FIND, **{"from": written})["tasks"] == {"totalCount": 2}
    user.delete(id=ids[1])
    (deleted,) = user.page(filter={"trash": "ONLY"})["nodes"]
    me = user.data("{ me { createdAt } }")["me"]
    for text in (deleted["deletedAt"], me["createdAt"]):
        assert AS_WRITTEN.fullmatch(text), text


MICROSECONDS = st.integers(min_value=-62_100_000_000 * 10**6, max_value=253_300_000_000 * 10**6)
"""Since 1970: nearly all that Python has, whatever the zone."""


@given(
    microseconds=st.lists(MICROSECONDS, min_size=2),
    offset=st.integers(min_value=-(23 * 60 + 59), max_value=23 * 60 + 59),
)
def test_what_is_written_is_read_again_and_sorts_as_text(
    microseconds: list[int], offset: int
) -> None:
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    instants = [epoch + timedelta(microseconds=count) for count in microseconds]
    # As PostgreSQL writes them: without zeros at the end, in the session's zone.
    zone = timezone(timedelta(minutes=offset))
    texts = [rfc_3339(Instant(_as_postgres_writes(moment, UTC))) for moment in instants]
    assert texts == [rfc_3339(Instant(_as_postgres_writes(moment, zone))) for moment in instants]
    assert [parse_rfc_3339(text) for text in texts] == instants
    assert sorted(texts) == [rfc_3339(Instant(str(moment))) for moment in sorted(instants)]
    assert all(AS_WRITTEN.fullmatch(text) for text in texts)


OF_COLUMNS = st.one_of(
    st.none(),
    st.tuples(
        st.one_of(MICROSECONDS, MICROSECONDS.map(lambda count: count // 10**6 * 10**6)),
        st.sampled_from([0, 0, 0, 330, -60]),
    ),
)


@given(column=st.lists(OF_COLUMNS))
def test_many_are_written_as_each_of_them(column: list[tuple[int, int] | None]) -> None:
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    instants = [
        None
        if each is None
        else Instant(
            _as_postgres_writes(
                epoch + timedelta(microseconds=each[0]), timezone(timedelta(minutes=each[1]))
            )
        )
        for each in column
    ]
    assert all_rfc_3339(instants) == [
        None if instant is None else rfc_3339(instant) for instant in instants
    ]


@pytest.mark.parametrize("wrong", ["infinity", "0044-03-15 12:00:00+00 BC", 5, ValueError("wrong")])
def test_what_is_no_instant_is_none_among_many_either(wrong: Any) -> None:
    right = Instant("2026-01-31 12:00:00+00")
    with pytest.raises((ValueError, TypeError)):
        rfc_3339(wrong)
    with pytest.raises((ValueError, TypeError)):
        all_rfc_3339([right, wrong])


def _as_postgres_writes(moment: datetime, zone: timezone) -> str:
    text = moment.astimezone(zone).isoformat(" ", "microseconds")
    return text[:26].rstrip("0").rstrip(".") + text[26:].removesuffix(":00")
