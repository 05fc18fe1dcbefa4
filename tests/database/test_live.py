"""Whoever follows their tasks is told of each change, on every worker, and nobody else is."""

import asyncio
import contextlib
import json
import logging
import random
import socket as sockets
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from typing import Any

import psutil
import psycopg
import pytest

from app.database import listener, pipelined, purge
from app.database.changes import Live, NotifyingDatabase
from app.database.listener import Intervals, Receiver, can_listen
from app.database.turns import Turns
from app.http import states
from app.settings import Settings
from models.user import UserId
from tests.api import Caller, Server, nonempty, running_server, settings_for
from tests.counts import Count
from tests.databases import Database
from tests.sockets import signed_in
from tests.workers import cut_listeners, notify

USERS = 10
NEVER = 1e6
"""Seconds that no test lasts."""

ODD = [
    "",
    "null",
    "5",
    "[]",
    "{}",
    '"ada"',
    "ada",
    '{"by": 1}',
    '{"of": ["ada"]}',
    '{"by": "x", "of": 5}',
    '{"by": "x", "of": "ada"}',
    '{"by": "x", "of": [5, null, {}]}',
    '{"by": "x", "of": [["ada"]]}',
    '{"by": "x", "spent": []}',
    '{"by": "x", "spent": {"ada": "b"}}',
    '{"by": "x", "spent": {"ada": 0}}',
    '{"by": "x", "spent": {"ada": -5}}',
    '{"by": "x", "spent": {"ada": true}}',
    '{"by": "x", "spent": {"ada": 2.5}}',
    '{"by": "x", "spent": {"ada": 1e308}}',
    '{"by": "x", "spent": {"ada": 1' + 400 * "0" + "}}",
    '{"by": "x", "of": ' + 3900 * "[" + 3900 * "]" + "}",
]
"""What no worker says, but whoever may connect to the database can."""


@pytest.fixture
def servers(migrated_database: Database) -> Iterator[tuple[Server, Server]]:
    """Two workers of one database, where nothing is found by looking now and then."""
    settings, intervals = settings_for(migrated_database.server_url), Intervals(sweep=NEVER)
    with running_server(settings, intervals) as one, running_server(settings, intervals) as two:
        yield one, two


def eventually(found: Any, wanted: object) -> None:
    deadline = time.monotonic() + 20
    while (seen := found()) != wanted and time.monotonic() < deadline:
        time.sleep(0.01)
    assert seen == wanted


def peers() -> set[int]:
    """Return the ports that this process has connections to."""
    connections = psutil.Process().net_connections("tcp")
    return {connection.raddr.port for connection in connections if connection.raddr}


def watchers(server: Server) -> int:
    return server.running.live.watchers


class Copy:
    """A client's copy of its user's tasks, kept in step by what it is told."""

    def __init__(self) -> None:
        self.titles: dict[str, str] = {}
        self.cursor: str | None = None
        self.versions: list[int] = []

    def apply(self, event: Any) -> None:
        self.cursor, change = event["cursor"], event["node"]
        self.versions.append(change["version"])
        if change["task"] is None:
            self.titles.pop(change["taskId"], None)
        else:
            self.titles[change["taskId"]] = change["task"]["title"]

    def read(self, user: Caller) -> None:
        """Read the whole set."""
        while True:
            page = user.changes(after=self.cursor)
            self.cursor = page["pageInfo"]["endCursor"]
            for change in page["nodes"]:
                self.apply({"cursor": self.cursor, "node": change})
            if not page["pageInfo"]["hasNextPage"]:
                return


def titles_of(user: Caller) -> dict[str, str]:
    return {task["id"]: task["title"] for task in user.page(first=100)["nodes"]}


