"""Limits: each lets n pass and refuses n + 1, through fragments too, and costs next to nothing."""

import gc
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from graphql import Node, get_introspection_query

from app.operations.documents import Documents
from graphql_schema.maximums import Limits
from graphql_schema.schema import schema
from tests.api import Server, running_server, settings_for
from tests.databases import Database
from tests.sockets import signed_in

INTEGER_DIGITS_MAX, TOKENS_KEPT = 100, 50_000

LIMITS = Limits(tokens=400, depth=6, aliases=5, directives=4, root_fields=7, nodes=230)


@pytest.fixture(scope="module")
def limited(database: Database) -> Iterator[Server]:
    limits = {f"graphql_max_{name}": getattr(LIMITS, name) for name in LIMITS.__slots__}
    with running_server(settings_for(database.server_url, introspection=True, **limits)) as server:
        yield server


def nested(levels: int) -> str:
    """Return fields of a type within each other, the last one a leaf."""
    if levels == 1:
        return "name"
    return f"fields {{ type {{ {'ofType { ' * (levels - 3)}name{' }' * (levels - 3)} }} }}"


WITHIN: dict[str, Callable[[int], str]] = {
    "depth": lambda n: f"{{ __schema {{ types {{ {nested(n - 2)} }} }} }}",
    "depth, by fragments": lambda n: (
        "{ __schema { types { ...F } } } fragment F on __Type { fields { type { ...G } } } "
        f"fragment G on __Type {{ {'ofType { ' * (n - 5)}name{' }' * (n - 5)} }}"
    ),
    "aliases": lambda n: "{ " + " ".join(f"a{k}: __typename" for k in range(n)) + " }",
    "aliases, by fragments": lambda n: "{ me { " + "...F " * n + "} } fragment F on User { a: id }",
    "directives": lambda n: "{ me { " + "id @skip(if: false) " * n + "} }",
    "directives, by fragments": lambda n: (
        "{ me { " + "...F " * n + "} } fragment F on User { id @skip(if: false) }"
    ),
    "root fields": lambda n: "{ " + "__typename " * n + "}",
    "root fields, by fragments": lambda n: (
        "{ " + "...F " * n + "} fragment F on Query { __typename }"
    ),
    "nodes": lambda n: (
        f"{{ tasks(first: 100) {{ totalCount }} b: tasks(last: 100) {{ totalCount }} "
        f"c: tasks(first: {n - 200}) {{ totalCount }} }}"
    ),
    "nodes, by default and by a variable": lambda n: (
        "query ($n: Int) { tasks { totalCount } b: tasks(first: $n) { totalCount } "
        f"c: tasks(first: {n - 150}) {{ totalCount }} }}"
    ),
    "nodes, by fragments": lambda n: (
        "{ ...F ...F ...G } fragment F on Query { b: tasks(first: 100) { totalCount } } "
        f"fragment G on Query {{ tasks(first: {n - 200}) {{ totalCount }} }}"
    ),
    # Ten subtasks are usual; where others are read for each of them, there may be a hundred.
    "nodes, by subtasks": lambda n: (
        '{ task(id: "1") { subtasks { id } } tasks(first: 20) { nodes { subtasks { id } } } '
        f"c: tasks(first: {n - 230}) {{ totalCount }} }}"
    ),
    "nodes, by pages of subtasks": lambda n: (
        '{ task(id: "1") { subtasks { list { tasks(first: 1) { totalCount } } } } '
        f"c: tasks(first: {n - 200}) {{ totalCount }} }}"
    ),
    "nodes, by pages of what is undone": lambda n: (
        'mutation { undo(input: {actionKey: "a"}) { ... on UndoSuccess { '
        "changed { ... on TaskList { tasks(first: 1) { totalCount } } } } "
        f"... on UndoConflict {{ current {{ ... on TaskList {{ tasks(first: {n - 200}) "
        "{ totalCount } } } } } }"
    ),
    "tokens": lambda n: "{ me { " + "... { " * 100 + "id " * (n - 305) + "} " * 100 + "} }",
}


