"""Names and addresses follow the newest token; an address belongs to who has verified it."""

import itertools
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any, NamedTuple
from uuid import uuid4

import jwt
import psycopg
import pytest

from tests.api import SECRET, Caller, Server, running_server, settings_for
from tests.counts import Count
from tests.databases import Database, one_node

ME = "{ me { name email } }"
VERIFIED = {"email_verified": True}


def caller(server: Server, user_id: str, age: float, **claims: Any) -> Caller:
    """Return the bearer of a token that was issued so many seconds ago."""
    now = time.time()
    given = {"sub": user_id, "iat": int(now - age), "exp": now + 600, **claims}
    return server.bearer(jwt.encode(given, SECRET, "HS256"), user_id)


def me(of: Caller) -> tuple[str, str | None]:
    shown = of.data(ME)["me"]
    return shown["name"], shown["email"]


def stored(server: Server, user_id: str) -> tuple[Any, ...] | None:
    with psycopg.connect(str(server.settings.migration_database_url)) as connection:
        return connection.execute(
            "SELECT name, email, email_verified FROM users WHERE id = %s", [user_id]
        ).fetchone()


class Case(NamedTuple):
    """An older and a newer token's claims of one user, and what the row is in the end.

    A `@` at the end stands for a domain of this case alone.
    """

    older: Mapping[str, Any]
    newer: Mapping[str, Any]
    name: str | None
    """None: the id."""
    email: str | None
    newer_alone: tuple[str | None, str | None] | None = None
    """The name and address where the newer one comes first, and the older one is then ignored."""


CASES = {
    "a name": Case({"name": "Ada"}, {"name": "Ada Lovelace"}, "Ada Lovelace", None),
    "an address": Case({"email": "a@", **VERIFIED}, {"email": "b@", **VERIFIED}, None, "b@"),
    "as Better Auth says it": Case({}, {"email": "b@", "emailVerified": True}, None, "b@"),
    "an address in capitals": Case({}, {"email": " B@ ".upper(), **VERIFIED}, None, "b@"),
    "not verified": Case(
        {"email": "a@", **VERIFIED}, {"email": "b@"}, None, "a@", newer_alone=(None, None)
    ),
    "verified by a word": Case({}, {"email": "b@", "email_verified": "true"}, None, None),
    "said by the newer alone": Case(
        {"name": "Ada"}, {"email": "b@", **VERIFIED}, "Ada", "b@", newer_alone=(None, "b@")
    ),
    "said by the older alone": Case(
        {"name": "Ada", "email": "a@", **VERIFIED}, {}, "Ada", "a@", newer_alone=(None, None)
    ),
    "no name": Case({"name": "Ada"}, {"name": 5}, "Ada", None, newer_alone=(None, None)),
    "a blank name": Case(
        {"name": "Ada"}, {"name": " \u200b "}, "Ada", None, newer_alone=(None, None)
    ),
    "no address": Case(
        {"email": "a@", **VERIFIED},
        {"email": ["x"], **VERIFIED},
        None,
        "a@",
        newer_alone=(None, None),
    ),
    "a blank address": Case(
        {"email": "a@", **VERIFIED},
        {"email": " ", **VERIFIED},
        None,
        "a@",
        newer_alone=(None, None),
    ),
    "an address with NUL": Case({}, {"email": "b\0@", **VERIFIED}, None, None),
    "an address without @": Case({}, {"email": "somebody", **VERIFIED}, None, None),
    "an address with two": Case({}, {"email": "b@c@", **VERIFIED}, None, None),
}


def of_case(claims: Mapping[str, Any], user_id: str) -> dict[str, Any]:
    """Return the claims with addresses that no other case has."""
    email = claims.get("email")
    if not isinstance(email, str):
        return dict(claims)
    domain = f"@{user_id}.example"
    return {**claims, "email": email.replace("@", domain if email.islower() else domain.upper())}


