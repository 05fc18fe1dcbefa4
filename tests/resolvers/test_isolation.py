"""Nobody sees, counts, changes or learns of another's tasks; each of the two layers alone holds."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import psycopg
import pytest
from graphql import (
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLObjectType,
    GraphQLSchema,
    build_schema,
    get_named_type,
)
from psycopg.rows import dict_row
from strawberry.printer import print_schema
from strawberry.utils.str_converters import to_camel_case

from app.database.pipelined import PipelinedDatabase
from graphql_schema.filters import TaskOrderField
from graphql_schema.schema import schema
from models.fact import May
from models.metadata import OWNED_TABLES
from models.statement import Row, Statement
from tests.api import (
    CREATE,
    CREATE_MANY,
    DELETE,
    DELETE_LIST,
    DELETE_MANY,
    GET,
    LIST,
    LIST_FIELDS,
    MOVE,
    MOVE_LIST,
    PURGE,
    RESTORE,
    RESTORE_LIST,
    RESTORE_MANY,
    REVOKE_LINK,
    TASK,
    TOGGLE,
    UNDO,
    UPDATE,
    UPDATE_LIST,
    UPDATE_MANY,
    Caller,
    Server,
    nonempty,
    running_server,
    settings_for,
)
from tests.counts import Count
from tests.databases import Database, one_node
from tests.facts import facts_with, sent_values_of

NO_SUCH_ID = str(2**63 - 1)


@dataclass(frozen=True)
class Attack:
    """An operation that takes an id, and the variables that aim it."""

    field: str
    """The type and field that take the id, as the schema names them."""
    query: str
    variables: Callable[[str], dict[str, Any]]
    in_trash: bool = False
    """It finds a task in the trash alone."""
    of_list: bool = False
    """It takes the id of a list."""
    of_link: bool = False
    """It takes the id of a calendar link."""

    @property
    def nothing(self) -> str:
        """An id that nothing has."""
        letter = "L" if self.of_list else "C" if self.of_link else ""
        return f"{letter}{NO_SUCH_ID}"

    def aim(self, alice: Caller) -> str:
        """Make the thing that is Alice's, and return its id."""
        if self.of_list:
            id = alice.create_list("Alice's list")["id"]
        elif self.of_link:
            id = alice.create_link("Alice's phone")["link"]["id"]
        else:
            id = alice.create("Alice's secret", description="her own")["id"]
        if self.in_trash:
            alice.delete(id=id)
        return str(id)

    def __str__(self) -> str:
        return (
            f"{self.field} {sorted(self.variables('')['input'])}"
            if "$input" in self.query
            else self.field
        )


def _input(field: str, query: str, **rest: Any) -> Attack:
    return Attack(field, query, lambda id: {"input": {"id": id, **rest}})


def _list_input(field: str, query: str, **rest: Any) -> Attack:
    return Attack(field, query, lambda id: {"input": {"id": id, **rest}}, of_list=True)


NODE = "query ($id: ID!) { node(id: $id) { __typename id ... on TaskList { name } } }"
GET_LIST = f"""query ($id: ID!) {{
  list(id: $id) {{ {LIST_FIELDS} pendingCount tasks {{ totalCount nodes {{ title }} }} }}
}}"""

