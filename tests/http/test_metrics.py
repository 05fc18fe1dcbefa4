"""Metrics: what `/metrics` tells, for whom, of how many workers, and how many series at most."""

import logging
import os
import re
import signal
import socket
import struct
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path

import httpx2
import pytest
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as read_openmetrics,
)
from prometheus_client.parser import text_string_to_metric_families as read_text

from app.database.pipelined import PipelinedDatabase
from app.http.metrics_listener import listen
from app.measuring import _numbers_of_pool
from app.settings import SettingsError, read_settings
from app.telemetry.metrics import (
    ANONYMOUS,
    GOOD_ANSWERS,
    METRICS,
    OTHER,
    Figures,
    Kind,
    OperationNames,
)
from tests.api import (
    CREATE,
    NO_CERTIFICATES,
    SECRET,
    TOGGLE,
    Server,
    nonempty,
    running_server,
    settings_for,
)
from tests.databases import Database
from tests.http.test_serving import Process, free_port
from tests.processes.test_workers import serving, wait_for, workers_of
from tests.sockets import signed_in

TOKEN = "a-token-for-metrics-of-thirty-two-bytes-or-more"
AUTHORIZATION = {"Authorization": f"Bearer {TOKEN}"}
Sample = tuple[str, frozenset[tuple[str, str]]]