@pytest.mark.parametrize("newer_first", [False, True])
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_newest_token_counts_in_whatever_order_they_come(
    server: Server, case: Case, newer_first: bool
) -> None:
    user_id = f"user-{uuid4().hex}"
    tokens = [
        caller(server, user_id, 60, **of_case(case.older, user_id)),
        caller(server, user_id, 30, **of_case(case.newer, user_id)),
    ]
    for token in reversed(tokens) if newer_first else tokens:
        me(token)
    # A token that is replayed changes nothing back.
    for token in (*tokens, *tokens):
        me(token)
    name, email = case.name, case.email
    if newer_first and case.newer_alone:
        name, email = case.newer_alone
    email = email and email.replace("@", f"@{user_id}.example")
    assert stored(server, user_id) == (name or user_id, email, email is not None)
    assert me(tokens[0])[0] == me(tokens[1])[0] == (name or user_id)


@one_node("an address is unique on one node alone")
@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_an_address_belongs_to_whose_verified_token_is_newest_whatever_its_case(
    server: Server, order: tuple[int, int]
) -> None:
    ada, eve = f"user-{uuid4().hex}", f"user-{uuid4().hex}"
    email = f"{ada}@example.com"
    tokens = [
        caller(server, eve, 60, name="Eve", email=email, **VERIFIED),
        caller(server, ada, 30, name="Ada", email=email.upper(), **VERIFIED),
    ]
    for index in order:
        me(tokens[index])
    for _ in range(2):
        assert [me(token) for token in tokens] == [("Eve", None), ("Ada", email)]
    assert stored(server, eve) == ("Eve", None, False)
    assert me(caller(server, eve, 10, email=email, **VERIFIED)) == ("Eve", email)
    assert me(tokens[1]) == ("Ada", None)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_an_address_that_is_not_verified_keeps_nobody_from_it(
    server: Server, order: tuple[int, int]
) -> None:
    owner, other = f"user-{uuid4().hex}", f"user-{uuid4().hex}"
    email = f"{owner}@example.com"
    tokens = [
        caller(server, other, 30, email=email, email_verified=False),
        caller(server, owner, 60, email=email, email_verified=True),
    ]
    for index in order:
        me(tokens[index])
    assert stored(server, owner) == (owner, email, True)
    assert stored(server, other) == (other, None, False)