ATTACKS = [
    Attack("Query.node", NODE, lambda id: {"id": id}),
    Attack("Query.node", NODE, lambda id: {"id": id}, of_list=True),
    Attack("Query.list", GET_LIST, lambda id: {"id": id}, of_list=True),
    _list_input("Mutation.updateList", UPDATE_LIST, name="stolen"),
    _list_input("Mutation.updateList", UPDATE_LIST, expectedVersion=1),
    _list_input("Mutation.updateList", UPDATE_LIST, expectedVersion=7),
    _list_input("Mutation.moveList", MOVE_LIST, place={"first": True}),
    _list_input("Mutation.moveList", MOVE_LIST, place={"last": True}, expectedVersion=7),
    _list_input("Mutation.deleteList", DELETE_LIST),
    _list_input("Mutation.deleteList", DELETE_LIST, expectedVersion=7),
    _list_input("Mutation.restoreList", RESTORE_LIST),
    _list_input("Mutation.restoreList", RESTORE_LIST, expectedVersion=7),
    Attack("Query.task", GET, lambda id: {"id": id}),
    Attack(
        "Query.task",
        "query ($id: ID!) { task(id: $id) { owner { id email name } } }",
        lambda id: {"id": id},
    ),
    Attack("Query.tasks", LIST, lambda id: {"filter": {"ids": [id]}}),
    Attack("Query.tasks", LIST, lambda id: {"filter": {"ids": [id], "search": "secret"}}),
    *(
        _input("Mutation.updateTask", UPDATE, **{to_camel_case(fact.name): value})
        for fact in facts_with(May.UPDATE)
        for value in (sent_values_of(fact)[0], *([None] if May.CLEAR in fact.may else []))
    ),
    _input("Mutation.updateTask", UPDATE, completed=True, title="x", description="y"),
    _input("Mutation.updateTask", UPDATE, recurrence=None),
    _input("Mutation.updateTask", UPDATE, recurrence={"rrule": "FREQ=DAILY"}),
    _input(
        "Mutation.updateTask",
        UPDATE,
        dueOn="2028-01-31",
        recurrence={"rule": {"unit": "DAY", "until": "2028-02-01"}},
    ),
    _input("Mutation.updateTask", UPDATE),
    _input("Mutation.updateTask", UPDATE, expectedVersion=1),
    _input("Mutation.updateTask", UPDATE, title="stolen", expectedVersion=1),
    _input("Mutation.updateTask", UPDATE, title="stolen", expectedVersion=7),
    _input("Mutation.updateTask", UPDATE, title=""),
    _input("Mutation.toggleTask", TOGGLE),
    _input("Mutation.updateTask", UPDATE, completed=True, today="2026-01-31"),
    _input("Mutation.toggleTask", TOGGLE, expectedVersion=1),
    _input("Mutation.toggleTask", TOGGLE, today="2026-01-31"),
    _input("Mutation.toggleTask", TOGGLE, expectedVersion=7),
    _input("Mutation.moveTask", MOVE),
    _input("Mutation.moveTask", MOVE, listId=None, parentId=None),
    _input("Mutation.moveTask", MOVE, place={"first": True}, expectedVersion=1),
    _input("Mutation.moveTask", MOVE, place={"last": True}, expectedVersion=7),
    _input("Mutation.deleteTask", DELETE, expectedVersion=7),
    _input("Mutation.deleteTask", DELETE, expectedVersion=1),
    _input("Mutation.deleteTask", DELETE),
    # The id that was sent comes back as missing, so of the answer that is left out.
    *(
        Attack(
            "Mutation.updateTasks",
            UPDATE_MANY.replace("missingIds", ""),
            lambda id, values=values: {"input": {"ids": [id], **values}},  # type: ignore[misc]
        )
        for values in (
            {"completed": True},
            {"dueOn": None},
            {"dueTime": "09:00"},
            {"priority": "HIGH"},
            {"addLabels": ["stolen"]},
            {"removeLabels": ["secret"]},
        )
    ),
    Attack(
        "Mutation.deleteTasks",
        DELETE_MANY.replace("missingIds", ""),
        lambda id: {"input": {"ids": [id]}},
    ),
    Attack(
        "Mutation.purgeTasks",
        PURGE.replace("missingIds", ""),
        lambda id: {"input": {"ids": [id]}},
        in_trash=True,
    ),
    Attack(
        "Mutation.restoreTasks",
        RESTORE_MANY.replace("missingIds", ""),
        lambda id: {"input": {"ids": [id]}},
    ),
    _input("Mutation.restoreTask", RESTORE, expectedVersion=1),
    _input("Mutation.restoreTask", RESTORE),
    Attack(
        "Mutation.revokeCalendarLink",
        REVOKE_LINK,
        lambda id: {"input": {"id": id}},
        of_link=True,
    ),
]
"""Every operation that takes an id. A field that takes one and is not here fails a test below."""