def samples(text: str) -> dict[Sample, float]:
    """Return the values by the name and the labels."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in read_text(text)
        for sample in family.samples
    }


def value(found: Mapping[Sample, float], name: str, **labels: str) -> float:
    """Return the sum of all samples of a name that have the labels, among others."""
    asked = set(labels.items())
    return sum(v for (each, its), v in found.items() if each == name and asked <= its)


@pytest.fixture(scope="module")
def measured(database: Database) -> Iterator[Server]:
    settings = settings_for(database.server_url, metrics="path", metrics_token=TOKEN)
    with running_server(settings) as server:
        yield server


def scrape(server: Server) -> dict[Sample, float]:
    """Return what is told of all that has happened until now."""
    response = server.bearer(None).http.get("/metrics", headers=AUTHORIZATION)
    assert response.status_code == 200
    return samples(response.text)


def test_metrics_are_told_to_who_has_the_token(measured: Server) -> None:
    http = measured.bearer(None).http
    for headers in (
        {},
        {"Authorization": "Bearer"},
        {"Authorization": f"Bearer {TOKEN}x"},
        {"Authorization": f"Basic {TOKEN}"},
        {"Authorization": f"Bearer {measured.token('somebody')}"},
        [("Authorization", f"Bearer {TOKEN}"), ("Authorization", f"Bearer {TOKEN}x")],
    ):
        refused = http.get("/metrics", headers=headers)
        assert (refused.status_code, refused.content) == (401, b"")
        assert refused.headers["www-authenticate"] == "Bearer"
    assert http.get("/metrics", headers=AUTHORIZATION).status_code == 200


def test_the_text_is_prometheus_or_openmetrics_and_has_every_metric(measured: Server) -> None:
    measured.user().create()
    http = measured.bearer(None).http
    plain = http.get("/metrics", headers=AUTHORIZATION)
    assert plain.headers["content-type"].startswith("text/plain; version=0.0.4")
    nonsense = "application/openmetrics-text; version=newest"
    others = http.get("/metrics", headers={**AUTHORIZATION, "Accept": nonsense})
    assert others.headers["content-type"] == plain.headers["content-type"]
    open_ = http.get(
        "/metrics",
        headers={**AUTHORIZATION, "Accept": "application/openmetrics-text; version=1.0.0"},
    )
    assert open_.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    opened = read_openmetrics(open_.text)  # type: ignore[no-untyped-call]
    for families in (read_text(plain.text), opened):
        told = {
            family.name + "_total" * (family.type == "counter"): family.type for family in families
        }
        assert told == {name: metric.kind.value for name, metric in METRICS.items()}


def test_without_the_setting_there_is_no_page_and_nothing_is_counted(server: Server) -> None:
    response = server.bearer(None).http.get("/metrics", headers=AUTHORIZATION)
    assert response.status_code == 404
    assert server.running.database._metrics is None
    assert "measuring" not in server.running.supervisor.alive


def test_requests_operations_and_statements_are_counted(measured: Server) -> None:
    user = measured.user()
    before = scrape(measured)
    user.data(CREATE, input={"title": "Milk"})
    user.data("{ tasks { totalCount } }")
    user.http.request("PROPFIND", f"/{'x' * 30}")
    after = scrape(measured)

    def more(name: str, **labels: str) -> float:
        return value(after, name, **labels) - value(before, name, **labels)

    http = {"http_request_method": "POST", "http_route": "/graphql"}
    http["http_response_status_code"] = "200"
    assert more("http_server_request_duration_seconds_count", **http) == 2
    odd = {"http_request_method": "_OTHER", "http_route": OTHER}
    assert more("http_server_request_duration_seconds_count", **odd) == 1
    operation = "todo_api_graphql_operation_duration_seconds"
    assert more(f"{operation}_count", graphql_operation_type="mutation", result="ok") == 1
    query = {"graphql_operation_type": "query", "graphql_operation_name": ANONYMOUS}
    assert more(f"{operation}_count", **query) == 1
    assert more(f"{operation}_bucket", le="+Inf", **query) == 1
    assert 0 < more(f"{operation}_sum", **query) < 60
    for name in ("create_tasks", "count_tasks"):
        labels = {"db_operation_name": name, "error_type": ""}
        assert more("db_client_operation_duration_seconds_count", **labels) == 1
    assert more("db_client_connection_wait_time_seconds_count") >= 2
    assert value(after, "http_server_active_requests", http_request_method="GET") == 1
    assert value(after, "todo_api_workers") == 1
    assert value(after, "process_resident_memory_bytes", worker="1") > 1_000_000
    while not value(scrape(measured), "todo_api_event_loop_lag_seconds_count", worker="1"):
        time.sleep(0.05)


def test_every_statement_of_the_resolvers_has_a_name(measured: Server) -> None:
    found = scrape(measured)
    names = {
        dict(labels)["db_operation_name"]
        for name, labels in found
        if name == "db_client_operation_duration_seconds_count"
    }
    assert names
    assert OTHER not in names


def test_errors_in_answers_of_status_200_are_counted_by_code(measured: Server) -> None:
    user = measured.user()
    before = scrape(measured)
    for _ in range(3):
        response = user.post('{ tasks(after: "no cursor") { totalCount } }')
        assert response.status_code == 200
    user.post("{ nothing }")
    measured.bearer("no token").post("{ __typename }")
    after = scrape(measured)
    for code, count in {
        "BAD_USER_INPUT": 3,
        "GRAPHQL_VALIDATION_FAILED": 1,
        "UNAUTHENTICATED": 1,
    }.items():
        name = "todo_api_graphql_errors_total"
        assert value(after, name, code=code) - value(before, name, code=code) == count
    operation = "todo_api_graphql_operation_duration_seconds_count"
    failed = value(after, operation, result="error") - value(before, operation, result="error")
    assert failed == 3


def test_failures_that_are_data_are_counted_by_type(measured: Server) -> None:
    user = measured.user()
    before = scrape(measured)
    user.toggle(id="1")
    user.data(CREATE, input={"title": " "})
    task = user.create()
    answer = user.data(TOGGLE, input={"id": task["id"], "expectedVersion": task["version"] + 1})
    assert answer["toggleTask"]["__typename"] == "VersionConflict"
    after = scrape(measured)
    for type in ("TaskNotFound", "InvalidInput", "VersionConflict"):
        name = "todo_api_user_errors_total"
        assert value(after, name, type=type) - value(before, name, type=type) == 1, type


def test_sockets_are_counted_and_how_long_a_change_takes_to_its_frame(measured: Server) -> None:
    user = measured.user()
    before = scrape(measured)
    with signed_in(measured, user.token) as socket:
        socket.follow()
        while not measured.running.live.watchers:
            time.sleep(0.01)
        user.create()
        assert socket.event()
        during = scrape(measured)
        assert value(during, "todo_api_websocket_connections") == 1
        assert value(during, "todo_api_subscriptions") == 1
        socket.say({"type": "no such type"})
        assert socket.closed()[0] == 4400
    with signed_in(measured, user.token):
        pass
    # The server hears of a client's leaving after the client has left.
    while value(after := scrape(measured), "todo_api_websocket_connections"):
        time.sleep(0.01)

    def more(name: str, **labels: str) -> float:
        return value(after, name, **labels) - value(before, name, **labels)

    assert more("todo_api_websocket_closed_total", code="4400") == 1
    assert more("todo_api_websocket_closed_total", code="client") == 1
    assert more("todo_api_graphql_errors_total") == 0
    assert more("todo_api_feed_lag_seconds_count") >= 1
    assert value(after, "todo_api_websocket_connections") == 0


def ask_often(names: OperationNames, name: str, user: str) -> str:
    for _ in range(GOOD_ANSWERS):
        names.label(name, user, is_good=True)
    return names.label(name, user, is_good=False)


async def test_statements_of_a_cluster_are_counted_by_their_way(database: Database) -> None:
    settings = settings_for(database.server_url)
    shared = PipelinedDatabase(database.server_url, settings)
    await shared.open()
    assert shared.nodes is not None
    assert all("route" not in name for name, _, _ in _numbers_of_pool(shared, settings))
    shared.nodes.straight = 3
    told = {labels: value for name, labels, value in _numbers_of_pool(shared, settings)}
    await shared.close()
    assert (told["straight",], told["passed_on",]) == (3, 0)


def test_ten_thousand_random_names_are_a_hundred_labels() -> None:
    names = OperationNames(["Trusted"])
    for n in range(10_000):
        assert names.label(f"Random{n}", f"user{n}", is_good=True) == OTHER
    assert len(names._brought) <= 1000
    assert len(names._good) <= 1000
    assert names.label("Trusted", "ada", is_good=False) == "Trusted"
    assert names.label(None, "ada", is_good=True) == ANONYMOUS
    labels = {ask_often(names, f"Often{n}", f"user{n}") for n in range(10_000)}
    assert labels == {OTHER, *(f"Often{n}" for n in range(100))}


def test_one_user_takes_few_labels_and_keeps_nobody_from_having_theirs() -> None:
    names = OperationNames()
    labels = {ask_often(names, f"Made{n}", "eve") for n in range(1000)}
    assert labels == {OTHER, *(f"Made{n}" for n in range(20))}
    # An app's users bring its names together, while somebody makes up others.
    for n in range(GOOD_ANSWERS):
        assert names.label("Tasks", f"user{n}", is_good=True) == OTHER
        for made in range(2000):
            names.label(f"Up{n}of{made}", "eve", is_good=True)
    assert names.label("Tasks", "somebody", is_good=False) == "Tasks"
    # Not even when so many others have come that counting began anew.
    for n in range(1500):
        names.label(f"Once{n}", f"other{n}", is_good=True)
    assert ask_often(names, "Later", "eve") == OTHER
    assert ask_often(names, "Later", "ada") == "Later"


def test_one_user_alone_sees_the_operations_of_a_client() -> None:
    names = OperationNames()
    client = [f"Operation{n}" for n in range(20)]
    for _ in range(GOOD_ANSWERS):
        for name in client:
            names.label(name, "ada", is_good=True)
    assert [names.label(name, "ada", is_good=True) for name in client] == client


def test_a_name_that_is_never_answered_well_is_no_label() -> None:
    names = OperationNames()
    for _ in range(100):
        assert names.label("Failing", "ada", is_good=False) == OTHER


def test_random_names_methods_and_paths_make_no_series(measured: Server) -> None:
    user = measured.user()
    user.data("query Random { __typename }")
    user.http.request("PROPFIND", "/path0")
    before = set(scrape(measured))
    for n in range(50):
        assert user.data(f"query Random{n} {{ __typename }}")
        user.http.request("PROPFIND", f"/path{n}")
    # The loop's lag is measured each second, for the first time before or after this.
    more = {
        (name, labels)
        for name, labels in set(scrape(measured)) - before
        if not name.startswith("todo_api_event_loop_lag")
    }
    assert not [labels for _, labels in more if re.search(r"Random|PROPFIND|path\d", str(labels))]
    # As before there is one histogram of operations, and one of requests for no route.
    assert len(more) <= 17


@pytest.mark.parametrize("workers", [1, 2])
def test_a_listener_of_its_own_needs_no_token(
    data_folder: Path, database: Database, workers: int
) -> None:
    port = free_port()
    place = {"METRICS": f"127.0.0.1:{port}"}
    with serving(database, data_folder, place, workers=workers) as server:
        server.wait_until_ready()
        time.sleep(2)
        assert server.get("/metrics").status_code == 404
        url = f"http://127.0.0.1:{port}"
        response = httpx2.get(f"{url}/metrics", verify=NO_CERTIFICATES)
        assert httpx2.get(f"{url}/other", verify=NO_CERTIFICATES).status_code == 404
        assert value(samples(response.text), "todo_api_workers") == workers


def test_clients_of_the_listener_take_few_descriptors_and_log_nothing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    figures: Figures = {name: {} for name in METRICS}
    with ExitStack() as stack:
        port = free_port()
        listen("127.0.0.1", port, None, lambda: figures)

        def connected() -> socket.socket:
            return stack.enter_context(socket.create_connection(("127.0.0.1", port), 20))

        kept = [connected() for _ in range(16)]
        more = [connected() for _ in range(40)]
        assert {each.recv(1) for each in more} == {b""}
        for each in kept:
            each.setblocking(False)
            with pytest.raises(BlockingIOError):
                each.recv(1)
            # It is reset, not ended.
            each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            each.close()
        url = f"http://127.0.0.1:{port}/metrics"
        while True:
            with suppress(httpx2.TransportError):
                assert httpx2.get(url, verify=NO_CERTIFICATES).status_code == 200
                break
    assert capsys.readouterr().err == ""


def test_the_numbers_of_all_workers_are_one_and_outlive_them(
    data_folder: Path, database: Database
) -> None:
    place = {"METRICS": "path", "METRICS_TOKEN": TOKEN}
    with serving(database, data_folder, place) as server:
        wait_for(server, "Application startup complete", times=2)
        for _ in range(40):
            # Each on a connection of its own, which any of the workers may take.
            assert server.get("/health").status_code == 200
        time.sleep(3)
        assert health_checks(server) == 40
        killed = min(workers_of(server))
        os.kill(killed, signal.SIGKILL)
        wait_for(server, "Application startup complete", times=3)
        for _ in range(2):
            assert server.get("/health").status_code == 200
        time.sleep(3)
        assert health_checks(server) == 42
        found = metrics_of(server)
        assert value(found, "todo_api_worker_restarts_total", reason="ended") == 1
        assert value(found, "todo_api_workers") == 2


def metrics_of(server: Process) -> dict[Sample, float]:
    url = f"http://127.0.0.1:{server.port}/metrics"
    response = httpx2.get(url, headers=AUTHORIZATION, verify=NO_CERTIFICATES)
    assert response.status_code == 200
    return samples(response.text)


def health_checks(server: Process) -> float:
    name = "http_server_request_duration_seconds_count"
    return value(metrics_of(server), name, http_route="/health")


def test_a_server_that_would_show_its_numbers_to_everybody_does_not_start(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("METRICS", "path")
    monkeypatch.delenv("METRICS_TOKEN", raising=False)
    with pytest.raises(SettingsError, match="METRICS_TOKEN"):
        read_settings(to_serve=True)
    monkeypatch.setenv("METRICS_TOKEN", "short")
    with pytest.raises(SettingsError, match="METRICS_TOKEN cannot be used"):
        read_settings(to_serve=True)
    monkeypatch.setenv("METRICS_TOKEN", SECRET)
    assert read_settings(to_serve=True).is_measured
    for place in ("on", "9464", ":9464", "127.0.0.1:", "127.0.0.1:99999", "host:x"):
        monkeypatch.setenv("METRICS", place)
        with pytest.raises(SettingsError, match="METRICS cannot be used"):
            read_settings(to_serve=True)
    monkeypatch.setenv("METRICS", "[::1]:9464")
    assert read_settings(to_serve=True).metrics_address == ("::1", 9464)


def test_counters_and_gauges_are_told_apart_by_their_names() -> None:
    for name, metric in nonempty(METRICS.items()):
        assert name.endswith("_total") == (metric.kind is Kind.COUNTER)
        assert metric.kind is not Kind.HISTOGRAM or name.endswith("_seconds")
        assert metric.says.endswith(".") or metric.says[0] == "1"


def test_scrapes_leave_no_line_in_the_log(
    measured: Server, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    measured.bearer(None).http.get("/metrics", headers=AUTHORIZATION)
    measured.bearer(None).http.get("/")
    deadline = time.monotonic() + 10
    while not (told := [r.values for r in caplog.records if hasattr(r, "values")]):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert [line["path"] for line in told] == ["/"]
