"""What pages within pages cost, and what is read once for all that a page shows."""

from collections.abc import Mapping
from typing import Any

import pytest

from app.operations.documents import Documents
from graphql_schema.maximums import Limits
from graphql_schema.schema import schema


@pytest.fixture(scope="module")
def documents() -> Documents:
    return Documents(schema, Limits(), allow_introspection=False, compiles=False)


def cost_of(documents: Documents, query: str, variables: Mapping[str, Any] | None) -> int:
    return documents.document(query).operation(None).price.cost(variables)


PENDING = "pendingCount"
IN_LISTS = "lists(first: 7) { nodes { id tasks(first: 5) { nodes { %s } } } }"


@pytest.mark.parametrize(
    ("query", "cost"),
    [
        # A page of pages: each row of the outer one has the field itself, and its rows.
        ("{ lists(first: 7) { nodes { id name } } }", 1 + 7),
        (f"{{ {IN_LISTS % 'id'} }}", 1 + 7 * (1 + 1 + 5)),
        (f"{{ {IN_LISTS % 'id list { id } subtasks { id }'} }}", 1 + 7 * (1 + 1 + 5 * 12)),
        ("{ lists(first: 7) { nodes { tasks(first: 0) { totalCount } } } }", 1 + 7 * (1 + 1 + 12)),
        (
            "{ lists(first: 7) { nodes { a: tasks(first: 5) { nodes { id } } "
            'b: tasks(first: 3, filter: {search: "x"}) { nodes { id } } } } }',
            # Twice the same field: its row costs twice.
            1 + 7 * (2 + (1 + 5) + (1 + 3 + 12)),
        ),
        ("{ lists(first: 7) { nodes { tasks { nodes { id } } } } }", 1 + 7 * (1 + 1 + 50)),
        ('{ list(id: "L1") { tasks(first: 5) { nodes { id } } } }', 1 + 1 + 5),
        ("{ tasks(first: 3) { nodes { list { tasks(first: 5) { nodes { id } } } } } }", 25),
        (
            '{ task(id: "1") { subtasks { list { tasks(first: 5) { nodes { id } } } } } }',
            1 + 10 * (1 + 1 + 1 + 5),
        ),
        # Those of all lists of a page are counted by one statement.
        (f"{{ lists(first: 7) {{ nodes {{ {PENDING} }} }} }}", 1 + 7 * 2 + 12),
        (f"{{ lists(first: 100) {{ nodes {{ {PENDING} }} totalCount }} }}", 1 + 200 + 2 * 12),
        (f'{{ list(id: "L1") {{ {PENDING} }} }}', 1 + 1 + 12),
        (f"{{ tasks(first: 7) {{ nodes {{ list {{ {PENDING} }} }} }} }}", 1 + 7 * 3 + 12),
        (f"{{ tasks(first: 7) {{ nodes {{ subtasks {{ list {{ {PENDING} }} }} }} }} }}", 230),
        (f"{{ {IN_LISTS % f'list {{ {PENDING} }}'} }}", 1 + 7 * (1 + 1 + 5 * 3 + 12)),
        (
            'mutation { createList(input: {name: "x"}) { ... on TaskList { pendingCount } } }',
            10 + 1 + 12,
        ),
        (
            "mutation { updateTasks(input: {ids: [1, 2, 3]}) { ... on UpdateTasksSuccess "
            f"{{ tasks {{ list {{ {PENDING} }} }} }} }} }}",
            3 * (10 + 2) + 12,
        ),
        (
            "subscription { changes { node { node { ... on TaskList { pendingCount } } } } }",
            1,
        ),
    ],
)
def test_pages_of_pages_multiply_and_counts_of_lists_are_made_once(
    documents: Documents, query: str, cost: int
) -> None:
    assert cost_of(documents, query, None) == cost


def test_variables_multiply_in_pages_of_pages(documents: Documents) -> None:
    inner = "nodes { id list { pendingCount } }"
    outer_varies = (
        f"query($n: Int) {{ lists(first: $n) {{ nodes {{ pendingCount tasks(first: 5) "
        f"{{ {inner} }} }} }} }}"
    )
    inner_varies = (
        f"query($n: Int) {{ lists(first: 40) {{ nodes {{ tasks(first: $n) {{ {inner} }} }} }} }}"
    )
    for values, n in (({"n": 0}, 0), ({"n": 7}, 7), ({"n": 100}, 100), ({}, 50)):
        assert cost_of(documents, outer_varies, values) == 1 + 12 + n * (1 + 1 + 1 + 12 + 3 * 5)
        assert cost_of(documents, inner_varies, values) == 1 + 40 * (1 + 1 + 12 + 3 * n)
    query = (
        "mutation($ids: [ID!]!) { updateTasks(input: {ids: $ids}) { ... on UpdateTasksSuccess "
        "{ tasks { list { pendingCount } } } } }"
    )
    assert cost_of(documents, query, {"ids": ["1"] * 48}) == 48 * (10 + 2) + 12
    # An event of a subscription costs what each change does.
    query = "subscription { changes { node { node { ... on TaskList { pendingCount } } } } }"
    assert documents.document(query).operation(None).price.event == 1 + 1 + 12
