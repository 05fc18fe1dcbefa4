"""What an operation costs is never less than what it may be answered with, and never nothing."""

from collections.abc import Mapping
from typing import Any

import psycopg
import pytest
from graphql import execute_sync, get_introspection_query
from hypothesis import given
from hypothesis import strategies as st

from app.operations.budget import Budget
from app.operations.documents import Documents
from graphql_schema.maximums import Limits
from graphql_schema.schema import schema
from models.user import UserId
from tests.api import TASK, Caller, Server, running_server, settings_for
from tests.databases import Database
from tests.sockets import signed_in

SINCE = '{from: "2026-01-01T00:00:00Z"}'
ONE = "tasks(first: $n) { nodes { id } }"
BOTH = "query($a: Int, $b: Int) { tasks(first: $a, last: $b) { nodes { id } } }"


@pytest.fixture(scope="module")
def documents() -> Documents:
    return Documents(schema, Limits(), allow_introspection=False, compiles=False)


@pytest.fixture(scope="module")
def user(server: Server) -> Caller:
    """A user who fills even the greatest page."""
    user = server.user()
    user.data("{ me { id } }")
    with psycopg.connect(str(server.settings.migration_database_url)) as connection:
        connection.execute(
            "INSERT INTO tasks (user_id, title, version) "
            "SELECT %s, 'x', n FROM generate_series(1, 101) n",
            [user.user_id],
        )
    return user


def cost_of(documents: Documents, query: str, variables: Mapping[str, Any] | None) -> int:
    return documents.document(query).operation(None).price.cost(variables)


def rows_of(user: Caller, query: str, variables: Mapping[str, Any] | None) -> int | None:
    """Return how many tasks are in the answer; None where the sizes are refused."""
    data = user.execute(query, variables).get("data")
    return sum(len(page["nodes"]) for page in data.values()) if data else None


@pytest.mark.parametrize(
    ("query", "variables", "rows"),
    [
        # What is given counts, be it null; a variable's default counts where nothing is given.
        (f"query($n: Int) {{ {ONE} }}", None, 50),
        (f"query($n: Int) {{ {ONE} }}", {"n": None}, 50),
        (f"query($n: Int) {{ {ONE} }}", {"n": 7}, 7),
        (f"query($n: Int) {{ {ONE} }}", {"n": 100}, 100),
        (f"query($n: Int) {{ {ONE} }}", {"n": 100.0}, 100),
        (f"query($n: Int = 0) {{ {ONE} }}", {}, 0),
        (f"query($n: Int = 0) {{ {ONE} }}", {"n": None}, 50),
        (f"query($n: Int = 0) {{ {ONE} }}", {"n": 7}, 7),
        (f"query($n: Int = -1000000) {{ {ONE} }}", {"n": None}, 50),
        (f"query($n: Int = null) {{ {ONE} }}", {}, 50),
        (f"query($n: Int! = 3) {{ {ONE} }}", {}, 3),
        # Of `first` and `last`, the one that is not null.
        ("{ tasks(first: null, last: 100) { nodes { id } } }", None, 100),
        ("{ tasks(first: null, last: null) { nodes { id } } }", None, 50),
        (BOTH, {"a": None, "b": 100}, 100),
        (BOTH, {"b": 100}, 100),
        (BOTH, {"a": 3, "b": None}, 3),
        (BOTH, {}, 50),
        ("query($n: Int) { tasks(first: 3, last: $n) { nodes { id } } }", {}, 3),
    ],
)
def test_what_is_priced_is_what_is_answered(
    documents: Documents, user: Caller, query: str, variables: dict[str, Any] | None, rows: int
) -> None:
    assert rows_of(user, query, variables) == rows
    assert cost_of(documents, query, variables) == 1 + rows


