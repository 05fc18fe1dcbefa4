"""GraphQL over HTTP: methods, media types, statuses, and the codes that errors carry."""

import json
from typing import Any

import httpx2
import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from tests.api import CREATE, Server, settings_for
from tests.databases import Database

BODY_MAX_BYTES = 100 * 1024

RESPONSE_JSON = "application/graphql-response+json"


def code_of(response: httpx2.Response) -> str:
    body = response.json()
    assert "data" not in body
    codes = {error["extensions"]["code"] for error in body["errors"]}
    assert len(codes) == 1, body
    return str(codes.pop())


@pytest.mark.parametrize(
    "authorization",
    [None, "", "Bearer", "Bearer x", "Basic eDp5", "bearer a.b.c", "Bearer \xff"],
)
@pytest.mark.parametrize("body", ['{"query": "{ me { id } }"}', "not JSON", '{"query": "{"}', ""])
def test_a_stranger_is_told_nothing_but_to_sign_in(
    server: Server, authorization: str | None, body: str
) -> None:
    headers = {"Content-Type": "application/json"}
    if authorization is not None:
        headers["Authorization"] = authorization
    encoded = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    response = server.bearer(None).http.post("/graphql", content=body, headers=encoded)
    assert response.status_code == 401
    challenge, reason = ('Bearer error="invalid_token"', {})
    if not authorization:
        challenge, reason = "Bearer", {"reason": "MISSING"}
    assert response.headers["www-authenticate"] == challenge
    assert response.headers["content-type"] == f"{RESPONSE_JSON}; charset=utf-8"
    assert response.json() == {
        "errors": [
            {
                "message": "Sign in: send a valid token as `Authorization: Bearer …`.",
                "extensions": {"code": "UNAUTHENTICATED", **reason},
            }
        ]
    }


def test_two_tokens_are_none(server: Server) -> None:
    user = server.user()
    headers = [("Authorization", f"Bearer {user.token}"), ("Authorization", f"Bearer {user.token}")]
    response = server.bearer(None).http.post(
        "/graphql", json={"query": "{ __typename }"}, headers=headers
    )
    assert response.status_code == 401


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        (None, "application/json"),
        ("*/*", "application/json"),
        ("application/json", "application/json"),
        ("application/*", "application/json"),
        (RESPONSE_JSON, RESPONSE_JSON),
        (f"{RESPONSE_JSON},application/json;q=0.9", RESPONSE_JSON),
        (f"application/json, {RESPONSE_JSON};q=0.5", "application/json"),
        (
            f"{RESPONSE_JSON}, application/graphql+json, application/json, text/event-stream, "
            "multipart/mixed",
            RESPONSE_JSON,
        ),
        ("text/html, */*;q=0.1", "application/json"),
    ],
)
def test_the_answer_is_of_a_type_that_the_client_accepts(
    server: Server, accept: str | None, media_type: str
) -> None:
    user = server.user()
    user.http.headers["accept"] = accept or ""
    if accept is None:
        del user.http.headers["accept"]
    response = user.post("{ __typename }")
    assert response.status_code == 200
    assert response.headers["content-type"] == f"{media_type}; charset=utf-8"
    assert response.json() == {"data": {"__typename": "Query"}}


@pytest.mark.parametrize("accept", ["text/plain", "application/json;q=0", "image/*"])
def test_a_client_that_accepts_no_json_is_refused(server: Server, accept: str) -> None:
    response = server.user().post("{ __typename }", headers={"Accept": accept})
    assert (response.status_code, code_of(response)) == (406, "NOT_ACCEPTABLE")


def test_a_query_may_come_by_get(server: Server) -> None:
    user = server.user()
    task = user.create()
    response = user.http.get(
        "/graphql",
        params={
            "query": "query Q($id: ID!) { task(id: $id) { title } } query R { __typename }",
            "operationName": "Q",
            "variables": json.dumps({"id": task["id"]}),
            "extensions": "{}",
        },
    )
    assert response.status_code == 200
    assert response.json() == {"data": {"task": {"title": "Milk"}}}


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_slash_too_many_leads_to_where_it_is_not(server: Server, method: str) -> None:
    http, parameters = server.user().http, {"query": "{ __typename }"}
    sent: Any = {"params": parameters} if method == "GET" else {"json": parameters}
    answer = http.request(method, "/graphql/", **sent)
    assert answer.status_code == 307
    # Whatever scheme and host the client knows the server by.
    assert answer.headers["location"].startswith("/graphql")
    answer = http.request(method, "/graphql/", follow_redirects=True, **sent)
    assert answer.json() == {"data": {"__typename": "Query"}}


