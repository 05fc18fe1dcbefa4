"""Scopes of tokens: what is not granted is refused before anything runs, whichever way it comes."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import jwt
import pytest
from graphql import (
    GraphQLObjectType,
    OperationDefinitionNode,
    get_named_type,
    is_abstract_type,
    is_interface_type,
    is_object_type,
    parse,
)

from app.operations.documents import Asked
from app.operations.price import Price
from app.operations.scopes import OWN_FIELDS, NeededScopes
from graphql_schema.schema import schema
from tests.api import CREATE, SECRET, Caller, Server, nonempty, running_server, settings_for
from tests.databases import Database
from tests.sockets import signed_in

READ, WRITE = "tasks:read", "tasks:write"
BOTH = f"{READ} {WRITE}"
SCOPES = ["", READ, WRITE, BOTH]

TITLES = "query Titles { tasks { nodes { title } } }"
ADD = 'mutation Add { createTask(input: {title: "Milk"}) { __typename } }'
SEVERAL = f"{TITLES} {ADD}"
LIVE = "subscription Live { changes { node { id } } }"
OF_A_LIST = 'mutation { createList(input: {name: "x"}) { ... on TaskList { %s } } }'
OF_A_TASK = 'mutation { createTask(input: {title: "x"}) { ... on Task { %s } } }'

GRAPHQL = schema._schema

NEEDED = {
    "{ __typename }": "",
    "{ __schema { queryType { name } } }": "",
    '{ __type(name: "Task") { name } }': "",
    "mutation { __typename }": "",
    "{ me { id } }": READ,
    "{ rateLimit { limit } }": READ,
    "{ storage { tasks } }": READ,
    "{ calendarLinks { id } }": READ,
    "{ __typename me { id } }": READ,
    "{ __typename: me { id } }": READ,
    "{ ...Some } fragment Some on Query { ... { me { id } } }": READ,
    "query ($no: Boolean! = false) { me @include(if: $no) { id } }": READ,
    TITLES: READ,
    ADD: WRITE,
    'mutation { ... { x: createTask(input: {title: "x"}) { __typename } } }': WRITE,
    OF_A_TASK % "id title labels recurrence { every unit }": WRITE,
    OF_A_LIST % "id name version": WRITE,
    'mutation { updateTask(input: {id: "1"}) { ... on VersionConflict { current { title } } } }': (
        WRITE
    ),
    "mutation { createTasks(input: {tasks: []}) { ... on CreateTasksSuccess { tasks { id } } } }": (
        WRITE
    ),
    'mutation { revokeCalendarLink(input: {id: "1"}) { __typename } }': WRITE,
    OF_A_TASK % "id owner { email }": BOTH,
    OF_A_TASK % "list { id }": BOTH,
    OF_A_TASK % "parent { id }": BOTH,
    OF_A_TASK % "successor { id }": BOTH,
    OF_A_TASK % "subtasks { id }": BOTH,
    OF_A_TASK % "subtaskCount": BOTH,
    OF_A_TASK.replace("Task {", "QuotaExceeded {") % "storage { tasks }": BOTH,
    OF_A_LIST % "pendingCount": BOTH,
    OF_A_LIST % "id: pendingCount": BOTH,
    OF_A_LIST % "tasks { nodes { title } }": BOTH,
    OF_A_LIST % "...Few" + "fragment Few on TaskList { ...All } "
    "fragment All on TaskList { tasks { totalCount } }": BOTH,
    'mutation { undo(input: {actionKey: "x"}) { ... on UndoSuccess { changed {'
    " ... on TaskList { tasks(first: 1) { totalCount } } } } } }": BOTH,
    'mutation { createCalendarLink(input: {name: "x"}) { __typename } }': BOTH,
}
"""Operations, and the scopes that they need."""


def code_of(response: httpx2.Response) -> str:
    code: str = response.json()["errors"][0]["extensions"]["code"]
    return code


def ask(caller: Caller, **parameters: Any) -> httpx2.Response:
    return caller.http.post("/graphql", json=parameters)


def missing(needed: str, scope: str) -> str:
    return " ".join(word for word in needed.split() if word not in scope.split())


@pytest.fixture(scope="module")
def introspected(database: Database) -> Iterator[Server]:
    with running_server(settings_for(database.server_url, introspection=True)) as running:
        yield running


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize(("document", "needed"), NEEDED.items())
def test_an_operation_needs_the_scopes_of_what_it_asks_for(
    introspected: Server, document: str, needed: str, scope: str
) -> None:
    response = introspected.user(scope=scope).post(document)
    lacked = missing(needed, scope)
    if not lacked:
        assert response.status_code == 200, response.text
        assert "data" in response.json()
        return
    assert response.status_code == 403
    (error,) = response.json()["errors"]
    assert error["extensions"] == {"code": "FORBIDDEN", "missingScope": lacked}
    assert all(f"`{word}`" in error["message"] for word in lacked.split())
    challenge = f'Bearer error="insufficient_scope", scope="{needed}"'
    assert response.headers["www-authenticate"] == challenge


@pytest.mark.parametrize("accept", ["application/json", "application/graphql-response+json"])
def test_the_status_is_the_same_for_whatever_is_accepted(server: Server, accept: str) -> None:
    response = server.user(scope=READ).post(ADD, headers={"Accept": accept})
    assert response.status_code == 403
    assert response.headers["content-type"].startswith("application/graphql-response+json")


def test_what_is_refused_was_not_done_and_tells_nothing(server: Server) -> None:
    everything = server.user()
    reading = server.user(everything.user_id, scope=READ)
    writing = server.user(everything.user_id, scope=WRITE)
    # Whoever comes first: the document is kept, and so is what it needs.
    assert reading.post(ADD).status_code == 403
    assert everything.titles() == []
    assert writing.post(ADD).json() == {"data": {"createTask": {"__typename": "Task"}}}
    assert everything.post(TITLES).json() == {"data": {"tasks": {"nodes": [{"title": "Milk"}]}}}
    assert "Milk" not in writing.post(TITLES).text
    assert reading.post(ADD).status_code == 403
    assert reading.titles() == ["Milk"]


def test_the_operation_that_is_named_counts(server: Server) -> None:
    user = server.user(scope=READ)
    assert ask(user, query=SEVERAL, operationName="Titles").status_code == 200
    assert ask(user, query=SEVERAL, operationName="Add").status_code == 403


def test_a_get_is_no_way_around(server: Server) -> None:
    for document in (TITLES, ADD):
        response = server.user(scope="").http.get("/graphql", params={"query": document})
        assert (response.status_code, code_of(response)) == (403, "FORBIDDEN")


def test_a_hash_is_no_way_around(server: Server) -> None:
    user = server.user()
    reading = server.user(user.user_id, scope=READ)
    sha256 = hashlib.sha256(CREATE.encode()).hexdigest()
    extensions = {"persistedQuery": {"version": 1, "sha256Hash": sha256}}
    variables = {"input": {"title": "Milk"}}
    taught = ask(user, query=CREATE, extensions=extensions, variables=variables)
    assert taught.status_code == 200
    response = ask(reading, extensions=extensions, variables=variables)
    assert (response.status_code, code_of(response)) == (403, "FORBIDDEN")
    assert ask(user, extensions=extensions, variables=variables).status_code == 200
    assert user.titles() == ["Milk", "Milk"]


def test_a_trusted_document_is_no_way_around(database: Database, tmp_path: Path) -> None:
    path = tmp_path / "manifest.json"
    path.write_text(json.dumps({"titles": TITLES, "add": ADD, "live": LIVE}))
    settings = settings_for(
        database.server_url, trusted_documents=[str(path)], trusted_documents_mode="only"
    )
    with running_server(settings) as server:
        reading, writing = server.user(scope=READ), server.user(scope=WRITE)
        assert ask(reading, documentId="titles").status_code == 200
        assert ask(writing, documentId="add").status_code == 200
        for caller, id in ((writing, "titles"), (reading, "add")):
            response = ask(caller, documentId=id)
            assert (response.status_code, code_of(response)) == (403, "FORBIDDEN")
        with signed_in(server, writing.token) as socket:
            socket.say({"id": "one", "type": "subscribe", "payload": {"documentId": "live"}})
            assert socket.hear()["payload"][0]["extensions"]["code"] == "FORBIDDEN"


@pytest.mark.parametrize(
    ("scope", "allowed", "refused"),
    [(READ, TITLES, [ADD]), (WRITE, ADD, [TITLES, LIVE]), ("", "{ __typename }", [ADD, LIVE])],
)
def test_an_operation_of_a_socket_is_refused_and_the_socket_goes_on(
    server: Server, scope: str, allowed: str, refused: list[str]
) -> None:
    user = server.user(scope=scope)
    with signed_in(server, user.token) as socket:
        for document in nonempty(refused):
            socket.subscribe(document, id="no")
            answer = socket.hear()
            assert (answer["id"], answer["type"]) == ("no", "error")
            (error,) = answer["payload"]
            lacked = WRITE if document == ADD else READ
            assert error["extensions"] == {"code": "FORBIDDEN", "missingScope": lacked}
        socket.subscribe(allowed, id="yes")
        answer = socket.hear()
        assert (answer["id"], answer["type"]) == ("yes", "next")
        assert "errors" not in answer["payload"]


def test_who_may_read_follows_what_others_change(server: Server) -> None:
    everything = server.user()
    reading = server.user(everything.user_id, scope=READ)
    everything.create("Before")
    with signed_in(server, reading.token) as socket:
        cursor = everything.changes()["pageInfo"]["endCursor"]
        socket.follow(cursor)
        task = everything.create("Milk")
        assert socket.event()["node"]["taskId"] == task["id"]


def test_a_refusal_costs_a_point(database: Database) -> None:
    # A point comes back after 20 seconds.
    with running_server(settings_for(database.server_url, rate_limit=3)) as server:
        reading = server.user(scope=READ)
        statuses = [reading.post(ADD).status_code for _ in range(4)]
        assert statuses == [403, 403, 403, 429]


@pytest.mark.parametrize("scope", [None, 7, True, [], [READ], {}, {READ: True}])
def test_a_claim_that_is_no_text_makes_a_token_invalid(server: Server, scope: Any) -> None:
    claims = {"sub": "ada", "exp": 9_999_999_999}
    for given, status in ((READ, 200), (scope, 401)):
        token = jwt.encode({**claims, "scope": given}, SECRET)
        assert server.bearer(token).post("{ __typename }").status_code == status


def needed(document: str) -> str:
    """Return what the first operation of a document needs. It need not be valid."""
    parsed = parse(document)
    node = parsed.definitions[0]
    assert isinstance(node, OperationDefinitionNode)
    asked = Asked(parsed, node, node.operation.value, None, Price(1, [], {}, 0))
    return " ".join(sorted(NeededScopes(GRAPHQL).of(asked)))


def test_every_root_field_needs_a_scope() -> None:
    query, mutation, subscription = (
        GRAPHQL.query_type,
        GRAPHQL.mutation_type,
        GRAPHQL.subscription_type,
    )
    assert query is not None
    assert mutation is not None
    assert subscription is not None
    assert {needed(f"{{ {name} }}") for name in query.fields} == {READ}
    assert {needed(f"subscription {{ {name} }}") for name in subscription.fields} == {READ}
    of_mutations = {name: needed(f"mutation {{ {name} }}") for name in mutation.fields}
    assert of_mutations.pop("createCalendarLink") == BOTH
    assert set(of_mutations.values()) == {WRITE}


def test_what_an_answer_to_who_may_write_can_show_is_spelled_here() -> None:
    assert GRAPHQL.mutation_type
    reached: set[GraphQLObjectType] = set()
    todo = [get_named_type(field.type) for field in GRAPHQL.mutation_type.fields.values()]
    for type_ in todo:
        if is_abstract_type(type_):
            todo += GRAPHQL.get_possible_types(type_)
        elif is_object_type(type_) and type_ not in reached:
            reached.add(type_)
            own = OWN_FIELDS.get(type_.name, type_.fields)
            todo += [get_named_type(f.type) for n, f in type_.fields.items() if n in own]
    kinds = {type_.name for type_ in reached}
    of_results = {name for name in kinds if name.endswith(("Success", "Conflict", "NotFound"))}
    assert kinds - of_results == {
        "Task",
        "TaskList",
        "Label",
        "CalendarLink",
        "Recurrence",
        "Storage",
        "InvalidInput",
        "InputIssue",
        "QuotaExceeded",
    }
    assert OWN_FIELDS["Storage"] == {"__typename"}
    # A field of an interface is looked for by the interface's name, and leads nowhere.
    for type_ in GRAPHQL.type_map.values():
        if is_interface_type(type_):
            assert type_.fields.keys() <= {"id", "message"}, type_
