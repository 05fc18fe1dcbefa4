"""Tasks that recur: completing one makes the next, once, and reopening it takes that back."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from tests.api import CREATE, Caller, Server, nonempty, running_server, settings_for
from tests.databases import Database

SHOWN = """... on Task { id title completed deletedAt version dueOn
  successor { id title description completed deletedAt position dueOn dueTime priority labels
              list { id } recurrence { start remaining every } createdAt updatedAt
              subtasks { id title completed dueOn dueTime priority labels position } } }"""
TOGGLE = f"""mutation ($input: ToggleTaskInput!) {{ toggleTask(input: $input) {{
  __typename {SHOWN} ... on QuotaExceeded {{ storage {{ tasks }} }} }} }}"""
UPDATE = f"""mutation ($input: UpdateTaskInput!) {{ updateTask(input: $input) {{
  __typename {SHOWN} }} }}"""
READ = f"query ($id: ID!) {{ node(id: $id) {{ {SHOWN} }} }}"
UPDATE_MANY = f"""mutation ($input: UpdateTasksInput!) {{ updateTasks(input: $input) {{
  ... on UpdateTasksSuccess {{ tasks {{ {SHOWN} }} }} }} }}"""
WEEKLY: dict[str, Any] = {"rule": {"unit": "WEEK"}}
DAY, NEXT = "2026-12-04", "2026-12-11"


def recurring(user: Caller, **values: Any) -> str:
    """Make a task that recurs weekly from a Friday on, and return its id."""
    task = user.create(**{"title": "water", "dueOn": DAY, "recurrence": WEEKLY, **values})
    id: str = task["id"]
    return id


def toggled(user: Caller, id: str, **values: Any) -> Any:
    return user.data(TOGGLE, input={"id": id, **values})["toggleTask"]


def shown(user: Caller, id: str) -> Any:
    return user.data(READ, id=id)["node"]


def all_of(user: Caller) -> int:
    """Return how many tasks there are, those in the trash among them."""
    trash = user.page(filter={"trash": "ONLY"})
    count: int = user.page()["totalCount"] + trash["totalCount"]
    return count


def test_completing_makes_the_next_one_and_keeps_the_done_one(server: Server) -> None:
    user = server.user()
    home = user.create_list()["id"]
    id = recurring(
        user,
        description="all of them",
        dueTime="09:00",
        priority="HIGH",
        labels=["Home"],
        listId=home,
    )
    other = user.create("below", listId=home)
    done = toggled(user, id, today=DAY)
    made = done["successor"]
    assert (done["completed"], done["dueOn"], all_of(user)) == (True, DAY, 3)
    expected = {
        "title": "water",
        "description": "all of them",
        "completed": False,
        "deletedAt": None,
        "dueOn": NEXT,
        "dueTime": "09:00",
        "priority": "HIGH",
        "labels": ["Home"],
        "list": {"id": home},
        "position": user.get(id)["position"],
        "recurrence": {"start": DAY, "remaining": None, "every": 1},
        "subtasks": [],
    }
    assert {name: made[name] for name in expected} == expected
    assert int(made["id"]) > int(other["id"])
    in_list = user.titles(
        filter={"listId": home}, orderBy={"field": "POSITION", "direction": "ASC"}
    )
    assert in_list == ["water", "water", "below"]
    # It goes on from there.
    assert toggled(user, made["id"])["successor"]["dueOn"] == "2026-12-18"


@pytest.mark.parametrize(
    ("today", "due"),
    [
        ("2026-12-02", NEXT),
        (DAY, NEXT),
        ("2026-12-05", NEXT),
        ("2026-12-18", "2026-12-25"),
        ("2026-12-19", "2026-12-25"),
        (None, NEXT),
    ],
)
def test_the_next_day_is_after_today_and_the_day_it_was_due(
    server: Server, today: str | None, due: str
) -> None:
    user = server.user()
    values = {} if today is None else {"today": today}
    assert toggled(user, recurring(user), **values)["successor"]["dueOn"] == due


def test_so_long_after_the_completion(server: Server) -> None:
    user = server.user()
    rule = {"rule": {"unit": "MONTH", "every": 3, "from": "COMPLETION"}}
    values = {"dueOn": "2026-08-29", "recurrence": rule}
    done = toggled(user, recurring(user, **values), today="2026-11-30")
    assert done["successor"]["dueOn"] == "2027-02-28"
    # Nobody says when it was done: then on the day it was due.
    assert toggled(user, recurring(user, **values))["successor"]["dueOn"] == "2026-11-29"


def test_every_way_of_completing_makes_one(server: Server) -> None:
    user = server.user()
    ids = [recurring(user, title=f"water {n}") for n in range(4)]
    plain = [user.create()["id"], user.create()["id"]]
    changed = user.data(UPDATE, input={"id": ids[0], "completed": True, "title": "other"})
    assert changed["updateTask"]["successor"]["title"] == "other"
    batch = {"ids": [*ids[1:], *plain], "completed": True, "today": DAY}
    tasks = user.data(UPDATE_MANY, input=batch)["updateTasks"]["tasks"]
    made = [task["successor"] and task["successor"]["dueOn"] for task in tasks]
    assert made == [NEXT] * 3 + [None] * 2
    assert all_of(user) == 10
    # All of it at once.
    created = {task["successor"]["createdAt"] for task in tasks[:3]}
    assert len(created) == 1
    # What is completed already, or made so, has none.
    user.update_many(**batch)
    new = {"title": "x", "dueOn": DAY, "recurrence": WEEKLY, "completed": True}
    (task,) = user.create_many(new)["tasks"]
    assert shown(user, task["id"])["successor"] is None
    assert all_of(user) == 11


def test_subtasks_come_again_with_their_days_moved(server: Server) -> None:
    user = server.user()
    parent = recurring(user)
    first = user.create("a", parentId=parent, dueOn=DAY, dueTime="08:00", priority="LOW")
    user.create("b", parentId=parent, dueOn="2026-12-02", labels=["x"])
    user.create("c", parentId=parent)
    gone = user.create("gone", parentId=parent)
    user.toggle(id=first["id"])
    user.delete(id=gone["id"])
    made = toggled(user, parent)["successor"]
    subtasks = [(each["title"], each["dueOn"], each["completed"]) for each in made["subtasks"]]
    assert subtasks == [("a", NEXT, False), ("b", "2026-12-09", False), ("c", None, False)]
    copy = made["subtasks"][0]
    assert (copy["dueTime"], copy["priority"], made["subtasks"][1]["labels"]) == (
        *("08:00", "LOW"),
        ["x"],
    )
    # Taken back, they go along, and come again.
    toggled(user, parent)
    assert all(user.get(each["id"]) is None for each in nonempty(made["subtasks"]))
    assert len(toggled(user, parent)["successor"]["subtasks"]) == 3


@pytest.mark.parametrize(
    "touch",
    ["nothing", "renamed", "completed", "trashed", "with a subtask", "with another subtask"],
)
def test_reopening_takes_back_what_nobody_has_touched(server: Server, touch: str) -> None:
    user = server.user()
    id = recurring(user)
    user.create("below", parentId=id)
    made, below = (found := toggled(user, id)["successor"])["id"], found["subtasks"][0]["id"]
    if touch == "with a subtask":
        user.update(id=below, title="changed")
    elif touch == "with another subtask":
        user.create("new", parentId=made)
    elif touch == "renamed":
        user.update(id=made, title="other")
    elif touch == "completed":
        user.toggle(id=made)
    elif touch == "trashed":
        user.delete(id=made)
    there = user.get(made)
    # What is in the trash is none any more.
    assert (shown(user, id)["successor"] is None) == (touch == "trashed")
    reopened = toggled(user, id)
    assert reopened["completed"] is False
    stays = touch not in ("nothing", "trashed")
    if stays:
        assert reopened["successor"]["id"] == made
    else:
        assert reopened["successor"] is None
    assert user.get(made) == (there if stays else None)
    again = toggled(user, id)["successor"]["id"]
    assert (again == made) == stays


def test_what_is_changed_together_is_not_taken_back(server: Server) -> None:
    user = server.user()
    id = recurring(user)
    made = toggled(user, id)["successor"]["id"]
    for ids in ([id, made], [made, id]):
        user.update_many(ids=ids, completed=False, priority="HIGH")
        assert shown(user, id)["successor"]["id"] == made
        user.toggle(id=id)


def test_a_successor_is_not_taken_back_with_subtasks_that_change_at_once(server: Server) -> None:
    user = server.user()
    id = recurring(user)
    user.create("a step", parentId=id)
    made = toggled(user, id)["successor"]
    (step,) = (each["id"] for each in made["subtasks"])
    for ids in ([id, step], [step, id]):
        user.toggle(id=step)
        user.update_many(ids=ids, completed=False)
        assert shown(user, id)["successor"]["id"] == made["id"]
        assert [user.get(each)["completed"] for each in ids] == [False, False]
        user.toggle(id=id)


def test_a_successor_is_not_taken_back_where_the_task_is_below_it(server: Server) -> None:
    user = server.user()
    id = recurring(user)
    made = toggled(user, id)["successor"]["id"]
    user.update(id=id, recurrence=None)
    user.move(id=id, parentId=made)
    reopened = toggled(user, id)
    assert (reopened["completed"], reopened["deletedAt"]) == (False, None)
    assert reopened["successor"]["id"] == made


def test_a_series_ends_with_its_rule(server: Server) -> None:
    user = server.user()

    def follow(id: str) -> list[tuple[str, int | None]]:
        made = []
        while (task := toggled(user, id)["successor"]) is not None:
            made.append((task["dueOn"], task["recurrence"]["remaining"]))
            id = task["id"]
        return made

    three = recurring(user, recurrence={"rule": {"unit": "WEEK", "remaining": 3}})
    assert follow(three) == [(NEXT, 2), ("2026-12-18", 1)]
    reaches = recurring(user, recurrence={"rule": {"unit": "WEEK", "until": NEXT}})
    assert follow(reaches) == [(NEXT, None)]
    before = recurring(user, recurrence={"rule": {"unit": "WEEK", "until": "2026-12-10"}})
    assert follow(before) == []
    ended = recurring(user)
    user.update(id=ended, recurrence=None)
    assert follow(ended) == []


def test_the_trash_ends_a_series_and_what_is_restored_goes_on(server: Server) -> None:
    user = server.user()
    home = user.create_list()["id"]
    id = recurring(user, listId=home)
    user.delete_list(id=home)
    assert all_of(user) == 1
    user.restore_list(id=home)
    user.delete(id=id)
    user.restore(id=id)
    assert all_of(user) == 1
    assert toggled(user, id)["successor"]["dueOn"] == NEXT


def test_a_change_by_whoever_knows_of_no_rules_keeps_the_rule(server: Server) -> None:
    user = server.user()
    id = recurring(user)
    for values in ({"title": "other"}, {"completed": True}, {"completed": False}):
        user.update(id=id, **values)
    rule = "query ($id: ID!) { task(id: $id) { recurrence { rrule } } }"
    assert user.data(rule, id=id)["task"]["recurrence"] == {"rrule": "FREQ=WEEKLY;BYDAY=FR"}


def test_two_clients_at_once_make_one(server: Server, long: bool) -> None:
    user = server.user()
    others = [server.user(user.user_id) for _ in range(2)]
    rounds = 100 if long else 15
    with ThreadPoolExecutor(2) as pool:
        for _ in range(rounds):
            id = recurring(user)
            version = user.get(id)["version"]
            toggle = partial(Caller.toggle, id=id, expectedVersion=version)
            list(pool.map(toggle, others))
            done = shown(user, id)
            assert done["completed"] is True
            user.delete_many(ids=[id, done["successor"]["id"]])
    # Each made one, and no more.
    assert all_of(user) == 2 * rounds


def test_two_clients_who_turn_it_around_at_once_leave_none(server: Server, long: bool) -> None:
    user = server.user()
    others = [server.user(user.user_id) for _ in range(2)]
    rounds = 100 if long else 15
    id = recurring(user)
    with ThreadPoolExecutor(2) as pool:
        for _ in range(rounds):
            list(pool.map(partial(Caller.toggle, id=id), others))
            reopened = shown(user, id)
            assert (reopened["completed"], reopened["successor"]) == (False, None)
    assert (user.page()["totalCount"], all_of(user)) == (1, 1 + rounds)


def test_a_completion_that_is_sent_again_makes_one(server: Server) -> None:
    user, key = server.user(), uuid4().hex
    id = recurring(user)
    answers = [toggled(user, id, idempotencyKey=key) for _ in range(3)]
    assert answers[0] == answers[1] == answers[2]
    assert (answers[0]["successor"]["dueOn"], all_of(user)) == (NEXT, 2)
    keyed: dict[str, Any] = {
        "title": "x",
        "dueOn": DAY,
        "recurrence": WEEKLY,
        "idempotencyKey": uuid4().hex,
    }
    assert user.create(**keyed) == user.create(**keyed)
    other = {**keyed, "recurrence": {"rule": {"unit": "WEEK", "every": 2}}}
    errors = user.execute(CREATE, {"input": other})["errors"]
    assert errors[0]["extensions"]["code"] == "IDEMPOTENCY_KEY_PARAMETER_MISMATCH"


def test_the_feed_tells_of_all_that_follows(server: Server) -> None:
    user = server.user()
    id = recurring(user)
    user.create("below", parentId=id)
    cursor = user.all_changes()["pageInfo"]["endCursor"]
    made = toggled(user, id)["successor"]
    changes = user.all_changes(after=cursor)
    ids = {change["id"] for change in changes["nodes"]}
    below = {task["id"] for task in user.page(filter={"parentId": id})["nodes"]}
    assert ids == {id, made["id"], made["subtasks"][0]["id"], *below}
    versions = [change["version"] for change in changes["nodes"]]
    assert versions == sorted({*versions})
    cursor = changes["pageInfo"]["endCursor"]
    toggled(user, id)
    assert {change["id"] for change in user.all_changes(after=cursor)["nodes"]} == ids


def test_what_follows_keeps_to_the_quota(database: Database) -> None:
    with running_server(settings_for(database.server_url, tasks_max=3)) as server:
        user = server.user()
        id, plain = recurring(user), user.create()["id"]
        user.create("below", parentId=id)
        refused = toggled(user, id)
        assert refused == {"__typename": "QuotaExceeded", "storage": {"tasks": 3}}
        changed = user.data(UPDATE, input={"id": id, "completed": True})["updateTask"]
        assert changed["__typename"] == "QuotaExceeded"
        assert shown(user, id)["completed"] is False
        assert (all_of(user), user.get(id)["version"]) == (3, 1)
        assert toggled(user, plain)["completed"]


def test_nobody_elses_task_follows(server: Server, database: Database) -> None:
    """A successor is looked for among its owner's tasks alone, whatever the column says."""
    alice, bob = server.user(), server.user()
    secret, id = alice.create("Alice's secret")["id"], recurring(bob)
    toggled(bob, id)
    with psycopg.connect(database.superuser_url) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute(
            "UPDATE tasks SET successor_id = %s WHERE user_id = %s AND id = %s",
            [secret, bob.user_id, id],
        )
    before = alice.get(secret)
    assert shown(bob, id)["successor"] is None
    assert toggled(bob, id)["successor"] is None
    assert alice.get(secret) == before
