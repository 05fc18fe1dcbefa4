"""Six connections change the things of one user: no two of them may wait for each other crosswise.

`python -m scripts.rehearse.crossing DATABASE_URL` sends toggles, batches, keyed changes and changes
of parents and lists, for a minute, without the server, which would send a failed one again. The
database is migrated; it may be a cluster. The role must be the server's. It prints how many changes
were made and which errors came, and exits with 1 if there was a deadlock.
"""

import itertools
import random
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Any
from uuid import uuid4

import psycopg
import typer

from models.quota import Quota
from models.statement import Statement
from models.user import UserId
from resolvers.statements import lists, tasks
from resolvers.statements.idempotency_keys import once
from scripts.rehearse.clusters import say

CONNECTIONS, TASKS, SUBTASKS = 6, 8, 3

DEADLOCK = "40P01"

ROOM = Quota(None, None)

EMPTY: dict[str, Any] = {
    "id": None,
    "description": None,
    "completed": False,
    "completed_on": None,
    "list_id": None,
    "parent_id": None,
    "due_on": None,
    "due_time": None,
    "priority": 0,
    "labels": [],
    "repeats": None,
}


class Session:
    """A connection that runs statements as the server does."""

    def __init__(self, url: str) -> None:
        self._connection = psycopg.connect(url, autocommit=True, options="-c DateStyle=ISO")
        query = "SELECT is_distributed()"
        ((self._is_distributed,),) = self._connection.execute(query).fetchall()

    def run(self, statement: Statement[Any]) -> list[tuple[Any, ...]]:
        """Run a statement in its owner's transaction; return its rows."""
        cursor = psycopg.RawCursor(self._connection)
        settings = [each for setting in statement.settings.items() for each in setting]
        values = {**statement.values, "owner": statement.owner}
        steps = (self._is_distributed and statement.sql.steps) or (statement.sql,)
        with self._connection.transaction():
            cursor.execute("SELECT act_as($1, '20000', $2)", [statement.owner, settings])
            for step in steps:
                cursor.execute(step.text, [values[name] for name in step.parameters])
            return cursor.fetchall()

    def close(self) -> None:
        self._connection.close()


class Home:
    """A user with a list, tasks, and subtasks."""

    def __init__(self, url: str) -> None:
        self.owner = UserId(f"crossing-{uuid4().hex}")
        session = Session(url)
        with psycopg.connect(url) as connection:
            connection.execute("SELECT act_as(%s, '20000', '{}')", [self.owner])
            connection.execute(
                "INSERT INTO users (id, name) VALUES (%s, 'Crossing') RETURNING id", [self.owner]
            )
        row = {"id": None, "name": "Home"}
        self.list = session.run(lists.create_list(self.owner, row, ROOM, None))[0][0]
        new = [{**EMPTY, "title": f"task {n}", "list_id": self.list} for n in range(TASKS)]
        self.tasks = [row[0] for row in session.run(tasks.create_tasks(self.owner, new, ROOM))]
        for parent in self.tasks[:2]:
            below = [{**EMPTY, "title": "below", "parent_id": parent} for _ in range(SUBTASKS)]
            session.run(tasks.create_tasks(self.owner, below, ROOM))
        session.close()

    def changes(self, choose: random.Random) -> Iterator[Statement[Any]]:
        """Yield changes at random, without end."""
        owner = self.owner
        for n in itertools.count():
            one, five = choose.choice(self.tasks), choose.sample(self.tasks, 5)
            all_changes: list[Statement[Any]] = [
                tasks.toggle_task(owner, one, None, None, ROOM),
                tasks.toggle_task(owner, one, None, None, ROOM),
                tasks.update_tasks(owner, five, {"priority": n % 5}, {}, ROOM),
                tasks.update_tasks(owner, five, {}, {"added": [f"label {n % 3}"]}, ROOM),
                tasks.delete_tasks(owner, five),
                tasks.restore_tasks(owner, five),
                tasks.move_task(owner, one, {}, "first", None),
                lists.delete_list(owner, self.list, None),
                lists.restore_list(owner, self.list, None),
            ]
            change = choose.choice(all_changes)
            yield once(owner, change, uuid4().hex, "request") if n % 3 == 0 else change


def cross(url: str, home: Home, seconds: float, seed: int) -> Counter[str]:
    """Make changes until the time is over; count them, and the errors by their SQLSTATE."""
    session, told = Session(url), Counter[str]()
    end = time.monotonic() + seconds
    for change in home.changes(random.Random(seed)):
        if time.monotonic() > end:
            break
        try:
            session.run(change)
        except psycopg.Error as error:
            told[error.sqlstate or type(error).__name__] += 1
        else:
            told["done"] += 1
    session.close()
    return told


def main(
    url: Annotated[str, typer.Argument(help="The database, as the server's role.")],
    seconds: Annotated[float, typer.Option(help="How long to go on.")] = 60.0,
) -> None:
    """Change the things of one user on six connections at once."""
    home = Home(url)
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        told = sum(
            pool.map(lambda seed: cross(url, home, seconds, seed), range(CONNECTIONS)), Counter()
        )
    done, deadlocks = told.pop("done", 0), told.pop(DEADLOCK, 0)
    say(f"{done} changes in {seconds:.0f} s, {deadlocks} deadlocks; other errors: {dict(told)}")
    raise typer.Exit(1 if deadlocks or not done else 0)


if __name__ == "__main__":
    typer.run(main)
