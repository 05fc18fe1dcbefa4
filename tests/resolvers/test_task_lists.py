"""Every filter with every order, both ways: what is paged is what a plain model of tasks says."""

import random
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from itertools import product
from typing import Any

import psycopg
import pytest

from graphql_schema.filters import TaskOrderField
from resolvers import narrowing
from tests.api import TASK, Caller, Server
from tests.counts import Count
from tests.databases import act_as

Task = dict[str, Any]
Test = Callable[[Task], bool]
Asked = tuple[dict[str, Any], Test]
"""A filter, and whether a task meets it."""

TASKS, SIZE = 26, 3
HOME, PARENT = ((1_600_000_000 << 21) + n for n in (1, 2))
ALL = f"""query ($filter: TaskFilter) {{
  tasks(filter: $filter) {{ nodes {{ {TASK} list {{ id }} parent {{ id }} }} }}
}}"""
DAY = date(2028, 2, 28)
PRIORITIES = ["NONE", "LOW", "MEDIUM", "HIGH", "URGENT"]
LABELS = ["Work", "home", "Straße", "x y"]
WIDE_HOME = "".join(chr(ord(letter) + 0xFEE0) for letter in "HOME")
DIRECTIONS = {"up": "ASC", "down": "DESC"}

WAYS = [(name, forward) for name in DIRECTIONS for forward in (True, False)]
PAGE = f"""nodes {{ {TASK} }}
    pageInfo {{ hasNextPage hasPreviousPage startCursor endCursor }} totalCount"""
FOUR_WAYS = "query Ways($filter: TaskFilter, $n: Int, {}) {{ {} }}".format(
    ", ".join(f"$c{n}: String, $o{n}: TaskOrder" for n in range(4)),
    " ".join(
        f"w{n}: tasks(filter: $filter, orderBy: $o{n}, "
        f"{'first' if forward else 'last'}: $n, {'after' if forward else 'before'}: $c{n}) "
        f"{{ {PAGE} }}"
        for n, (_, forward) in enumerate(WAYS)
    ),
)
"""A page of the list in both directions, each from its start and from its end."""


@pytest.fixture(scope="module")
def user(server: Server) -> Caller:
    """A user with tasks of all kinds, many of them alike in something."""
    user = server.user()
    user.data("{ me { id } }")
    choose = random.Random(28).choice
    noon = datetime(2028, 2, 27, 12, tzinfo=UTC)
    parents: list[int] = []
    with psycopg.connect(str(server.settings.migration_database_url)) as connection:
        connection.execute(
            "INSERT INTO task_lists (user_id, id, name) VALUES (%s, %s, 'Home')",
            [user.user_id, HOME],
        )
        for n in range(TASKS):
            act_as(connection, "", place=choose(["", "first", "last"]))
            due_on = choose([None, *(DAY + timedelta(days=days) for days in range(3))])
            completed = choose([True, False])
            row = {
                "user_id": user.user_id,
                "title": choose("abcd"),
                "created_at": noon + timedelta(hours=choose(range(4))),
                "updated_at": noon + timedelta(hours=choose(range(4))),
                "completed": completed,
                "completed_at": noon + timedelta(hours=choose(range(4))) if completed else None,
                "deleted_at": noon if n % 5 == 4 else None,
                "due_on": due_on,
                "due_time": choose([None, time(0), time(9)]) if due_on else None,
                "priority": choose([0, 0, *range(5)]),
                "labels": [label for label in LABELS if choose([True, False])],
                "list_id": choose([None, HOME]),
                "parent_id": None,
            }
            if n == 0:
                row |= {"id": PARENT, "deleted_at": None}
            elif choose([True, False, False]):
                row |= {"list_id": None, "parent_id": choose([PARENT, *parents])}
            (id,) = connection.execute(
                f"INSERT INTO tasks ({', '.join(row)}) VALUES ({', '.join(['%s'] * len(row))}) "
                "RETURNING id",
                list(row.values()),
            ).fetchone() or (0,)
            if row["parent_id"] is None and row["deleted_at"] is None:
                parents.append(id)
    return user


@pytest.fixture(scope="module")
def everything(user: Caller) -> list[Task]:
    tasks = [
        task
        for trash in ("EXCLUDE", "ONLY")
        for task in user.data(ALL, filter={"trash": trash})["tasks"]["nodes"]
    ]
    assert len(tasks) == TASKS
    return tasks


def due_at(task: Task) -> str:
    """Return a text by which tasks are ordered as by their due dates and times."""
    return f"{task['dueOn']} {task['dueTime'] or '24:00'}" if task["dueOn"] else "infinity"


def keyed(task: Task) -> set[str]:
    return {label.casefold() for label in task["labels"]}