MAKING = {"Mutation.createTask", "Mutation.createTasks", "Mutation.createList"}
"""Fields that take the id of a thing that is not there yet: a test of its own has them."""

EVERYTHING = f"""{{
  me {{ id email name createdAt }}
  calendarLinks {{ id name createdAt lastUsedAt }}
  tasks {{ nodes {{ {TASK} owner {{ id email name }} }} edges {{ cursor }} totalCount
           pageInfo {{ startCursor endCursor hasNextPage hasPreviousPage }} }}
  lists {{ nodes {{ {LIST_FIELDS} pendingCount tasks {{ nodes {{ title }} }} }} totalCount }}
  changes {{ nodes {{ kind id version node {{ id ... on TaskList {{ name }} }} }} reset }}
  taskChanges {{ nodes {{ taskId version task {{ {TASK} }} }} edges {{ cursor }} reset
                 pageInfo {{ endCursor hasNextPage }} }}
}}"""


OWNERSHIP = re.compile(
    r"(?:(?:tasks|parent|task_lists|task_counters|task_labels|calendar_links)\.user_id|users\.id)"
    r" = "
    r"(\$\d+::VARCHAR|counter\.user_id)"
)

forgotten: list[int] = []


def forget_owners(patch: pytest.MonkeyPatch) -> None:
    """Take the first layer away: no statement says whose rows it means."""

    class Forgetful(PipelinedDatabase):
        async def fetch(self, statement: Statement[Row]) -> list[Row]:
            text, count = OWNERSHIP.subn(r"\1 IS NOT NULL", statement.sql.text)
            forgotten.append(count)
            # The count that is kept is of any owner then.
            text = text.replace("IS NOT NULL), (SELECT", "IS NOT NULL LIMIT 1), (SELECT")
            sql = replace(statement.sql, text=text)
            return await super().fetch(statement._replace(sql=sql))

    patch.setattr("app.lifespan.PipelinedDatabase", Forgetful)


ROW_SECURITY_ALONE = pytest.param(
    "row security alone",
    marks=one_node("what names no owner would go to all shards, and the engine refuses it"),
)


@pytest.fixture(scope="module", params=["both layers", ROW_SECURITY_ALONE, "statements alone"])
def layers(request: pytest.FixtureRequest, database: Database) -> Iterator[Server]:
    """A server with both layers, or with one of them taken away."""
    settings = settings_for(database.server_url, migration_database_url=database.superuser_url)
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "row security alone":
            forget_owners(patch)
        elif request.param == "statements alone":
            settings = settings.model_copy(
                update={"database_url": database.superuser_url, "require_row_security": False}
            )
        with running_server(settings) as server:
            yield server


@pytest.fixture(scope="module")
def no_layers(database: Database) -> Iterator[Server]:
    """A server with neither layer: the attacks must succeed here, or they prove nothing."""
    settings = settings_for(database.superuser_url, require_row_security=False)
    with pytest.MonkeyPatch.context() as patch:
        forget_owners(patch)
        with running_server(settings) as server:
            yield server


def rows_of(server: Server, user: Caller, database: Database) -> list[dict[str, Any]]:
    """Return all that the database holds of a user, as it is."""
    with psycopg.connect(database.superuser_url, row_factory=dict_row) as connection:
        found = connection.execute(
            "SELECT to_jsonb(t) AS row FROM tasks t WHERE user_id = %(id)s UNION ALL "
            "SELECT to_jsonb(s) FROM task_lists s WHERE user_id = %(id)s UNION ALL "
            "SELECT to_jsonb(c) FROM task_counters c WHERE user_id = %(id)s UNION ALL "
            "SELECT to_jsonb(l) FROM task_labels l WHERE user_id = %(id)s UNION ALL "
            "SELECT to_jsonb(k) FROM calendar_links k WHERE user_id = %(id)s UNION ALL "
            "SELECT to_jsonb(a) FROM action_steps a WHERE user_id = %(id)s UNION ALL "
            "SELECT to_jsonb(u) FROM users u WHERE id = %(id)s ORDER BY row",
            {"id": user.user_id},
        )
        return found.fetchall()


