"""Lists and parents of tasks: what may be given, what is refused, and what follows a change."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from tests.api import GET, Caller, Server
from tests.containers import RELATED, Lists, issues, make, order, related

GONE = str(2**63 - 1)
PARENT_INVALID = [(["parentId"], "INVALID")]
LIST_INVALID = [(["listId"], "INVALID")]


@pytest.fixture
def user(server: Server) -> Caller:
    return server.user()


@pytest.fixture
def lists(server: Server, user: Caller) -> Lists:
    return Lists(server, user)


def everywhere(user: Caller) -> dict[str, Any]:
    """Return all tasks of a user by their titles, those in the trash too."""
    pages = [user.page(filter={"trash": trash}, first=100) for trash in ("EXCLUDE", "ONLY")]
    return {task["title"]: task for page in pages for task in page["nodes"]}


def test_a_new_task_is_in_its_list_or_in_that_of_its_parent(user: Caller, lists: Lists) -> None:
    home, work = lists.make("Home"), lists.make("Work")
    inbox = make(user)
    assert (inbox["list"], inbox["parent"], inbox["subtasks"]) == (None, None, [])
    parent = make(user, listId=home)
    assert parent["list"] == {"id": home}
    child = make(user, parentId=parent["id"])
    assert (child["list"], child["parent"]) == ({"id": home}, {"id": parent["id"]})
    assert make(user, parentId=parent["id"], listId=home)["list"] == {"id": home}
    assert make(user, parentId=parent["id"], listId=None)["list"] == {"id": home}
    assert issues(make(user, parentId=parent["id"], listId=work)) == LIST_INVALID
    assert issues(make(user, parentId=inbox["id"], listId=work)) == LIST_INVALID
    assert related(user, parent["id"])["subtaskCount"] == 3


def test_what_can_be_no_parent_is_answered_alike(
    server: Server, user: Caller, lists: Lists
) -> None:
    parent = make(user)
    child = make(user, parentId=parent["id"])
    trashed = user.create()
    user.delete(id=trashed["id"])
    others = server.user().create()
    bad = [child["id"], trashed["id"], others["id"], GONE, lists.make(), "no id", "", "0", "L"]
    answers = [make(user, parentId=id) for id in bad]
    assert issues(answers[0]) == PARENT_INVALID
    assert all(answer == answers[0] for answer in answers)
    task = user.create()
    moves = [user.move(id=task["id"], parentId=id) for id in bad]
    assert all(move == answers[0] for move in moves)
    many = [user.create_many({"title": "a"}, {"title": "b", "parentId": id}) for id in bad]
    assert issues(many[0]) == [(["tasks", "1", "parentId"], "INVALID")]
    assert all(each == many[0] for each in many)


def test_what_can_be_no_list_is_not_found(server: Server, user: Caller, lists: Lists) -> None:
    others = server.user()
    trashed, task = lists.make(), user.create()
    lists.trash(trashed)
    bad = [trashed, Lists(server, others).make(), f"L{GONE}", task["id"], "L", "L0", "l5", "L05"]
    for id in [*bad, "L9999999999999999999", "", "no id"]:
        answers = [
            make(user, listId=id),
            user.create_many({"title": "a"}, {"title": "b", "listId": id}),
            user.update(id=task["id"], listId=id),
            user.update_many(ids=[task["id"]], listId=id),
            user.move(id=task["id"], listId=id),
        ]
        assert all(
            answer == {"__typename": "ListNotFound", "message": "You have no list with this id."}
            for answer in answers
        ), id
    assert user.get(task["id"]) == task


def test_a_parent_that_changes_its_list_goes_to_the_bottom_and_its_subtasks_follow(
    user: Caller, lists: Lists
) -> None:
    home, work = lists.make("Home"), lists.make("Work")
    parent = make(user, listId=home)
    children = [make(user, parentId=parent["id"])["id"] for _ in range(2)]
    last = make(user, listId=work)["id"]
    assert user.update(id=parent["id"], listId=work)["id"] == parent["id"]
    assert order(user, listId=work) == [last, parent["id"]]
    assert order(user, parentId=parent["id"]) == children
    assert all(related(user, id)["list"] == {"id": work} for id in children)
    user.update_many(ids=[parent["id"]], listId=None)
    assert order(user, inbox=True) == [parent["id"]]
    assert all(related(user, id)["list"] is None for id in children)
    version = user.get(parent["id"])["version"]
    assert user.update(id=parent["id"], listId=None)["version"] == version


def test_a_subtask_stays_in_the_list_of_its_parent(user: Caller, lists: Lists) -> None:
    home, work = lists.make("Home"), lists.make("Work")
    parent = make(user, listId=home)
    child = make(user, parentId=parent["id"])["id"]
    in_inbox = make(user, parentId=make(user)["id"])["id"]
    for answer in (
        user.update(id=child, listId=work),
        user.update(id=child, listId=None),
        user.update_many(ids=[child], listId=work),
        user.move(id=child, listId=work),
        user.move(id=child, listId=None),
        user.update(id=in_inbox, listId=home),
    ):
        assert issues(answer) == LIST_INVALID
    assert user.update(id=child, listId=home)["id"] == child


def test_a_parent_completes_its_pending_subtasks_and_reopens_those(user: Caller) -> None:
    parent = make(user, "P")["id"]
    first, second = (make(user, title, parentId=parent)["id"] for title in ("S1", "S2"))
    user.toggle(id=first)
    user.toggle(id=parent, today="2026-12-24")
    done = everywhere(user)
    assert [done[title]["completed"] for title in ("P", "S1", "S2")] == [True] * 3
    assert done["S2"]["completedAt"] == done["P"]["completedAt"] != done["S1"]["completedAt"]
    assert (done["S2"]["completedOn"], done["S1"]["completedOn"]) == ("2026-12-24", None)
    seen = user.changes()["pageInfo"]["endCursor"]
    user.toggle(id=parent)
    reopened = everywhere(user)
    assert [reopened[title]["completed"] for title in ("P", "S1", "S2")] == [False, True, False]
    changed = [change["taskId"] for change in user.changes(after=seen)["nodes"]]
    assert sorted(changed) == sorted([parent, second])


def test_subtasks_that_are_all_completed_leave_their_parent_open(user: Caller) -> None:
    parent = make(user)["id"]
    children = [make(user, parentId=parent)["id"] for _ in range(2)]
    user.update_many(ids=children, completed=True)
    assert user.get(parent)["completed"] is False
    # Nor does a new one, or one that is reopened, reopen it.
    user.toggle(id=parent)
    make(user, parentId=parent)
    user.toggle(id=children[0])
    assert user.get(parent)["completed"] is True


def test_a_subtask_restored_alone_is_at_the_top(user: Caller, lists: Lists) -> None:
    home = lists.make()
    parent = make(user, listId=home)["id"]
    first, second = (make(user, parentId=parent)["id"] for _ in range(2))
    user.delete(id=parent)
    user.restore(id=first)
    assert (related(user, first)["parent"], related(user, first)["list"]) == (None, {"id": home})
    user.restore(id=parent)
    assert order(user, parentId=parent) == [second]
    assert related(user, first)["parent"] is None


def test_a_subtask_that_was_in_the_trash_before_stays_there(user: Caller) -> None:
    parent = make(user)["id"]
    first, second = (make(user, parentId=parent)["id"] for _ in range(2))
    user.delete(id=first)
    user.delete(id=parent)
    user.restore(id=parent)
    assert order(user, parentId=parent) == [second]
    assert user.get(first) is None


def test_a_parent_and_its_subtask_are_deleted_and_changed_in_one_batch(
    user: Caller, lists: Lists
) -> None:
    home, parent = lists.make(), make(user)["id"]
    child = make(user, parentId=parent)["id"]
    answer = user.update_many(ids=[child, parent], listId=home)
    assert [task["id"] for task in answer["tasks"]] == [child, parent]
    assert related(user, child)["list"] == related(user, parent)["list"] == {"id": home}
    deleted = user.delete_many(ids=[parent, child])
    assert deleted["deletedTaskIds"] == [parent, child]
    user.restore(id=parent)
    assert order(user, parentId=parent) == [child]


@pytest.fixture(params=["the parent is older", "a move", "an id of the client's"])
def family(request: pytest.FixtureRequest, user: Caller, lists: Lists) -> tuple[str, str]:
    """Make a parent in a list and its subtask, with ids in one order or the other."""
    home = lists.make()
    match request.param:
        case "a move":
            child = make(user)["id"]
            parent = make(user, listId=home)["id"]
            user.move(id=child, parentId=parent)
        case "an id of the client's":
            parent = make(user, listId=home)["id"]
            child = make(user, parentId=parent, id=str((1_600_000_000 << 21) + 1))["id"]
        case _:
            parent = make(user, listId=home)["id"]
            child = make(user, parentId=parent)["id"]
    assert (int(child) < int(parent)) is (request.param != "the parent is older")
    return parent, child


def test_a_parent_and_its_subtask_come_out_of_the_trash_in_one_batch(
    user: Caller, lists: Lists, family: tuple[str, str]
) -> None:
    parent, child = family
    home = related(user, parent)["list"]
    for together in (True, False):
        for ids in ([child, parent], [parent, child]):
            if not together:
                user.delete(id=child)
            user.delete(id=parent)
            assert [task["id"] for task in user.restore_many(ids=ids)["tasks"]] == ids
            assert related(user, child)["parent"] == {"id": parent}
            assert related(user, child)["list"] == home
    # Where the list has gone meanwhile, both are in the inbox.
    user.delete_many(ids=[parent, child])
    lists.trash(home["id"])
    query = f"""mutation ($input: RestoreTasksInput!) {{ restoreTasks(input: $input) {{
        ... on RestoreTasksSuccess {{ tasks {{ {RELATED} }} }} }} }}"""
    restored = user.data(query, input={"ids": [child, parent]})["restoreTasks"]["tasks"]
    assert restored == [related(user, id) for id in (child, parent)]
    assert [task["list"] for task in restored] == [None, None]
    assert restored[0]["parent"] == {"id": parent}


def test_a_parent_and_its_subtask_come_into_another_list_in_one_batch(
    user: Caller, lists: Lists, family: tuple[str, str]
) -> None:
    parent, child = family
    other = make(user)["id"]
    work, gone = lists.make("Work"), lists.make("Gone")
    lists.trash(gone)
    for list_id in (work, None):
        version = related(user, child)["version"]
        answer = user.update_many(ids=[child, other, parent], listId=list_id)
        assert [task["id"] for task in answer["tasks"]] == [child, other, parent], answer
        found = [related(user, id) for id in (child, other, parent)]
        assert [task["list"] for task in found] == [list_id and {"id": list_id}] * 3
        assert [task["parent"] for task in found] == [{"id": parent}, None, None]
        assert found[0]["version"] > version
        assert answer["tasks"][0]["version"] == found[0]["version"]
    answer = user.update_many(ids=[child, parent], listId=gone)
    assert answer["__typename"] == "ListNotFound"


def test_a_task_has_a_hundred_subtasks_and_no_more(user: Caller) -> None:
    parent, other = make(user)["id"], make(user)["id"]
    many = [{"title": "x", "parentId": parent}] * 100
    children = [task["id"] for task in user.create_many(*many)["tasks"]]
    full = [(["parentId"], "TOO_LONG")]
    assert issues(make(user, parentId=parent)) == full
    assert issues(user.move(id=other, parentId=parent)) == full
    answer = user.create_many({"title": "x"}, {"title": "x", "parentId": parent})
    assert issues(answer) == [(["tasks", "1", "parentId"], "TOO_LONG")]
    # What is in the trash does not count.
    user.delete(id=children[0])
    assert user.move(id=other, parentId=parent)["id"] == other
    assert related(user, parent)["subtaskCount"] == 100


def test_what_is_restored_below_a_parent_that_is_full_comes_to_the_top(
    user: Caller, lists: Lists
) -> None:
    parent = make(user, listId=(home := lists.make()))["id"]
    many = [{"title": "x", "parentId": parent}] * 99
    children = [task["id"] for task in user.create_many(*many)["tasks"]]
    first, second = children[:2]
    user.delete_many(ids=[first, second])
    user.create_many(*many[:2])
    restored = user.restore_many(ids=[second, first])
    assert [task["id"] for task in restored["tasks"]] == [second, first]
    assert related(user, parent)["subtaskCount"] == 100
    assert [related(user, id)["list"] for id in (first, second)] == [{"id": home}] * 2
    places = [related(user, id)["parent"] for id in (first, second)]
    assert sorted(places, key=bool) == [None, {"id": parent}]
    # All that went with their parent fit in.
    user.delete(id=parent)
    user.restore(id=parent)
    assert related(user, parent)["subtaskCount"] == 100


def test_tasks_made_offline_are_as_if_made_one_after_another(user: Caller, lists: Lists) -> None:
    home = lists.make()
    newest = make(user, listId=home)["id"]
    # Ids of a client are older than those that came from elsewhere meanwhile.
    first, second = (str((1_600_000_000 << 21) + n) for n in (1, 2))
    below = str((1_600_000_000 << 21) + 3)
    tasks: list[dict[str, Any]] = [
        {"title": "P", "id": first, "listId": home},
        {"title": "S", "id": below, "parentId": first},
        {"title": "Q", "id": second, "listId": home},
    ]
    answer = user.create_many(*tasks)
    assert [task["id"] for task in answer["tasks"]] == [first, below, second], answer
    assert order(user, listId=home) == [newest, first, second]
    assert order(user, parentId=first) == [below]
    again = make(user, **tasks[1])
    assert issues(again) == [(["id"], "TAKEN")]
    assert order(user, parentId=first) == [below]


def test_a_subtask_can_be_told_by_a_pages_fields_alone(user: Caller) -> None:
    parent = make(user)["id"]
    open_, done = (make(user, parentId=parent)["id"] for _ in range(2))
    user.toggle(id=done)
    query = """query ($id: ID!) { task(id: $id) {
        all: subtasks { id parent { id } subtasks { id } subtaskCount }
        open: subtasks(status: PENDING) { id } done: subtasks(status: COMPLETED) { id }
        n: subtaskCount m: subtaskCount(status: PENDING) k: subtaskCount(status: COMPLETED) } }"""
    assert user.data(query, id=parent)["task"] == {
        "all": [
            {"id": id, "parent": {"id": parent}, "subtasks": [], "subtaskCount": 0}
            for id in (open_, done)
        ],
        "open": [{"id": open_}],
        "done": [{"id": done}],
        "n": 2,
        "m": 1,
        "k": 1,
    }


def test_no_subtask_is_left_below_a_parent_in_the_trash(server: Server, user: Caller) -> None:
    parent = user.create()["id"]
    url = str(server.settings.migration_database_url)

    def add(_: int) -> str:
        caller = server.user(user.user_id)
        kinds = {make(caller, parentId=parent)["__typename"] for _ in range(6)}
        return " ".join(sorted(kinds))

    def trash_and_restore(_: int) -> None:
        caller = server.user(user.user_id)
        for _ in range(10):
            caller.delete(id=parent)
            caller.restore(id=parent)
        caller.delete(id=parent)

    with psycopg.connect(url) as connection:
        query = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
        before = connection.execute(query).fetchone()
        with ThreadPoolExecutor(11) as pool:
            trashing = pool.submit(trash_and_restore, 0)
            kinds = set(pool.map(add, range(10)))
            trashing.result()
        (live,) = connection.execute(
            "SELECT count(*) FROM tasks c JOIN tasks p ON p.user_id = c.user_id "
            "AND p.id = c.parent_id WHERE c.user_id = %s AND c.deleted_at IS NULL "
            "AND p.deleted_at IS NOT NULL",
            [user.user_id],
        ).fetchone() or (None,)
        connection.rollback()
        assert connection.execute(query).fetchone() == before
    assert live == 0
    assert kinds <= {"Task", "InvalidInput", "InvalidInput Task"}
    assert user.data(GET, id=parent)["task"] is None
