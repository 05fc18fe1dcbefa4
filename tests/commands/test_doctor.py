"""The doctor: each fault of a database is a line that says WRONG, and nothing is a traceback."""

import asyncio
import json
import socket
import ssl
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from psycopg import AsyncConnection

from app.commands import doctor
from app.commands.doctor import examine
from app.database import examination
from app.database.certificate import SSL_REQUEST
from app.database.findings import (
    TRANSACTION_IDS,
    Facts,
    Finding,
    clock_of,
    connections_of,
    tls_of,
    transaction_ids_of,
)
from app.database.protection import NOT_SERVED
from app.settings import DatabasePooler
from tests.api import settings_for
from tests.database.test_certificate import certified
from tests.databases import IS_CLUSTER, Database

Capsys = pytest.CaptureFixture[str]

SOUND = Facts(is_read_only=False, connections=97, role_limit=-1, database_limit=-1, now=0.0, age=5)


def told(capsys: Capsys, url: str | None, workers: int | None = None, **changes: Any) -> list[str]:
    """Return the lines of the doctor."""
    capsys.readouterr()
    examine(settings_for(url, **changes), workers)
    return capsys.readouterr().out.splitlines()


def test_it_tells_the_same_as_json(database: Database, capsys: Capsys) -> None:
    lines = told(capsys, database.server_url)
    assert examine(settings_for(database.server_url), as_json=True)
    document = json.loads(capsys.readouterr().out)
    assert document["sound"] is True
    assert {each["about"] for each in document["findings"]} == {"configuration", "database"}
    assert [f"{e['mark']:<5}  {e['sentence']}" for e in document["findings"]] == lines
    assert not examine(settings_for(database.superuser_url), as_json=True)
    assert json.loads(capsys.readouterr().out)["sound"] is False


def test_it_tells_how_the_database_is(database: Database, capsys: Capsys) -> None:
    lines = told(capsys, database.server_url)
    how = "on this machine" if IS_CLUSTER else "by a socket of this machine"
    for sentence in (
        f"It is reached {how}, without TLS.",
        "It takes changes.",
        "Its clock and this machine's agree.",
        "Its migrations are current.",
        "Cursors of clients begin with 0; `todo-api restored` draws another.",
    ):
        assert any(line.startswith(f"ok     {sentence}") for line in lines), sentence
    assert any("connections: enough for" in line for line in lines)


def test_a_database_that_takes_no_changes_is_wrong_unless_that_will_do(
    database: Database, capsys: Capsys
) -> None:
    url = f"{database.server_url}&options=-c%20default_transaction_read_only%3Don"
    sentence = "It takes no changes: it is a standby, or was made read-only."
    assert f"WRONG  {sentence}" in told(capsys, url)
    assert f"open   {sentence}" in told(capsys, url, ready_when_read_only=True)


def test_what_newer_code_has_migrated_is_wrong_only_where_this_code_no_longer_works(
    migrated_database: Database, capsys: Capsys
) -> None:
    with psycopg.connect(migrated_database.superuser_url, autocommit=True) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        lines = told(capsys, migrated_database.server_url)
        assert "ok     Newer code has migrated it, to 9999." in lines
        assert not [line for line in lines if line.startswith("WRONG")]
        connection.execute("UPDATE installation SET serves = '9999'")
    lines = told(capsys, migrated_database.server_url)
    assert [line for line in lines if line.startswith("WRONG")] == [f"WRONG  {NOT_SERVED}"]


def test_a_right_that_is_missing_is_named(migrated_database: Database, capsys: Capsys) -> None:
    with psycopg.connect(migrated_database.superuser_url) as connection:
        connection.execute("REVOKE DELETE ON task_labels FROM todo_api")
    wrong = [line for line in told(capsys, migrated_database.server_url) if line[0] == "W"]
    assert wrong[0].startswith("WRONG  task_labels: right to delete is missing.")


def test_more_workers_than_connections_are_wrong(
    migrated_database: Database, capsys: Capsys
) -> None:
    with psycopg.connect(migrated_database.superuser_url, autocommit=True) as connection:
        connection.execute(f'ALTER DATABASE "{migrated_database.name}" CONNECTION LIMIT 20')
    for workers, mark in ((1, "ok"), (2, "open"), (3, "WRONG")):
        (line,) = (
            line
            for line in told(capsys, migrated_database.server_url, workers)
            if f"{workers} workers open up to {workers * 9 + 1} connections" in line
        )
        assert line.startswith(f"{mark:<5}  ")
        assert "it allows 20" in line


