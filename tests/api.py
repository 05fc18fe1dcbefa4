"""A running server and its callers: tests make a user, say a sentence, and look at the answer."""

import json
import os
import random
import ssl
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar
from uuid import uuid4

import httpx2
import uvicorn
from fastapi import FastAPI
from strawberry.utils.str_converters import to_camel_case

from app.database.listener import USUAL_INTERVALS, Intervals
from app.factory import create_app
from app.http.connection import GuardedProtocol
from app.http.connections import Connections
from app.http.sizes import MESSAGE_MAX_BYTES
from app.http.websocket import GraphQLSocket
from app.http.websocket_connection import GuardedWebSocket
from app.lifespan import Running
from app.settings import Settings
from auth.signing import make_token
from models.task import TaskRow
from models.task_list import TaskListRow

FAST_PATH = os.environ.get("FAST_PATH") != "off"
"""Whether servers in tests compile operations; `FAST_PATH=off` runs the tests without that."""

NO_CERTIFICATES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""For clients of plain HTTP: each would read all of the world's certificates first, for 20 ms."""

SECRET = "a-secret-for-tests-of-thirty-two-bytes-or-more"

TASK = " ".join(
    to_camel_case(name)
    for name in TaskRow._fields
    if name not in ("list_id", "parent_id", "repeats", "successor_id")
)
"""The fields of a task that are columns."""

CREATE = f"""
mutation Create($input: CreateTaskInput!) {{
  createTask(input: $input) {{
    __typename
    ... on Task {{ {TASK} }}
    ... on InvalidInput {{ message issues {{ path code message }} }}
  }}
}}"""
UPDATE = f"""
mutation Update($input: UpdateTaskInput!) {{
  updateTask(input: $input) {{
    __typename
    ... on Task {{ {TASK} }}
    ... on UserError {{ message }}
    ... on InvalidInput {{ issues {{ path code message }} }}
    ... on VersionConflict {{ current {{ {TASK} }} }}
  }}
}}"""
MOVE = f"""
mutation Move($input: MoveTaskInput!) {{
  moveTask(input: $input) {{
    __typename
    ... on Task {{ {TASK} }}
    ... on UserError {{ message }}
    ... on InvalidInput {{ issues {{ path code message }} }}
    ... on VersionConflict {{ current {{ {TASK} }} }}
  }}
}}"""
TOGGLE = f"""
mutation Toggle($input: ToggleTaskInput!) {{
  toggleTask(input: $input) {{
    __typename
    ... on Task {{ {TASK} }}
    ... on UserError {{ message }}
    ... on VersionConflict {{ current {{ {TASK} }} }}
  }}
}}"""
DELETE = f"""
mutation Delete($input: DeleteTaskInput!) {{
  deleteTask(input: $input) {{
    __typename
    ... on DeleteTaskSuccess {{ deletedTaskId version }}
    ... on UserError {{ message }}
    ... on VersionConflict {{ current {{ {TASK} }} }}
  }}
}}"""
CREATE_MANY = f"""
mutation CreateMany($input: CreateTasksInput!) {{
  createTasks(input: $input) {{
    __typename
    ... on CreateTasksSuccess {{ tasks {{ {TASK} }} }}
    ... on UserError {{ message }}
    ... on InvalidInput {{ issues {{ path code message }} }}
  }}
}}"""
UPDATE_MANY = f"""
mutation UpdateMany($input: UpdateTasksInput!) {{
  updateTasks(input: $input) {{
    __typename
    ... on UpdateTasksSuccess {{ tasks {{ {TASK} }} missingIds }}
    ... on UserError {{ message }}
    ... on InvalidInput {{ issues {{ path code message }} }}
  }}
}}"""
DELETE_MANY = f"""
mutation DeleteMany($input: DeleteTasksInput!) {{
  deleteTasks(input: $input) {{
    __typename
    ... on DeleteTasksSuccess {{ deletedTaskIds tasks {{ {TASK} }} missingIds }}
    ... on InvalidInput {{ message issues {{ path code message }} }}
  }}
}}"""
RESTORE = f"""
mutation Restore($input: RestoreTaskInput!) {{
  restoreTask(input: $input) {{
    __typename
    ... on Task {{ {TASK} }}
    ... on UserError {{ message }}
    ... on VersionConflict {{ current {{ {TASK} }} }}
  }}
}}"""
RESTORE_MANY = f"""
mutation RestoreMany($input: RestoreTasksInput!) {{
  restoreTasks(input: $input) {{
    __typename
    ... on RestoreTasksSuccess {{ tasks {{ {TASK} }} missingIds }}
    ... on InvalidInput {{ message issues {{ path code message }} }}
  }}
}}"""
RENAME_LABEL = """
mutation RenameLabel($input: RenameLabelInput!) {
  renameLabel(input: $input) {
    __typename
    ... on RenameLabelSuccess { label { name } changedCount }
    ... on UserError { message }
    ... on InvalidInput { issues { path code message } }
  }
}"""
PURGE = """
mutation Purge($input: PurgeTasksInput!) {
  purgeTasks(input: $input) {
    __typename
    ... on PurgeTasksSuccess { purgedTaskIds missingIds }
    ... on InvalidInput { message issues { path code message } }
  }
}"""
EMPTY = """
mutation Empty($input: EmptyTrashInput!) {
  emptyTrash(input: $input) { __typename ... on EmptyTrashSuccess { purgedCount hasMore } }
}"""
UNDO = f"""
mutation Undo($input: UndoInput!) {{
  undo(input: $input) {{
    __typename
    ... on UndoSuccess {{
      changed {{ id ... on Task {{ {TASK} }} ... on TaskList {{ name }} }}
      changedCount
    }}
    ... on UserError {{ message }}
    ... on UndoConflict {{ current {{ id ... on Task {{ {TASK} }} ... on TaskList {{ name }} }} }}
  }}
}}"""
LIST_FIELDS = " ".join(map(to_camel_case, TaskListRow._fields))
"""The fields of a list that are columns."""