ORDERS: dict[str, Callable[[Task], Any]] = {
    "CREATED_AT": lambda task: task["createdAt"],
    "UPDATED_AT": lambda task: task["updatedAt"],
    "TITLE": lambda task: task["title"],
    "DUE": due_at,
    "PRIORITY": lambda task: PRIORITIES.index(task["priority"]),
    "COMPLETED_AT": lambda task: task["completedAt"],
    "POSITION": lambda task: task["position"],
}
assert set(ORDERS) == set(TaskOrderField.__members__)

NOON, LATER = "2028-02-27T13:00:00.000000Z", "2028-02-27T15:00:00.000000Z"
FIRST, SECOND, THIRD = (str(DAY + timedelta(days=days)) for days in range(3))

CONTAINERS: list[Asked] = [
    ({"listId": f"L{HOME}"}, lambda task: task["list"] is not None),
    ({"inbox": True}, lambda task: task["list"] is None),
    (
        {"parentId": str(PARENT)},
        lambda task: task["parent"] is not None and task["parent"]["id"] == str(PARENT),
    ),
]
"""What the order by hand is within."""

FILTERS: dict[str, Asked] = {
    "list": CONTAINERS[0],
    "inbox": CONTAINERS[1],
    "parent": CONTAINERS[2],
    "list and inbox": ({"listId": f"L{HOME}", "inbox": True}, lambda task: False),
    "unknown list": ({"listId": f"L{PARENT}"}, lambda task: False),
    "no list's id": ({"listId": str(HOME)}, lambda task: False),
    "unknown parent": ({"parentId": str(HOME)}, lambda task: False),
    "no task's id": ({"parentId": f"L{PARENT}"}, lambda task: False),
    "top": ({"level": "TOP"}, lambda task: task["parent"] is None),
    "subtasks": ({"level": "SUBTASKS"}, lambda task: task["parent"] is not None),
    "subtasks of one": (
        {"level": "SUBTASKS", "parentId": str(PARENT)},
        CONTAINERS[2][1],
    ),
    "top below one": ({"level": "TOP", "parentId": str(PARENT)}, lambda task: False),
    "top of a list": (
        {"level": "TOP", "listId": f"L{HOME}"},
        lambda task: task["list"] is not None and task["parent"] is None,
    ),
    "label in the inbox": (
        {"labels": {"any": ["work"]}, "inbox": True},
        lambda task: "work" in keyed(task) and task["list"] is None,
    ),
    "priority in a list": (
        {"priorities": ["LOW", "HIGH", "URGENT"], "listId": f"L{HOME}"},
        lambda task: task["priority"] in ("LOW", "HIGH", "URGENT") and task["list"] is not None,
    ),
    "all": ({}, lambda task: True),
    "due from": ({"dueOn": {"from": SECOND}}, lambda task: (task["dueOn"] or "") >= SECOND),
    "due through": (
        {"dueOn": {"through": SECOND}},
        lambda task: task["dueOn"] is not None and task["dueOn"] <= SECOND,
    ),
    "due on": (
        {"dueOn": {"from": SECOND, "through": SECOND}},
        lambda task: task["dueOn"] == SECOND,
    ),
    "due at any time": ({"dueOn": {}}, lambda task: task["dueOn"] is not None),
    "due before it begins": ({"dueOn": {"from": SECOND, "through": FIRST}}, lambda task: False),
    "dated": ({"hasDueDate": True}, lambda task: task["dueOn"] is not None),
    "undated": ({"hasDueDate": False}, lambda task: task["dueOn"] is None),
    "due and undated": ({"hasDueDate": False, "dueOn": {"from": FIRST}}, lambda task: False),
    "overdue on a day": (
        {"overdue": {"today": SECOND}},
        lambda task: not task["completed"] and due_at(task) < f"{SECOND} 00:00",
    ),
    "overdue at a time": (
        {"overdue": {"today": SECOND, "now": "09:00"}, "dueOn": {"from": SECOND}},
        lambda task: not task["completed"] and f"{SECOND} " < due_at(task) < f"{SECOND} 09:00",
    ),
    "completed in": (
        {"completedAt": {"from": NOON, "until": LATER}},
        lambda task: task["completed"] and NOON <= task["completedAt"] < LATER,
    ),
    "one priority": ({"priorities": ["HIGH"]}, lambda task: task["priority"] == "HIGH"),
    "some priorities": (
        {"priorities": ["URGENT", "LOW", "URGENT"]},
        lambda task: task["priority"] in ("LOW", "URGENT"),
    ),
    "some and none": (
        {"priorities": ["NONE", "HIGH"]},
        lambda task: task["priority"] in ("NONE", "HIGH"),
    ),
    "every priority": ({"priorities": PRIORITIES}, lambda task: True),
    "no priority": ({"priorities": []}, lambda task: False),
    "all labels": (
        {"labels": {"all": ["WORK", " STRASSE "]}},
        lambda task: {"work", "strasse"} <= keyed(task),
    ),
    "any label": (
        {"labels": {"any": [WIDE_HOME, "x  Y", "unknown"]}},
        lambda task: bool({"home", "x y"} & keyed(task)),
    ),
    "no label": (
        {"labels": {"none": ["work", "home", "unknown"]}},
        lambda task: not {"work", "home"} & keyed(task),
    ),
    "mixed labels": (
        {"labels": {"all": ["work"], "any": ["home", "x y"], "none": ["straße"]}},
        lambda task: (
            "work" in keyed(task)
            and bool({"home", "x y"} & keyed(task))
            and "strasse" not in keyed(task)
        ),
    ),
    "unknown label": ({"labels": {"all": ["work", "unknown"]}}, lambda task: False),
    "not an unknown label": ({"labels": {"none": ["unknown"], "all": []}}, lambda task: True),
    "any of no labels": ({"labels": {"any": []}}, lambda task: False),
    "label and priority": (
        {"labels": {"any": ["work"]}, "priorities": ["LOW", "HIGH", "URGENT"]},
        lambda task: "work" in keyed(task) and task["priority"] in ("LOW", "HIGH", "URGENT"),
    ),
    "label and day": (
        {"labels": {"any": ["work"]}, "dueOn": {"through": SECOND}},
        lambda task: "work" in keyed(task) and due_at(task) < f"{THIRD} 00:00",
    ),
    "search": ({"search": "a"}, lambda task: task["title"] == "a"),
}

