"""A page of tasks reads the columns that are selected of them, and shows what whole rows have."""

import gc
import re
from itertools import combinations
from typing import Any

import pytest

from graphql_schema.filters import OrderDirection, TaskOrderField
from graphql_schema.schema import schema
from models.task import TaskRow
from models.user import UserId
from resolvers.statements import task_pages
from resolvers.statements.compiling import narrowed, row_maker
from resolvers.statements.task_conditions import Conditions
from resolvers.statements.task_pages import Page
from tests.api import Caller, Server, nonempty

BELOW = {
    "list": "{ id name }",
    "owner": "{ id }",
    "parent": "{ id }",
    "recurrence": "{ every unit next(first: 2) }",
    "subtasks": "{ id title }",
    "successor": "{ id }",
}
TYPE: Any = schema._schema.type_map["Task"]
FIELDS = {name: f"{name} {BELOW.get(name, '')}" for name in ["__typename", *TYPE.fields]}
EVERYTHING = " ".join(FIELDS.values())


@pytest.fixture(scope="module")
def user(server: Server) -> Caller:
    """Somebody with tasks that have a value in each field, and others that have not."""
    user = server.user()
    new = user.data('mutation { createList(input: {name: "Home"}) { ... on TaskList { id } } }')
    milk = user.create(
        description="Fresh",
        listId=new["createList"]["id"],
        dueOn="2026-01-31",
        dueTime="09:00",
        priority="HIGH",
        labels=["home"],
        recurrence={"rule": {"unit": "MONTH"}},
    )
    user.create("Bread", parentId=user.create("Shop")["id"])
    user.update(id=milk["id"], completed=True, today="2026-01-31")
    return user


def test_each_field_alone_is_what_it_is_among_all(user: Caller) -> None:
    tasks = user.data(f"{{ tasks {{ nodes {{ {EVERYTHING} }} }} }}")["tasks"]["nodes"]
    # Where they are all alike, a column could be taken for another.
    alike = {name for name in FIELDS if len({str(task[name]) for task in tasks}) == 1}
    assert alike == {"__typename", "owner", "deletedAt"}
    for name, field in FIELDS.items():
        expected = [{name: task[name]} for task in tasks]
        page = user.data(f"{{ tasks {{ nodes {{ {field} }} }} }}")["tasks"]
        assert page["nodes"] == expected
        query = f"""{{ tasks {{ edges {{ ...E }} }} }}
            fragment E on TaskEdge {{ node {{ ... on Node {{ ...F }} }} }}
            fragment F on Task {{ {field} }}"""
        edges = user.data(query)["tasks"]["edges"]
        assert [edge["node"] for edge in edges] == expected


def test_fields_of_nodes_and_of_edges_are_read_together(user: Caller) -> None:
    query = "tasks { nodes { title } nodes { position } edges { node { priority } } }"
    page = user.data(f"{{ {query} other: tasks {{ nodes {{ version }} }} }}")
    for node in nonempty(page["tasks"]["nodes"]):
        assert node.keys() == {"title", "position"}
    assert "HIGH" in [edge["node"]["priority"] for edge in page["tasks"]["edges"]]
    assert [node.keys() for node in page["other"]["nodes"]] == [{"version"}] * 4


@pytest.mark.parametrize("order", TaskOrderField.__members__)
def test_cursors_are_made_whatever_is_selected(user: Caller, order: str) -> None:
    narrowing = {"COMPLETED_AT": "{status: COMPLETED}", "POSITION": "{inbox: true}"}
    asked = f"tasks(filter: {narrowing.get(order, '{}')}, orderBy: {{field: {order}}})"
    selected = "pageInfo { startCursor endCursor } edges { cursor }"
    page = user.data(f"{{ {asked} {{ {selected} }} }}")["tasks"]
    whole = user.data(f"{{ {asked} {{ {selected} nodes {{ {EVERYTHING} }} }} }}")["tasks"]
    assert page == {name: whole[name] for name in page}
    assert nonempty(page["edges"])[0]["cursor"] == page["pageInfo"]["startCursor"]


def test_what_is_included_and_what_is_skipped_is_decided_each_time(user: Caller) -> None:
    query = """query ($much: Boolean!) { tasks { nodes { id
        ... @include(if: $much) { title dueOn } version @skip(if: $much) } totalCount } }"""
    for much in (True, False, True):
        nodes = user.data(query, much=much)["tasks"]["nodes"]
        keys = {"id", "title", "dueOn"} if much else {"id", "version"}
        assert [node.keys() for node in nonempty(nodes)] == [keys] * 4
        assert None not in [node.get("title", "") for node in nodes]


def test_tasks_of_a_list_are_read_in_the_same_way(user: Caller) -> None:
    lists = user.data("{ lists { nodes { tasks { nodes { title labels } totalCount } } } }")
    (milk, again) = lists["lists"]["nodes"][0]["tasks"]["nodes"]
    assert milk == again == {"title": "Milk", "labels": ["home"]}


def test_a_page_asks_for_what_is_selected_and_what_its_cursors_need() -> None:
    page = Page(Conditions(), TaskOrderField.DUE, OrderDirection.ASC, None, None)
    few = page._replace(columns=frozenset({"title"}))
    texts = [
        task_pages.tasks(UserId("ada"), each, limit=3, backward=False).sql.text
        for each in (page, few)
    ]
    assert [re.findall(r"SELECT (page\.[\w., ]+?) *\n", text) for text in texts] == [
        [", ".join(f"page.{name}" for name in TaskRow._fields)],
        ["page.id, page.title, page.due_on, page.due_time"],
    ]
    assert ["tasks.description" in text for text in texts] == [True, False]


def test_classes_of_rows_are_kept_while_operations_know_them(user: Caller) -> None:
    names = ["title", "completed", "completedAt", "updatedAt", "deletedAt", "version", "dueOn"]
    names += ["dueTime", "priority", "labels", "completedOn", "position", "description"]
    choices = [" ".join(chosen) for chosen in combinations(names, 3)]
    known = []
    for _ in range(3):
        # More than there are statements kept of pages.
        for chosen in choices:
            user.data(f"{{ tasks {{ nodes {{ {chosen} }} }} }}")
        gc.collect()
        known.append(len(TaskRow.__subclasses__()))
    assert len(choices) <= known[0] == known[1] == known[2]


def test_a_row_does_not_tell_what_was_not_read() -> None:
    make_row = row_maker(narrowed(TaskRow, ("id", "version")))
    row = make_row([7, 3])
    assert isinstance(row, TaskRow)
    assert (row.id, row.version, list(row)) == (7, 3, [7, 3])
    assert str(row) == "TaskRow(id=7, version=3)"
    for name in set(TaskRow._fields) - {"id", "version"}:
        with pytest.raises(AttributeError, match="was not read"):
            getattr(row, name)
