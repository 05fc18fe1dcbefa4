"""Answers are compressed where they are long, and where the client takes that."""

from collections.abc import Iterator

import httpx2
import pytest

from app.http.compression import COMPRESSED_FROM
from tests.api import Caller, Server, running_server, settings_for
from tests.databases import Database

LONG = "{ tasks { nodes { id title createdAt updatedAt } } }"


def asked(user: Caller, query: str, accepts: str) -> httpx2.Response:
    return user.post(query, headers={"Accept-Encoding": accepts})


@pytest.fixture
def user(server: Server) -> Caller:
    user = server.user()
    user.create_many(*({"title": f"Task {n}"} for n in range(20)))
    return user


@pytest.mark.parametrize(
    ("accepts", "is_packed"),
    [
        ("gzip", True),
        ("gzip, deflate, br, zstd", True),
        ("br;q=1, GZIP;q=0.2", True),
        ("*", True),
        ("identity", False),
        ("br", False),
        ("", False),
        ("gzip;q=0", False),
        ("gzip;q=0, *", False),
        ("gzip;q=x", False),
    ],
)
def test_a_long_answer_is_compressed_for_who_takes_that(
    user: Caller, accepts: str, is_packed: bool
) -> None:
    plain, answer = asked(user, LONG, "identity"), asked(user, LONG, accepts)
    assert len(plain.content) > COMPRESSED_FROM
    assert answer.headers.get("content-encoding") == ("gzip" if is_packed else None)
    assert answer.headers["vary"].lower() == plain.headers["vary"].lower() == "accept-encoding"
    assert answer.content == plain.content
    assert int(answer.headers["content-length"]) == answer.num_bytes_downloaded
    assert (answer.num_bytes_downloaded < len(plain.content) / 2) == is_packed


def test_a_short_answer_is_not(user: Caller) -> None:
    answer = asked(user, "{ me { id } }", "gzip")
    assert len(answer.content) < COMPRESSED_FROM
    assert "content-encoding" not in answer.headers
    assert "vary" not in answer.headers


@pytest.fixture
def plain_server(database: Database) -> Iterator[Server]:
    with running_server(settings_for(database.server_url, compress_answers=False)) as server:
        yield server


def test_it_can_be_turned_off(plain_server: Server) -> None:
    user = plain_server.user()
    user.create_many(*({"title": f"Task {n}"} for n in range(20)))
    answer = asked(user, LONG, "gzip")
    assert len(answer.content) > COMPRESSED_FROM
    assert "content-encoding" not in answer.headers
    assert "vary" not in answer.headers
