"""Answers are lost and servers killed: what is sent again with a key still happens once."""

import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import psycopg
import pytest

from app.database.urls import SERVER_ROLE
from auth.signing import make_token
from tests.api import (
    CREATE,
    SECRET,
    TOGGLE,
    Caller,
    nonempty,
    running_server,
    settings_for,
)
from tests.counts import Count
from tests.database.test_faults import Victim, kill_a_backend, kill_the_postmaster, victim
from tests.databases import Database
from tests.http.test_serving import Process, started
from tests.processes.test_workers import workers_of
from tests.proxy import proxy_before

__all__ = ["victim"]

LOST = 200
"""Answers to lose on the way, every second one."""

AGAIN = {"SERVICE_UNAVAILABLE", "TIMEOUT", "IDEMPOTENCY_CONCURRENT_REQUEST"}
"""The codes of what is to be sent again."""


def send_until_answered(send: Callable[[], httpx2.Response]) -> dict[str, Any]:
    """Send as a client does that gives up on nothing; return the data that it gets in the end."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            result = send().json()
        except httpx2.TransportError:
            time.sleep(0.05)
            continue
        if "errors" not in result:
            data: dict[str, Any] = result["data"]
            return data
        codes = {error["extensions"]["code"] for error in result["errors"]}
        assert codes <= AGAIN, result
        time.sleep(0.05)
    raise AssertionError("nothing was answered for a minute")


def test_lost_answers_duplicate_nothing(migrated_database: Database, count: Count) -> None:
    titles: list[str] = []
    with proxy_before(migrated_database) as proxy:
        proxy.chance = 0.5
        settings = settings_for(proxy.url(SERVER_ROLE, migrated_database))
        with running_server(settings) as server:

            def create(user: Caller) -> None:
                while proxy.lost < LOST:
                    title = f"lose {uuid4().hex}"
                    variables = {"input": {"title": title, "idempotencyKey": title}}
                    send_until_answered(partial(user.post, CREATE, variables))
                    titles.append(title)

            users = [server.user() for _ in range(4)]
            for user in users:
                assert user.data("{ me { id } }")
            proxy.lose = b"lose "
            with ThreadPoolExecutor(len(users)) as pool:
                list(pool.map(create, users))
    with psycopg.connect(migrated_database.superuser_url) as connection:
        stored = [title for (title,) in connection.execute("SELECT title FROM tasks").fetchall()]
    count("answers lost to clients that sent again with a key", proxy.lost)
    count("writes with a key that were there twice", len(stored) - len(set(stored)))
    assert sorted(stored) == sorted(titles)


@pytest.mark.parametrize("has_key", [True, False])
def test_a_lost_answer_is_noticed_by_those_alone_who_sent_no_key(
    migrated_database: Database, has_key: bool
) -> None:
    with (
        proxy_before(migrated_database) as proxy,
        running_server(settings_for(proxy.url(SERVER_ROLE, migrated_database))) as server,
    ):
        user = server.user()
        assert user.data("{ me { id } }")
        proxy.losses_left, proxy.lose = 1, b"lose this"
        key = {"idempotencyKey": str(uuid4())} if has_key else {}
        result = user.execute(CREATE, {"input": {"title": "lose this", **key}})
        assert proxy.lost == 1
        # It was committed, which nobody could know.
        assert user.titles() == ["lose this"]
    if has_key:
        assert "errors" not in result
        assert result["data"]["createTask"]["title"] == "lose this"
    else:
        (error,) = result["errors"]
        assert error["extensions"]["code"] == "SERVICE_UNAVAILABLE"


@dataclass
class Actor:
    """A user whose client sends each change again and again, sometimes several times at once."""

    user: Caller
    random: random.Random
    done: threading.Event
    titles: list[str] = field(default_factory=list)
    toggles: dict[str, int] = field(default_factory=dict)
    """How often each task was toggled."""
    sent: int = 0

    def act(self) -> None:
        while not self.done.is_set():
            key = str(uuid4())
            if not self.toggles or self.random.random() < 0.4:
                title = f"{key} of mine"
                self.send(CREATE, {"title": title, "idempotencyKey": key}, self.created)
                self.titles.append(title)
            else:
                id = self.random.choice(list(self.toggles))
                self.send(TOGGLE, {"id": id, "idempotencyKey": key}, lambda _: None)
                self.toggles[id] += 1

    def created(self, data: dict[str, Any]) -> None:
        self.toggles.setdefault(data["createTask"]["id"], 0)

    def send(
        self, document: str, input: dict[str, Any], heed: Callable[[dict[str, Any]], None]
    ) -> None:
        def one(_: int) -> dict[str, Any]:
            return send_until_answered(lambda: self.user.post(document, {"input": input}))

        at_once, again = self.random.randint(1, 3), self.random.randint(0, 2)
        with ThreadPoolExecutor(at_once) as pool:
            for data in pool.map(one, range(at_once)):
                heed(data)
        for _ in range(again):
            heed(one(0))
        self.sent += at_once + again


def callers(url: str) -> Iterator[Caller]:
    for number in range(4):
        user_id = f"actor-{number}"
        lifetime = timedelta(minutes=5)
        token = make_token(SECRET, user_id=user_id, lifetime=lifetime, issuer=None, audience=None)
        yield Caller(url, user_id, token)


def a_worker_is_killed(server: Process) -> None:
    os.kill(min(workers_of(server)), signal.SIGKILL)


def test_whoever_is_killed_each_change_is_there_once(
    victim: Victim, count: Count, tmp_path: Path
) -> None:
    environment = {
        "DATABASE_URL": victim.postgres.url(SERVER_ROLE, "todo"),
        "DATABASE_STATEMENT_TIMEOUT": "2",
        "BETTER_AUTH_SECRET": SECRET,
    }
    command = ["todo-api", "serve", "--workers", "2", "--port", "{port}"]
    with started(command, environment, tmp_path) as process:
        process.wait_until_ready()
        done = threading.Event()
        actors = [
            Actor(caller, random.Random(number), done)
            for number, caller in enumerate(callers(f"http://127.0.0.1:{process.port}"))
        ]
        with ThreadPoolExecutor(len(actors)) as pool:
            acting = [pool.submit(actor.act) for actor in actors]
            try:
                time.sleep(1)
                kill_a_backend(victim)
                time.sleep(0.5)
                a_worker_is_killed(process)
                time.sleep(1)
                kill_the_postmaster(victim)
                time.sleep(1)
            finally:
                done.set()
            for each in acting:
                each.result()
        for actor in actors:
            actor.user.http.close()
    with psycopg.connect(victim.url) as connection:
        stored = {
            actor.user.user_id: connection.execute(
                "SELECT id::text, title, completed FROM tasks WHERE user_id = %s",
                [actor.user.user_id],
            ).fetchall()
            for actor in actors
        }
        counters = connection.execute("SELECT user_id, version FROM task_counters").fetchall()
        versions: dict[str, int] = dict(counters)
    count("requests with keys while servers and databases were killed", sum(a.sent for a in actors))
    for actor in nonempty(actors):
        rows = stored[actor.user.user_id]
        assert sorted(title for _, title, _ in rows) == sorted(actor.titles)
        assert {id: done for id, _, done in rows} == {
            id: times % 2 == 1 for id, times in actor.toggles.items()
        }
        # Each change has a number of its own, so there were as many as were acknowledged.
        assert versions[str(actor.user.user_id)] == len(actor.titles) + sum(actor.toggles.values())