def test_a_mutation_by_get_is_refused(server: Server) -> None:
    user = server.user()
    query = 'mutation { createTask(input: {title: "x"}) { __typename } }'
    response = user.http.get("/graphql", params={"query": query})
    assert (response.status_code, code_of(response)) == (405, "METHOD_NOT_ALLOWED")
    assert response.headers["allow"] == "POST"
    assert user.titles() == []


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "HEAD"])
def test_other_methods_are_refused(server: Server, method: str) -> None:
    response = server.user().http.request(method, "/graphql")
    assert response.status_code == 405
    assert response.headers["allow"] == "GET, POST"


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "text/plain",
        "application/graphql",
        "multipart/form-data; boundary=x",
        "application/xml",
    ],
)
def test_a_body_of_another_media_type_is_refused(server: Server, content_type: str | None) -> None:
    headers = {} if content_type is None else {"Content-Type": content_type}
    body = b'{"query": "{ __typename }"}'
    response = server.user().http.post("/graphql", content=body, headers=headers)
    assert (response.status_code, code_of(response)) == (415, "UNSUPPORTED_MEDIA_TYPE")


def test_unknown_extensions_and_parameters_are_passed_over(server: Server) -> None:
    body = {
        "query": "{ __typename }",
        "extensions": {"clientLibrary": {"name": "@apollo/client", "version": "4.3.0"}},
        "id": 7,
        "operationName": None,
        "variables": None,
    }
    response = server.user().http.post("/graphql", json=body)
    assert response.json() == {"data": {"__typename": "Query"}}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not JSON",
        b"null",
        b"true",
        b"7",
        b'"query"',
        b"[]",
        b'[{"query": "{ __typename }"}]',
        b"{}",
        b'{"query": null}',
        b'{"query": 7}',
        b'{"query": ""}',
        b'{"query": ["{ __typename }"]}',
        b'{"query": "{ __typename }", "variables": []}',
        b'{"query": "{ __typename }", "variables": "{}"}',
        b'{"query": "{ __typename }", "operationName": 7}',
        b'{"query": "{ __typename }", "extensions": 7}',
        b'{"query": "{ __typename }", "operationName": "Other"}',
        b'{"query": "query A { __typename } query B { __typename }"}',
        b'{"query": "\xff"}',
        b"\xff\xfe{\x00}\x00",
        b'{"query": "{ __typename }", "variables": {"n": NaN}}',
        b'{"query": "{ __typename }", "variables": {"n": ' + b"9" * 5000 + b"}}",
        b'{"query": ' + b"[" * 50_000 + b"]" * 50_000 + b"}",
    ],
    ids=lambda body: repr(body[:60]),
)
def test_what_is_no_graphql_request_is_a_bad_request(server: Server, body: bytes) -> None:
    response = server.user().http.post(
        "/graphql", content=body, headers={"Content-Type": "application/json"}
    )
    assert (response.status_code, code_of(response)) == (400, "BAD_REQUEST")


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_over_the_limit_is_refused(server: Server, chunked: bool) -> None:
    body = b'{"query": "' + b"#" * BODY_MAX_BYTES + b'"}'
    response = server.user().http.post(
        "/graphql",
        content=iter([body]) if chunked else body,
        headers={"Content-Type": "application/json"},
    )
    assert (response.status_code, code_of(response)) == (413, "PAYLOAD_TOO_LARGE")


@pytest.mark.parametrize(
    ("query", "variables", "code"),
    [
        ("{", None, "GRAPHQL_PARSE_FAILED"),
        ("{ a }" * 500, None, "QUERY_TOO_COMPLEX"),
        ('{ task(id: "\\uD800") { id } }', None, "GRAPHQL_PARSE_FAILED"),
        ("{ nothing }", None, "GRAPHQL_VALIDATION_FAILED"),
        ("{ taks { id } }", None, "GRAPHQL_VALIDATION_FAILED"),
        ("subscription { x }", None, "GRAPHQL_VALIDATION_FAILED"),
        ("query ($id: ID!) { task(id: $id) { id } }", {}, "BAD_USER_INPUT"),
        ("query ($id: ID!) { task(id: $id) { id } }", {"id": ["x"]}, "BAD_USER_INPUT"),
        (CREATE, {"input": {"title": 7}}, "BAD_USER_INPUT"),
        (CREATE, {"input": {"title": "x", "userId": "someone"}}, "BAD_USER_INPUT"),
        (CREATE, {"input": {"title": "x", "half \ud800": 1}}, "BAD_USER_INPUT"),
        ("query ($n: Int) { tasks(first: $n) { totalCount } }", {"n": 2**31}, "BAD_USER_INPUT"),
    ],
)
def test_a_request_at_fault_carries_its_code(
    server: Server, query: str, variables: dict[str, Any] | None, code: str
) -> None:
    user = server.user()
    body = json.dumps({"query": query, "variables": variables})
    headers = {"Content-Type": "application/json"}
    response = user.http.post("/graphql", content=body, headers=headers)
    assert (response.status_code, code_of(response)) == (400, code)
    assert response.headers["content-type"].startswith(RESPONSE_JSON)

    headers["Accept"] = "application/json"
    response = user.http.post("/graphql", content=body, headers=headers)
    assert (response.status_code, code_of(response)) == (200, code)
    assert response.headers["content-type"].startswith("application/json")