@pytest.mark.parametrize(
    ("selected", "points"),
    [
        ("id position", 1),
        ("list { id }", 2),
        ("parent { id } subtaskCount", 3),
        ("recurrence { rrule } successor { id }", 2),
        ("recurrence { next }", 2),
        ("recurrence { next(first: 100) }", 10),
        ("subtasks { id }", 11),
        ("subtasks { id } open: subtasks(status: PENDING) { id }", 22),
        ("list { id } parent { id } subtaskCount subtasks { id title }", 14),
        ("parent { list { id } subtaskCount }", 4),
        ("subtasks { parent { id } }", 21),
        ("... on Task { ...F }", 3),
    ],
)
def test_what_tasks_refer_to_is_paid_for_each_of_them(
    documents: Documents, selected: str, points: int
) -> None:
    fragment = "fragment F on Task { list { id } parent { id } }" if "...F" in selected else ""
    page = f"{{ tasks(first: 7) {{ nodes {{ {selected} }} }} }} {fragment}"
    assert cost_of(documents, page, None) == 1 + 7 * points
    assert cost_of(documents, f'{{ task(id: "1") {{ {selected} }} }} {fragment}', None) == points
    made = f'createTask(input: {{title: "x"}}) {{ ... on Task {{ {selected} }} }}'
    assert cost_of(documents, f"mutation {{ {made} }} {fragment}", None) == 9 + points


@pytest.mark.parametrize("has_arguments", [True, False])
def test_a_page_of_which_nothing_is_selected_costs_as_much(
    documents: Documents, has_arguments: bool
) -> None:
    arguments = '(first: 7, filter: {search: "x"})' if has_arguments else ""
    page = f"tasks{arguments} {{ __typename }}"
    cost = 1 + 7 + 12 if has_arguments else 1 + 50
    assert cost_of(documents, f"{{ {page} }}", None) == cost
    assert cost_of(documents, f'{{ list(id: "L1") {{ {page} }} }}', None) == 1 + cost
    made = f'createList(input: {{name: "x"}}) {{ ... on TaskList {{ {page} }} }}'
    assert cost_of(documents, f"mutation {{ {made} }}", None) == 10 + cost
    # A list of what was made is paid for already.
    many = 'createTasks(input: {tasks: [{title: "x"}]}) { ... on CreateTasksSuccess { %s } }'
    for selected in ("tasks { __typename }", "tasks { id labels }"):
        assert cost_of(documents, f"mutation {{ {many % selected} }}", None) == 5


@pytest.mark.parametrize(
    ("query", "variables", "cost"),
    [
        (f"query($n: Int = -1000000) {{ {ONE} }}", {}, 1),
        (f"query($n: Int = 1000000) {{ {ONE} }}", {}, 101),
        (f"query($n: Int) {{ {ONE} }}", {"n": -1}, 1),
        (f"query($n: Int) {{ {ONE} }}", {"n": 101}, 101),
        (f"query($n: Int) {{ {ONE} }}", {"n": 2**31}, 101),
        (f"query($n: Int) {{ {ONE} }}", {"n": 1.5}, 101),
        (f"query($n: Int) {{ {ONE} }}", {"n": True}, 101),
        (f"query($n: Int) {{ {ONE} }}", {"n": "100"}, 101),
        (f"query($n: Int) {{ {ONE} }}", {"n": [1]}, 101),
        (f"query($n: Int! = 3) {{ {ONE} }}", {"n": None}, 51),
        ("{ tasks(first: -1) { nodes { id } } }", None, 1),
        ("{ tasks(first: 1, last: 2) { nodes { id } } }", None, 3),
    ],
)
def test_sizes_that_will_be_refused_have_a_price(
    documents: Documents, user: Caller, query: str, variables: dict[str, Any] | None, cost: int
) -> None:
    assert rows_of(user, query, variables) is None
    assert cost_of(documents, query, variables) == cost


@pytest.mark.parametrize(
    "query", ["{}", "{ ... {} }", "mutation { ...F } fragment F on Mutation {}"]
)
def test_nothing_costs_a_point(documents: Documents, query: str) -> None:
    assert cost_of(documents, query, None) == 1


TOGGLE = "toggleTask(input: {id: 1}) { __typename }"
MARK = "updateTasks(input: $input) { ... on UpdateTasksSuccess { tasks { id } } }"
MARK_IDS = "deleteTasks(input: {ids: $ids}) { ... on DeleteTasksSuccess { deletedTaskIds } }"


