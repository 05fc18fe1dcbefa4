"""No tool shows, changes or tells of another's tasks; each of the two layers alone holds."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from app.mcp.tools import TOOLS
from tests.api import Server, nonempty, running_server, settings_for
from tests.databases import Database, one_node
from tests.mcp.clients import Assistant, assistant_of, text_of
from tests.resolvers.test_isolation import (
    NO_SUCH_ID,
    ROW_SECURITY_ALONE,
    forget_owners,
    rows_of,
)

Arguments = Callable[[str], dict[str, Any]]

ATTACKS: list[tuple[str, str, Arguments]] = [
    ("get_task", "id", lambda id: {"id": id}),
    ("complete_tasks", "ids", lambda id: {"ids": [id]}),
    ("reopen_tasks", "ids", lambda id: {"ids": [id]}),
    ("edit_task", "id", lambda id: {"id": id, "title": "stolen"}),
    ("edit_task", "id", lambda id: {"id": id, "title": "stolen", "expectedVersion": 7}),
    ("move_task", "id", lambda id: {"id": id, "place": {"last": True}}),
    ("move_task", "id", lambda id: {"id": id, "listId": None}),
    ("plan_day", "ids", lambda id: {"ids": [id], "day": "2026-12-24"}),
    ("trash_tasks", "ids", lambda id: {"ids": [id]}),
    ("restore_tasks", "ids", lambda id: {"ids": [id]}),
    ("find_tasks", "listId", lambda id: {"listId": f"L{id}"}),
    ("add_tasks", "listId", lambda id: {"tasks": [{"title": "x", "listId": f"L{id}"}]}),
    ("add_tasks", "parentId", lambda id: {"tasks": [{"title": "x", "parentId": id}]}),
]
"""Each tool with each argument that takes an id, and how an id is sent there."""

BESIDE: list[tuple[str, str, Arguments]] = [
    ("move_task", "listId", lambda id: {"listId": f"L{id}"}),
    ("move_task", "parentId", lambda id: {"parentId": id}),
    ("move_task", "before", lambda id: {"place": {"before": id}}),
    ("move_task", "after", lambda id: {"place": {"after": id}}),
]
"""The same, where it is said what one's own task is to be in, below or beside."""

AN_ID = {"type": "string", "maxLength": 30}
"""What the schema of an id looks like."""


@pytest.fixture(scope="module", params=["both layers", ROW_SECURITY_ALONE, "statements alone"])
def layers(request: pytest.FixtureRequest, database: Database) -> Iterator[Server]:
    """A server with both layers, or with one of them taken away."""
    settings = settings_for(database.server_url, mcp=True)
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "row security alone":
            forget_owners(patch)
        elif request.param == "statements alone":
            settings = settings.model_copy(
                update={"database_url": database.superuser_url, "require_row_security": False}
            )
        with running_server(settings) as server:
            yield server


async def call(assistant: Assistant, tool: str, arguments: dict[str, Any], id: str) -> Any:
    """Return all that a tool says, but for the id that it was asked about."""
    result = await assistant.call(tool, **arguments)
    return result.is_error, text_of(result).replace(id, "ID"), result.structured_content


async def test_no_tool_finds_anothers_task_or_list(layers: Server, database: Database) -> None:
    alice, bob = layers.user(), layers.user()
    home = alice.create_list("Alice's list")["id"]
    tasks = [alice.create("Alice's secret", listId=home)["id"] for _ in range(2)]
    alice.delete(id=tasks[1])
    own = bob.create("Bob's own")["id"]
    before = rows_of(layers, alice, database), rows_of(layers, bob, database)
    nothing: dict[str, Any] = {}
    aimed = [(tool, arguments, nothing) for tool, _, arguments in ATTACKS]
    aimed += [(tool, arguments, {"id": own}) for tool, _, arguments in BESIDE]
    async with assistant_of(bob) as assistant:
        for tool, arguments, rest in nonempty(aimed):
            for id in (*tasks, home.removeprefix("L")):
                at_alices = await call(assistant, tool, {**rest, **arguments(id)}, id)
                at_none = await call(assistant, tool, {**rest, **arguments(NO_SUCH_ID)}, NO_SUCH_ID)
                assert at_alices == at_none, tool
                assert at_alices[0] or at_alices[2]["tasks"] == []
    assert (rows_of(layers, alice, database), rows_of(layers, bob, database)) == before


async def test_what_is_found_is_ones_own(layers: Server) -> None:
    alice, bob = layers.user(), layers.user()
    alice.create("Alice's", listId=alice.create_list("Alice's list")["id"], labels=["Alice's"])
    alice.create("Alice's", dueOn="2026-12-24", idempotencyKey="hers")
    async with assistant_of(bob) as assistant:
        for tool, arguments in nonempty(
            [
                ("find_tasks", {"status": "ALL"}),
                ("find_tasks", {"search": "Alice"}),
                ("due_tasks", {"today": "2026-12-24"}),
                ("due_tasks", {"today": "2026-12-25"}),
                ("get_lists", {}),
                ("get_labels", {}),
            ]
        ):
            result = await assistant.call(tool, **arguments)
            assert not result.is_error
            assert "Alice" not in result.model_dump_json()
        assert await assistant.refusal("undo", action="hers") == await assistant.refusal(
            "undo", action="nobody's"
        )


@one_node("the engine refuses a statement that names no owner")
async def test_without_both_layers_the_tools_find_anothers(database: Database) -> None:
    """The proof that the tests above can fail."""
    settings = settings_for(database.superuser_url, require_row_security=False, mcp=True)
    with pytest.MonkeyPatch.context() as patch:
        forget_owners(patch)
        with running_server(settings) as server:
            alice, bob = server.user(), server.user()
            bob.create("Bob's own")
            async with assistant_of(bob) as assistant:
                for tool, argument, arguments in nonempty(ATTACKS):
                    if argument not in ("id", "ids"):
                        continue
                    id = alice.create("Alice's secret")["id"]
                    at_alices = await call(assistant, tool, arguments(id), id)
                    at_none = await call(assistant, tool, arguments(NO_SUCH_ID), NO_SUCH_ID)
                    assert at_alices != at_none, tool


def test_every_argument_that_takes_an_id_is_attacked() -> None:
    def ids_in(schema: Any, name: str = "") -> Iterator[str]:
        if isinstance(schema, dict):
            if schema.items() >= AN_ID.items():
                yield name
            for key, value in schema.items():
                is_name = key not in ("anyOf", "items", "properties", "$defs")
                yield from ids_in(value, key if is_name else name)
        elif isinstance(schema, list):
            for each in schema:
                yield from ids_in(each, name)

    taking = {
        (tool.name, name)
        for tool in TOOLS.values()
        for name in ids_in(tool.arguments.model_json_schema())
    }
    assert taking == {(tool, argument) for tool, argument, _ in (*ATTACKS, *BESIDE)}
