"""The benchmarks measure, and refuse to measure what answers wrongly."""

import json
import os
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingTCPServer
from subprocess import CalledProcessError
from urllib.parse import urlsplit

import psutil
import psycopg
import pytest
from typer.testing import CliRunner

from app.database.embedded import embedded_postgres
from benchmarks import endurance
from benchmarks.__main__ import OURS, cli
from benchmarks.data import filled_database
from benchmarks.flatness import ASKED
from benchmarks.latency import PARTS, paced
from benchmarks.load import Request, WrongAnswer, load
from benchmarks.measuring import measure
from benchmarks.profiling import hot_functions
from benchmarks.servers import NotServing, Subject, our_server, peer
from benchmarks.workload import NAMES, OPERATIONS, SECRET, Operation, token_of, user_id
from tests.api import Server, running_server, settings_for
from tests.databases import Database

ROWS = "SELECT to_jsonb(t) - ARRAY['version', 'updated_at'] FROM tasks t ORDER BY id"
INDEXES_OF_TASKS = "SELECT indexdef FROM pg_indexes WHERE tablename = 'tasks' ORDER BY 1"
TYPENAME = b'{"query": "{ __typename }"}'


def port_of(server: Server) -> int:
    return urlsplit(server.url).port or 0


@pytest.fixture(params=["asyncio", "wrk"])
def _loader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The load comes by the one, then by the other."""
    if request.param == "asyncio":
        monkeypatch.setenv("PATH", "/nowhere")
    elif shutil.which("wrk") is None:
        pytest.skip("needs wrk: apt install wrk")


def told_by(*arguments: str) -> str:
    done = CliRunner().invoke(cli, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_everything_is_measured(
    data_folder: Path, monkeypatch: pytest.MonkeyPatch, long: bool
) -> None:
    # wrk asks for whole seconds.
    monkeypatch.setattr("benchmarks.load.has_wrk", lambda: False)
    monkeypatch.setattr(endurance, "EVERY", 0.1)
    results = data_folder / "results"
    places = ["--folder", str(data_folder), "--results", str(results)]
    quick = ["--users", "400", "--seconds", "0.1"]
    plain = "plain:COMPILE_OPERATIONS=false"
    with embedded_postgres(data_folder):
        others = ["--variant", plain, "--workers", "2"]
        told = told_by("run", *quick, "--rounds", "1", *others, *places)
        assert f"| {OURS} : plain |" in told
        figures = json.loads((results / "speed.json").read_text())
        assert {(f["subject"], f["operation"]) for f in figures} == {
            (subject, name) for subject in (OURS, "plain", "2 workers") for name in NAMES
        }
        assert all(figure["rate"] > 0 and figure["p99"] >= figure["p50"] for figure in figures)
        assert (results / "speed.md").read_text() in told
        assert ">plain</text>" in (results / "speed.svg").read_text()

        told_by("latency", *quick, "--rounds", "1", *places)
        latencies = json.loads((results / "latency.json").read_text())
        assert [each["part"] for each in latencies] == list(PARTS)
        assert all(0 < each["p50"] <= each["p99"] <= each["p999"] for each in latencies)

        few = ["--sockets", "20", "--followers", "10", "--rate", "20", *quick]
        assert "sockets that wait" in told_by("live", *few, *places[:2])
        if not long:
            return

        told_by("flat", "--tasks", "1000", "--seconds", "0.05", *places)
        points = json.loads((results / "flat.json").read_text())
        assert {(point["list_size"], point["asked"]) for point in points} == {
            (size, asked) for size in (10, 100) for asked in ASKED
        }

        told_by("memory", "--minutes", "0.005", "--users", "400", *places)
        moments = json.loads((results / "memory.json").read_text())
        assert moments[-1]["requests"] > 0
        assert all(moment["memory"] > 10 for moment in moments)

        assert "s to the first answer" in told_by("start", "--times", "1", *places[:2])


def test_rows_are_made_as_the_server_would_have_made_them(
    data_folder: Path, database: Database
) -> None:
    with (
        filled_database(data_folder, 5, [10]),
        embedded_postgres(data_folder) as postgres,
        psycopg.connect(postgres.superuser_url("benchmark_5_10")) as connection,
    ):
        before = connection.execute(ROWS).fetchall()
        # Triggers make anew what follows from a title, where it is another.
        connection.execute("UPDATE tasks SET title = title || 'x'")
        connection.execute("UPDATE tasks SET title = left(title, -1)")
        assert connection.execute(ROWS).fetchall() == before
        indexes = connection.execute(INDEXES_OF_TASKS).fetchall()
    with psycopg.connect(database.superuser_url) as connection:
        assert connection.execute(INDEXES_OF_TASKS).fetchall() == indexes
    assert len(before) == 510


@pytest.mark.usefixtures("_loader")
def test_what_is_refused_is_not_measured(server: Server) -> None:
    requests = [Request(TYPENAME, server.token("ada")), Request(TYPENAME, "no token")]
    with pytest.raises(WrongAnswer):
        load(port_of(server), requests, 1, smallest=1)


@pytest.mark.usefixtures("_loader")
def test_an_answer_that_lacks_something_is_not_measured(server: Server) -> None:
    request = Request(TYPENAME, server.token("ada"))
    size = len(server.user("ada").post("{ __typename }").content)
    assert load(port_of(server), [request], 0.1, smallest=size).requests > 0
    with pytest.raises(WrongAnswer, match="__typename"):
        load(port_of(server), [request], 0.1, smallest=size + 1)


def test_what_is_refused_has_no_latency(server: Server) -> None:
    with pytest.raises(WrongAnswer):
        paced(port_of(server), [Request(TYPENAME, "no token")], 100, 0.01)


def test_a_request_that_waits_for_its_turn_is_counted_from_when_it_was_due(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Slow(StreamRequestHandler):
        def handle(self) -> None:
            while self.rfile.read(len(request.on_the_wire())):
                time.sleep(0.02)
                self.wfile.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")

    request = Request(b"{}", "token")
    monkeypatch.setattr("benchmarks.latency.CONNECTIONS_MAX", 1)
    with ThreadingTCPServer(("127.0.0.1", 0), Slow) as serving:
        threading.Thread(target=serving.serve_forever, daemon=True).start()
        took = paced(serving.server_address[1], [request], 1000, 0.01)
        serving.shutdown()
    assert len(took) == 10
    # The last was due 9 ms after the first, and is answered after 200.
    assert took[-1] > 0.19


@pytest.fixture(scope="module")
def empty_server(database: Database) -> Iterator[Subject]:
    """A server whose users have no tasks."""
    settings = settings_for(database.server_url, better_auth_secret=SECRET)
    with running_server(settings) as running:
        yield Subject("empty", port_of(running), psutil.Process())


def test_the_functions_are_told_that_time_goes_to(empty_server: Subject) -> None:
    request = OPERATIONS[0].request("1", token_of(user_id(0)), words={})
    try:
        told = hot_functions(empty_server, [request], 1)
    except CalledProcessError:
        pytest.skip("py-spy may not look at this process")
    assert "%" in told


@pytest.mark.parametrize("operation", OPERATIONS[1:5], ids=lambda operation: operation.name)
def test_a_server_that_answers_wrongly_is_not_measured(
    operation: Operation, empty_server: Subject
) -> None:
    with pytest.raises(WrongAnswer, match=operation.name):
        measure(empty_server, operation, users=400, seconds=0.1)


def test_a_server_that_does_not_start_is_not_measured() -> None:
    with pytest.raises(NotServing), our_server("ours", "no://database", {}):
        pass


def test_another_server_is_found_by_its_port(server: Server) -> None:
    found = peer(f"Another = 1={port_of(server)}:postgraphile")
    assert (found.name, found.process.pid) == ("Another = 1", os.getpid())
    assert "rowId" in found.words["one task"]
