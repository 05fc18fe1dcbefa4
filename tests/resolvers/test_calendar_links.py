"""Calendar links: made, listed, revoked; the address is told once, and nothing of it is kept."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg.errors import LockNotAvailable

from auth.calendar_addresses import hash_of
from tests.api import NEW_LINK, Caller, Server, issues, running_server, settings_for
from tests.databases import AS_THE_SERVER, Database, act_as


def all_of(database: Database, user: Caller) -> str:
    """Return all that the database has of a user's links and keys, as a text."""
    with psycopg.connect(database.superuser_url) as connection:
        return str(
            connection.execute(
                "SELECT to_jsonb(l)::text FROM calendar_links l WHERE user_id = %(id)s UNION ALL "
                "SELECT to_jsonb(k)::text FROM idempotency_keys k WHERE user_id = %(id)s",
                {"id": user.user_id},
            ).fetchall()
        )


def secret_in(url: str) -> str:
    return url.rpartition(".ics")[0].rpartition(".")[2]


def test_a_new_link_is_listed_without_its_address(server: Server, database: Database) -> None:
    user = server.user()
    made = user.create_link("  My\nphone ")
    assert made["link"]["name"] == "My phone"
    assert made["link"]["lastUsedAt"] is None
    assert made["link"]["id"].startswith("C")
    assert user.links() == [made["link"]]
    secret = secret_in(made["url"])
    assert secret not in all_of(database, user)
    assert hash_of(secret) in all_of(database, user)


def test_links_are_listed_in_the_order_of_their_making(server: Server) -> None:
    user = server.user()
    assert user.links() == []
    names = [str(n) for n in range(4)]
    made = [user.create_link(name)["link"] for name in names]
    assert user.links() == made
    assert len({link["id"] for link in made}) == 4


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("", "TOO_SHORT"),
        (" \u200b", "TOO_SHORT"),
        ("x" * 101, "TOO_LONG"),
        ("x\0", "INVALID"),
        ("\ud800x", "INVALID"),
    ],
    ids=ascii,
)
def test_a_name_that_cannot_be_used_makes_no_link(server: Server, name: str, wrong: str) -> None:
    user = server.user()
    assert ("name", wrong) in issues(user.create_link(name))
    assert user.links() == []


def test_a_user_has_ten_links_at_most_however_many_are_made_at_once(server: Server) -> None:
    user = server.user()
    with ThreadPoolExecutor(14) as pool:
        made = list(pool.map(lambda n: user.create_link(str(n)), range(14)))
    refused = [each for each in made if each["__typename"] == "InvalidInput"]
    assert [issues(each) for each in refused] == [[("name", "TOO_LONG")]] * 4
    assert len(user.links()) == 10
    revoked = user.revoke_link(id=user.links()[0]["id"])
    assert revoked["__typename"] == "RevokeCalendarLinkSuccess"
    assert user.create_link()["url"]
    assert issues(user.create_link()) == [("name", "TOO_LONG")]


def test_the_address_is_told_once_whoever_else_sends_the_same(server: Server) -> None:
    user, key = server.user(), str(uuid4())
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: user.create_link(idempotencyKey=key), range(8)))
    assert len(user.links()) == 1
    assert [each["link"] for each in made] == user.links() * 8
    (url,) = (each["url"] for each in made if each["url"] is not None)
    assert user.http.get(url).status_code == 200
    assert user.create_link(idempotencyKey=key)["url"] is None


def test_a_link_that_was_revoked_is_not_made_again(server: Server) -> None:
    user, key = server.user(), str(uuid4())
    made = user.create_link(idempotencyKey=key)
    user.revoke_link(id=made["link"]["id"])
    (error,) = user.execute(NEW_LINK, {"input": {"name": "Phone", "idempotencyKey": key}})["errors"]
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert "revoked" in error["message"]
    assert user.links() == []


def test_a_link_that_is_revoked_twice_is_not_there(server: Server) -> None:
    user, key = server.user(), str(uuid4())
    id = user.create_link()["link"]["id"]
    revoked = user.revoke_link(id=id, idempotencyKey=key)
    assert revoked == {"__typename": "RevokeCalendarLinkSuccess", "revokedLinkId": id}
    assert user.revoke_link(id=id)["__typename"] == "CalendarLinkNotFound"
    assert user.revoke_link(id=id, idempotencyKey=key) == revoked


@pytest.mark.parametrize("id", ["", "C", "C0", "c7", "7", "L7", "C07", f"C{2**63}", "C7 "])
def test_what_is_no_id_of_a_link_is_not_there(server: Server, id: str) -> None:
    answer = server.user().revoke_link(id=id)
    assert answer["__typename"] == "CalendarLinkNotFound"


def test_a_link_takes_no_number_and_is_in_no_feed(server: Server) -> None:
    user = server.user()
    user.create()
    before = user.all_changes()
    link = user.create_link()
    user.http.get(link["url"])
    user.revoke_link(id=link["link"]["id"])
    assert user.all_changes() == before
    assert user.create()["version"] == 2


@pytest.mark.parametrize(
    "public_url",
    ["https://api.example.com", "https://api.example.com/", "https://example.com/todo"],
)
def test_an_address_begins_as_the_setting_says_and_never_as_the_request(
    database: Database, public_url: str
) -> None:
    with running_server(settings_for(database.server_url, public_url=public_url)) as server:
        user = server.user()
        forged = {"Host": "evil.example", "X-Forwarded-Host": "evil.example"}
        answer = user.post(NEW_LINK, {"input": {"name": "x"}}, headers=forged).json()
    url = answer["data"]["createCalendarLink"]["url"]
    assert url.startswith(f"{public_url.rstrip('/')}/calendar/")


def test_without_the_setting_an_address_is_a_path(server: Server) -> None:
    forged = {"Host": "evil.example", "X-Forwarded-Host": "evil.example"}
    answer = server.user().post(NEW_LINK, {"input": {"name": "x"}}, headers=forged).json()
    assert answer["data"]["createCalendarLink"]["url"].startswith("/calendar/")


def test_the_address_is_told_although_the_answer_of_the_database_was_lost(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server sends the statement again, finds its key, and knows the link for its own."""
    with running_server(settings_for(database.server_url)) as server:
        user, fetch = server.user(), server.running.database.send
        lost: list[Any] = []

        def send(statement: Any, *conditions: Any, **where: Any) -> Any:
            sent = fetch(statement, *conditions, **where)
            if statement.sql.name != "create_link" or lost:
                return sent
            lost.append(statement)

            async def lose() -> Any:
                await sent
                raise psycopg.OperationalError("the answer was lost")

            return lose()

        monkeypatch.setattr(server.running.database, "send", send)
        made = user.create_link(idempotencyKey=str(uuid4()))
        assert lost
        assert len(user.links()) == 1
        assert user.http.get(made["url"]).status_code == 200


def test_links_are_counted_one_change_after_the_other(server: Server, database: Database) -> None:
    """Also where two workers add one: else each would count without what the other adds."""
    user = server.user()
    user.create_link()
    add = "INSERT INTO calendar_links (user_id, name, secret_hash) VALUES (%s, 'x', %s)"
    values = [user.user_id, "0" * 64]
    with (
        psycopg.connect(database.server_url, options=AS_THE_SERVER) as one,
        psycopg.connect(database.server_url, options=AS_THE_SERVER) as other,
    ):
        for connection in (one, other):
            act_as(connection, user.user_id)
        one.execute(add, values)
        other.execute("SET LOCAL lock_timeout = '100ms'")
        with pytest.raises(LockNotAvailable):
            other.execute(add, values)