@pytest.mark.parametrize("name", WITHIN)
def test_a_limit_lets_n_pass_and_refuses_one_more(limited: Server, name: str) -> None:
    user = limited.user()
    limit = name.partition(",")[0].replace(" ", "_")
    most = getattr(LIMITS, limit)
    passed = user.post(WITHIN[name](most))
    assert passed.status_code == 200, passed.text
    refused = user.post(WITHIN[name](most + 1))
    assert refused.status_code == 400, refused.text
    (error,) = refused.json()["errors"]
    code = "GRAPHQL_VALIDATION_FAILED" if limit == "depth" else "QUERY_TOO_COMPLEX"
    assert error["extensions"] == {
        "code": code,
        "limit": limit,
        "maximum": most,
        "count": most + 1,
    }
    assert f"{most + 1}, and the limit is {most}" in error["message"]


def test_graphiqls_introspection_is_within_the_limits(graphiql_server: Server) -> None:
    query = get_introspection_query(specified_by_url=True, directive_is_repeatable=True)
    assert "__schema" in graphiql_server.user().data(query)


@pytest.mark.parametrize("fragments", [20, 90])
@pytest.mark.parametrize("leaf", ["id", "a: id", "id @skip(if: true)"])
def test_a_fragment_bomb_goes_off_in_nobodys_hands(
    server: Server, fragments: int, leaf: str
) -> None:
    """Each fragment spreads the next one twice: 2^90 fields, if anybody expanded them."""
    chain = " ".join(
        f"fragment F{n} on User {{ ...F{n + 1} ...F{n + 1} }}" for n in range(fragments)
    )
    bomb = f"{{ me {{ ...F0 }} }} {chain} fragment F{fragments} on User {{ {leaf} }}"
    result = server.user().post(bomb)
    assert result.status_code in (200, 400)
    if leaf != "id":
        assert result.json()["errors"][0]["extensions"]["code"] == "QUERY_TOO_COMPLEX"


@pytest.mark.parametrize(
    "document",
    [
        "{ ...F } fragment F on Query { ...F }",
        "{ ...F } fragment F on Query { ...G } fragment G on Query { a: __typename ...F }",
        "{ ...Nothing }",
        "fragment F on Query { __typename }",
    ],
)
def test_a_document_that_is_not_even_valid_is_measured(server: Server, document: str) -> None:
    response = server.user().post(document)
    assert response.status_code == 400
    code = response.json()["errors"][0]["extensions"]["code"]
    assert code in ("GRAPHQL_VALIDATION_FAILED", "BAD_REQUEST")


INTEGERS = {
    "an argument": "{ tasks(first: N) { totalCount } }",
    "an argument below zero": "{ tasks(last: -N) { totalCount } }",
    "an argument in a fragment": (
        "{ ...F } fragment F on Query { taskChanges(first: N) { reset } }"
    ),
    "an argument of another type": "{ tasks(after: N) { totalCount } }",
    "an argument that is none": "{ me(no: N) { id } }",
    "an id": "{ task(id: N) { id } }",
    "a list": "{ tasks(first: [N]) { totalCount } }",
    "ids in an object": "{ tasks(filter: {ids: [1, N]}) { totalCount } }",
    "an object": ("mutation { toggleTask(input: {id: 1, expectedVersion: N}) { __typename } }"),
    "an enum": "{ tasks(orderBy: {field: N}) { totalCount } }",
    "a date": "{ tasks(filter: {createdAt: {from: N}}) { totalCount } }",
    "a directive": "{ me @include(if: N) { id } }",
    "a directive that is none": "{ me @no(n: N) { id } }",
    "a default": "query($n: Int = N) { tasks(first: $n) { totalCount } }",
    "an id by default": "query($id: ID! = N) { task(id: $id) { id } }",
    "an object by default": (
        "mutation($i: ToggleTaskInput! = {id: 1, expectedVersion: N}) "
        "{ toggleTask(input: $i) { __typename } }"
    ),
    "a default that nobody needs": "query($n: Int = N) { me { id } }",
    "a subscription": "subscription { taskChanges(after: N) { cursor } }",
}


