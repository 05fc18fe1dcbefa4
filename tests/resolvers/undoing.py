"""What tests of undo share: a user who has a bit of everything, and all of it to compare."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import psycopg

from tests.api import Caller, Server
from tests.databases import act_as

LEFT_OUT = "{version,updated_at,has_subtasks}"
"""What undo does not put back: the numbers and times of changes, and a hint for triggers."""

THINGS = f"""
SELECT t.id, to_jsonb(t) - '{LEFT_OUT}'::text[] FROM tasks t WHERE user_id = %(user)s
UNION ALL
SELECT l.id, to_jsonb(l) - '{LEFT_OUT}'::text[] FROM task_lists l WHERE user_id = %(user)s
"""
LABELS = "SELECT task_id, name, key FROM task_labels WHERE user_id = %(user)s"
UNSOUND = """
SELECT t.id FROM tasks t
LEFT JOIN tasks p ON p.user_id = t.user_id AND p.id = t.parent_id
LEFT JOIN task_lists l ON l.user_id = t.user_id AND l.id = t.list_id
WHERE t.user_id = %(user)s AND t.deleted_at IS NULL
  AND (t.parent_id IS NOT NULL
       AND (p.deleted_at IS NOT NULL OR p.parent_id IS NOT NULL OR NOT p.has_subtasks
            OR p.list_id IS DISTINCT FROM t.list_id)
       OR l.deleted_at IS NOT NULL)
UNION ALL
SELECT t.id FROM tasks t FULL JOIN (
    SELECT user_id, task_id, array_agg(name ORDER BY name) AS names FROM task_labels
    GROUP BY user_id, task_id) AS n ON n.user_id = t.user_id AND n.task_id = t.id
WHERE t.user_id = %(user)s AND coalesce(n.names, '{}') <> CASE
    WHEN t.deleted_at IS NULL THEN ARRAY(SELECT name FROM unnest(t.labels) AS name ORDER BY name)
    ELSE '{}' END
UNION ALL
SELECT min(task_id) FROM task_labels WHERE user_id = %(user)s
GROUP BY key HAVING count(DISTINCT name) > 1
UNION ALL
SELECT c.bytes FROM task_counters c
WHERE c.user_id = %(user)s AND (c.tasks, c.bytes) <> (
    SELECT sum(s.things), sum(s.bytes) FROM (
        SELECT count(*), coalesce(sum(length_of(t.title, t.description, t.labels)), 0)
        FROM tasks t WHERE t.user_id = %(user)s
        UNION ALL
        SELECT count(*), coalesce(sum(octet_length(l.name)), 0)
        FROM task_lists l WHERE l.user_id = %(user)s) AS s (things, bytes))
UNION ALL
SELECT c.live_tasks FROM task_counters c
WHERE c.user_id = %(user)s AND EXISTS (
    SELECT FROM tasks t WHERE t.user_id = %(user)s AND t.deleted_at IS NULL
    HAVING (count(*), count(*) FILTER (WHERE t.completed))
           IS DISTINCT FROM (c.live_tasks::bigint, c.completed_tasks::bigint))
"""


class Snapshot(NamedTuple):
    """All tasks and lists of a user, in the trash or not, and the labels in use."""

    things: Mapping[int, Mapping[str, Any]]
    labels: frozenset[tuple[Any, ...]]


class Shelf:
    """The things of one user, as the database holds them."""

    def __init__(self, server: Server, user: Caller) -> None:
        self.url = str(server.settings.migration_database_url)
        self._user = {"user": user.user_id}

    def snapshot(self) -> Snapshot:
        with psycopg.connect(self.url) as connection:
            things: dict[int, Any] = dict(connection.execute(THINGS, self._user).fetchall())
            labels = frozenset(connection.execute(LABELS, self._user).fetchall())
        return Snapshot(things, labels)

    def is_as(self, before: Snapshot) -> None:
        """Assert that all is as it was, but for new things, which are in the trash."""
        now = self.snapshot()
        for id, was in before.things.items():
            assert now.things[id] == was, (now.things[id], was)
        for id in now.things.keys() - before.things.keys():
            assert now.things[id]["deleted_at"] is not None, now.things[id]
        assert now.labels == before.labels
        self.is_sound()

    def is_sound(self) -> None:
        """Assert what holds whatever was done: who is where, labels, and what is counted."""
        with psycopg.connect(self.url) as connection:
            assert connection.execute(UNSOUND, self._user).fetchall() == []

    def steps(self, key: str) -> int:
        """Return how many steps are noted of an action."""
        with psycopg.connect(self.url) as connection:
            row = connection.execute(
                "SELECT count(*) FROM action_steps WHERE user_id = %(user)s AND key = %(key)s",
                {**self._user, "key": key},
            ).fetchone()
        assert row is not None
        count: int = row[0]
        return count

    def execute(self, sql: str, **values: Any) -> None:
        """Run SQL of the user's, as whoever migrates."""
        with psycopg.connect(self.url) as connection:
            act_as(connection, self._user["user"])
            connection.execute(sql, {**self._user, **values})


KEY = "the action"
DAILY = {"rule": {"unit": "DAY"}}


class Home:
    """A user who has a bit of everything."""

    def __init__(self, server: Server) -> None:
        self.user = server.user()
        user = self.user
        self.lists = [user.create_list(name)["id"] for name in ("Home", "Work")]
        self.plain = user.create("plain", description="more", labels=["Work", "fun"])["id"]
        self.inside = user.create(
            "inside", listId=self.lists[0], dueOn="2026-12-04", dueTime="09:00", priority="HIGH"
        )["id"]
        self.parent = user.create("parent", listId=self.lists[0], labels=["Work"])["id"]
        self.below = [user.create(f"below {n}", parentId=self.parent)["id"] for n in range(3)]
        user.toggle(id=self.below[0], today="2026-12-01")
        self.again = user.create("again", dueOn="2026-12-04", recurrence=DAILY)["id"]
        self.steps = [user.create(f"step {n}", parentId=self.again)["id"] for n in range(2)]
        self.done = user.create("done")["id"]
        user.toggle(id=self.done, today="2026-12-02")
        self.late = user.create("recurs since it is done", dueOn="2026-12-04")["id"]
        user.toggle(id=self.late)
        user.update(id=self.late, recurrence=DAILY)
        until = {"rule": {"unit": "DAY", "until": "2026-12-10"}}
        self.over = user.create("over", dueOn="2026-12-04", recurrence=until)["id"]
        user.update(id=self.over, dueOn="2026-12-20")
        self.trashed = user.create("trashed", labels=["old"], listId=self.lists[1])["id"]
        user.delete(id=self.trashed)
        self.old_list = user.create_list("Old")["id"]
        self.old_task = user.create("in the old list", listId=self.old_list)["id"]
        user.delete_list(id=self.old_list)
        self.shelf = Shelf(server, user)