@pytest.mark.parametrize(
    ("query", "variables", "tasks"),
    [
        ('mutation { createTask(input: {title: "x"}) { __typename } }', {}, 1),
        ("mutation { updateTask(input: {id: 1}) { ... on Task { id owner { id } } } }", {}, 1),
        (f"mutation {{ {TOGGLE} a: {TOGGLE} b: {TOGGLE} }}", {}, 3),
        ("mutation($id: ID!) { deleteTask(input: {id: $id}) { __typename } }", {"id": "1"}, 1),
        ("mutation { restoreTask(input: {id: 1}) { __typename } }", {}, 1),
        ("mutation { deleteTasks(input: {ids: [1, 2, 3]}) { __typename } }", {}, 3),
        ("mutation { deleteTasks(input: {ids: 1}) { __typename } }", {}, 1),
        ("mutation { deleteTasks(input: {ids: []}) { __typename } }", {}, 1),
        ("mutation($a: ID!) { deleteTasks(input: {ids: [$a, 7]}) { __typename } }", {"a": 1}, 2),
        (f"mutation($ids: [ID!]!) {{ {MARK_IDS} }}", {"ids": ["1"] * 48}, 48),
        (f"mutation($ids: [ID!]!) {{ {MARK_IDS} }}", {"ids": "1"}, 1),
        (f"mutation($ids: [ID!]! = [1, 2]) {{ {MARK_IDS} }}", {}, 2),
        (f"mutation($ids: [ID!]! = [1, 2]) {{ {MARK_IDS} }}", {"ids": [1, 2, 3]}, 3),
        (f"mutation($input: UpdateTasksInput!) {{ {MARK} a: {MARK} }}", {"input": 7}, 2),
        (
            f"mutation($input: UpdateTasksInput!) {{ {MARK} a: {MARK} }}",
            {"input": {"ids": list(range(1, 101)), "completed": True}},
            200,
        ),
        # No more than a hundred are written.
        (f"mutation($ids: [ID!]!) {{ {MARK_IDS} }}", {"ids": ["1"] * 5000}, 100),
    ],
)
def test_a_task_that_is_written_costs_ten_points(
    documents: Documents, query: str, variables: dict[str, Any], tasks: int
) -> None:
    assert cost_of(documents, query, variables) == 10 * tasks


MAKE = "createTasks(input: {tasks: $tasks}) { __typename }"


@pytest.mark.parametrize(
    ("query", "variables", "cost"),
    [
        (f"mutation($tasks: [NewTask!]!) {{ {MAKE} }}", {"tasks": [{"title": "x"}] * 48}, 5 * 48),
        (f"mutation($tasks: [NewTask!]!) {{ {MAKE} }}", {"tasks": [{"title": "x"}] * 101}, 500),
        (f"mutation($tasks: [NewTask!]!) {{ {MAKE} a: {MAKE} }}", {"tasks": {"title": "x"}}, 10),
        ('mutation { createTasks(input: {tasks: [{title: "x"}]}) { __typename } }', {}, 5),
        (
            'mutation { restoreTasks(input: {ids: ["1", "2"]}) { __typename } '
            'renameLabel(input: {from: "a", to: "b"}) { __typename } }',
            {},
            30,
        ),
    ],
)
def test_tasks_that_are_made_together_cost_half(
    documents: Documents, query: str, variables: dict[str, Any], cost: int
) -> None:
    assert cost_of(documents, query, variables) == cost


