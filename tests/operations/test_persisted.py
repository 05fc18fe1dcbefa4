"""Automatic persisted queries: taught by text, asked for by hash, forgotten in time."""

import hashlib
import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from app.operations.documents import Documents
from app.operations.persisted import PersistedQueries
from app.operations.trusted import TrustedDocuments
from app.settings import TrustedDocumentsMode
from graphql_schema.errors import CodedError
from graphql_schema.maximums import Limits
from graphql_schema.schema import schema
from models.user import UserId
from tests.api import CREATE, Caller, Server, running_server, settings_for
from tests.databases import Database
from tests.sockets import signed_in

BYTES_MAX, SENT_MAX = 4 * 1024 * 1024, 20_000

NOT_FOUND = {
    "errors": [
        {
            "message": "PersistedQueryNotFound",
            "extensions": {"code": "PERSISTED_QUERY_NOT_FOUND"},
        }
    ]
}
KEPT = 3


@pytest.fixture(scope="module")
def forgetful_server(database: Database) -> Iterator[Server]:
    """A server that remembers few documents."""
    settings = settings_for(database.server_url, graphql_persisted_queries=KEPT)
    with running_server(settings) as running:
        yield running


@pytest.fixture(scope="module")
def plain_server(database: Database) -> Iterator[Server]:
    """A server that remembers no document."""
    settings = settings_for(database.server_url, graphql_persisted_queries=0)
    with running_server(settings) as running:
        yield running


def new(query: str = "{ me { id } }") -> str:
    """Return a document that no other test has sent."""
    return f"{query} # {uuid4().hex}"


def by_hash(query: str, **changes: Any) -> dict[str, Any]:
    sha256 = hashlib.sha256(query.encode()).hexdigest()
    return {"persistedQuery": {"version": 1, "sha256Hash": sha256, **changes}}


def ask(user: Caller, query: str, /, **rest: Any) -> httpx2.Response:
    """Send the hash alone."""
    return user.http.post("/graphql", json={"extensions": by_hash(query), **rest})


def get(user: Caller, query: str, /, **rest: Any) -> httpx2.Response:
    """Send the hash alone, in a URL."""
    parameters = {"extensions": by_hash(query), **rest}
    texts = {name: json.dumps(value) for name, value in parameters.items()}
    return user.http.get("/graphql", params=texts)


def teach(user: Caller, query: str, /, **rest: Any) -> httpx2.Response:
    """Send the hash and the text."""
    return ask(user, query, query=query, **rest)


def code_of(response: httpx2.Response) -> str:
    return str(response.json()["errors"][0]["extensions"]["code"])


@pytest.mark.parametrize("accept", ["application/json", "application/graphql-response+json"])
@pytest.mark.parametrize("send", [ask, get])
def test_an_unknown_hash_asks_for_the_text_in_the_words_that_clients_wait_for(
    server: Server, send: Any, accept: str
) -> None:
    user = server.user()
    user.http.headers["Accept"] = accept
    response = send(user, new())
    assert (response.status_code, response.json()) == (200, NOT_FOUND)
    assert response.headers["content-type"] == f"{accept}; charset=utf-8"
    assert response.headers["cache-control"] == "no-store"


def test_a_document_sent_once_is_known_by_its_hash_to_who_sent_it(server: Server) -> None:
    one, other, query = server.user(), server.user(), new()
    for user, another in ((one, other), (other, one)):
        answer = {"data": {"me": {"id": user.user_id}}}
        assert ask(user, query).json() == NOT_FOUND
        assert teach(user, query).json() == answer
        for send in (ask, get, teach):
            assert send(user, query).json() == answer
        with signed_in(server, user.token) as socket:
            payload = {"extensions": by_hash(query)}
            socket.say({"id": "one", "type": "subscribe", "payload": payload})
            assert socket.hear()["payload"] == answer
        if user is one:
            assert get(another, query).json() == NOT_FOUND


def test_variables_and_the_operations_name_go_with_a_hash(server: Server) -> None:
    user = server.user()
    query = new("query A { __typename } query B($n: Int) { tasks(first: $n) { nodes { title } } }")
    assert teach(user, query, operationName="A").json() == {"data": {"__typename": "Query"}}
    user.create("Milk")
    response = ask(user, query, operationName="B", variables={"n": 1})
    assert response.json() == {"data": {"tasks": {"nodes": [{"title": "Milk"}]}}}


def test_a_mutation_by_hash_changes_something_by_post_and_nothing_by_get(server: Server) -> None:
    user, query = server.user(), new(CREATE)
    variables = {"input": {"title": "Milk"}}
    teach(user, query, variables=variables)
    assert ask(user, query, variables=variables).json()["data"]["createTask"]["title"] == "Milk"
    response = get(user, query, variables=variables)
    assert (response.status_code, code_of(response)) == (405, "METHOD_NOT_ALLOWED")
    assert user.titles() == ["Milk", "Milk"]


def test_a_stranger_learns_nothing_of_what_is_known(server: Server) -> None:
    known, user = new(), server.user()
    teach(user, known)
    stranger = server.bearer(None)
    for send in (ask, get, teach):
        answers = [send(stranger, query) for query in (known, new())]
        assert [answer.status_code for answer in answers] == [401, 401]
        assert answers[0].content == answers[1].content
    assert ask(user, known).json() != NOT_FOUND