def answer(user: Caller, query: str, variables: dict[str, Any]) -> tuple[int, bytes, Any]:
    response = user.post(query, variables, headers={"X-Request-ID": "the-same"})
    headers = {name: value for name, value in response.headers.items() if name != "date"}
    return response.status_code, response.content, headers


@pytest.mark.parametrize("attack", ATTACKS, ids=str)
def test_anothers_task_is_answered_as_no_task_byte_for_byte(
    layers: Server, database: Database, count: Count, attack: Attack
) -> None:
    alice, bob = layers.user(), layers.user()
    id = attack.aim(alice)
    bob.create("Bob's own")
    before = rows_of(layers, alice, database)

    at_alices = answer(bob, attack.query, attack.variables(id))
    at_nothing = answer(bob, attack.query, attack.variables(attack.nothing))

    count("tries to reach another's task by its id", 1)
    count("tries to reach another's task that told something", int(at_alices != at_nothing))
    assert at_alices == at_nothing
    assert b"Alice" not in at_alices[1]
    assert rows_of(layers, alice, database) == before
    assert bob.page()["totalCount"] == 1


@pytest.mark.parametrize("key", [{}, {"idempotencyKey": "undo"}])
def test_anothers_action_is_answered_as_none_byte_for_byte(
    layers: Server, database: Database, key: dict[str, str]
) -> None:
    alice, bob = layers.user(), layers.user()
    id = alice.create("Alice's secret")["id"]
    alice.update(id=id, title="Alice's other", idempotencyKey="hers")
    # Each of them has an action with this key.
    for user in (alice, bob):
        user.create("both", idempotencyKey="both")
    before = rows_of(layers, alice, database)
    at_hers = answer(bob, UNDO, {"input": {"actionKey": "hers", **key}})
    at_none = answer(layers.user(), UNDO, {"input": {"actionKey": "nobody's", **key}})
    assert at_hers == at_none
    assert b"ActionNotFound" in at_hers[1]
    assert bob.undo("both")["changedCount"] == 1
    assert rows_of(layers, alice, database) == before
    assert alice.undo("both", idempotencyKey="undo")["changedCount"] == 1
    assert alice.undo("hers")["changed"][0]["title"] == "Alice's secret"


def test_a_list_and_a_count_hold_the_callers_own_alone(layers: Server) -> None:
    alice, bob = layers.user(email="alice@example.com", name="Alice"), layers.user(name="Bob")
    for n in range(3):
        alice.create(f"Alice's {n}", listId=alice.create_list(f"Alice's list {n}")["id"])
    alice.create_link("Alice's phone")
    seen = bob.post(EVERYTHING).text
    assert "Alice" not in seen
    assert bob.page() == layers.user().page()
    bob.create("Bob's own")
    assert bob.titles() == ["Bob's own"]
    assert bob.page()["totalCount"] == 1
    assert bob.data("{ me { name } }")["me"]["name"] == "Bob"


def test_anothers_cursor_shows_the_callers_own_alone(layers: Server) -> None:
    alice, bob = layers.user(), layers.user()
    bob.create("Bob's first")
    for n in range(3):
        alice.create(f"Alice's {n}")
    bob.create("Bob's second")
    for order in nonempty(TaskOrderField.__members__):
        arguments: dict[str, Any] = {"orderBy": {"field": order, "direction": "ASC"}}
        if order == "COMPLETED_AT":
            arguments["filter"] = {"status": "COMPLETED"}
            for user in (alice, bob):
                user.update_many(ids=[task["id"] for task in user.page()["nodes"]], completed=True)
        if order == "POSITION":
            arguments["filter"] = {"inbox": True}
        for edge in nonempty(alice.page(**arguments)["edges"]):
            for place in ("after", "before"):
                page = bob.page(**{place: edge["cursor"], "first": 50}, **arguments)
                assert {node["title"] for node in page["nodes"]} <= {"Bob's first", "Bob's second"}
                info = page["pageInfo"]
                assert info["hasNextPage"] is (place == "before" and len(page["nodes"]) < 2)
                assert info["hasPreviousPage"] is (place == "after" and len(page["nodes"]) < 2)