@pytest.mark.parametrize(
    ("query", "cost"),
    [
        ("{ tasks(first: 9) { nodes { id } nodes { title } pageInfo { endCursor } } }", 1 + 9),
        ("{ tasks(first: 9) { nodes { id } edges { cursor node { id title } } } }", 1 + 2 * 9),
        ("{ tasks(first: 9) { nodes { id } a: nodes { id } b: nodes { id } } }", 1 + 3 * 9),
        (
            "{ tasks(first: 9) { ...F ...G } } fragment F on TaskConnection { a: nodes { id } } "
            "fragment G on TaskConnection { nodes { id } a: nodes { title } }",
            1 + 2 * 9,
        ),
        ("{ tasks(first: 9) { nodes { a: title b: description } } }", 1 + 9),
        ("{ tasks(first: 9) { nodes { title a: title b: title } } }", 1 + 3 * 9),
        ("{ tasks(first: 9) { nodes { owner { id } a: owner { id name x: name } } } }", 1 + 3 * 9),
        ("{ taskChanges(first: 9) { nodes { task { id } a: task { id } } } }", 1 + 2 * 9),
        ("{ me { id name a: name b: name } }", 3),
        ('{ task(id: "1") { description a: description } me { id } }', 2 + 1),
        ("{ me { id } me { name } }", 1),
        ("{ tasks(first: 0) { totalCount } }", 1 + 12),
        ("{ tasks(first: 0) { totalCount a: totalCount totalCount } }", 1 + 2 * 12),
        ("{ tasks(first: 0) { pageInfo { hasNextPage a: hasNextPage } } }", 2),
        ('{ tasks(first: 0, filter: {search: "a"}) { nodes { id } } }', 1 + 12),
        ('{ tasks(first: 0, filter: {search: ""}) { nodes { id } } }', 1),
        ("{ tasks(first: 0, filter: {search: null, status: ALL}) { nodes { id } } }", 1),
        (f"{{ tasks(first: 0, filter: {{createdAt: {SINCE}}}) {{ nodes {{ id }} }} }}", 1 + 12),
        (
            f"{{ tasks(first: 0, filter: {{createdAt: {SINCE}, updatedAt: {SINCE}}}) "
            "{ nodes { id } } }",
            1 + 2 * 12,
        ),
        ("{ tasks(first: 0, filter: {createdAt: {}}) { nodes { id } } }", 1),
        ('{ tasks(first: 0, filter: {labels: {any: ["a"]}}) { nodes { id } } }', 1 + 12),
        ("{ tasks(first: 0, filter: {priorities: [LOW]}) { nodes { id labels } } }", 1 + 12),
        ("{ tasks(first: 0, filter: {labels: {}, priorities: []}) { nodes { id } } }", 1),
        ("{ labels(first: 7) { nodes { name } } }", 1 + 7),
        ("{ labels { nodes { name } edges { cursor } } }", 1 + 100),
        ("{ a: __typename b: __typename }", 2),
        ("subscription { taskChanges { cursor } }", 1),
    ],
)
def test_each_repetition_each_count_and_each_search_costs(
    documents: Documents, query: str, cost: int
) -> None:
    assert cost_of(documents, query, None) == cost


SEARCHES = {
    "query($f: TaskFilter) { tasks(first: 0, filter: $f) { nodes { id } } }": "f",
    "query($s: String) { tasks(first: 0, filter: {search: $s}) { nodes { id } } }": "s",
}


@pytest.mark.parametrize("query", SEARCHES)
def test_a_search_costs_just_if_a_variable_says_so(documents: Documents, query: str) -> None:
    variable = SEARCHES[query]
    for text, cost in (("a", 1 + 12), ("", 1), (None, 1)):
        value = {"search": text} if variable == "f" else text
        assert cost_of(documents, query, {variable: value}) == cost
    assert cost_of(documents, query, {}) == 1
    assert cost_of(documents, query, {"f": None, "s": None}) == 1


@pytest.mark.parametrize(
    ("filter", "cost"),
    [
        ({"createdAt": {"from": "2026-01-01T00:00:00Z"}}, 1 + 12),
        ({"createdAt": {"until": "2026-01-01T00:00:00Z"}, "search": "a"}, 1 + 2 * 12),
        ({"createdAt": {}, "updatedAt": None}, 1),
    ],
)
def test_a_range_in_a_variable_costs(
    documents: Documents, filter: Mapping[str, Any], cost: int
) -> None:
    query = "query($f: TaskFilter) { tasks(first: 0, filter: $f) { nodes { id } } }"
    assert cost_of(documents, query, {"f": filter}) == cost


def test_each_task_on_which_a_label_was_renamed_is_paid_for_afterwards(database: Database) -> None:
    with running_server(settings_for(database.server_url, rate_limit=4_000)) as limited:
        user = limited.user()
        user.create_many(*({"title": "x", "labels": ["home"]} for _ in range(100)))
        left = user.data("{ rateLimit { remaining } }")["rateLimit"]["remaining"]
        assert user.rename_label(**{"from": "home"}, to="house")["changedCount"] == 100
        # Some points have come back meanwhile.
        assert user.data("{ rateLimit { remaining } }")["rateLimit"]["remaining"] < left - 300


UNDO = 'mutation { undo(input: {actionKey: "a"}) { ... on UndoSuccess { %s } } }'


