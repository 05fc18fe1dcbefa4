"""Real Better Auth: its tokens are accepted, its tables and ours are one, and it may be away."""

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import jwt
import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from app.database.embedded import EmbeddedPostgres
from app.database.migration import upgrade
from tests.api import (
    CREATE,
    NO_CERTIFICATES,
    SECRET,
    Caller,
    Server,
    running_server,
    settings_for,
)
from tests.databases import Database, copy_of, role_of_better_auth

FOLDER = Path(__file__).parent / "better_auth"
ME = "{ me { id name email } }"
USERS_COLUMNS = (
    "SELECT column_name, data_type, is_nullable, column_default FROM information_schema.columns "
    "WHERE table_name = 'users' ORDER BY ordinal_position"
)

EARLY_TOKEN = jwt.encode(
    {"sub": "ada", "exp": 2**33}, Ed25519PrivateKey.generate(), "EdDSA", {"kid": "unknown"}
)
"""A token of which only the keys can tell that it is forged."""

pytestmark = pytest.mark.skipif(
    shutil.which("node") is None or not (FOLDER / "node_modules").exists(),
    reason="needs Node: npm ci --prefix tests/auth/better_auth",
)


@contextmanager
def better_auth(*places: dict[str, Any]) -> Iterator[dict[str, str]]:
    """Run Better Auth at each place, its tables migrated; yield the URLs by kind."""
    node = subprocess.Popen(
        ["node", "server.js", json.dumps(places)],
        cwd=FOLDER,
        env={**os.environ, "BETTER_AUTH_SECRET": SECRET, "BETTER_AUTH_TELEMETRY": "0"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert node.stdout is not None
    with node:
        try:
            yield json.loads(node.stdout.readline())
        finally:
            node.kill()


class Person:
    """Somebody who has just signed up, in a browser with cookies."""

    def __init__(self, url: str, name: str = "Ada", email: str | None = None) -> None:
        self.name, self.email = name, email or f"{uuid4().hex}@example.com"
        self.http = httpx2.Client(
            base_url=url, headers={"Origin": url}, timeout=30, verify=NO_CERTIFICATES
        )
        answer = self.post("sign-up/email", name=name, email=self.email, password="a-password")
        self.session_token = answer.json()["token"]
        self.signed_session_token = answer.headers.get("set-auth-token")
        self.id = answer.json()["user"]["id"]

    def post(self, path: str, **body: Any) -> httpx2.Response:
        return self.http.post(f"/api/auth/{path}", json=body).raise_for_status()

    def token(self) -> str:
        answer = self.http.get("/api/auth/token").raise_for_status()
        token: str = answer.json()["token"]
        return token

    def at(self, server: Server) -> Caller:
        return server.bearer(self.token(), self.id)


class Auth:
    """Better Auth in several kinds, on two databases, and our servers there."""

    def __init__(self, stack: ExitStack, urls: dict[str, str], ours: Database) -> None:
        self.urls = urls
        self.database = ours
        self._stack = stack

    def sign_up(self, kind: str, name: str = "Ada", email: str | None = None) -> Person:
        person = Person(self.urls[kind], name, email)
        self._stack.callback(person.http.close)
        return person

    def server(self, database: Database, **settings: Any) -> Server:
        given = {"better_auth_secret": None, **settings}
        return self._stack.enter_context(running_server(settings_for(database.server_url, **given)))


@pytest.fixture(scope="module")
def ours_first(postgres: EmbeddedPostgres, template: str) -> Database:
    """A database that has our tables, with rows in them, before Better Auth comes as a guest."""
    database = copy_of(postgres, template)
    with psycopg.connect(database.superuser_url) as connection:
        connection.execute("INSERT INTO users (id, name) VALUES ('before', 'Here before')")
        connection.execute("INSERT INTO tasks (user_id, title, version) VALUES ('before', 'x', 1)")
        role_of_better_auth(connection)
        for grant in (
            "CREATE ON SCHEMA public",
            "SELECT, INSERT, UPDATE, DELETE, REFERENCES ON users",
        ):
            connection.execute(f"GRANT {grant} TO better_auth")
        connection.execute("CREATE TABLE before AS " + USERS_COLUMNS)
    return database


@pytest.fixture(scope="module")
def its_first(postgres: EmbeddedPostgres, template: str) -> Database:
    """A database that Better Auth owns, and comes to first."""
    database = copy_of(postgres, "template1")
    with psycopg.connect(database.superuser_url) as connection:
        role_of_better_auth(connection)
        connection.execute(f"ALTER DATABASE {database.name} OWNER TO better_auth")
    return database


@pytest.fixture(scope="module")
def auth(ours_first: Database, its_first: Database) -> Iterator[Auth]:
    ours, its = ours_first.url_of("better_auth"), its_first.url_of("better_auth")
    places = [
        {"kind": "readme", "databaseUrl": ours},
        {"kind": "secret", "databaseUrl": ours},
        {"kind": "signedCookies", "databaseUrl": ours},
        {"kind": "scoped", "databaseUrl": ours},
        {"kind": "rotating", "databaseUrl": its},
    ]
    with ExitStack() as stack:
        yield Auth(stack, stack.enter_context(better_auth(*places)), ours_first)


@pytest.fixture(scope="module")
def server(auth: Auth) -> Server:
    return auth.server(auth.database, better_auth_url=auth.urls["readme"])


def missing_scope(caller: Caller, query: str, **variables: Any) -> Any:
    """Return the scope for the lack of which a request is refused."""
    response = caller.post(query, variables)
    (error,) = response.json()["errors"]
    assert (response.status_code, error["extensions"]["code"]) == (403, "FORBIDDEN")
    return error["extensions"]["missingScope"]


def header(token: str) -> Any:
    return jwt.get_unverified_header(token)


def test_who_signs_up_has_tasks_that_nobody_else_sees(auth: Auth, server: Server) -> None:
    ada, eve = auth.sign_up("readme", "Ada"), auth.sign_up("readme", "Eve")
    of_ada, of_eve = ada.at(server), eve.at(server)
    assert header(str(of_ada.token))["alg"] == "EdDSA"
    assert of_ada.data(ME)["me"] == {"id": ada.id, "name": "Ada", "email": ada.email}
    task = of_ada.create("Milk")
    assert of_ada.titles() == ["Milk"]
    assert of_eve.titles() == []
    assert of_eve.get(task["id"]) is None
    assert of_eve.data(ME)["me"] == {"id": eve.id, "name": "Eve", "email": eve.email}
    again = auth.sign_up("readme")
    again.post("sign-in/email", email=ada.email, password="a-password")
    assert again.at(server).titles() == ["Milk"]


def test_tokens_signed_with_the_shared_secret_are_accepted(auth: Auth) -> None:
    ada = auth.sign_up("secret")
    for settings in ({}, {"better_auth_url": auth.urls["secret"]}):
        server = auth.server(auth.database, better_auth_secret=SECRET, **settings)
        caller = ada.at(server)
        assert header(str(caller.token)) == {"alg": "HS256"}
        caller.create("Milk")
        assert caller.data(ME)["me"] == {"id": ada.id, "name": "Ada", "email": ada.email}


def test_scopes_are_what_the_payload_says(auth: Auth) -> None:
    server = auth.server(auth.database, better_auth_url=auth.urls["scoped"])
    ada = auth.sign_up("scoped")
    reading = ada.at(server)
    assert reading.titles() == []
    assert missing_scope(reading, CREATE, input={"title": "Milk"}) == "tasks:write"
    with psycopg.connect(auth.database.superuser_url) as connection:
        connection.execute("UPDATE users SET email_verified = true WHERE id = %s", [ada.id])
    verified = ada.at(server)
    verified.create("Milk")
    assert verified.titles() == ["Milk"]


def test_a_program_may_have_a_token_that_only_adds(auth: Auth) -> None:
    server = auth.server(auth.database, better_auth_url=auth.urls["scoped"])
    ada = auth.sign_up("scoped")
    token = ada.http.get("/token-to-add", params={"user": ada.id}).raise_for_status().text
    adding = server.bearer(token, ada.id)
    adding.create("Milk")
    assert missing_scope(adding, ME) == "tasks:read"
    assert ada.at(server).titles() == ["Milk"]


@pytest.mark.parametrize(("kind", "algorithm"), [("secret", "HS256"), ("signedCookies", "EdDSA")])
def test_sessions_are_no_tokens(auth: Auth, kind: str, algorithm: str) -> None:
    # Both keys are known and no audience is: whatever is refused is so for what it is.
    jwks_url = auth.urls["signedCookies"] + "/api/auth/jwks"
    server = auth.server(auth.database, better_auth_secret=SECRET, jwks_url=jwks_url)
    ada = auth.sign_up(kind)
    assert ada.at(server).data(ME)["me"]["id"] == ada.id
    cookies = {cookie.name.rpartition(".")[2]: str(cookie.value) for cookie in ada.http.cookies.jar}
    assert header(cookies["session_data"])["alg"] == algorithm
    for session in (*cookies.values(), ada.session_token, ada.signed_session_token):
        assert server.bearer(session).post(ME).status_code == 401


def test_where_better_auth_has_no_cookies_to_read_a_session_token_gets_one_too(auth: Auth) -> None:
    ada = auth.sign_up("secret")
    bearer = {"Authorization": f"Bearer {ada.signed_session_token}"}
    answer = httpx2.get(f"{auth.urls['secret']}/api/auth/token", headers=bearer)
    server = auth.server(auth.database, better_auth_secret=SECRET)
    assert server.bearer(answer.json()["token"]).data(ME)["me"]["id"] == ada.id


def test_the_two_may_keep_apart(auth: Auth, database: Database) -> None:
    ada = auth.sign_up("readme", "Ada")
    caller = ada.at(auth.server(database, better_auth_url=auth.urls["readme"]))
    assert caller.data(ME)["me"] == {"id": ada.id, "name": "Ada", "email": ada.email}
    caller.create("Milk")
    assert caller.titles() == ["Milk"]


def test_when_ours_migrated_first_better_auth_leaves_users_as_it_is(
    auth: Auth, server: Server
) -> None:
    with psycopg.connect(auth.database.superuser_url) as connection:
        before = connection.execute("SELECT * FROM before").fetchall()
        assert connection.execute(USERS_COLUMNS).fetchall() == before
        kept = connection.execute("SELECT id, name, email_verified FROM users WHERE id = 'before'")
        assert kept.fetchall() == [("before", "Here before", False)]
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        assert {"users", "session", "account", "jwks"} <= {name for (name,) in tables}
    upgrade(auth.database.superuser_url)


def test_tables_that_better_auth_made_are_adopted_and_keys_may_rotate_meanwhile(
    auth: Auth, its_first: Database
) -> None:
    ada, eve = auth.sign_up("rotating", "Ada"), auth.sign_up("rotating", "Eve")
    upgrade(its_first.url_of("better_auth"))
    server = auth.server(its_first, better_auth_url=auth.urls["rotating"])
    old, of_eve = ada.at(server), eve.at(server)
    assert header(str(old.token))["alg"] == "RS256"
    old.create("Milk")
    token = ada.token()
    while header(token)["kid"] == header(str(old.token))["kid"]:
        time.sleep(0.1)
        token = ada.token()
    new = server.bearer(token)
    for caller in (new, old):
        assert caller.titles() == ["Milk"]
        assert caller.data(ME)["me"] == {"id": ada.id, "name": "Ada", "email": ada.email}
    assert of_eve.titles() == []


def test_who_deletes_themselves_takes_their_tasks_along(auth: Auth, server: Server) -> None:
    ada, eve = auth.sign_up("readme", "Ada"), auth.sign_up("readme", "Eve")
    ada.at(server).create("Milk")
    eve.at(server).create("Bread")
    ada.post("delete-user", password="a-password")
    with psycopg.connect(auth.database.superuser_url) as connection:
        for table, column in (("users", "id"), ("tasks", "user_id"), ("task_counters", "user_id")):
            left = connection.execute(
                f"SELECT {column} FROM {table} WHERE {column} IN (%s, %s)", [ada.id, eve.id]
            )
            assert left.fetchall() == [(eve.id,)], table
    assert eve.at(server).titles() == ["Bread"]


def test_who_has_deleted_themselves_may_sign_up_again(auth: Auth, server: Server) -> None:
    ada = auth.sign_up("readme")
    open_tab = ada.at(server)
    ada.post("delete-user", password="a-password")
    # Its token is good for some minutes more, and asks for a row in users.
    assert open_tab.data(ME)["me"]
    again = auth.sign_up("readme", "Ada", ada.email)
    me = {"id": again.id, "name": "Ada", "email": ada.email}
    assert again.at(server).data(ME)["me"] == me


def test_better_auth_may_start_after_us_and_be_away_for_a_while(
    ours_first: Database,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    place = {
        "kind": "readme",
        "databaseUrl": ours_first.url_of("better_auth"),
        "port": port,
    }
    settings = settings_for(ours_first.server_url, better_auth_secret=None, better_auth_url=url)
    with running_server(settings) as server, ExitStack() as stack:
        early = server.bearer(EARLY_TOKEN).post(ME)
        assert early.status_code == 503
        assert early.json()["errors"][0]["extensions"]["code"] == "SERVICE_UNAVAILABLE"
        with better_auth(place):
            ada = Person(url)
            stack.callback(ada.http.close)
            while server.bearer(EARLY_TOKEN).post(ME).status_code == 503:
                time.sleep(0.05)
            assert server.bearer(EARLY_TOKEN).post(ME).status_code == 401
            caller, unused = ada.at(server), ada.token()
            caller.create("Milk")
        with pytest.raises(httpx2.ConnectError):
            ada.token()
        assert caller.titles() == ["Milk"]
        assert server.bearer(unused).titles() == ["Milk"]