def _of_list(verb: str) -> str:
    return f"""
mutation ($input: {verb.capitalize()}ListInput!) {{
  {verb}List(input: $input) {{
    __typename
    ... on TaskList {{ {LIST_FIELDS} }}
    ... on UserError {{ message ... on ListVersionConflict {{ current {{ {LIST_FIELDS} }} }} }}
    ... on InvalidInput {{ issues {{ path code message }} }}
  }}
}}"""


CREATE_LIST, UPDATE_LIST, MOVE_LIST, RESTORE_LIST = map(
    _of_list, ("create", "update", "move", "restore")
)
DELETE_LIST = f"""
mutation ($input: DeleteListInput!) {{
  deleteList(input: $input) {{
    __typename
    ... on DeleteListSuccess {{ deletedListId version deletedTaskCount }}
    ... on UserError {{ message }}
    ... on ListVersionConflict {{ current {{ {LIST_FIELDS} }} }}
  }}
}}"""
LISTS = f"""
query ($trash: TaskTrash! = EXCLUDE, $first: Int, $after: String, $last: Int, $before: String) {{
  lists(trash: $trash, first: $first, after: $after, last: $last, before: $before) {{
    nodes {{ {LIST_FIELDS} pendingCount }}
    edges {{ cursor node {{ id }} }}
    pageInfo {{ hasNextPage hasPreviousPage startCursor endCursor }}
    totalCount
  }}
}}"""
CREATE_LINK = """
mutation ($input: CreateCalendarLinkInput!) {
  createCalendarLink(input: $input) {
    __typename
    ... on CreateCalendarLinkSuccess { link { id name createdAt lastUsedAt } }
    ... on UserError { message }
    ... on InvalidInput { issues { path code message } }
  }
}"""
NEW_LINK = CREATE_LINK.replace("link {", "url link {")
"""With the address, which is told once."""
REVOKE_LINK = """
mutation ($input: RevokeCalendarLinkInput!) {
  revokeCalendarLink(input: $input) {
    __typename
    ... on RevokeCalendarLinkSuccess { revokedLinkId }
    ... on UserError { message }
  }
}"""
LINKS = "{ calendarLinks { id name createdAt lastUsedAt } }"
GET = f"query Get($id: ID!) {{ task(id: $id) {{ {TASK} }} }}"
LIST = f"""
query List($filter: TaskFilter, $orderBy: TaskOrder, $first: Int, $after: String, $last: Int,
           $before: String) {{
  tasks(filter: $filter, orderBy: $orderBy, first: $first, after: $after, last: $last,
        before: $before) {{
    nodes {{ {TASK} }}
    edges {{ cursor node {{ id }} }}
    pageInfo {{ hasNextPage hasPreviousPage startCursor endCursor }}
    totalCount
  }}
}}"""

CHANGES = f"""
query Changes($after: String, $first: Int) {{
  taskChanges(after: $after, first: $first) {{
    nodes {{ taskId version task {{ {TASK} }} }}
    edges {{ cursor node {{ taskId }} }}
    pageInfo {{ hasNextPage hasPreviousPage startCursor endCursor }}
    reset
  }}
}}"""