@pytest.mark.parametrize(
    ("selected", "cost"),
    [
        ("changedCount", 10),
        ("changedCount changed { id }", 10 + 10),
        ("changed { ... on Task { id list { id } } }", 10 + 10 * 2),
        ("changed { ... on TaskList { tasks(first: 7) { nodes { id } } } }", 10 + 10 * (2 + 7)),
    ],
)
def test_what_is_undone_is_taken_to_be_few(documents: Documents, selected: str, cost: int) -> None:
    assert cost_of(documents, UNDO % selected, {}) == cost


def test_all_that_is_undone_is_paid_for_afterwards(database: Database) -> None:
    with running_server(settings_for(database.server_url, rate_limit=6_000)) as limited:
        user = limited.user()
        made = user.create_many(*({"title": "x"} for _ in range(100)), idempotencyKey="many")
        assert len(made["tasks"]) == 100
        left = user.data("{ rateLimit { remaining } }")["rateLimit"]["remaining"]
        assert user.undo("many")["changedCount"] == 100
        # Some points have come back meanwhile.
        assert user.data("{ rateLimit { remaining } }")["rateLimit"]["remaining"] < left - 300


def test_a_point_pays_for_no_more_than_12_kib(documents: Documents, user: Caller) -> None:
    """The control character takes the most bytes in an answer."""
    ids = [
        user.data(
            "mutation($t: String!, $d: String, $l: [String!]!) { createTask(input: "
            "{title: $t, description: $d, labels: $l}) { ... on Task { id } } }",
            t="a" + 199 * "\x01",
            d=1000 * "\x01",
            l=[f"{n:02}" + 48 * "😀" for n in range(20)],
        )["createTask"]["id"]
        for _ in range(3)
    ]
    parts = TASK
    dear = " ".join(f"a{n}: description" for n in range(40))
    rows = "tasks(first: 3, filter: {ids: $ids})"
    for query in (
        f"query($ids: [ID!]) {{ {rows} {{ nodes {{ {parts} owner {{ id name }} }} }} }}",
        f"query($ids: [ID!]) {{ {rows} {{ nodes {{ {parts} {dear} }} }} }}",
        f"query($ids: [ID!]) {{ {rows} {{ nodes {{ {parts} }} edges {{ node {{ {dear} }} }} }} }}",
        f"query($ids: [ID!]) {{ {rows[:-1]}, orderBy: {{field: TITLE}}) {{ edges {{ cursor node "
        f"{{ {parts} owner {{ id name email }} }} }} }} }}",
        f"query($ids: [ID!]) {{ {rows} {{ totalCount }} task(id: {ids[0]}) {{ {dear} }} }}",
    ):
        variables = {"ids": ids}
        answer = user.post(query, variables)
        assert "data" in answer.json()
        assert len(answer.content) <= 12 * 1024 * cost_of(documents, query, variables)


WRAPPED = "name ofType { name ofType { name ofType { name } } }"
TYPES = (
    f"types {{ name fields {{ name args {{ name type {{ {WRAPPED} }} }} type {{ {WRAPPED} }} }} }}"
)


@pytest.mark.parametrize(
    "query",
    [
        "{ __schema { types { name } } }",
        "{ __schema { directives { name args { name } } } }",
        '{ __type(name: "Query") { fields { name args { name type { name } } } } }',
        get_introspection_query(),
        "{" + " ".join(f"a{n}: __schema {{ ...S }}" for n in range(50)) + "}"
        f"fragment S on __Schema {{ {TYPES} }}",
        "{ __schema {" + " ".join(f"a{n}: {TYPES}" for n in range(10)) + "} }",
        "{ __schema { types { fields { type { ofType { fields { type { ofType { ofType { "
        "name kind description } } } } ofType { fields { name description } } } } } } } }",
    ],
)
def test_a_point_pays_for_some_hundred_fields_about_the_schema(query: str) -> None:
    """The lengths of lists are known on average, so the price may be off by a part."""
    asked = Documents(schema, Limits(), allow_introspection=True, compiles=False).document(query)
    answer = execute_sync(schema._schema, asked.operation(None).document)
    assert fields_in(answer.data) <= 600 * asked.operation(None).price.cost(None)


def fields_in(answer: object) -> int:
    if isinstance(answer, list):
        return sum(map(fields_in, answer))
    if isinstance(answer, dict):
        return len(answer) + sum(map(fields_in, answer.values()))
    return 0


