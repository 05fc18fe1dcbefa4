"""When a task is due and how much it matters: days and times without a zone, and priorities."""

import pytest

from graphql_schema.errors import ErrorCode
from tests.api import CREATE, UPDATE, Server, issues


def test_days_and_times_are_shown_as_they_are_given(server: Server) -> None:
    user = server.user()
    task = user.create(dueOn="2028-02-29", dueTime="09:00")
    assert (task["dueOn"], task["dueTime"]) == ("2028-02-29", "09:00")
    for day in ("0001-01-01", "9999-12-31", "2000-02-29"):
        assert user.update(id=task["id"], dueOn=day)["dueOn"] == day
    for given, shown in (("09:00:00", "09:00"), ("23:59", "23:59"), ("00:00", "00:00")):
        assert user.update(id=task["id"], dueTime=given)["dueTime"] == shown
    assert user.create()["dueOn"] is user.create(dueOn=None, dueTime=None)["dueTime"] is None


@pytest.mark.parametrize(
    "day",
    [
        *("2027-02-29", "2028-2-9", "28-02-2029", "2028-02-29T00:00:00Z", 20280229, "0000-01-01"),
        *("10000-01-01", "+2028-02-09", "20280209", "2028-W09-1", " 2028-02-29", "٢٠٢٨-02-29", ""),
        *(True, 1.5, ["2028-02-29"], {}),
    ],
)
def test_what_is_no_day_is_refused(server: Server, day: object) -> None:
    user = server.user()
    (error,) = user.execute(CREATE, {"input": {"title": "x", "dueOn": day}})["errors"]
    assert error["extensions"]["code"] == ErrorCode.BAD_USER_INPUT
    assert user.page()["totalCount"] == 0


@pytest.mark.parametrize(
    "time",
    [
        *("24:00", "9:00", "09:00:30", "09:00Z", "09:00+02:00", "0900", "09", "09:60", 900, ""),
        *("09:00:00.0", "T09:00", "09:00 ", "٠٩:00", False),
    ],
)
def test_what_is_no_time_is_refused(server: Server, time: object) -> None:
    user = server.user()
    input = {"title": "x", "dueOn": "2028-02-29", "dueTime": time}
    (error,) = user.execute(CREATE, {"input": input})["errors"]
    assert error["extensions"]["code"] == ErrorCode.BAD_USER_INPUT
    assert user.page()["totalCount"] == 0


def test_literals_are_held_to_the_same_forms(server: Server) -> None:
    user = server.user()
    create = 'mutation { createTask(input: {title: "x", %s}) { ... on Task { dueOn dueTime } } }'
    made = user.data(create % 'dueOn: "2028-02-29", dueTime: "09:00:00"')["createTask"]
    assert made == {"dueOn": "2028-02-29", "dueTime": "09:00"}
    for wrong in ('dueOn: "2027-02-29"', "dueOn: 20280229", 'dueTime: "9:00"', "priority: 3"):
        assert user.execute(create % wrong)["errors"], wrong


def test_a_time_needs_a_day(server: Server) -> None:
    user = server.user()
    create = {"input": {"title": "x", "dueTime": "09:00"}}
    assert issues(user.data(CREATE, **create)["createTask"]) == [("dueOn", "REQUIRED")]
    id = user.create()["id"]
    before = user.get(id)
    assert issues(user.update(id=id, dueTime="09:00")) == [("dueOn", "REQUIRED")]
    assert issues(user.update_many(ids=[id], dueTime="09:00")) == [("dueOn", "REQUIRED")]
    assert user.get(id) == before
    # Where there is none, there is no task to be wrong about.
    assert user.update(id="1", dueTime="09:00")["__typename"] == "TaskNotFound"
    user.update(id=id, dueOn="2028-02-29")
    assert user.update(id=id, dueTime="09:00")["dueTime"] == "09:00"


def test_without_a_day_there_is_no_time_either(server: Server) -> None:
    user = server.user()
    task = user.create(dueOn="2028-02-29", dueTime="09:00")
    id = task["id"]
    assert issues(user.update(id=id, dueOn=None, dueTime="10:00")) == [("dueTime", "INVALID")]
    assert issues(user.update_many(ids=[id], dueOn=None, dueTime="10:00")) == [
        ("dueTime", "INVALID")
    ]
    assert user.get(id) == task
    cleared = user.update(id=id, dueOn=None)
    assert (cleared["dueOn"], cleared["dueTime"]) == (None, None)
    user.update(id=id, dueOn="2028-02-29", dueTime="09:00")
    untimed = user.update(id=id, dueTime=None)
    assert (untimed["dueOn"], untimed["dueTime"]) == ("2028-02-29", None)
    assert user.update(id=id, dueOn=None, dueTime=None)["dueOn"] is None


def test_everything_that_is_wrong_is_told_at_once(server: Server) -> None:
    user = server.user()
    labels = ["ok", "", "\0"]
    wrong = {"title": " ", "dueTime": "09:00", "labels": labels, "id": "7"}
    assert sorted(issues(user.data(CREATE, input=wrong)["createTask"])) == [
        ("dueOn", "REQUIRED"),
        ("id", "INVALID"),
        ("labels.1", "TOO_SHORT"),
        ("labels.2", "INVALID"),
        ("title", "TOO_SHORT"),
    ]
    id = user.create()["id"]
    nulls = {"title": None, "completed": None, "priority": None, "labels": None}
    found = issues(user.update(id=id, **nulls, dueOn=None, dueTime="09:00"))
    assert sorted(found) == [
        ("completed", "REQUIRED"),
        ("dueTime", "INVALID"),
        ("labels", "REQUIRED"),
        ("priority", "REQUIRED"),
        ("title", "REQUIRED"),
    ]


def test_a_priority_is_one_of_five_and_never_null(server: Server) -> None:
    user = server.user()
    task = user.create()
    assert task["priority"] == "NONE"
    for priority in ("LOW", "MEDIUM", "HIGH", "URGENT", "NONE"):
        assert user.update(id=task["id"], priority=priority)["priority"] == priority
    assert user.create(priority="URGENT")["priority"] == "URGENT"
    assert issues(user.update(id=task["id"], priority=None)) == [("priority", "REQUIRED")]
    for document, input in ((CREATE, {"title": "x"}), (UPDATE, {"id": task["id"]})):
        for wrong in ("low", "HIGHEST", 3):
            (error,) = user.execute(document, {"input": {**input, "priority": wrong}})["errors"]
            assert error["extensions"]["code"] == ErrorCode.BAD_USER_INPUT


def test_the_day_of_completion_is_the_one_that_the_client_says(server: Server) -> None:
    user = server.user()
    id, day = user.create()["id"], "2026-12-24"
    assert user.toggle(id=id, today=day)["completedOn"] == day
    assert user.toggle(id=id, today=day)["completedOn"] is None
    done = user.toggle(id=id)
    assert (done["completed"], done["completedOn"]) == (True, None)
    # What is completed already keeps the day, and its version.
    again = user.update(id=id, completed=True, today=day)
    assert (again["completedOn"], again["version"]) == (None, done["version"])
    user.update(id=id, completed=False, today=day)
    assert user.update(id=id, title="x", today=day)["completedOn"] is None
    assert user.update(id=id, completed=True, today=day)["completedOn"] == day
    assert user.update(id=id, title="y")["completedOn"] == day
    many = user.update_many(ids=[id, user.create()["id"]], completed=True, today="2026-12-25")
    assert [task["completedOn"] for task in many["tasks"]] == [day, "2026-12-25"]
    user.delete(id=id)
    assert user.restore(id=id)["completedOn"] == day