@pytest.mark.parametrize("name", INTEGERS)
def test_an_integer_too_long_to_be_read_is_refused_wherever_it_is(
    server: Server, name: str
) -> None:
    """Python itself reads up to 4,300 digits."""
    query = INTEGERS[name].replace("N", "9" * 5000)
    user = server.user()
    response = user.post(query)
    with signed_in(server, user.token) as socket:
        socket.subscribe(query)
        message = socket.hear()
    assert (response.status_code, message["type"]) == (400, "error")
    for errors in (response.json()["errors"], message["payload"]):
        assert [error["extensions"]["code"] for error in errors] == ["GRAPHQL_VALIDATION_FAILED"]
        assert errors[0]["extensions"]["count"] == 5000


def test_an_id_may_be_a_long_integer(server: Server) -> None:
    user, query = server.user(), INTEGERS["an id"]
    most = "9" * INTEGER_DIGITS_MAX
    for longest in (most, f"-{most}"):
        assert user.data(query.replace("N", longest)) == {"task": None}
    refused = user.execute(query.replace("N", f"{most}9"))
    assert refused["errors"][0]["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"


def test_an_integer_too_long_to_be_read_is_no_json(server: Server) -> None:
    user = server.user()
    query = "query ($n: Int) { tasks(first: $n) { totalCount } }"
    body = f'{{"query": "{query}", "variables": {{"n": {"9" * 5000}}}}}'
    response = user.http.post(
        "/graphql", content=body, headers={"Content-Type": "application/json"}
    )
    assert response.status_code == 400
    assert response.json()["errors"][0]["extensions"]["code"] == "BAD_REQUEST"
    with signed_in(server, user.token) as socket:
        socket.connection.send(f'{{"id": "1", "type": "subscribe", "payload": {body}}}')
        assert socket.closed()[0] == 4400


def test_documents_are_kept_up_to_a_size() -> None:
    documents = Documents(schema, Limits(), allow_introspection=False, compiles=False)
    often = documents.document("{ __typename }")
    for n in range(2000):
        documents.document(f"{{ a{n}: __typename }}" + "#" * 400)
        assert documents.document("{ __typename }") is often
    assert sum(document.tokens for document in documents._kept.values()) <= TOKENS_KEPT
    assert len(documents._kept) < 1000


@pytest.mark.parametrize(
    "document",
    [
        "{ me { id ...F } tasks { nodes { title } } } fragment F on User { name }",
        "mutation { deleteTask(id: 1) { __typename ... on Task { id } } }",
        "{ me { nothing } tasks { nowhere } }",
        "{ " + "me { id } " * 51 + "}",
        "{ tasks { " + "nodes { id } " * 248 + "} }",
        INTEGERS["an id"].replace("N", "9" * 5000),
    ],
    ids=["a query", "a mutation", "invalid", "over a limit", "overlapping", "a long integer"],
)
def test_a_document_no_longer_kept_is_freed_at_once(document: str) -> None:
    """By its references, that is: the garbage collector would have to pause for many of them."""
    documents = Documents(schema, Limits(), allow_introspection=False, compiles=True)
    gc.collect()
    gc.disable()
    try:
        before = nodes_alive()
        kept = documents.document(document)
        assert kept.can_be_executed == (nodes_alive() > before)
        del kept
        documents._kept.clear()
        assert nodes_alive() == before
    finally:
        gc.enable()


def nodes_alive() -> int:
    return sum(isinstance(thing, Node) for thing in gc.get_objects())


def test_a_document_has_at_most_twenty_operations_and_compiles_those_that_are_asked_for(
    server: Server,
) -> None:
    user = server.user()

    def execute(count: int) -> dict[str, Any]:
        text = " ".join(f"query Q{n} {{ __typename }}" for n in range(count))
        asked = {"query": text, "operationName": "Q1"}
        answer: dict[str, Any] = user.http.post("/graphql", json=asked).json()
        return answer

    assert execute(20) == {"data": {"__typename": "Query"}}
    (error,) = execute(21)["errors"]
    assert error["extensions"]["code"] == "QUERY_TOO_COMPLEX"
    assert (error["extensions"]["maximum"], error["extensions"]["count"]) == (20, 21)

    documents = Documents(schema, Limits(), allow_introspection=False, compiles=True)
    document = documents.document("query A { me { id } } query B { me { name } }")
    assert not document._operations
    assert document.operation("B") is document.operation("B")
    assert list(document._operations) == ["B"]
