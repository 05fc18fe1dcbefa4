"""Tasks, one at a time: made, read, changed, ticked and deleted by their owner."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest

from tests.api import CREATE, UPDATE, Server

TITLE_MAX_LENGTH, DESCRIPTION_MAX_LENGTH = 200, 1000

BIGGEST = str(2**63 - 1)
NO_ID_OF_OURS = [
    "",
    "0",
    "-1",
    "+1",
    "01",
    "1.0",
    "1_0",
    " 1",
    "1 ",
    "1\n",
    "x",
    "٣",
    "²",
    "1\0",
    "1; drop table tasks",
    BIGGEST,
    str(2**63),
    str(2**70),
    "9" * 5000,
]


def test_a_new_task_is_pending_and_bears_the_first_version(server: Server) -> None:
    task = server.user().create("Buy milk", description="Two bottles")
    assert task["title"] == "Buy milk"
    assert task["description"] == "Two bottles"
    assert task["completed"] is False
    assert task["version"] == 1
    assert task["createdAt"] == task["updatedAt"]


def test_instants_carry_an_offset_and_are_now(server: Server) -> None:
    created_at = datetime.fromisoformat(server.user().create()["createdAt"])
    assert created_at.utcoffset() == timedelta(0)
    assert abs(datetime.now(created_at.tzinfo) - created_at) < timedelta(minutes=1)


def test_a_task_is_read_back_as_it_was_made(server: Server) -> None:
    user = server.user()
    task = user.create("Buy milk")
    assert user.get(task["id"]) == task


def test_a_task_knows_its_owner(server: Server) -> None:
    user = server.user(email="ada@example.com", name="Ada")
    user.create()
    owner = user.data("{ tasks { nodes { owner { id email name } } } }")["tasks"]["nodes"][0][
        "owner"
    ]
    assert owner == {"id": user.user_id, "email": "ada@example.com", "name": "Ada"}


def test_a_description_left_out_is_null(server: Server) -> None:
    assert server.user().create()["description"] is None


@pytest.mark.parametrize(
    "text",
    [
        'it\'s "quoted" \\ % _ $1 ;--',
        "<script>alert(1)</script>",
        "\u202eright to left\u202c",
        "family: 👨\u200d👩\u200d👧",
        "e\u0301 is not é",
        "two  spaces stay",
    ],
)
def test_text_is_kept_byte_for_byte(server: Server, text: str) -> None:
    user = server.user()
    task = user.create(text, description=text)
    assert (task["title"], task["description"]) == (text, text)
    assert user.get(task["id"]) == task


@pytest.mark.parametrize("text", ["two\nlines\r\n\tand a tab", " spaces stay ", "\u200bx\x07"])
def test_a_description_is_kept_byte_for_byte(server: Server, text: str) -> None:
    user = server.user()
    task = user.create(description=text)
    assert task["description"] == text
    assert user.update(id=task["id"], description=f"{text}!")["description"] == f"{text}!"


@pytest.mark.parametrize(
    ("title", "code"),
    [
        ("", "TOO_SHORT"),
        (" ", "TOO_SHORT"),
        ("\t\n\r\x0b\x0c", "TOO_SHORT"),
        ("\u00a0\u2003\u3000", "TOO_SHORT"),
        ("x" * (TITLE_MAX_LENGTH + 1), "TOO_LONG"),
        ("😀" * (TITLE_MAX_LENGTH + 1), "TOO_LONG"),
        ("nul \0", "INVALID"),
        ("half \ud83d", "INVALID"),
    ],
)
def test_a_title_that_cannot_be_used_is_explained(server: Server, title: str, code: str) -> None:
    user = server.user()
    for query, field, more in (
        (CREATE, "createTask", {}),
        (UPDATE, "updateTask", {"id": user.create()["id"]}),
    ):
        answer = user.data(query, input={"title": title, **more})[field]
        assert answer["__typename"] == "InvalidInput"
        assert [(issue["path"], issue["code"]) for issue in answer["issues"]] == [(["title"], code)]
    assert user.titles() == ["Milk"]


@pytest.mark.parametrize("title", ["x", "x" * TITLE_MAX_LENGTH, "😀" * TITLE_MAX_LENGTH])
def test_a_title_may_be_as_long_as_promised(server: Server, title: str) -> None:
    assert server.user().create(title)["title"] == title


@pytest.mark.parametrize(
    ("description", "code"),
    [
        ("x" * (DESCRIPTION_MAX_LENGTH + 1), "TOO_LONG"),
        ("nul \0", "INVALID"),
        ("\udc00", "INVALID"),
    ],
)
def test_a_description_that_cannot_be_used_is_explained(
    server: Server, description: str, code: str
) -> None:
    answer = server.user().data(CREATE, input={"title": "x", "description": description})
    issue = answer["createTask"]["issues"][0]
    assert (issue["path"], issue["code"]) == (["description"], code)


def test_a_description_may_be_as_long_as_promised(server: Server) -> None:
    description = "😀" * DESCRIPTION_MAX_LENGTH
    assert server.user().create(description=description)["description"] == description


def test_every_issue_is_told_not_just_the_first(server: Server) -> None:
    answer = server.user().data(CREATE, input={"title": "x\0" * 150, "description": "\0" * 1001})
    found = [(issue["path"][0], issue["code"]) for issue in answer["createTask"]["issues"]]
    assert found == [
        ("title", "TOO_LONG"),
        ("title", "INVALID"),
        ("description", "TOO_LONG"),
        ("description", "INVALID"),
    ]


def test_what_an_update_leaves_out_stays(server: Server) -> None:
    user = server.user()
    task = user.create("Milk", description="Two bottles")
    changed = user.update(id=task["id"], title="Oat milk")
    assert changed["title"] == "Oat milk"
    assert changed["description"] == "Two bottles"
    assert changed["completed"] is False
    assert changed["createdAt"] == task["createdAt"]
    assert changed["updatedAt"] > task["updatedAt"]


def test_null_clears_the_description(server: Server) -> None:
    user = server.user()
    task = user.create(description="Two bottles")
    assert user.update(id=task["id"], description=None)["description"] is None
    assert user.get(task["id"])["description"] is None


def test_null_clears_neither_title_nor_completed(server: Server) -> None:
    user = server.user()
    task = user.create()
    answer = user.update(id=task["id"], title=None, completed=None)
    assert answer["__typename"] == "InvalidInput"
    assert [(i["path"], i["code"]) for i in answer["issues"]] == [
        (["title"], "REQUIRED"),
        (["completed"], "REQUIRED"),
    ]
    assert user.get(task["id"]) == task


def test_an_update_of_everything_changes_everything(server: Server) -> None:
    user = server.user()
    task = user.create()
    changed = user.update(id=task["id"], title="Bread", description="Rye", completed=True)
    assert (changed["title"], changed["description"], changed["completed"]) == (
        "Bread",
        "Rye",
        True,
    )


def test_an_update_of_nothing_changes_nothing(server: Server) -> None:
    user = server.user()
    task = user.create()
    assert user.update(id=task["id"]) == {"__typename": "Task", **task}
    assert user.update(id=task["id"], expectedVersion=99)["__typename"] == "VersionConflict"
    assert user.update(id=BIGGEST)["__typename"] == "TaskNotFound"


def test_a_toggle_ticks_and_unticks(server: Server) -> None:
    user = server.user()
    task = user.create()
    assert user.toggle(id=task["id"])["completed"] is True
    assert user.toggle(id=task["id"])["completed"] is False


def test_a_deleted_task_is_gone(server: Server) -> None:
    user = server.user()
    task = user.create()
    answer = user.delete(id=task["id"])
    assert answer == {
        "__typename": "DeleteTaskSuccess",
        "deletedTaskId": task["id"],
        "version": task["version"] + 1,
    }
    assert user.get(task["id"]) is None
    assert user.delete(id=task["id"])["__typename"] == "TaskNotFound"


def test_versions_rise_across_all_of_a_users_tasks(server: Server) -> None:
    user = server.user()
    one, two = user.create("one"), user.create("two")
    versions = [
        one["version"],
        two["version"],
        user.toggle(id=one["id"])["version"],
        user.update(id=two["id"], title="2")["version"],
        user.delete(id=one["id"])["version"],
        user.create("three")["version"],
    ]
    assert versions == [1, 2, 3, 4, 5, 6]


def test_a_change_made_in_vain_takes_no_version(server: Server) -> None:
    user = server.user()
    task = user.create()
    user.toggle(id=task["id"], expectedVersion=99)
    user.delete(id=BIGGEST)
    user.data(CREATE, input={"title": ""})
    assert user.create()["version"] == 2


def test_an_expected_version_guards_a_change(server: Server) -> None:
    user = server.user()
    task = user.create()
    changed = user.toggle(id=task["id"], expectedVersion=task["version"])
    assert changed["completed"] is True
    for answer in (
        user.update(id=task["id"], title="x", expectedVersion=task["version"]),
        user.toggle(id=task["id"], expectedVersion=task["version"]),
        user.delete(id=task["id"], expectedVersion=task["version"]),
    ):
        assert answer["__typename"] == "VersionConflict"
        assert answer["current"] == user.get(task["id"])
        assert answer["current"]["version"] == changed["version"]
    deleted = user.delete(id=task["id"], expectedVersion=changed["version"])
    assert deleted["__typename"] == "DeleteTaskSuccess"


def test_toggles_that_race_each_other_all_count(server: Server) -> None:
    user = server.user()
    task = user.create()
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda _: user.toggle(id=task["id"]), range(40)))
    assert sorted(answer["version"] for answer in answers) == list(range(2, 42))
    by_version = sorted(answers, key=lambda answer: answer["version"])
    assert [answer["completed"] for answer in by_version] == [True, False] * 20
    assert user.get(task["id"])["version"] == 41


def test_of_guarded_changes_that_race_one_wins(server: Server) -> None:
    user = server.user()
    task = user.create()
    with ThreadPoolExecutor(10) as pool:
        answers = list(
            pool.map(
                lambda n: user.update(id=task["id"], title=f"by {n}", expectedVersion=1), range(20)
            )
        )
    winners = [answer for answer in answers if answer["__typename"] == "Task"]
    losers = [answer for answer in answers if answer["__typename"] == "VersionConflict"]
    assert (len(winners), len(losers)) == (1, 19)
    now = user.get(task["id"])
    assert [loser["current"] for loser in losers] == [now] * 19


@pytest.mark.parametrize("id", NO_ID_OF_OURS, ids=repr)
def test_an_id_that_no_task_can_have_is_not_found(server: Server, id: str) -> None:
    user = server.user()
    user.create()
    assert user.get(id) is None
    for answer in (user.update(id=id, title="x"), user.toggle(id=id), user.delete(id=id)):
        assert answer == {"__typename": "TaskNotFound", "message": "You have no task with this id."}


def test_one_mutation_that_fails_hides_no_other(server: Server) -> None:
    user = server.user()
    result = user.execute(
        """mutation { a: createTask(input: {title: "a"}) { __typename }
                      b: createTask(input: {title: ""}) { __typename }
                      c: toggleTask(input: {id: "7x"}) { __typename }
                      d: createTask(input: {title: "d"}) { __typename } }"""
    )
    assert {name: answer["__typename"] for name, answer in result["data"].items()} == {
        "a": "Task",
        "b": "InvalidInput",
        "c": "TaskNotFound",
        "d": "Task",
    }
    assert sorted(user.titles()) == ["a", "d"]
