"""Whatever is sent, no request makes the server fail, and what the API promises holds.

The same inputs in every run; `pytest --long` tries many more, and others each time.
"""

import base64
import json
import random
import re
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test
from hypothesis_graphql import from_schema, nodes
from strawberry.printer import print_schema

from graphql_schema.schema import schema
from models.task import TASK_FACTS
from tests.api import (
    CREATE,
    DELETE,
    DELETE_MANY,
    GET,
    LIST,
    RESTORE,
    TOGGLE,
    UPDATE,
    UPDATE_MANY,
    Caller,
    Server,
)
from tests.counts import Count
from tests.repository import ROOT

TITLE_MAX_LENGTH, DESCRIPTION_MAX_LENGTH = 200, 1000

SCHEMA_FILE = ROOT / "schema.graphql"
ORDERS = ("CREATED_AT", "UPDATED_AT", "TITLE")
NO_SUCH_ID = str(2**63 - 1)
OF_CLIENTS = {
    "BAD_REQUEST",
    "BAD_USER_INPUT",
    "GRAPHQL_PARSE_FAILED",
    "GRAPHQL_VALIDATION_FAILED",
    "IDEMPOTENCY_KEY_PARAMETER_MISMATCH",
    "PAYLOAD_TOO_LARGE",
    "QUERY_TOO_COMPLEX",
}
"""The codes that say that the client, not the server, is at fault."""

# Hypothesis minds who else uses `random` while it makes examples: here the server, in its thread.
pytestmark = pytest.mark.filterwarnings("ignore:Do not use the `random` module")

SCALARS = {
    "Date": st.dates().map(str).map(nodes.String),
    "TimeOfDay": st.times().map(lambda time: time.isoformat("minutes")).map(nodes.String),
}

fuzz = settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


@pytest.fixture
def user(server: Server) -> Caller:
    return server.user()


@pytest.fixture
def times(request: pytest.FixtureRequest) -> int:
    """How many times as much is tried as in a usual run."""
    return 15 if request.config.getoption("--long") else 1


@pytest.fixture
def chance(request: pytest.FixtureRequest) -> random.Random:
    return random.Random(None if request.config.getoption("--long") else 0)


def sound(response: httpx2.Response) -> Any:
    """Return the result of an answer, which is as every answer must be."""
    result = response.json()
    assert response.status_code in (200, 400, 413), result
    assert response.headers["x-request-id"]
    codes = {error["extensions"]["code"] for error in result.get("errors", [])}
    assert codes <= OF_CLIENTS, result
    assert codes or result["data"] is not None
    assert response.status_code == 200 or "data" not in result
    return result


@fuzz
@given(document=from_schema(print_schema(schema), custom_scalars=SCALARS))
def test_no_document_of_the_schema_makes_the_server_fail(user: Caller, document: str) -> None:
    sound(user.post(document))


WORDS = [
    *'{}()[]:!$@=|&"#,\\ \n\t\0\ufeff',
    *("...", '"""', "on", "query", "mutation", "subscription", "fragment", "null", "true", "type"),
    *(
        "__typename",
        "__schema",
        "@skip(if: true)",
        "$id",
        "-0",
        "1e999",
        "1.",
        "\\u{110000}",
        "\\ud800",
    ),
    *("😀", "\ud800", "9" * 400, "9" * 5000, "{" * 300, "[" * 300, '"' + "x" * 300),
]
"""What is put into documents to break them."""


def test_no_broken_document_makes_the_server_fail(
    user: Caller, count: Count, times: int, chance: random.Random
) -> None:
    whole = [
        re.findall(r"\w+|\s+|\.\.\.|.", d) for d in (CREATE, UPDATE, TOGGLE, DELETE, GET, LIST)
    ]
    for _ in range(2000 * times):
        document = list(chance.choice(whole))
        for _ in range(chance.randint(1, 4)):
            place = chance.randrange(len(document))
            piece = chance.choice([[], [chance.choice(WORDS)], chance.choice(whole)[place:]])
            document[place : place + chance.randint(0, 3)] = piece
        sound(user.post("".join(document), {"id": "1", "input": {"id": "1", "title": "x"}}))
    count("broken documents", 2000 * times)
    count("broken documents that made the server fail", 0)