CREATE = "mutation ($input: CreateTaskInput!) { createTask(input: $input) { __typename } }"
MISSPELT = {"input": {"title": "Milk", "descripton": "Two"}}


def test_no_suggestion_helps_to_guess_the_schema(server: Server) -> None:
    for query in (
        "{ taks { id } }",
        "{ task(idd: 1) { id } }",
        "{ tasks { nodes { titel } } }",
        "{ tasks { id } }",
    ):
        assert "Did you mean" not in server.user().post(query).text
    answer = server.user().post(CREATE, MISSPELT).text
    assert "not to include unknown field 'descripton'" in answer
    assert "Did you mean" not in answer


@pytest.mark.parametrize(
    ("query", "suggested"),
    [
        ("{ tasks { id title } }", ["'nodes { id }'", "'nodes { title }'"]),
        ("{ tasks { nodse { id } } }", ["'nodes'"]),
        ("{ taks { id } }", ["'task' or 'tasks'"]),
        (
            'mutation { createTask(input: {title: "Milk"}) { id } }',
            ["inline fragment on 'Node' or 'Task'"],
        ),
        ("{ tasks { nothing } }", []),
    ],
)
def test_where_the_schema_is_told_an_error_says_what_may_be_meant(
    graphiql_server: Server, query: str, suggested: list[str]
) -> None:
    errors = graphiql_server.user().execute(query)["errors"]
    messages = [error["message"] for error in errors if "Did you mean" in error["message"]]
    assert len(messages) == len(suggested), errors
    for message, meant in zip(messages, suggested, strict=True):
        assert meant in message


def test_where_the_schema_is_told_a_misspelt_variable_is_corrected(graphiql_server: Server) -> None:
    (error,) = graphiql_server.user().execute(CREATE, MISSPELT)["errors"]
    assert "Did you mean 'description'?" in error["message"]


def test_an_answer_holds_a_handful_of_validation_errors(server: Server) -> None:
    query = "{ " + " ".join(f"no{n}" for n in range(100)) + " }"
    assert len(server.user().execute(query)["errors"]) <= 6


