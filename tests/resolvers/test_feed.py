"""The feed of changes of all kinds: a client that applies it has what the server has."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import psycopg
from graphql import build_schema

from graphql_schema.schema import schema as schema_of_the_code
from tests.api import Caller, Server, nonempty
from tests.databases import Database, without_triggers
from tests.sockets import PATIENCE, signed_in

FOLLOW = """
subscription ($after: String) {
  changes(after: $after) { cursor node { kind id version node { id ... on TaskList { name } } } }
}"""


class Copy:
    """What a plain client has, of tasks and lists alike."""

    def __init__(self, user: Caller) -> None:
        self._user = user
        self.things: dict[str, Any] = {}
        self.cursor: str | None = None
        self.resets = 0

    def catch_up(self, size: int = 3) -> None:
        while True:
            page = self._user.all_changes(after=self.cursor, first=size)
            if page["reset"]:
                self.things.clear()
                self.resets += 1
            for change in page["nodes"]:
                self.things.pop(change["id"], None)
                if change["node"] is not None:
                    kind = {"Task": "TASK", "TaskList": "LIST"}[change["node"]["__typename"]]
                    assert (kind, change["node"]["id"]) == (change["kind"], change["id"])
                    self.things[change["id"]] = change["node"]
            self.cursor = page["pageInfo"]["endCursor"]
            if not page["pageInfo"]["hasNextPage"]:
                break
        shown = {
            thing["id"]: thing
            for kind in (self._user.page(first=100), self._user.lists(first=100))
            for thing in kind["nodes"]
        }
        assert self.things.keys() == shown.keys()
        for id, thing in self.things.items():
            assert {**shown[id], **thing, "__typename": 0} == {**shown[id], "__typename": 0}


def test_whoever_applies_the_feed_has_all_tasks_and_lists(server: Server) -> None:
    user = server.user()
    made = [user.create_list(name)["id"] for name in ("Home", "Work")]
    parent = user.create("p", listId=made[0])["id"]
    subtask = user.create("s", parentId=parent)["id"]
    copy = Copy(user)
    copy.catch_up()
    steps: list[Callable[[], object]] = [
        lambda: user.update_list(id=made[0], name="House"),
        lambda: user.toggle(id=parent),
        lambda: user.move_list(id=made[1], place={"first": True}),
        lambda: user.update(id=parent, listId=made[1]),
        lambda: user.delete(id=parent),
        lambda: user.restore(id=subtask),
        lambda: user.delete_list(id=made[1]),
        lambda: user.restore_list(id=made[1]),
        lambda: user.create_list("Third", place={"after": made[0]}),
    ]
    for step in steps:
        step()
        copy.catch_up()
    assert copy.resets == 1


def test_a_page_has_up_to_500_changes_in_order(server: Server) -> None:
    user = server.user()
    user.create_many(*({"title": str(n)} for n in range(100)))
    user.create_list()
    page = user.all_changes(first=500)
    versions = [node["version"] for node in page["nodes"]]
    assert versions == list(range(1, 102))
    assert not page["pageInfo"]["hasNextPage"]
    too_many = user.execute("{ changes(first: 501) { reset } }")
    assert too_many["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"
    assert user.all_changes()["pageInfo"]["hasNextPage"]


def test_a_cursor_of_either_feed_is_good_for_the_other(server: Server) -> None:
    user = server.user()
    user.create("first")
    old = user.changes()["pageInfo"]["endCursor"]
    made = user.create_list()["id"]
    user.create("second")
    page = user.all_changes(after=old)
    assert not page["reset"]
    first = page["nodes"][0]
    assert (first["kind"], first["id"]) == ("LIST", made)
    new = page["edges"][0]["cursor"]
    back = user.changes(after=new)
    assert not back["reset"]
    assert [node["task"]["title"] for node in back["nodes"]] == ["second"]
    assert [n["task"]["title"] for n in user.changes()["nodes"]] == ["first", "second"]
    user.update_list(id=made, name="House")
    end = user.all_changes(first=0)["pageInfo"]["endCursor"]
    assert user.all_changes(after=end)["nodes"] == user.changes(after=end)["nodes"] == []


def test_a_list_that_is_purged_makes_the_feed_begin_anew(
    server: Server, database: Database
) -> None:
    user = server.user()
    made = user.create_list()["id"]
    user.create("in it", listId=made)
    copy = Copy(user)
    copy.catch_up()
    user.delete_list(id=made)
    with without_triggers(database) as connection:
        for table in ("tasks", "task_lists"):
            connection.execute(
                f"UPDATE {table} SET deleted_at = now() - interval '40 days' WHERE user_id = %s",
                [user.user_id],
            )
    for _ in range(2):
        with psycopg.connect(database.superuser_url) as connection:
            connection.execute("SELECT purge_trash(30, 1000)")
    assert user.lists(trash="ONLY")["totalCount"] == 0
    assert user.page(filter={"trash": "ONLY"})["totalCount"] == 0
    assert user.changes(after=copy.cursor)["reset"]
    copy.catch_up()
    assert copy.resets == 2


def test_followers_hear_of_all_kinds_in_the_order_of_versions(server: Server) -> None:
    user = server.user()
    made = user.create_list()["id"]
    parent = user.create("p", listId=made)["id"]
    user.create("s", parentId=parent)
    end = user.all_changes(first=0)["pageInfo"]["endCursor"]
    with signed_in(server, user.token) as socket:
        socket.subscribe(FOLLOW, {"after": end}, "one")

        def event() -> Any:
            return socket.hear(PATIENCE)["payload"]["data"]["changes"]["node"]

        renamed = user.update_list(id=made, name="House")
        assert event() == {
            "kind": "LIST",
            "id": made,
            "version": renamed["version"],
            "node": {"id": made, "name": "House"},
        }
        user.toggle(id=parent)
        versions = [event()["version"] for _ in range(2)]
        assert versions == sorted(versions)
        user.delete_list(id=made)
        kinds = [event() for _ in range(3)]
        assert {change["kind"] for change in kinds} == {"LIST", "TASK"}
        assert [change["node"] for change in kinds] == [None] * 3


def test_the_feed_of_tasks_is_deprecated_for_90_days() -> None:
    schema = build_schema(schema_of_the_code.as_str())
    for type_ in nonempty([schema.query_type, schema.subscription_type]):
        assert type_ is not None
        reason = type_.fields["taskChanges"].deprecation_reason or ""
        said, day = reason.removesuffix(".").rsplit(" ", 1)
        assert said == "Use changes. Removal on"
        released = datetime(2026, 11, 30, tzinfo=UTC).date()
        assert date.fromisoformat(day) - released >= timedelta(days=90)
