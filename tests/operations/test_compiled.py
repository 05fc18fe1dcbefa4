"""Compiled operations of the server's own schema answer as graphql-core does."""

import re
from typing import Any

import pytest

from app.database.changes import Live
from auth.context import Context
from auth.identity import Identity
from compiled_graphql.tests.chance import Chance
from compiled_graphql.tests.comparison import REQUESTS, SEEDS, Comparison
from graphql_schema.scalars import AT_ONCE
from graphql_schema.schema import schema
from models.database import DatabaseUnavailable
from models.quota import Quota
from models.statement import Row, Statement
from models.task import TaskRow
from models.user import UserId
from resolvers.related import RelatedTasks
from resolvers.users import read_viewer
from tests.counts import Count


def test_tasks_are_answered_alike(count: Count, monkeypatch: pytest.MonkeyPatch) -> None:
    # Else each of the two ways would make a secret of its own.
    monkeypatch.setattr("resolvers.calendar_links.new_secret", lambda: "the-same")
    comparison = Comparison(schema, Caller, AT_ONCE)
    comparison.run()
    counted = comparison.counted
    count("requests answered by compiled code as by graphql-core", counted["compared"])
    assert counted["by compiled code alone"] > REQUESTS * SEEDS // 5, counted
    assert counted["not compiled"] < REQUESTS // 5, counted


class Caller(Context):
    """Somebody whose database returns what chance says, and is away now and then."""

    def __init__(self, number: int) -> None:
        ada = Identity(UserId("ada"), None, None, 0)
        super().__init__(ada, self, Live(), read_viewer, RelatedTasks, Quota(None, None), "")
        self._chance = Chance(number, 0.05)
        self.calls: list[str] = []

    async def fetch(self, statement: Statement[Row]) -> list[Row]:
        text, values = statement.sql.text, sorted(statement.values.items())
        if statement.sql.writes:
            self.calls.append(f"{text} {values}")
        dice = self._chance.dice(text, values)
        if dice.random() < 0.05:
            raise DatabaseUnavailable("The database is away.")
        number = dice.choice([0, 1, 1, 1, 4])
        return [statement.sql.make_row(self._record(text, n)) for n in range(number)]

    def _record(self, text: str, number: int) -> list[Any]:
        time = "2024-02-29 12:00:00.25+00"
        title = self._chance.value("Milk", text, number) if number else "Milk"
        done = bool(number % 2)
        task = [number + 1, title, None, done, time if done else None, time, time, None, number]
        day = "2024-02-29" if done else None
        task += [None if done else 7, 8 if number == 4 else None, f"{number}V"]
        task += [day, "09:00:00" if done else None, number % 5, ["home"] * number, day]
        if page := re.search(r"SELECT (page\.[\w., ]+)", text):
            of_task = dict(zip(TaskRow._fields, [*task, None, None], strict=True))
            return [of_task.get(name, title) for name in re.findall(r"\.(\w+)", page[1])]
        if "tasks.parent_id, count" in text:
            return [number + 1, number]
        if text.startswith("SELECT EXISTS") and "task_labels" in text:
            return [done, number]
        if "count(*)" in text or "SELECT EXISTS" in text:
            return [number]
        if "users." in text:
            return ["ada", None, "Ada", time, False]
        if "calendar_links." in text:
            link = [number + 1, title, time, time if done else None]
            return link if text.startswith("SELECT") else [*link, "0" * 64, 0]
        if "purged_version" in text:
            return [9, 0, *task]
        reads = text.startswith("SELECT")
        is_change = "UNION ALL" in text or (reads and " AS anon" in text)
        return [number % 2 == 0, *task] if is_change else task