STATUSES: dict[str, Test] = {
    "ALL": lambda task: True,
    "PENDING": lambda task: not task["completed"],
    "COMPLETED": lambda task: task["completed"],
}


TRASHES: dict[str, Test] = {
    "EXCLUDE": lambda task: task["deletedAt"] is None,
    "ONLY": lambda task: task["deletedAt"] is not None,
}


def read_four_ways(
    user: Caller, order: str, filter: Mapping[str, Any], expected: list[Task]
) -> int:
    """Read all pages in all ways, and compare them with the tasks, smallest first."""
    ids = {"up": [task["id"] for task in expected], "down": [t["id"] for t in expected[::-1]]}
    found: list[list[str]] = [[] for _ in WAYS]
    orders = {
        f"o{n}": {"field": order, "direction": DIRECTIONS[name]} for n, (name, _) in enumerate(WAYS)
    }
    cursors: dict[str, str | None] = {}
    steps = range(0, max(len(expected), 1), SIZE)
    for start in steps:
        data = user.data(FOUR_WAYS, filter=filter, n=SIZE, **orders, **cursors)
        for n, (_, forward) in enumerate(WAYS):
            page = data[f"w{n}"]
            nodes, info = [node["id"] for node in page["nodes"]], page["pageInfo"]
            found[n] = [*found[n], *nodes] if forward else [*nodes, *found[n]]
            is_first, is_last = start == 0, start + SIZE >= len(expected)
            has_previous, has_next = not is_first, not is_last
            if not forward:
                has_previous, has_next = has_next, has_previous
            assert (info["hasPreviousPage"], info["hasNextPage"]) == (has_previous, has_next)
            assert page["totalCount"] == len(expected)
            cursors[f"c{n}"] = info["endCursor" if forward else "startCursor"]
    assert found == [ids[name] for name, _ in WAYS], (order, filter)
    return len(steps)


@pytest.mark.parametrize("found_max", [1000, 0], ids=["looked up", "walked"])
@pytest.mark.parametrize("order", ORDERS)
def test_pages_are_what_a_plain_model_says(
    user: Caller,
    everything: list[Task],
    count: Count,
    monkeypatch: pytest.MonkeyPatch,
    order: str,
    found_max: int,
) -> None:
    monkeypatch.setattr(narrowing, "FOUND_MAX", found_max)
    monkeypatch.setattr(narrowing, "FOUND_IN_RANGE_MAX", found_max)
    choose = random.Random(f"{order} {found_max}").choice
    some = {task["id"] for task in everything[::2]}
    by_ids: Asked = ({"ids": sorted(some)}, lambda task: task["id"] in some)
    in_all_states = [(FILTERS["all"], *state) for state in product(STATUSES, TRASHES)]
    in_one = [(asked, choose([*STATUSES]), choose([*TRASHES])) for asked in FILTERS.values()]
    pages = 0
    for (filter, meets), status, trash in [*in_all_states, (by_ids, "ALL", "EXCLUDE"), *in_one]:
        status = "COMPLETED" if order == "COMPLETED_AT" else status
        within, is_within = choose(CONTAINERS) if order == "POSITION" else FILTERS["all"]
        tests = (meets, is_within, STATUSES[status], TRASHES[trash])
        expected = [task for task in everything if all(test(task) for test in tests)]
        expected.sort(key=lambda task: (ORDERS[order](task), int(task["id"])))
        asked = {**within, **filter, "status": status, "trash": trash}
        pages += read_four_ways(user, order, asked, expected)
    count("pages compared with those of a model", pages * len(WAYS))