ALL_CHANGES = f"""
query AllChanges($after: String, $first: Int) {{
  changes(after: $after, first: $first) {{
    nodes {{ kind id version node {{ __typename id ... on Task {{ {TASK} }}
                                     ... on TaskList {{ {LIST_FIELDS} }} }} }}
    edges {{ cursor node {{ id }} }}
    pageInfo {{ hasNextPage hasPreviousPage startCursor endCursor }}
    reset
  }}
}}"""

T = TypeVar("T")


def nonempty(rows: Iterable[T]) -> list[T]:
    """Return the rows, of which there must be one: a loop over none would assert nothing."""
    found = list(rows)
    assert found, "there are none"
    return found


def new_id(days_ago: float = 0) -> str:
    """Return an id of a task as a client makes it."""
    return str((int(time.time() - days_ago * 86_400) << 21) + random.getrandbits(21))


def issues(answer: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the path and the code of everything that is wrong with an input."""
    return [(".".join(issue["path"]), issue["code"]) for issue in answer.get("issues", [])]


class Caller:
    """Somebody with a token, or with none, who talks GraphQL over HTTP."""

    def __init__(self, url: str, user_id: str | None, token: str | None) -> None:
        self.user_id = user_id
        self.token = token
        headers = {"Accept": "application/graphql-response+json"}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        self.http = httpx2.Client(base_url=url, headers=headers, timeout=30, verify=NO_CERTIFICATES)

    def post(
        self, query: str, variables: Mapping[str, Any] | None = None, **request: Any
    ) -> httpx2.Response:
        # As JavaScript would: half a surrogate is sent as an escape.
        body = json.dumps({"query": query, "variables": variables})
        headers = {"Content-Type": "application/json", **request.pop("headers", {})}
        return self.http.post("/graphql", content=body, headers=headers, **request)

    def execute(self, query: str, variables: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return the whole result, errors included."""
        result: dict[str, Any] = self.post(query, variables).json()
        return result

    def data(self, query: str, **variables: Any) -> dict[str, Any]:
        """Return the data of a request that must succeed."""
        response = self.post(query, variables)
        result = response.json()
        assert response.status_code == 200, result
        assert "errors" not in result, result
        data: dict[str, Any] = result["data"]
        return data

    def create(self, title: str = "Milk", **rest: Any) -> Any:
        task = self.data(CREATE, input={"title": title, **rest})["createTask"]
        assert task.pop("__typename") == "Task", task
        return task

    def update(self, **input: Any) -> Any:
        return self.data(UPDATE, input=input)["updateTask"]

    def move(self, **input: Any) -> Any:
        return self.data(MOVE, input=input)["moveTask"]

    def toggle(self, **input: Any) -> Any:
        return self.data(TOGGLE, input=input)["toggleTask"]

    def delete(self, **input: Any) -> Any:
        return self.data(DELETE, input=input)["deleteTask"]

    def restore(self, **input: Any) -> Any:
        return self.data(RESTORE, input=input)["restoreTask"]

    def create_many(self, *tasks: Mapping[str, Any], **input: Any) -> Any:
        return self.data(CREATE_MANY, input={"tasks": tasks, **input})["createTasks"]

    def update_many(self, **input: Any) -> Any:
        return self.data(UPDATE_MANY, input=input)["updateTasks"]

    def delete_many(self, **input: Any) -> Any:
        return self.data(DELETE_MANY, input=input)["deleteTasks"]

    def restore_many(self, **input: Any) -> Any:
        return self.data(RESTORE_MANY, input=input)["restoreTasks"]

    def rename_label(self, **input: Any) -> Any:
        return self.data(RENAME_LABEL, input=input)["renameLabel"]

    def purge(self, **input: Any) -> Any:
        return self.data(PURGE, input=input)["purgeTasks"]

    def empty_trash(self, **input: Any) -> Any:
        return self.data(EMPTY, input=input)["emptyTrash"]

    def undo(self, action_key: str, **input: Any) -> Any:
        return self.data(UNDO, input={"actionKey": action_key, **input})["undo"]

    def get(self, id: str) -> Any:
        return self.data(GET, id=id)["task"]

    def page(self, **arguments: Any) -> Any:
        return self.data(LIST, **arguments)["tasks"]

    def changes(self, **arguments: Any) -> Any:
        return self.data(CHANGES, **arguments)["taskChanges"]

    def create_list(self, name: str = "Home", **rest: Any) -> Any:
        made = self.data(CREATE_LIST, input={"name": name, **rest})["createList"]
        assert made.pop("__typename") == "TaskList", made
        return made

    def update_list(self, **input: Any) -> Any:
        return self.data(UPDATE_LIST, input=input)["updateList"]

    def move_list(self, **input: Any) -> Any:
        return self.data(MOVE_LIST, input=input)["moveList"]

    def delete_list(self, **input: Any) -> Any:
        return self.data(DELETE_LIST, input=input)["deleteList"]

    def restore_list(self, **input: Any) -> Any:
        return self.data(RESTORE_LIST, input=input)["restoreList"]

    def lists(self, **arguments: Any) -> Any:
        return self.data(LISTS, **arguments)["lists"]

    def create_link(self, name: str = "Phone", **rest: Any) -> Any:
        return self.data(NEW_LINK, input={"name": name, **rest})["createCalendarLink"]

    def revoke_link(self, **input: Any) -> Any:
        return self.data(REVOKE_LINK, input=input)["revokeCalendarLink"]

    def links(self) -> Any:
        return self.data(LINKS)["calendarLinks"]

    def all_changes(self, **arguments: Any) -> Any:
        return self.data(ALL_CHANGES, **arguments)["changes"]

    def titles(self, **arguments: Any) -> list[str]:
        return [task["title"] for task in self.page(**arguments)["nodes"]]


class Server:
    """The real application on a real port, in a thread."""

    def __init__(self, settings: Settings, intervals: Intervals = USUAL_INTERVALS) -> None:
        self.settings = settings
        self.app: FastAPI = create_app(settings, intervals)
        self.config = uvicorn.Config(
            self.app,
            port=0,
            log_level="warning",
            access_log=False,
            lifespan="on",
            proxy_headers=False,
            ws_max_size=MESSAGE_MAX_BYTES,
            ws_per_message_deflate=False,
            http=GuardedProtocol,
            ws=GuardedWebSocket,
        )
        self._server = uvicorn.Server(self.config)
        self._thread = threading.Thread(target=self._server.run)
        self._callers: list[Caller] = []

    @property
    def url(self) -> str:
        port = self._server.servers[0].sockets[0].getsockname()[1]
        return f"http://127.0.0.1:{port}"

    @property
    def running(self) -> Running:
        """The parts at work."""
        running: Running = self._server.lifespan.state["running"]
        return running

    @property
    def socket(self) -> GraphQLSocket:
        socket: GraphQLSocket = self._server.lifespan.state["socket"]
        return socket

    @property
    def connections(self) -> Connections:
        connections: Connections = self._server.lifespan.state["connections"]
        return connections

    def start(self) -> None:
        self._thread.start()
        while not self._server.started:
            assert self._thread.is_alive(), "the server did not start"
            time.sleep(0.01)

    def stop(self) -> None:
        for caller in self._callers:
            caller.http.close()
        self._server.should_exit = True
        self._thread.join()

    def token(self, user_id: str, lifetime: timedelta = timedelta(minutes=5), **claims: Any) -> str:
        return make_token(
            SECRET,
            user_id=user_id,
            lifetime=lifetime,
            issuer=self.settings.issuer,
            audience=self.settings.audience,
            **claims,
        )

    def user(self, user_id: str | None = None, **claims: Any) -> Caller:
        """Return a caller with a token; a new user when no id is given."""
        user_id = user_id or f"user-{uuid4().hex}"
        return self.bearer(self.token(user_id, **claims), user_id)

    def bearer(self, token: str | None, user_id: str | None = None) -> Caller:
        caller = Caller(self.url, user_id, token)
        self._callers.append(caller)
        return caller


def settings_for(database_url: str | None, **changes: Any) -> Settings:
    """Return settings that nothing in the environment or in `.env` changes."""
    given = {
        "database_url": database_url,
        "better_auth_secret": SECRET,
        "compile_operations": FAST_PATH,
        "answer_directly": FAST_PATH,
        # Machines that run tests are busy.
        "database_pool_timeout": 10.0,
        "rate_limit": 0,
        **changes,
    }
    return Settings(_env_file=None, **given)


@contextmanager
def running_server(settings: Settings, intervals: Intervals = USUAL_INTERVALS) -> Iterator[Server]:
    server = Server(settings, intervals)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def status_in_the_end(server: Server, path: str, status: int) -> bool:
    """Wait until a page has the status; return whether it ever had."""
    http = server.bearer(None).http
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if http.get(path).status_code == status:
            return True
        time.sleep(0.05)
    return False