def test_no_tampered_cursor_makes_the_server_fail_or_shows_anothers_task(
    server: Server, user: Caller, count: Count, times: int, chance: random.Random
) -> None:
    other = server.user()
    for n in range(3):
        user.create(f"mine {n}")
        other.create(f"another's {n}")
    cursors = {
        (order, edge["cursor"])
        for order in ORDERS
        for caller in (user, other)
        for edge in caller.page(orderBy={"field": order})["edges"]
    }
    given = sorted(cursors)
    for _ in range(1000 * times):
        order, cursor = chance.choice(given)
        response = user.post(
            LIST,
            {
                "orderBy": {"field": order},
                chance.choice(["after", "before"]): tampered(cursor, chance),
                chance.choice(["first", "last"]): chance.choice([None, 0, 1, 50]),
            },
        )
        sound(response)
        assert "another's" not in response.text
    count("tampered cursors", 1000 * times)
    count("tampered cursors that made the server fail or showed another's task", 0)


def tampered(cursor: str, chance: random.Random) -> str:
    """Return the cursor with some of its characters, its bytes or its parts changed."""
    raw = bytearray(base64.urlsafe_b64decode(cursor + "=="))
    match chance.randrange(4):
        case 0:
            place = chance.randrange(len(cursor))
            return (
                cursor[:place] + chance.choice(["", "A", "=", "é", "\0", "+"]) + cursor[place + 1 :]
            )
        case 1:
            raw[chance.randrange(len(raw))] = chance.randrange(256)
        case 2:
            del raw[chance.randrange(len(raw)) :]
        case _:
            parts = json.loads(raw)
            odd: list[Any] = [
                None,
                "",
                "x" * 300,
                0,
                -1,
                2**63 - 1,
                2**64,
                1.5,
                [],
                {},
                True,
                "\0",
                "\ud800",
            ]
            dates = ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59-14:00", "infinity", "now"]
            parts[chance.randrange(3)] = chance.choice([*odd, *dates, *ORDERS])
            raw = bytearray(json.dumps(parts).encode())
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


texts = st.text(st.characters(), max_size=300) | st.text(min_size=1, max_size=5)
numbers = st.integers() | st.integers(-(2**31), 2**31 - 1) | st.floats(allow_nan=False)
plain = st.none() | st.booleans() | numbers | texts
anything = st.recursive(plain, lambda v: st.lists(v) | st.dictionaries(texts, v), max_leaves=8)
words = st.sampled_from(["ALL", "PENDING", "COMPLETED", "ASC", "DESC", *ORDERS])
inputs = st.dictionaries(
    st.sampled_from(["id", "title", "description", "completed", "expectedVersion"]),
    st.sampled_from(["1", "title"]) | plain | anything,
)
arguments = st.fixed_dictionaries(
    {},
    optional={
        "filter": st.fixed_dictionaries({"status": words}) | anything,
        "orderBy": st.fixed_dictionaries({"field": words, "direction": words}) | anything,
        **dict.fromkeys(("first", "last"), st.none() | st.integers(-1, 101) | anything),
        **dict.fromkeys(("after", "before"), st.none() | texts | anything),
    },
)


@fuzz
@given(
    operation=st.sampled_from(
        [CREATE, UPDATE, UPDATE_MANY, TOGGLE, DELETE, DELETE_MANY, RESTORE, GET, LIST]
    ),
    variables=st.fixed_dictionaries({"input": inputs}) | arguments | anything,
)
def test_no_variables_make_the_server_fail(user: Caller, operation: str, variables: Any) -> None:
    sound(user.post(operation, variables))


titles = st.text(max_size=TITLE_MAX_LENGTH + 2)
descriptions = st.none() | st.text(max_size=DESCRIPTION_MAX_LENGTH + 2)


def as_stored(**values: Any) -> dict[str, Any]:
    return {name: TASK_FACTS[name].stored(value) for name, value in values.items()}


