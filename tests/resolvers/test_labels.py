"""Labels: how they are spelled and stored, added, removed and renamed."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from tests.api import CREATE, Caller, Server, issues
from tests.databases import Database, act_as
from tests.locks import until_waiting


def labels(user: Caller, id: str) -> list[str]:
    found: list[str] = user.get(id)["labels"]
    return found


def rename(user: Caller, old: str, new: str, **more: Any) -> Any:
    return user.rename_label(**{"from": old}, to=new, **more)


def test_labels_are_tidied_and_kept_in_order(server: Server) -> None:
    user = server.user()
    given = [" Work ", "two \t\n words", "e\u0301", "\u3000wide\u2003one\u00a0", "👨‍👩‍👧", "Z", "a"]
    task = user.create(labels=given)
    assert task["labels"] == ["Work", "two words", "é", "wide one", "👨‍👩‍👧", "Z", "a"]
    assert user.update(id=task["id"], labels=["b", "a"])["labels"] == ["b", "a"]
    unchanged = user.update(id=task["id"], labels=["b", "a", "B"])
    assert unchanged["version"] == task["version"] + 1
    assert user.update(id=task["id"], labels=[])["labels"] == user.create()["labels"] == []
    assert user.create(labels=["x", "X", "y", "\uff38"])["labels"] == ["x", "y"]


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ([f"label {n}" for n in range(20)], []),
        ([f"label {n}" for n in range(21)], [("labels", "TOO_LONG")]),
        (["😀" * 50, "x" * 50, " " + "y" * 50 + " ", "e\u0301" * 50], []),
        (["ok", "x" * 51], [("labels.1", "TOO_LONG")]),
        (["", "   "], [("labels.0", "TOO_SHORT"), ("labels.1", "TOO_SHORT")]),
        (["\0", "\u200b"], [("labels.0", "INVALID"), ("labels.1", "INVALID")]),
        (["a \u200b b", "a\x07"], [("labels.0", "INVALID"), ("labels.1", "INVALID")]),
        (["\ud800"], [("labels.0", "INVALID")]),
        (["\u0301", "\u3164"], [("labels.0", "INVALID"), ("labels.1", "INVALID")]),
    ],
)
def test_labels_have_limits(server: Server, given: list[str], found: list[tuple[str, str]]) -> None:
    user = server.user()
    id = user.create()["id"]
    made = user.data(CREATE, input={"title": "x", "labels": given})["createTask"]
    assert issues(made) == issues(user.update(id=id, labels=given)) == found
    many = user.update_many(ids=[id], addLabels=given)
    assert issues(many) == [(path.replace("labels", "addLabels"), code) for path, code in found]
    many = user.update_many(ids=[id], removeLabels=given)
    assert issues(many) == [(path.replace("labels", "removeLabels"), code) for path, code in found]


def test_labels_of_tasks_made_together_are_spelled_alike(server: Server) -> None:
    user = server.user()
    user.create(labels=["Work"])
    many = [["a", "ß"], ["A", "SS", "b"], ["\uff41", "B", "work"]]
    made = user.create_many(*({"title": "x", "labels": each} for each in many))["tasks"]
    assert [task["labels"] for task in made] == [["a", "ß"], ["a", "ß", "b"], ["a", "b", "Work"]]


def test_a_label_is_spelled_as_on_other_tasks(server: Server) -> None:
    user = server.user()
    first = user.create(labels=["Work"])["id"]
    for spelling in ("work", "\uff37\uff2f\uff32\uff2b", "WORK"):
        assert user.create(labels=[spelling])["labels"] == ["Work"]
    assert user.update(id=user.create()["id"], labels=["wörk", "wOrK"])["labels"] == [
        "wörk",
        "Work",
    ]
    assert labels(user, first) == ["Work"]


@pytest.mark.parametrize("loss", ["update", "trash", "batch"])
def test_a_label_that_nothing_has_is_spelled_anew(server: Server, loss: str) -> None:
    user = server.user()
    id = user.create(labels=["Work"])["id"]
    match loss:
        case "update":
            user.update(id=id, labels=[])
        case "trash":
            user.delete(id=id)
        case "batch":
            user.update_many(ids=[id], removeLabels=["WORK"])
    assert user.create(labels=["WORK"])["labels"] == ["WORK"]


def test_what_is_restored_is_spelled_as_others_by_then(server: Server) -> None:
    user = server.user()
    ids = [user.create(labels=["work", "own"])["id"] for _ in range(2)]
    user.delete_many(ids=ids)
    user.create(labels=["WORK"])
    assert user.restore(id=ids[0])["labels"] == ["WORK", "own"]
    (restored,) = user.restore_many(ids=ids[1:])["tasks"]
    assert restored["labels"] == ["WORK", "own"]


def test_a_label_is_renamed_wherever_it_is(server: Server) -> None:
    user = server.user()
    both = user.create(labels=["home", "urgent", "work"])
    one, other = user.create(labels=["HOME"])["id"], user.create(labels=["work"])["id"]
    gone = user.create(labels=["home"])["id"]
    user.delete(id=gone)
    renamed = rename(user, " hOmE", " House ")
    assert renamed == {
        "__typename": "RenameLabelSuccess",
        "label": {"name": "House"},
        "changedCount": 2,
    }
    assert labels(user, both["id"]) == ["House", "urgent", "work"]
    assert user.get(both["id"])["version"] > both["version"]
    assert labels(user, one) == ["House"]
    # To one that is in use: the two become one, and no task has it twice.
    assert rename(user, "house", "WORK")["changedCount"] == 3
    assert labels(user, both["id"]) == ["WORK", "urgent"]
    assert labels(user, one) == labels(user, other) == ["WORK"]
    # To the same in another case.
    assert rename(user, "Work", "work")["changedCount"] == 3
    assert labels(user, one) == ["work"]
    before = user.changes()
    assert rename(user, "work", "work")["changedCount"] == 0
    assert rename(user, "home", "work")["__typename"] == "LabelNotFound"
    assert rename(user, "nothing", "work")["__typename"] == "LabelNotFound"
    assert user.changes() == before
    assert user.restore(id=gone)["labels"] == ["home"]


def test_a_renaming_is_wrong_in_every_way_at_once(server: Server) -> None:
    user = server.user()
    found = issues(rename(user, " ", "x" * 51))
    assert found == [("from", "TOO_SHORT"), ("to", "TOO_LONG")]


def test_a_label_on_too_many_tasks_is_not_renamed(server: Server, database: Database) -> None:
    user = server.user()
    task = user.create(labels=["home"])
    with psycopg.connect(database.superuser_url) as connection:
        # No task need be there to be counted.
        connection.execute("SET LOCAL session_replication_role = replica")
        connection.execute(
            "INSERT INTO task_labels (user_id, key, task_id, name) "
            "SELECT %s, 'home', n, 'home' FROM generate_series(1, %s) n",
            [user.user_id, 5_000],
        )
    assert issues(rename(user, "home", "house")) == [("from", "TOO_LONG")]
    assert user.get(task["id"]) == task


def test_many_tasks_get_and_lose_labels(server: Server) -> None:
    user = server.user()
    ids = [user.create(labels=given)["id"] for given in (["a", "b"], ["B", "c"], [])]
    tasks = user.update_many(ids=ids, addLabels=["C", "d"], removeLabels=["B", "x"])["tasks"]
    assert [task["labels"] for task in tasks] == [["a", "c", "d"], ["c", "d"], ["c", "d"]]
    versions = [task["version"] for task in tasks]
    again = user.update_many(ids=ids, addLabels=["c", "D"])["tasks"]
    assert [task["version"] for task in again] == versions
    # What is removed and added stands last; only a renaming spells it anew.
    (first, *_) = user.update_many(ids=ids, addLabels=["A"], removeLabels=["a"])["tasks"]
    assert first["labels"] == ["c", "d", "a"]
    for none in ("addLabels", "removeLabels"):
        tasks = user.update_many(ids=ids, **{none: list[str]()})["tasks"]
        assert tasks[0] == first


def test_where_one_task_would_have_too_many_labels_none_changes(server: Server) -> None:
    user = server.user()
    ids = [user.create(labels=[f"{n}" for n in range(count)])["id"] for count in (0, 19, 3)]
    before = user.changes()
    answer = user.update_many(ids=ids, addLabels=["new", "newer"], priority="HIGH")
    assert issues(answer) == [("addLabels", "TOO_LONG")]
    assert user.changes() == before
    assert len(user.update_many(ids=ids, addLabels=["new", "0"])["tasks"][1]["labels"]) == 20


def test_a_renaming_finds_what_was_made_while_it_waited(server: Server, database: Database) -> None:
    user = server.user()
    user.create(labels=["work"])
    with ThreadPoolExecutor() as pool, psycopg.connect(database.server_url) as other:
        act_as(other, user.user_id)
        # Another server has the owner's turn.
        (id,) = other.execute(
            "INSERT INTO tasks (user_id, id, title, labels) VALUES (%s, NULL, 'x', '{work}') "
            "RETURNING id",
            [user.user_id],
        ).fetchone() or (None,)
        renaming = pool.submit(rename, user, "work", "Work")
        until_waiting(database, other)
        other.commit()
        assert renaming.result()["changedCount"] == 2
    assert labels(user, str(id)) == ["Work"]


def test_a_search_finds_labels(server: Server) -> None:
    user = server.user()
    id = user.create("Milk", labels=["Groceries"])["id"]

    def found(search: str) -> list[str]:
        return [task["id"] for task in user.page(filter={"search": search})["nodes"]]

    assert found("grocer") == found("milk groceries") == [id]
    user.update(id=id, labels=["Groceries", "Weekend"])
    assert found("weekend") == [id]
    rename(user, "groceries", "Shopping")
    assert (found("shopping"), found("groceries")) == ([id], [])
    user.update_many(ids=[id], removeLabels=["shopping"])
    assert (found("shopping"), found("milk")) == ([], [id])