@one_node("an address is unique on one node alone")
def test_an_address_that_an_older_version_has_stored_is_taken_with_one_line_in_the_log(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    before, ada = f"user-{uuid4().hex}", f"user-{uuid4().hex}"
    with psycopg.connect(str(server.settings.migration_database_url)) as connection:
        connection.execute(
            "INSERT INTO users (id, name, email) VALUES (%s, 'Eve', %s)",
            [before, f"Ada@{ada}.example"],
        )
    token = caller(server, ada, 30, email=f"ada@{ada}.example", **VERIFIED)
    for _ in range(3):
        assert me(token) == (ada, f"ada@{ada}.example")
    assert stored(server, before) == ("Eve", None, False)
    assert [r.message for r in caplog.records if "verified address" in r.message] == [
        "A token with a verified address has taken it from another row of users"
    ]


def test_a_token_that_does_not_say_when_it_was_made_makes_a_row_and_changes_none(
    server: Server,
) -> None:
    user_id = f"user-{uuid4().hex}"
    for name in ("Ada", "Eve"):
        claims = {"sub": user_id, "exp": time.time() + 60, "name": name}
        assert me(server.bearer(jwt.encode(claims, SECRET, "HS256")))[0] == "Ada"
    assert me(caller(server, user_id, 60, name="Bob"))[0] == "Bob"


@pytest.fixture
def two_servers(migrated_database: Database) -> Iterator[list[Server]]:
    """Two workers of one database, which counts how often a row of users is written."""
    with psycopg.connect(migrated_database.superuser_url) as connection:
        connection.execute(
            """
            CREATE TABLE writes (id text);
            CREATE FUNCTION note_write() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS
                'BEGIN INSERT INTO writes VALUES (NEW.id); RETURN NEW; END';
            CREATE TRIGGER note_write AFTER INSERT OR UPDATE ON users
                FOR EACH ROW EXECUTE FUNCTION note_write()
            """
        )
    settings = settings_for(
        migrated_database.server_url, migration_database_url=migrated_database.superuser_url
    )
    with ExitStack() as stack:
        yield [stack.enter_context(running_server(settings)) for _ in range(2)]


def test_a_hundred_tokens_at_once_write_once(two_servers: list[Server], count: Count) -> None:
    server = two_servers[0]
    me(caller(server, "ada", 600, name="Ada", email="a@example.com", **VERIFIED))
    claims = {"name": "Ada Lovelace", "email": "ada@example.com", "iat": int(time.time())}
    tokens = [
        caller(each, "ada", 60, jti=str(number), **claims, **VERIFIED)
        for number, each in zip(range(100), itertools.cycle(two_servers), strict=False)
    ]
    before = written(server)
    with ThreadPoolExecutor(20) as pool:
        shown = list(pool.map(me, tokens))
    assert set(shown) == {("Ada Lovelace", "ada@example.com")}
    assert written(server) - before == 1
    count("tokens of one user at once", len(shown))


def test_a_new_user_with_nothing_to_verify_is_written_once(two_servers: list[Server]) -> None:
    token = caller(two_servers[0], "eve", 60, name="Eve")
    for _ in range(3):
        me(token)
    assert written(two_servers[0]) == 1


def written(server: Server) -> int:
    with psycopg.connect(str(server.settings.migration_database_url)) as connection:
        found = connection.execute("SELECT count(*) FROM writes").fetchone()
    assert found is not None
    return int(found[0])


def test_users_who_claim_one_address_at_once_leave_it_to_one(two_servers: list[Server]) -> None:
    claims = {"email": "shared@example.com", **VERIFIED}
    tokens = [
        caller(each, f"user-{number}", 600 - number, **claims)
        for number, each in zip(range(20), itertools.cycle(two_servers), strict=False)
    ]
    with ThreadPoolExecutor(20) as pool:
        list(pool.map(me, tokens))
    with psycopg.connect(str(two_servers[0].settings.migration_database_url)) as connection:
        found = connection.execute("SELECT id FROM users WHERE email IS NOT NULL").fetchall()
    assert found == [("user-19",)]


def test_where_other_tables_refer_to_users_no_token_changes_a_row(
    migrated_database: Database,
) -> None:
    """Better Auth shares the database."""
    with psycopg.connect(migrated_database.superuser_url) as connection:
        connection.execute(
            """
            CREATE TABLE session (id text, "userId" text REFERENCES users (id) ON DELETE CASCADE);
            INSERT INTO users (id, name, email) VALUES
                ('ada', 'Ada', 'Ada@example.com'), ('eve', 'Eve', 'eve@example.com')
            """
        )
        query = "SELECT xmin::text, * FROM users ORDER BY id"
        before = connection.execute(query).fetchall()
        connection.commit()
        settings = settings_for(migrated_database.server_url)
        with running_server(settings) as server:
            token = caller(server, "ada", 5, name="Eve", email="eve@example.com", **VERIFIED)
            for _ in range(2):
                assert me(token) == ("Ada", "Ada@example.com")
            me(caller(server, "deleted", 5, email="eve@example.com", **VERIFIED))
        connection.execute("DELETE FROM users WHERE id = 'deleted'")
        assert connection.execute(query).fetchall() == before


def test_a_database_that_takes_no_changes_still_tells_who_one_is(
    migrated_database: Database,
) -> None:
    settings = settings_for(
        migrated_database.server_url, migration_database_url=migrated_database.superuser_url
    )
    with running_server(settings) as server:
        assert me(caller(server, "ada", 60, name="Ada"))[0] == "Ada"
        with psycopg.connect(migrated_database.superuser_url, autocommit=True) as connection:
            connection.execute(
                f"ALTER DATABASE {migrated_database.name} SET default_transaction_read_only = on"
            )
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        newer = caller(server, "ada", 30, name="Ada Lovelace")
        assert me(newer)[0] == "Ada"