def test_a_change_is_told_on_every_worker_and_to_its_owner_alone(
    servers: tuple[Server, Server], count: Count
) -> None:
    one, two = servers
    users = [one.user() for _ in range(USERS)]
    for user in users:
        user.create("before")
    with ExitStack() as stack:
        followers = []
        for user in users:
            for server in (one, two):
                follower = stack.enter_context(signed_in(server, user.token))
                follower.follow()
                # Once this is answered, the one before is under way.
                follower.subscribe("{ __typename }", id="two")
                assert [follower.hear()["type"] for _ in range(2)] == ["next", "complete"]
                followers.append((user, follower))
        for server in servers:
            eventually(partial(watchers, server), USERS)
        time.sleep(0.5)
        for round_ in range(5):
            for number, user in enumerate(users):
                (user if number % 2 else two.bearer(user.token)).create(f"{user.user_id} {round_}")
        told = 0
        for user, follower in nonempty(followers):
            versions, last = [], None
            while last != f"{user.user_id} 4":
                event = follower.event()
                last = event["node"]["task"]["title"]
                assert last.startswith(str(user.user_id))
                versions.append(event["node"]["version"])
                told += 1
            assert versions == sorted(versions)
            follower.say({"type": "ping"})
            assert follower.hear() == {"type": "pong"}
    count("changes told to who follows them, on two workers", told)
    assert told == 5 * len(followers)


def test_who_comes_back_misses_nothing(server: Server) -> None:
    user, chance, copy = server.user(), random.Random(7), Copy()
    tasks = [user.create(f"task {number}")["id"] for number in range(5)]
    copy.read(user)

    def change(number: int) -> None:
        id = chance.choice(tasks)
        match chance.randrange(4):
            case 0:
                tasks.append(user.create(f"new {number}")["id"])
            case 1:
                user.delete(id=id)
            case 2:
                user.restore(id=id)
            case _:
                user.update(id=id, title=f"changed {number}")

    for number in range(8):
        for _ in range(chance.randrange(1, 6)):
            change(number)
        with signed_in(server, user.token) as follower:
            follower.follow(copy.cursor)
            change(number + 100)
            last = user.create(f"last of {number}")
            tasks.append(last["id"])
            # Sometimes it leaves before it has heard all.
            heard = 0
            while last["id"] not in copy.titles and (number % 3 or heard < 2):
                copy.apply(follower.event())
                heard += 1
    copy.read(user)
    assert copy.titles == titles_of(user)
    assert copy.versions == sorted(copy.versions)


@pytest.mark.parametrize("is_known", [True, False], ids=["who has tasks", "who has no row yet"])
def test_without_a_cursor_only_what_is_new_is_told(server: Server, is_known: bool) -> None:
    user = server.user()
    if is_known:
        user.create("old")
    with signed_in(server, user.token) as follower:
        follower.follow()
        eventually(lambda: watchers(server) > 0, True)
        time.sleep(0.2)
        user.create("new")
        assert follower.event()["node"]["task"]["title"] == "new"


def test_a_cursor_that_is_too_old_is_an_error(server: Server, database: Database) -> None:
    user = server.user()
    user.create()
    cursor = user.changes()["pageInfo"]["endCursor"]
    user.create()
    with psycopg.connect(database.superuser_url) as connection:
        connection.execute(
            "UPDATE task_counters SET purged_version = 2 WHERE user_id = %s", [user.user_id]
        )
    with signed_in(server, user.token) as follower:
        follower.follow(cursor)
        message = follower.hear()
        assert message["type"] in ("error", "next"), message
        errors = message["payload"]
        errors = errors if message["type"] == "error" else errors["errors"]
        assert errors[0]["extensions"]["code"] == "CURSOR_EXPIRED"


def test_what_changed_while_nothing_could_be_heard_is_told_afterwards(
    servers: tuple[Server, Server], migrated_database: Database
) -> None:
    one, two = servers
    user = one.user()
    user.create("before")
    with signed_in(two, user.token) as follower:
        follower.follow()
        eventually(partial(watchers, two), 1)
        for number in range(3):
            eventually(lambda: cut_listeners(migrated_database) > 0, True)
            user.create(f"cut {number}")
            assert follower.event()["node"]["task"]["title"] == f"cut {number}"