class Lives(RuleBasedStateMachine):
    """A user's tasks as the server has them, beside what they should be."""

    server: Server
    anothers: str
    """The id of another user's task."""
    requests = 0

    def __init__(self) -> None:
        super().__init__()
        self.user = self.server.user()
        self.tasks: dict[str, dict[str, Any]] = {}
        self.trash: dict[str, dict[str, Any]] = {}
        self.version = 0

    def do(self, query: str, **variables: Any) -> Any:
        type(self).requests += 1
        result = sound(self.user.post(query, variables))
        assert "errors" not in result, result
        (answer,) = result["data"].values()
        return answer

    def change(self, query: str, input: dict[str, Any]) -> Any:
        """Send a mutation; whatever it changes gets a number of its own, above all before."""
        answer = self.do(query, input=input)
        kind = answer.pop("__typename")
        if kind in ("Task", "DeleteTaskSuccess"):
            assert answer["version"] > self.version
            self.version = answer["version"]
        if kind == "InvalidInput":
            assert answer["issues"]
        return kind, answer

    def do_nothing(self, query: str, input: dict[str, Any]) -> Any:
        """Send a mutation that has nothing to change."""
        answer = self.do(query, input=input)
        return answer.pop("__typename"), answer

    def aim(self, data: st.DataObject) -> tuple[str, dict[str, Any] | None, int | None]:
        """Choose a task, or the id of none; and perhaps a version to expect."""
        ids = [*self.tasks, *self.trash, self.anothers, NO_SUCH_ID]
        id = data.draw(st.sampled_from(ids))
        task = self.tasks.get(id)
        version = task["version"] if task else 1
        return id, task, data.draw(st.sampled_from([None, version, version, version + 1, 0]))

    @rule(title=titles, description=descriptions)
    def create(self, title: str, description: str | None) -> None:
        kind, task = self.change(CREATE, {"title": title, "description": description})
        if kind == "Task":
            assert {**task, **as_stored(title=title, description=description)} == task
            assert task["completed"] is False
            assert task["id"] not in self.tasks
            self.tasks[task["id"]] = task
        fits = title.strip() != "" and len(title.strip()) <= TITLE_MAX_LENGTH
        assert fits or kind == "InvalidInput"
        if title.isascii() and title.isprintable() and fits and description is None:
            assert kind == "Task"

    @rule(
        data=st.data(),
        changes=st.fixed_dictionaries(
            {},
            optional={"title": titles, "description": descriptions, "completed": st.booleans()},
        ),
    )
    def update(self, data: st.DataObject, changes: dict[str, Any]) -> None:
        id, task, expected = self.aim(data)
        stored = as_stored(**changes)
        differing = {n: value for n, value in stored.items() if not task or task[n] != value}
        send = self.change if differing else self.do_nothing
        kind, after = send(UPDATE, {"id": id, "expectedVersion": expected, **changes})
        if kind != "InvalidInput":
            self.settle(task, expected, kind, after, differing)

    @rule(data=st.data())
    def toggle(self, data: st.DataObject) -> None:
        id, task, expected = self.aim(data)
        kind, after = self.change(TOGGLE, {"id": id, "expectedVersion": expected})
        changes = {"completed": not task["completed"]} if task else {}
        self.settle(task, expected, kind, after, changes)

    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        id, task, expected = self.aim(data)
        kind, after = self.change(DELETE, {"id": id, "expectedVersion": expected})
        if kind == "DeleteTaskSuccess":
            assert after == {"deletedTaskId": id, "version": self.version}
            del self.tasks[id]
            assert task
            assert expected in (None, task["version"])
            latest = {"field": "UPDATED_AT", "direction": "DESC"}
            page = self.do(LIST, filter={"trash": "ONLY"}, orderBy=latest, first=1)
            (deleted,) = page["nodes"]
            times = {"updatedAt": deleted["updatedAt"], "deletedAt": deleted["updatedAt"]}
            assert deleted == {**task, **times, "version": self.version}
            self.trash[id] = deleted
        else:
            self.settle(task, expected, kind, after, {})

    @rule(data=st.data())
    def restore(self, data: st.DataObject) -> None:
        id, task, expected = self.aim(data)
        deleted = self.trash.get(id)
        if deleted is None:
            kind, after = self.do_nothing(RESTORE, {"id": id, "expectedVersion": expected})
            self.settle(task, expected, kind, after, {})
            return
        kind, after = self.change(RESTORE, {"id": id, "expectedVersion": expected})
        if kind == "Task":
            del self.trash[id]
        self.settle(deleted, expected, kind, after, {"deletedAt": None})

    def settle(
        self,
        task: dict[str, Any] | None,
        expected: int | None,
        kind: str,
        after: Any,
        changes: dict[str, Any],
    ) -> None:
        """Compare what came of a change with what should have."""
        if task is None:
            assert kind == "TaskNotFound"
        elif expected not in (None, task["version"]):
            assert (kind, after["current"]) == ("VersionConflict", task)
        else:
            assert kind == "Task"
            changed = {"version": self.version, "updatedAt": after["updatedAt"]} if changes else {}
            if changes.get("completed") not in (None, task["completed"]):
                changed["completedAt"] = after["updatedAt"] if changes["completed"] else None
            assert after == {**task, **changes, **changed}
            self.tasks[task["id"]] = after

    @rule(data=st.data())
    def get(self, data: st.DataObject) -> None:
        id, task, _ = self.aim(data)
        assert self.do(GET, id=id) == task

    @rule(
        field=st.sampled_from(ORDERS),
        descending=st.booleans(),
        status=st.sampled_from(["ALL", "PENDING", "COMPLETED"]),
        trash=st.booleans(),
        size=st.integers(1, 4),
    )
    def walk(self, field: str, descending: bool, status: str, trash: bool, size: int) -> None:
        """Turn all pages of a list, forwards and backwards."""
        direction = "DESC" if descending else "ASC"
        list_ = {
            "filter": {"status": status, "trash": "ONLY" if trash else "EXCLUDE"},
            "orderBy": {"field": field, "direction": direction},
        }
        wanted = [
            task
            for task in (self.trash if trash else self.tasks).values()
            if status == "ALL" or task["completed"] is (status == "COMPLETED")
        ]
        forwards = self.turn(list_, "first", "after", ("endCursor", "hasNextPage"), size)
        backwards = self.turn(list_, "last", "before", ("startCursor", "hasPreviousPage"), size)
        found = [task for page in forwards for task in page["nodes"]]
        assert found == [task for page in reversed(backwards) for task in page["nodes"]]
        assert {page["totalCount"] for page in [*forwards, *backwards]} == {len(wanted)}
        if field == "TITLE":
            # How letters are sorted is the database's business.
            assert sorted(map(str, found)) == sorted(map(str, wanted))
        else:
            key = "createdAt" if field == "CREATED_AT" else "updatedAt"
            wanted.sort(key=lambda t: (datetime.fromisoformat(t[key]), int(t["id"])))
            assert found == (wanted[::-1] if descending else wanted)

    def turn(
        self, list_: dict[str, Any], size: str, start: str, info: tuple[str, str], number: int
    ) -> list[Any]:
        """Return every page, from one end to the other."""
        cursor, more = info
        pages = [self.do(LIST, **list_, **{size: number})]
        while pages[-1]["pageInfo"][more]:
            assert len(pages[-1]["nodes"]) == number
            assert len(pages) <= len(self.tasks) + len(self.trash)
            place = pages[-1]["pageInfo"][cursor]
            pages.append(self.do(LIST, **list_, **{size: number, start: place}))
        return pages


def test_tasks_live_as_the_api_promises(server: Server, count: Count, times: int) -> None:
    Lives.server, Lives.anothers = server, server.user().create("another's")["id"]
    run_state_machine_as_test(
        Lives, settings=settings(fuzz, max_examples=20 * times, stateful_step_count=30)
    )
    count("requests whose answers were foretold", Lives.requests)


def test_schemathesis_finds_nothing(
    server: Server, user: Caller, count: Count, times: int, tmp_path: Path
) -> None:
    done = subprocess.run(
        [
            *(Path(sys.executable).parent / "schemathesis", "run", SCHEMA_FILE),
            *("--url", f"{server.url}/graphql"),
            *("--header", f"Authorization: Bearer {user.token}"),
            *("--max-examples", str(10 * times), "--checks", "not_a_server_error"),
            *("--suppress-health-check", "all", "--no-color"),
            *(("--seed", "0") if times == 1 else ()),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = re.search(r"(\d+) generated, (\d+) passed", done.stdout)
    assert found
    count("cases that schemathesis made", int(found[1]))
    count("cases of schemathesis that failed", int(found[1]) - int(found[2]))
