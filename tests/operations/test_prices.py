"""What an operation costs is never less than what it may be answered with, and never nothing."""

from collections.abc import Mapping
from typing import Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.operations.budget import Budget
from app.operations.documents import Documents
from graphql_schema.maximums import Limits
from graphql_schema.schema import schema
from models.user import UserId
from tests.api import Caller, Server

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