def test_anothers_ids_are_missing_as_unknown_ones_are(layers: Server, database: Database) -> None:
    alice, bob = layers.user(), layers.user()
    id, own = alice.create("Alice's secret")["id"], bob.create("Bob's own")["id"]
    before = rows_of(layers, alice, database)
    asked = [NO_SUCH_ID, id, own]
    updated = bob.update_many(ids=asked, completed=True)
    deleted = bob.delete_many(ids=asked)
    for answer in (updated, deleted):
        assert [task["id"] for task in answer["tasks"]] == [own]
        assert answer["missingIds"] == [NO_SUCH_ID, id]
    assert rows_of(layers, alice, database) == before


def test_a_search_finds_the_callers_own_alone(layers: Server) -> None:
    alice, bob = layers.user(), layers.user()
    alice.create("Alice's secret", description="her own")
    assert alice.titles(filter={"search": "SECRET"}) == ["Alice's secret"]
    for search in ("secret", "s", "her own", "' | secret", "secret:* | !bob"):
        assert bob.page(filter={"search": search}) == bob.page(filter={"search": "nothing"})
    bob.create("Bob's secret")
    assert bob.titles(filter={"search": "secret"}) == ["Bob's secret"]
    assert bob.page(filter={"search": "secret"})["totalCount"] == 1


def test_an_emptied_trash_is_the_callers_own_alone(layers: Server, database: Database) -> None:
    alice, bob = layers.user(), layers.user()
    alice.delete(id=alice.create("Alice's secret")["id"])
    before = rows_of(layers, alice, database)
    assert bob.empty_trash()["purgedCount"] == 0
    bob.delete(id=bob.create("Bob's own")["id"])
    assert bob.empty_trash()["purgedCount"] == 1
    assert rows_of(layers, alice, database) == before


def test_what_is_stored_is_counted_of_the_caller_alone(layers: Server) -> None:
    alice, bob = layers.user(), layers.user()
    alice.create("Alice's secret", description="her own")
    storage = "{ storage { tasks bytes } }"
    assert bob.data(storage)["storage"] == {"tasks": 0, "bytes": 0}
    bob.create("Bob's")
    assert bob.data(storage)["storage"] == {"tasks": 1, "bytes": 5}
    alice.create("more")
    assert bob.data(storage)["storage"] == {"tasks": 1, "bytes": 5}


def test_changes_are_the_callers_own_alone(layers: Server) -> None:
    alice, bob = layers.user(), layers.user()
    for n in range(3):
        alice.create(f"Alice's {n}")
    bob.create("Bob's first")
    cursors = [edge["cursor"] for edge in alice.changes()["edges"]]
    bob.create("Bob's second")
    bobs = {"Bob's first", "Bob's second"}
    for page in (bob.changes(), *(bob.changes(after=cursor) for cursor in cursors)):
        assert {node["task"]["title"] for node in page["nodes"]} <= bobs
    # Where nothing has been written yet, nothing of others shows either.
    nobody = layers.user()
    assert nobody.changes()["nodes"] == nobody.changes(after=cursors[0])["nodes"] == []


def test_a_count_of_versions_tells_nothing_of_others(layers: Server) -> None:
    alice, bob = layers.user(), layers.user()
    for _ in range(5):
        alice.create()
    assert bob.create()["version"] == 1


@one_node("the engine refuses a statement that names no owner")
def test_without_both_layers_the_attacks_succeed(no_layers: Server, database: Database) -> None:
    """The proof that the tests above can fail."""
    succeeded = set()
    for attack in ATTACKS:
        alice, bob = no_layers.user(), no_layers.user()
        id = attack.aim(alice)
        bob.create("Bob's own")
        if answer(bob, attack.query, attack.variables(id)) != answer(
            bob, attack.query, attack.variables(attack.nothing)
        ):
            succeeded.add(attack.field)
    assert succeeded == {attack.field for attack in ATTACKS}
    assert sum(forgotten) > len(ATTACKS)