def until_it_receives(server: Server, database: Database) -> None:
    """Wait until a server receives what is sent from now on, and wakes nobody that is not named."""
    named, other = UserId("named"), UserId("other")
    with server.running.live.watch(other) as all_woken, server.running.live.watch(named) as woken:

        def receives() -> bool:
            all_woken.clear()
            woken.clear()
            notify(database, json.dumps({"by": "a test", "of": [named]}))
            time.sleep(0.02)
            return woken.is_set() and not all_woken.is_set()

        eventually(receives, True)


def write_unnoticed(database: Database, user: Caller) -> None:
    """Add a task as no server does: nobody is notified."""
    with psycopg.connect(database.superuser_url) as connection:
        connection.execute(
            "WITH counter AS (UPDATE task_counters SET version = version + 1 WHERE user_id = %s "
            "RETURNING user_id, version) "
            "INSERT INTO tasks (user_id, title, version) "
            "SELECT user_id, 'unnoticed', version FROM counter",
            [user.user_id],
        )


def logged(caplog: pytest.LogCaptureFixture, room: str) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.name == room]


def test_after_what_is_not_understood_changes_are_told_as_before(
    servers: tuple[Server, Server], migrated_database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    one, two = servers
    user = one.user()
    with signed_in(two, user.token) as follower:
        follower.follow()
        eventually(partial(watchers, two), 1)
        until_it_receives(two, migrated_database)
        notify(migrated_database, *ODD)
        user.create("after")
        assert follower.event()["node"]["task"]["title"] == "after"
    assert len(logged(caplog, "app.database.listener")) == len(ODD)


@pytest.mark.parametrize("payload", ODD, ids=lambda payload: payload[:40])
def test_what_is_not_understood_is_ignored_but_for_a_line_in_the_log(
    payload: str, caplog: pytest.LogCaptureFixture
) -> None:
    live, spent = Live(), list[Mapping[UserId, int]]()
    with live.watch(UserId("ada")) as event:
        Receiver("me", live, spent.append).receive(payload)
        assert not event.is_set()
    assert spent == []
    (record,) = caplog.records
    assert "ada" not in record.getMessage()


def test_what_another_worker_sends_is_received(caplog: pytest.LogCaptureFixture) -> None:
    live, spent = Live(), list[Mapping[UserId, int]]()
    receiver = Receiver("me", live, spent.append)
    with live.watch(UserId("ada")) as event:
        receiver.receive('{"by": "x", "of": ["ada"], "spent": {"ada": 3}, "since": "a later one"}')
        assert event.is_set()
    assert spent == [{"ada": 3}]
    receiver.receive('{"by": "x"}')
    assert caplog.records == []


def test_what_a_worker_sends_itself_is_not_received() -> None:
    live, spent = Live(), list[Mapping[UserId, int]]()
    with live.watch(UserId("ada")) as event:
        Receiver("me", live, spent.append).receive('{"by": "me", "of": ["ada"], "spent": {"a": 3}}')
        assert not event.is_set()
    assert spent == []


def test_a_listener_that_dies_is_logged_and_started_again(
    servers: tuple[Server, Server],
    migrated_database: Database,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    one, two = servers
    user = one.user()
    with signed_in(two, user.token) as follower:
        follower.follow()
        eventually(partial(watchers, two), 1)
        until_it_receives(two, migrated_database)
        with monkeypatch.context() as faulty:
            faulty.delattr(Receiver, "receive")
            notify(migrated_database, '{"by": "x"}')
            eventually(lambda: len(logged(caplog, "app.supervisor")) > 0, True)
        user.create("after")
        assert follower.event()["node"]["task"]["title"] == "after"
    death = logged(caplog, "app.supervisor")[0]
    assert "listener" in death.getMessage()
    assert death.exc_info is not None


async def test_a_direct_connection_can_listen(migrated_database: Database) -> None:
    assert await can_listen(settings_for(migrated_database.server_url))


def test_the_sweep_finds_what_nobody_was_notified_of(migrated_database: Database) -> None:
    settings = settings_for(migrated_database.server_url)
    with running_server(settings, Intervals(sweep=0.1, poll=NEVER)) as server:
        user = server.user()
        user.create("before")
        with signed_in(server, user.token) as follower:
            follower.follow()
            eventually(partial(watchers, server), 1)
            until_it_receives(server, migrated_database)
            write_unnoticed(migrated_database, user)
            assert follower.event()["node"]["task"]["title"] == "unnoticed"


def test_where_nothing_can_be_received_changes_are_looked_for(
    migrated_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def receives_nothing(*_: object) -> bool:
        return False

    monkeypatch.setattr(listener, "_receives", receives_nothing)
    settings = settings_for(migrated_database.server_url)
    with running_server(settings, Intervals(sweep=NEVER, poll=0.1)) as server:
        user = server.user()
        user.create("before")
        with signed_in(server, user.token) as follower:
            follower.follow()
            eventually(partial(watchers, server), 1)
            time.sleep(0.3)
            write_unnoticed(migrated_database, user)
            assert follower.event()["node"]["task"]["title"] == "unnoticed"


def frame(message: object) -> bytes:
    """Return a message as a WebSocket frame (RFC 6455, 5.2), masked by zeros."""
    text = json.dumps(message).encode()
    return b"\x81\xfe" + max(len(text), 126).to_bytes(2) + bytes(4) + text.ljust(126)


HANDSHAKE = b"\r\n".join(
    [
        b"GET /graphql HTTP/1.1",
        b"Host: localhost",
        b"Upgrade: websocket",
        b"Connection: Upgrade",
        b"Sec-WebSocket-Version: 13",
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        b"Sec-WebSocket-Protocol: graphql-transport-ws",
        b"\r\n",
    ]
)
READ_MAX = 6_000_000
"""Bytes that may be on their way to who does not read; some eight million were asked for."""


def test_who_does_not_read_is_let_go(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    for state in (states.UNREAD, states.CLOSING):
        monkeypatch.setattr(state, "seconds", 0.5)
    user = server.user()
    for _ in range(40):
        user.create(description="x" * 1000)
    fields = " ".join(f"a{n}: tasks {{ nodes {{ description }} }}" for n in range(10))
    reader = sockets.socket()
    reader.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4096)
    with reader:
        reader.connect(("127.0.0.1", int(server.url.rpartition(":")[2])))
        reader.settimeout(20)
        authorization = {"Authorization": f"Bearer {user.token}"}
        reader.sendall(HANDSHAKE)
        assert b"101 Switching Protocols" in reader.recv(1000)
        reader.sendall(frame({"type": "connection_init", "payload": authorization}))
        assert b"connection_ack" in reader.recv(1000)
        for number in range(20):
            payload = {"query": f"{{ {fields} }}"}
            reader.sendall(frame({"id": f"{number}", "type": "subscribe", "payload": payload}))
        assert user.data("{ me { id } }")
        # The server runs in this process: until it hangs up, it has a connection from there.
        here = reader.getsockname()[1]
        eventually(lambda: here in peers(), False)
        read = 0
        with contextlib.suppress(ConnectionResetError):
            while chunk := reader.recv(65536):
                read += len(chunk)
    assert read < READ_MAX


def test_abrupt_ends_leave_nothing_behind(database: Database) -> None:
    settings = settings_for(database.server_url)
    with running_server(settings) as server, ThreadPoolExecutor(5) as pool:
        users = [server.user() for _ in range(5)]

        def come_and_go(number: int) -> None:
            # A socket counts for its user until the server has noticed its end.
            with signed_in(server, users[number % 5].token) as follower:
                follower.follow()
                follower.connection.socket.shutdown(sockets.SHUT_RDWR)

        list(pool.map(come_and_go, range(200)))
        eventually(partial(watchers, server), 0)
        assert users[0].data("{ me { id } }")


def test_waiting_takes_no_more_than_an_event() -> None:
    async def watch() -> int:
        live = Live()
        with live.watch(UserId("ada")) as event, live.watch(UserId("bob")) as other:
            live.wake(UserId("ada"))
            assert event.is_set()
            assert not other.is_set()
            return live.watchers

    assert asyncio.run(watch()) == 2


def listening(database: Database) -> int:
    """Return how many connections are open to listen by."""
    return connections(database, " live")


def connections(database: Database, part: str) -> int:
    """Return how many connections servers have, of those whose name ends so."""
    with psycopg.connect(database.superuser_url) as connection:
        found = connection.execute(
            "SELECT count(*) FROM pg_stat_activity "
            "WHERE datname = current_database() AND application_name ~ %s",
            [f"^todo-api/[0-9.]+{part}$"],
        ).fetchone()
    assert found is not None
    return int(found[0])


def test_nobody_listens_before_a_first_request_and_a_while_after_the_last(
    migrated_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = []
    connect = listener.connect

    async def counted(settings: Settings) -> psycopg.AsyncConnection[Any]:
        opened.append(settings)
        return await connect(settings)

    monkeypatch.setattr(listener, "connect", counted)
    settings = settings_for(migrated_database.server_url, rate_limit=600)
    with running_server(settings, Intervals(sweep=NEVER, listen=0.5)) as server:
        user = server.user()
        assert user.http.get("/ready").status_code == 200
        time.sleep(0.5)
        assert opened == []
        user.titles()
        eventually(partial(listening, migrated_database), 1)
        eventually(partial(listening, migrated_database), 0)
        assert len(opened) == 2, "one to listen by, and one to try it out"


def test_who_follows_is_listened_for_however_long(migrated_database: Database) -> None:
    settings = settings_for(migrated_database.server_url)
    intervals = Intervals(sweep=NEVER, listen=0.2)
    with running_server(settings, intervals) as one, running_server(settings, intervals) as two:
        user = one.user()
        for title in ("first", "again"):
            with signed_in(two, user.token) as follower:
                follower.follow()
                eventually(partial(watchers, two), 1)
                until_it_receives(two, migrated_database)
                time.sleep(0.5)
                user.create(title)
                assert follower.event()["node"]["task"]["title"] == title
            eventually(partial(listening, migrated_database), 0)


def test_a_listener_that_is_cut_while_nobody_follows_stays_away(
    migrated_database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    settings = settings_for(migrated_database.server_url, rate_limit=600)
    with running_server(settings, Intervals(sweep=NEVER)) as server:
        user = server.user()
        user.titles()
        eventually(partial(listening, migrated_database), 1)
        until_it_receives(server, migrated_database)
        cut_listeners(migrated_database)
        eventually(lambda: len(logged(caplog, "app.database.listener")) > 0, True)
        time.sleep(0.5)
        assert listening(migrated_database) == 0
        user.titles()
        eventually(partial(listening, migrated_database), 1)


def test_a_server_that_nobody_asks_lets_the_database_sleep(
    migrated_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipelined, "CONNECTION_LIFETIME", 1.0)
    settings = settings_for(migrated_database.server_url, rate_limit=600)
    connected = partial(connections, migrated_database, ".*")
    with running_server(settings, Intervals(sweep=0.1, listen=1.0)) as server:
        user = server.user()
        user.create()
        user.titles()
        eventually(partial(listening, migrated_database), 1)
        assert connected() > 1
        eventually(connected, 0)
        time.sleep(1)
        assert connected() == 0


async def test_the_trash_is_purged_only_after_something_was_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    purged = []

    async def note(url: str, _: Settings, __: purge.Purged) -> int:
        purged.append(url)
        return 0

    nothing: Any = None
    database = NotifyingDatabase(nothing, Live(), nothing, Turns(1.0))
    monkeypatch.setattr(purge, "INTERVAL", 0.001)
    monkeypatch.setattr(purge, "purge", note)
    purging = asyncio.create_task(
        purge.keep_purging("url", settings_for(None), database, purge.Purged())
    )
    await asyncio.sleep(0.05)
    assert purged == []
    database.has_written = True
    await asyncio.sleep(0.05)
    assert purged == ["url"]
    purging.cancel()