@pytest.mark.parametrize("media_type", ["application/json", "application/graphql-response+json"])
def test_an_answer_has_at_most_4_mib(server: Server, media_type: str) -> None:
    user = server.user()
    user.data("{ me { id } }")
    with psycopg.connect(str(server.settings.migration_database_url)) as connection:
        connection.execute(
            "INSERT INTO tasks (user_id, title, description, version) "
            "SELECT %s, 'x', %s, n FROM generate_series(1, 100) n",
            [user.user_id, 1000 * "\U0001f600"],
        )

    def asking(times: int) -> str:
        fields = " ".join(f"a{n}: description" for n in range(times))
        return f"{{ tasks(first: 100) {{ nodes {{ {fields} }} }} }}"

    assert len(user.post(asking(10)).json()["data"]["tasks"]["nodes"]) == 100
    refused = user.post(asking(11), headers={"Accept": media_type})
    assert refused.status_code == (200 if media_type == "application/json" else 400)
    with signed_in(server, user.token) as socket:
        socket.subscribe(asking(11))
        message = socket.hear()
        assert message["type"] == "error"
        for (error,) in (refused.json()["errors"], message["payload"]):
            assert error["extensions"]["code"] == "RESPONSE_TOO_LARGE"
        socket.subscribe("{ __typename }")
        assert socket.hear()["type"] == "next"


sizes = st.sampled_from(["$a", "$b"]) | st.sampled_from([None, 0, 3, 100, -1])
arguments = (
    st.dictionaries(st.sampled_from(["first", "last"]), sizes, max_size=1)
    | st.fixed_dictionaries({"first": sizes, "last": st.none()})
    | st.fixed_dictionaries({"first": st.just("$a"), "last": st.just("$b")})
)
variables = st.dictionaries(
    st.sampled_from("ab"), st.sampled_from([None, 0, 3, 100, 100.0, 1.5, True, "100", 2**31, [1]])
)
defaults = st.sampled_from(["", " = null", " = 0", " = 100", " = -1000000"])
places = st.sampled_from(["{}", "... {{ {} }}", "...F{n}", "...F{n} ...F{n}"])


def written(value: object) -> str:
    return "null" if value is None else str(value)


@st.composite
def queries(draw: st.DrawFn) -> str:
    """Make a query of a few pages: in it, in fragments, or in fragments that come twice."""
    selections, fragments = "", ""
    for n, sizes in enumerate(draw(st.lists(arguments, min_size=1, max_size=3))):
        said = ", ".join(f"{name}: {written(size)}" for name, size in sizes.items())
        page = f"t{n}: tasks{f'({said})' if said else ''} {{ nodes {{ id }} }}"
        place = draw(places)
        selections += place.format(page, n=n) + " "
        if "F" in place:
            fragments += f"fragment F{n} on Query {{ {page} }} "
    declared = [
        f"${name}: Int{draw(defaults)}" for name in "ab" if f"${name}" in selections + fragments
    ]
    head = f"query({', '.join(declared)}) " if declared else ""
    return f"{head}{{ {selections}}} {fragments}"


@given(query=queries(), variables=variables)
def test_no_operation_costs_less_than_a_point(
    documents: Documents, query: str, variables: dict[str, Any]
) -> None:
    assert documents.document(query).complaints == []
    assert cost_of(documents, query, variables) >= 1


@given(query=queries(), variables=variables)
def test_no_operation_is_answered_with_more_rows_than_points(
    documents: Documents, user: Caller, query: str, variables: dict[str, Any]
) -> None:
    assert (rows_of(user, query, variables) or 0) <= cost_of(documents, query, variables)


def nowhere(spent: Mapping[UserId, int]) -> None:
    """Send it to no other worker."""


@pytest.mark.parametrize("cost", [0, -1, -999_998])
async def test_a_budget_is_never_added_to(cost: int) -> None:
    budget, user = Budget(600, send=nowhere), UserId("ada")
    with pytest.raises(ValueError, match="at least"):
        budget.spend(user, cost)
    assert budget.spend(user, 1).remaining == 599


async def test_what_others_say_is_no_spending_is_ignored() -> None:
    budget, user = Budget(600, send=nowhere), UserId("ada")
    nonsense: list[Any] = [-999_998, 0, 1.5, True, "7", None, [1]]
    for points in nonsense:
        budget.count({user: points})
    budget.count({user: 100})
    assert budget.spend(user, 1).remaining == 499
