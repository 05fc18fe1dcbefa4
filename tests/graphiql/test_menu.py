"""The examples of GraphiQL's page: each runs as it stands, and does what it says."""

import json
import re
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from app.graphiql import menu
from app.graphiql.menu import Example
from tests.api import Caller, Server, nonempty
from tests.database.test_live import eventually, watchers
from tests.sockets import signed_in

EXAMPLES = [example for examples in menu.groups().values() for example in examples]
FOLLOW = [example for example in EXAMPLES if "subscription" in example.query]
RUN = [example for example in EXAMPLES if example not in FOLLOW]
TODAY = datetime.now(UTC).date().isoformat()

OTHERWISE = {"EditConflict": [{"VersionConflict"}] * 2, "Undo": [set(), {"ActionNotFound"}]}
"""The failures that examples show on purpose, in their first and in their second run."""
FAILURES = re.compile(r"NotFound$|Conflict$|^InvalidInput$|^QuotaExceeded$")


def name_of(example: Example) -> str:
    [name] = re.findall(r"^(?:query|mutation|subscription) (\w+)", example.query, re.MULTILINE)
    return str(name)


def values_for(user: Caller) -> dict[str, Any]:
    """Return what the page puts into variables, read as it reads it."""
    at_hand = menu.at_hand()
    data = user.data(at_hand["document"])
    values = {"{day}": TODAY, "{key}": str(uuid.uuid4())}
    for name, value in at_hand["values"].items():
        found: Any = data
        for step in value["path"]:
            found = found[step]
        values[name] = found
    return values


def filled(variables: Any, values: dict[str, Any]) -> Any:
    if isinstance(variables, dict):
        return {name: filled(value, values) for name, value in variables.items()}
    if isinstance(variables, list):
        return [filled(value, values) for value in variables]
    return values.get(variables, variables) if isinstance(variables, str) else variables


def everything_in(data: Any) -> Iterator[Any]:
    yield data
    if isinstance(data, dict | list):
        for value in data.values() if isinstance(data, dict) else data:
            yield from everything_in(value)


@pytest.fixture
def user(server: Server) -> Caller:
    """Somebody who has a little of everything that the examples look for."""
    user = server.user()
    home, above = user.create_list()["id"], user.create("Above")["id"]
    user.create_many(
        {"title": "Below", "parentId": above},
        {"title": "Water the plants", "dueOn": TODAY, "labels": ["garden"], "listId": home},
    )
    return user


@pytest.mark.parametrize("example", RUN, ids=name_of)
def test_an_example_runs_as_it_stands_and_again(user: Caller, example: Example) -> None:
    variables = filled(example.variables, values_for(user))
    with_types = re.sub(r"(?<=[(}]) \{\n|(?<=\)) \{\n", " {\n __typename\n", example.query)
    for expected in nonempty(OTHERWISE.get(name_of(example), [set(), set()])):
        data = user.data(with_types, **variables)
        parts = list(everything_in(data))
        objects = [part for part in parts if isinstance(part, dict)]
        types = {part["__typename"] for part in objects if "__typename" in part}
        assert types - {"Query", "Mutation"}
        assert {name for name in types if FAILURES.search(name)} == expected
        # What it is to show is there.
        assert all(part["nodes"] for part in objects if "nodes" in part)


@pytest.mark.parametrize("example", FOLLOW, ids=name_of)
def test_an_example_that_follows_sees_what_changes(server: Server, example: Example) -> None:
    user = server.user()
    with signed_in(server, user.token) as follower:
        follower.subscribe(example.query)
        eventually(lambda: watchers(server) > 0, True)
        time.sleep(0.2)
        user.create("seen")
        event = follower.hear()["payload"]["data"]["changes"]
        assert event["node"]["node"]["title"] == "seen"


def test_sent_twice_is_one_task(user: Caller) -> None:
    [example] = [example for example in EXAMPLES if name_of(example) == "SentTwice"]
    data = user.data(example.query, **filled(example.variables, values_for(user)))
    assert data["first"] == data["again"]


def test_two_open_at_first_and_need_nothing_filled_in() -> None:
    assert [name_of(example) for example in menu.at_first()] == ["ListTasks", "AddTask"]
    assert "{" not in "".join(nonempty(texts_in(menu.at_first())))


def texts_in(examples: list[Example]) -> list[str]:
    parts = [part for example in examples for part in everything_in(dict(example.variables))]
    return [part for part in parts if isinstance(part, str)]


def test_what_is_to_be_filled_in_is_known_and_names_are_told_apart() -> None:
    known = {"{day}", "{key}", *menu.at_hand()["values"]}
    assert {text for text in nonempty(texts_in(EXAMPLES)) if "{" in text} == known
    assert len({name_of(example) for example in EXAMPLES}) == len(EXAMPLES)
    assert len({example.intent for example in EXAMPLES}) == len(EXAMPLES)
    told = json.loads(menu.as_json())["groups"]
    assert [one["intent"] for group in told.values() for one in group] == [
        example.intent for example in EXAMPLES
    ]