def _takes_id(type_: GraphQLInputType, seen: frozenset[str] = frozenset()) -> bool:
    named = get_named_type(type_)
    if not isinstance(named, GraphQLInputObjectType):
        return named.name == "ID"
    if named.name in seen:
        return False
    return any(_takes_id(f.type, seen | {named.name}) for f in named.fields.values())


def test_every_field_that_takes_an_id_is_attacked() -> None:
    core: GraphQLSchema = build_schema(print_schema(schema))
    taking = {
        f"{type_.name}.{name}"
        for type_ in core.type_map.values()
        if isinstance(type_, GraphQLObjectType) and not type_.name.startswith("__")
        for name, field in type_.fields.items()
        for argument in field.args.values()
        if _takes_id(argument.type)
    }
    assert taking == {attack.field for attack in ATTACKS} | MAKING | {"TaskList.tasks"}


def test_a_list_shows_no_task_of_anothers(layers: Server) -> None:
    alice, bob = layers.user(), layers.user()
    own = bob.create_list()["id"]
    list_id = alice.create_list("Alice's list")["id"]
    id = alice.create("Alice's secret", listId=list_id)["id"]
    page = "query ($f: TaskFilter) { lists { nodes { tasks(filter: $f) { totalCount } } } }"
    bob.create("Bob's own", listId=own)
    for filter in ({"ids": [id]}, {"listId": list_id}, {"parentId": id}):
        assert bob.data(page, f=filter)["lists"]["nodes"] == [{"tasks": {"totalCount": 0}}]
    assert bob.lists()["nodes"][0]["pendingCount"] == 1


def test_an_id_of_anothers_is_as_free_as_any(layers: Server, database: Database) -> None:
    alice, bob = layers.user(), layers.user()
    ids = [alice.create("Alice's secret")["id"] for _ in range(2)]
    alice.delete(id=ids[1])
    before = rows_of(layers, alice, database)
    assert bob.create("Bob's own", id=ids[0])["id"] == ids[0]
    (made,) = bob.create_many({"title": "Bob's other", "id": ids[1]})["tasks"]
    assert made["id"] == ids[1]
    assert bob.delete(id=ids[0])["deletedTaskId"] == ids[0]
    assert rows_of(layers, alice, database) == before


def test_a_label_of_anothers_is_none(layers: Server, database: Database) -> None:
    alice, bob = layers.user(), layers.user()
    alice.create("Alice's", labels=["Secret"])
    before = rows_of(layers, alice, database)
    unknown = bob.rename_label(**{"from": "unknown"}, to="stolen")
    assert bob.rename_label(**{"from": "Secret"}, to="stolen") == unknown
    assert unknown["__typename"] == "LabelNotFound"
    # Nor is it spelled as hers.
    assert bob.create("Bob's", labels=["SECRET"])["labels"] == ["SECRET"]
    assert rows_of(layers, alice, database) == before


AIMED: dict[str, tuple[str, Callable[[str, str], dict[str, Any]]]] = {
    "createTask parentId": (CREATE, lambda _, id: {"title": "x", "parentId": id}),
    "createTask listId": (CREATE, lambda _, id: {"title": "x", "listId": f"L{id}"}),
    "createTask place": (CREATE, lambda _, id: {"title": "x", "place": {"before": id}}),
    "createTasks parentId": (
        CREATE_MANY,
        lambda _, id: {"tasks": [{"title": "x", "parentId": id}]},
    ),
    "createTasks listId": (
        CREATE_MANY,
        lambda _, id: {"tasks": [{"title": "", "listId": f"L{id}"}]},
    ),
    "updateTask listId": (UPDATE, lambda own, id: {"id": own, "listId": f"L{id}"}),
    "updateTasks listId": (UPDATE_MANY, lambda own, id: {"ids": [own], "listId": f"L{id}"}),
    "moveTask listId": (MOVE, lambda own, id: {"id": own, "listId": f"L{id}"}),
    "moveTask parentId": (MOVE, lambda own, id: {"id": own, "parentId": id}),
    "moveTask both": (MOVE, lambda own, id: {"id": own, "parentId": id, "listId": None}),
    "moveTask place": (MOVE, lambda own, id: {"id": own, "place": {"after": id}}),
    "tasks listId": (LIST, lambda _, id: {"listId": f"L{id}"}),
    "tasks parentId": (LIST, lambda _, id: {"parentId": id}),
}
"""Where an id names what one's own task is to be in, below or beside."""