def test_what_goes_wrong_inside_stays_inside(
    server: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(*_: object) -> None:
        raise RuntimeError("canary 4711")

    monkeypatch.setattr(server.running.database, "fetch", broken)
    response = server.user().post("{ me { id } }")
    assert response.status_code == 200
    (error,) = response.json()["errors"]
    assert error["message"] == "Internal error."
    assert error["extensions"]["code"] == "INTERNAL_SERVER_ERROR"
    assert "canary" not in response.text
    (record,) = [r for r in caplog.records if error["extensions"]["errorId"] in r.getMessage()]
    assert "canary 4711" in str(record.exc_info)


def test_an_allowed_origin_may_call_and_another_may_not(server: Server) -> None:
    preflight = {
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type,x-apollo-operation-name",
    }
    http = server.bearer(None).http
    ours = {"Origin": "http://localhost:3000"}
    answer = http.options("/graphql", headers={**ours, **preflight})
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == ours["Origin"]
    allowed = answer.headers["access-control-allow-headers"]
    assert {"authorization", "content-type"} <= set(allowed.lower().replace(" ", "").split(","))

    user = server.user()
    answer = user.post("{ __typename }", headers=ours)
    assert answer.headers["access-control-allow-origin"] == ours["Origin"]
    # A page must be able to read why it was refused.
    refused = http.post("/graphql", json={}, headers=ours)
    assert refused.status_code == 401
    assert refused.headers["access-control-allow-origin"] == ours["Origin"]
    # It may set its clock by ours, for ids that it makes, and knows when to come back.
    shown = refused.headers["access-control-expose-headers"].split(", ")
    assert shown == ["Date", "Retry-After", "WWW-Authenticate", "X-Request-ID"]
    assert refused.headers["date"].endswith("GMT")

    for origin in ("https://evil.example", "null", "http://localhost:3000.evil.example"):
        answer = user.post("{ __typename }", headers={"Origin": origin})
        assert "access-control-allow-origin" not in answer.headers


def test_the_pages_beside_graphql_answer_without_a_token(server: Server) -> None:
    http = server.bearer(None).http
    about = http.get("/").json()
    assert (about["name"], about["graphql"]) == ("Todo API", "/graphql")
    assert about["version"] == server.app.version
    assert http.get("/health").json() == {"status": "ok"}
    assert http.get("/ready").json()["status"] == "ok"
    paths = http.get("/openapi.json").json()["paths"]
    assert set(paths) == {"/", "/health", "/ready", "/graphql"}
    assert set(paths["/graphql"]) == {"get", "post"}
    assert http.get("/nothing").status_code == 404


def test_the_page_of_the_paths_leads_to_graphiql_and_is_off_where_that_is(
    server: Server, graphiql_server: Server
) -> None:
    page = graphiql_server.bearer(None).http.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    assert '<a href="/graphql">GraphiQL</a>' in page.text
    assert "<code>POST /graphql</code>" in page.text
    assert "<code>GET /ready</code>" in page.text
    assert server.bearer(None).http.get("/docs").status_code == 404


@pytest.mark.parametrize("path", ["/docs", "/docs/oauth2-redirect", "/redoc", "/"])
def test_no_page_beside_graphql_takes_anything_from_elsewhere(
    server: Server, graphiql_server: Server, path: str
) -> None:
    for http in (server.bearer(None).http, graphiql_server.bearer(None).http):
        page = http.get(path)
        assert page.headers["content-security-policy"].startswith("default-src 'none';")
        assert "//" not in page.text
        assert "<script" not in page.text


@pytest.mark.parametrize(
    "query", ["{ __schema { types { name } } }", '{ __type(name: "Task") { name } }']
)
def test_the_schema_is_told_where_that_is_on_and_to_nobody_who_is_not_signed_in(
    server: Server, graphiql_server: Server, query: str
) -> None:
    refused = server.user().post(query)
    assert (refused.status_code, code_of(refused)) == (400, "GRAPHQL_VALIDATION_FAILED")
    assert graphiql_server.user().data(query)
    for a_server in (server, graphiql_server):
        assert a_server.bearer(None).post(query).status_code == 401


def test_graphiql_is_a_page_for_browsers_where_it_is_on(
    server: Server, graphiql_server: Server
) -> None:
    browser = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
    page = graphiql_server.bearer(None).http.get("/graphql", headers=browser)
    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "GraphiQL" in page.text
    off = server.bearer(None).http.get("/graphql", headers=browser)
    assert off.status_code == 401


def test_middleware_that_somebody_adds_sees_every_request(database: Database) -> None:
    seen: list[str] = []

    class Middleware:
        def __init__(self, app: ASGIApp) -> None:
            self.app = app

        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http":
                seen.append(scope["path"])
            await self.app(scope, receive, send)

    server = Server(settings_for(database.server_url))
    server.app.add_middleware(Middleware)
    server.start()
    try:
        assert server.user().execute("{ __typename }") == {"data": {"__typename": "Query"}}
        assert server.bearer(None).http.get("/health").status_code == 200
    finally:
        server.stop()
    assert seen == ["/graphql", "/health"]


@pytest.mark.parametrize("path", ["/", "/health", "/ready"])
def test_pages_are_there_for_head(server: Server, path: str) -> None:
    http = server.bearer(None).http
    asked, got = http.head(path), http.get(path)
    assert (asked.status_code, asked.content) == (200, b"")
    assert asked.headers["content-length"] == got.headers["content-length"]


@pytest.mark.parametrize("encoding", ["gzip", "br", "gzip, identity", "nonsense"])
def test_a_body_that_is_encoded_is_refused_with_what_is_taken(
    server: Server, encoding: str
) -> None:
    response = server.user().post("{ __typename }", headers={"Content-Encoding": encoding})
    assert (response.status_code, response.headers["accept-encoding"]) == (415, "identity")
    assert response.json()["errors"][0]["extensions"]["code"] == "UNSUPPORTED_MEDIA_TYPE"


@pytest.mark.parametrize("encoding", ["", "identity", "Identity"])
def test_a_body_that_is_not_encoded_may_say_so(server: Server, encoding: str) -> None:
    response = server.user().post("{ __typename }", headers={"Content-Encoding": encoding})
    assert response.status_code == 200
