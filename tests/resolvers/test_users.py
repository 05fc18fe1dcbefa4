"""The caller's own row in users: there already, or made from the token when it is first needed."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from tests.api import Caller, Server

ME = "{ me { id name email } }"


def add_user(server: Server, user_id: str, name: str, email: str | None) -> None:
    with psycopg.connect(str(server.settings.migration_database_url)) as connection:
        connection.execute(
            "INSERT INTO users (id, name, email) VALUES (%s, %s, %s)", [user_id, name, email]
        )


def test_a_row_that_is_there_is_told_as_it_is(server: Server) -> None:
    user = server.user()
    add_user(server, str(user.user_id), "Ada", None)
    assert user.data(ME)["me"] == {"id": user.user_id, "name": "Ada", "email": None}


def test_a_row_is_made_from_the_claims_when_first_asked_for(server: Server) -> None:
    user = server.user(name="Ada", email=f"{id(server)}-ada@example.com")
    me = user.data(ME)["me"]
    assert me == {"id": user.user_id, "name": "Ada", "email": f"{id(server)}-ada@example.com"}


def test_a_token_with_nothing_but_a_subject_will_do(server: Server) -> None:
    user = server.user()
    assert user.data(ME)["me"] == {"id": user.user_id, "name": user.user_id, "email": None}


def row_of(server: Server, user: Caller) -> tuple[Any, ...]:
    """Return the stored address and name."""
    with psycopg.connect(str(server.settings.migration_database_url)) as connection:
        found = connection.execute(
            "SELECT email, name FROM users WHERE id = %s", [str(user.user_id)]
        ).fetchone()
    assert found is not None
    return found


@pytest.mark.parametrize("name", [" ", "\u200b", "\u3164", "\u0301", " \u00a0 ", "\u2800"])
def test_a_name_that_nobody_can_see_counts_as_none(server: Server, name: str) -> None:
    user = server.user(name=name)
    assert user.data(ME)["me"]["name"] == user.user_id


@pytest.mark.parametrize(("claimed", "kept"), [("  Ada ", "Ada"), ("Jose\u0301", "José")])
def test_a_name_is_trimmed_and_in_one_normal_form(server: Server, claimed: str, kept: str) -> None:
    assert server.user(name=claimed).data(ME)["me"]["name"] == kept


@pytest.mark.parametrize("query", ["{ tasks { totalCount } }", '{ task(id: "1") { id } }'])
def test_reading_alone_makes_no_row(server: Server, query: str) -> None:
    user = server.user()
    user.data(query)
    with psycopg.connect(str(server.settings.migration_database_url)) as connection:
        assert connection.execute(
            "SELECT count(*) FROM users WHERE id = %s", [str(user.user_id)]
        ).fetchone() == (0,)


def test_the_first_task_makes_the_row(server: Server) -> None:
    user = server.user(name="Ada")
    assert user.create()["version"] == 1
    assert user.data(ME)["me"]["name"] == "Ada"


def test_an_address_that_is_not_verified_is_shown_to_its_bearer_and_not_stored(
    server: Server,
) -> None:
    ada = server.user()
    email = f"{ada.user_id}@example.com"
    add_user(server, str(ada.user_id), "Ada", email)
    for claimed in (email, f"another-{email}"):
        # One learns nothing by it of who has which address.
        eve = server.user(name="Eve", email=claimed)
        assert eve.data(ME)["me"] == {"id": eve.user_id, "name": "Eve", "email": claimed}
        assert eve.create()["version"] == 1
        assert row_of(server, eve)[0] is None
    assert ada.data(ME)["me"]["email"] == email


def test_those_who_first_come_at_once_make_one_row(server: Server) -> None:
    user = server.user(name="Ada", email=f"{id(user_id := object())}-{user_id}@example.com")
    with ThreadPoolExecutor(10) as pool:
        made = list(pool.map(lambda n: user.create(str(n)), range(20)))
        names = list(pool.map(lambda _: user.data(ME)["me"]["name"], range(5)))
    assert sorted(task["version"] for task in made) == list(range(1, 21))
    assert set(names) == {"Ada"}


def test_a_user_who_is_deleted_takes_the_tasks_along_and_may_come_again(server: Server) -> None:
    user = server.user(name="Ada")
    user.create()
    with psycopg.connect(str(server.settings.migration_database_url)) as connection:
        connection.execute("DELETE FROM users WHERE id = %s", [str(user.user_id)])
    assert user.page()["totalCount"] == 0
    assert user.create()["version"] == 1


def test_a_name_of_sql_is_but_a_name(server: Server) -> None:
    name = "Robert'); DROP TABLE tasks;-- $1 %s"
    user = server.user('o\'brien %s $1 \\ "x"; --', name=name)
    assert user.data(ME)["me"]["name"] == name
    assert user.create()["version"] >= 1