@pytest.mark.parametrize("name", AIMED)
def test_what_is_anothers_is_no_list_no_parent_and_no_place(
    layers: Server, database: Database, name: str
) -> None:
    query, input_of = AIMED[name]
    alice, bob = layers.user(), layers.user()
    task = alice.create("Alice's secret")["id"]
    with psycopg.connect(database.superuser_url) as connection:
        # A list that has the id of the task, so that the same id is tried as both. A trigger would
        # refuse it.
        connection.execute("SET LOCAL session_replication_role = replica")
        connection.execute(
            "INSERT INTO task_lists (user_id, id, name, position, version) "
            "VALUES (%s, %s, 'Secret', 'V', 2)",
            [alice.user_id, task],
        )
    own = bob.create("Bob's own")["id"]
    before = rows_of(layers, alice, database), rows_of(layers, bob, database)
    argument = "filter" if query is LIST else "input"
    at_alices = answer(bob, query, {argument: input_of(own, task)})
    assert at_alices == answer(bob, query, {argument: input_of(own, NO_SUCH_ID)})
    assert b"Secret" not in at_alices[1]
    assert (rows_of(layers, alice, database), rows_of(layers, bob, database)) == before


def calendar_of(server: Server, address: str) -> tuple[int, bytes, Any]:
    """Ask for a calendar as whoever knows the address."""
    response = server.bearer(None).http.get(address, headers={"X-Request-ID": "the-same"})
    headers = {name: value for name, value in response.headers.items() if name != "date"}
    return response.status_code, response.content, headers


def with_owner_of(address: str, other: str) -> str:
    """Return an address with its own secret, and the owner of the other one."""
    return f"{other.rpartition('.ics')[0].rpartition('.')[0]}.{address.split('.', 1)[1]}"


def test_a_calendar_shows_its_owners_tasks_to_who_knows_its_secret(
    layers: Server, database: Database
) -> None:
    alice, bob = layers.user(), layers.user()
    alice.create("Alice's secret", dueOn="2026-12-24")
    bob.create("Bob's own", dueOn="2026-12-24")
    alices, bobs = alice.create_link()["url"], bob.create_link()["url"]
    before = rows_of(layers, alice, database)
    status, content, _ = calendar_of(layers, bobs)
    assert status == 200
    assert b"Bob's own" in content
    assert b"Alice" not in content
    nothing = calendar_of(layers, "/calendar/nothing.ics")
    assert nothing[0] == 404
    assert calendar_of(layers, with_owner_of(bobs, alices)) == nothing
    assert calendar_of(layers, with_owner_of(alices, bobs)) == nothing
    assert rows_of(layers, alice, database) == before


@one_node("the engine refuses a statement that names no owner")
def test_without_both_layers_anothers_secret_opens_a_calendar(no_layers: Server) -> None:
    """The proof that the test above can fail."""
    alice, bob = no_layers.user(), no_layers.user()
    alice.create("Alice's secret", dueOn="2026-12-24")
    alices, bobs = alice.create_link()["url"], bob.create_link()["url"]
    status, content, _ = calendar_of(no_layers, with_owner_of(bobs, alices))
    assert status == 200
    assert b"Alice's secret" in content


def test_a_user_id_can_be_sent_nowhere() -> None:
    sdl = print_schema(schema)
    assert not re.search(r"(?i)(user|owner)_?id", sdl)


@one_node("the engine refuses a statement that names no owner")
def test_nothing_is_seen_where_no_owner_is_set(database: Database) -> None:
    with psycopg.connect(database.server_url) as connection:
        for table in nonempty(OWNED_TABLES):
            assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)