def test_connections_of_a_pooler_are_its_own() -> None:
    few = replace(SOUND, role_limit=5)
    assert connections_of(few, 8, DatabasePooler.PIPELINED, 4).good
    assert not connections_of(few, 8, DatabasePooler.NONE, None).good
    assert connections_of(SOUND, 8, DatabasePooler.NONE, None).mark == "ok"
    assert connections_of(replace(SOUND, connections=10), 8, DatabasePooler.NONE, None).open


def test_clocks_that_differ_are_told(
    database: Database, capsys: Capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert [clock_of(skew).mark for skew in (0.5, -10, 10, 45, -45)] == [
        *("ok", "open", "open", "WRONG", "WRONG")
    ]
    # An hour, as where somebody sets a clock by hand.
    clock = time.time
    monkeypatch.setattr(time, "time", lambda: clock() + 3600)
    lines = told(capsys, database.server_url)
    (line,) = (line for line in lines if "Its clock is" in line)
    assert line.startswith("WRONG  Its clock is 3")
    assert "behind this machine's" in line


def test_transaction_ids_that_run_out_are_wrong() -> None:
    assert transaction_ids_of(SOUND) == Finding(True, "Of its transaction ids 100% are free.")
    old = transaction_ids_of(replace(SOUND, age=TRANSACTION_IDS * 3 // 4))
    assert not old.good
    assert old.sentence.startswith("Of its transaction ids 25% are free, and")


@contextmanager
def tls_before(context: ssl.SSLContext | None, path: str) -> Iterator[int]:
    """Serve one connection on a port as PostgreSQL would, and hand it on to its Unix socket."""

    def pump(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
        with suppress(OSError):
            target.shutdown(socket.SHUT_RDWR)

    def serve() -> None:
        client, _ = listener.accept()
        with socket.socket(socket.AF_UNIX) as upstream:
            upstream.connect(path)
            if context is not None:
                assert client.recv(8) == SSL_REQUEST
                client.sendall(b"S")
                client = context.wrap_socket(client, server_side=True)
            with client:
                answering = threads.submit(pump, upstream, client)
                pump(client, upstream)
                answering.result(20)

    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(2) as threads:
        serving = threads.submit(serve)
        yield listener.getsockname()[1]
        serving.result(20)


async def test_what_is_between_and_could_read_or_answer_is_open(
    database: Database, tmp_path: Path
) -> None:
    path = f"{database.socket}/.s.PGSQL.5432"
    context = certified(tmp_path)
    common = f"hostaddr=127.0.0.1 user=todo_api dbname={database.name} gssencmode=disable"
    for how, tls, mark in (
        ("host='a database' sslmode=require", context, "open"),
        (
            f"host='a database' sslmode=verify-full sslrootcert={tmp_path / 'server.pem'}",
            context,
            "ok",
        ),
        ("host=x sslmode=disable", None, "ok"),
    ):
        with tls_before(tls, path) as port:
            async with await AsyncConnection.connect(f"{common} port={port} {how}") as connection:
                finding = tls_of(connection)
        assert finding.mark == mark, (how, finding)
        assert ("by TLS" in finding.sentence) == (tls is not None)


def test_without_tls_a_database_elsewhere_is_open() -> None:
    elsewhere: Any = SimpleNamespace(
        info=SimpleNamespace(host="db.example.com", hostaddr="192.0.2.1"),
        pgconn=SimpleNamespace(ssl_in_use=False, info=()),
    )
    finding = tls_of(elsewhere)
    assert (finding.mark, "without TLS" in finding.sentence) == ("open", True)


def test_whatever_it_meets_is_a_line_that_says_wrong(
    database: Database, capsys: Capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(_settings: object) -> None:
        raise RuntimeError("nobody thought of it")

    monkeypatch.setattr(examination, "find_pooler", broken)
    lines = told(capsys, database.server_url)
    wrong = "WRONG  The database could not be examined: RuntimeError: nobody thought of it"
    assert lines[-1] == wrong
    # What was found before it still counts.
    assert "ok     It takes changes." in lines


def test_what_never_ends_is_wrong_too(
    database: Database, capsys: Capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def for_ever(_settings: object, _workers: object) -> AsyncIterator[Finding]:
        yield Finding(True, "It was begun.")
        await asyncio.sleep(3600)

    monkeypatch.setattr(doctor, "examine_database", for_ever)
    monkeypatch.setattr(doctor, "PATIENCE", 0.2)
    assert told(capsys, database.server_url)[-2:] == [
        "ok     It was begun.",
        "WRONG  The database could not be examined: it takes longer than 0.2 s.",
    ]