def test_a_text_that_is_not_the_hashs_is_refused_and_not_kept(server: Server) -> None:
    user, query, other = server.user(), new(), new()
    response = ask(user, query, query=other)
    assert (response.status_code, code_of(response)) == (400, "BAD_REQUEST")
    assert "sha256Hash" in response.json()["errors"][0]["message"]
    assert ask(user, query).json() == NOT_FOUND
    assert ask(user, other).json() == NOT_FOUND


@pytest.mark.parametrize(
    "asked",
    [
        7,
        [],
        {},
        {"version": 2},
        {"version": "1"},
        {"sha256Hash": None},
        {"sha256Hash": 7},
        {"sha256Hash": ""},
        {"sha256Hash": "a" * 63},
        {"sha256Hash": "A" * 64},
        {"sha256Hash": "é" * 64},
        {"sha256Hash": "\ud800" * 64},
    ],
    ids=ascii,
)
@pytest.mark.parametrize("query", [None, "{ __typename }"])
def test_what_is_no_hash_is_a_bad_request(server: Server, asked: Any, query: str | None) -> None:
    if isinstance(asked, dict) and asked:
        asked = {**by_hash("{ __typename }")["persistedQuery"], **asked}
    body = json.dumps({"query": query, "extensions": {"persistedQuery": asked}})
    response = server.user().http.post(
        "/graphql", content=body, headers={"Content-Type": "application/json"}
    )
    assert (response.status_code, code_of(response)) == (400, "BAD_REQUEST")


@pytest.mark.parametrize(
    "query",
    ["{ nothing }", "{ me {", "{ me { id } }" * 400, "query Q($id: ID!) { me { id } }"],
    ids=["invalid", "no syntax", "too large", "unused variable"],
)
def test_a_document_that_cannot_be_executed_is_not_kept(server: Server, query: str) -> None:
    user, query = server.user(), new(query)
    code = code_of(user.post(query))
    assert code_of(teach(user, query)) == code
    assert ask(user, query).json() == NOT_FOUND


@pytest.mark.parametrize(
    "query",
    [
        'mutation { createTask(input: {title: "A ring"}) { __typename } }',
        'mutation { createTask(input: {title: """A ring"""}) { __typename } }',
        "{ tasks(filter: {ids: [987654321987]}) { totalCount } }",
        "query Divorce { me { id } }",
        "{ lawyer: me { id } }",
        "{ me { id } } # ask the lawyer",
    ],
)
def test_what_somebody_sent_in_a_document_cannot_be_found_out_by_its_hash(
    server: Server, query: str
) -> None:
    user, other = server.user(), server.user()
    assert "errors" not in teach(user, query).json()
    for send in (ask, get):
        assert send(other, query).json() == NOT_FOUND
    with signed_in(server, other.token) as socket:
        payload = {"extensions": by_hash(query)}
        socket.say({"id": "one", "type": "subscribe", "payload": payload})
        assert socket.hear()["payload"] == NOT_FOUND["errors"]
    assert ask(user, query).json() != NOT_FOUND


def test_what_was_asked_for_last_is_kept(forgetful_server: Server) -> None:
    user = forgetful_server.user()
    first, *others = (new() for _ in range(KEPT + 1))
    for query in [first, *others[:-1]]:
        teach(user, query)
    ask(user, first)
    teach(user, others[-1])
    known = [ask(user, query).json() != NOT_FOUND for query in [first, *others]]
    assert known == [True, False, True, True]


def test_documents_are_kept_up_to_a_number_of_bytes(server: Server) -> None:
    user, size = server.user(), 90_000
    most = BYTES_MAX // size
    queries = [new("{ me { id } } # " + "." * size) for _ in range(most + 1)]
    for query in queries:
        teach(user, query)
    assert ask(user, queries[0]).json() == NOT_FOUND
    assert ask(user, queries[-1]).json() != NOT_FOUND
    assert ask(user, queries[most // 2]).json() != NOT_FOUND


def test_it_is_remembered_of_so_many_users_that_they_have_sent_a_document() -> None:
    documents = Documents(schema, Limits(), allow_introspection=False, compiles=False)
    trusted = TrustedDocuments(TrustedDocumentsMode.OFF, {})
    persisted = PersistedQueries(1000, documents, trusted)
    query = "{ me { id } }"
    users = [UserId(f"user {number}") for number in range(SENT_MAX + 1)]
    for user in users:
        persisted.document(user, query, by_hash(query))
        # The first one asks again and again, and so does not count as the one of the longest ago.
        assert persisted.document(users[0], None, by_hash(query)) == query
    with pytest.raises(CodedError, match="PersistedQueryNotFound"):
        persisted.document(users[1], None, by_hash(query))
    assert persisted.document(users[2], None, by_hash(query)) == query


def test_turned_off_it_says_so_and_texts_are_executed(plain_server: Server) -> None:
    user, query = plain_server.user(), new()
    for response in (ask(user, query), get(user, query)):
        assert response.status_code == 200
        assert response.json() == {
            "errors": [
                {
                    "message": "PersistedQueryNotSupported",
                    "extensions": {"code": "PERSISTED_QUERY_NOT_SUPPORTED"},
                }
            ]
        }
    assert teach(user, query).json() == {"data": {"me": {"id": user.user_id}}}
    assert plain_server.bearer(None).http.post("/graphql", json={}).status_code == 401
