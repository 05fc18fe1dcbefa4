"""The calendar of a user: who may read it, what is in it, what it costs, and what is told of it."""

import asyncio
import json
import logging
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import icalendar
import psycopg
import pytest

from app.database.people import delete
from app.telemetry.log import configure_logging
from app.telemetry.records import shown_path
from app.telemetry.request_log import RequestLog
from models.database import DatabaseUnavailable
from tests.api import SECRET, Caller, Server, running_server, settings_for
from tests.databases import Database
from tests.http.test_observability import lines
from tests.http.test_serving import started
from tests.http.test_traces import Collector, attributes, collector  # noqa: F401 -- a fixture


def get(server: Server, url: str, method: str = "GET", **headers: str) -> httpx2.Response:
    """Ask as a calendar program does, without a token."""
    return server.bearer(None).http.request(method, url, headers=headers)


def titles(response: httpx2.Response) -> list[str]:
    assert response.status_code == 200, response.text
    calendar = icalendar.Calendar.from_ical(response.content)
    return [str(event["summary"]) for event in calendar.walk("VEVENT")]


def told(response: httpx2.Response) -> tuple[int, bytes, dict[str, str]]:
    headers = dict(response.headers)
    for name in ("date", "x-request-id"):
        del headers[name]
    return response.status_code, response.content, headers


def test_a_calendar_has_what_is_to_be_done_on_a_day(server: Server) -> None:
    user = server.user()
    url = user.create_link("Phone")["url"]
    assert titles(get(server, url)) == []
    parent = user.create("later", dueOn="2026-12-31")["id"]
    user.create("early", dueOn="2026-12-24", dueTime="09:00")
    user.create("a subtask", dueOn="2026-12-25", parentId=parent)
    user.create("whole day", dueOn="2026-12-24", listId=user.create_list()["id"])
    user.create("no day")
    user.update(id=user.create("done", dueOn="2026-12-24")["id"], completed=True)
    user.delete(id=user.create("gone", dueOn="2026-12-24")["id"])
    response = get(server, url)
    assert titles(response) == ["early", "whole day", "a subtask", "later"]
    assert response.headers["content-type"] == "text/calendar; charset=utf-8"
    assert response.headers["cache-control"] == "private, max-age=3600"
    assert b"\r\nX-WR-CALNAME:Phone\r\n" in response.content


def test_a_calendar_of_many_tasks_has_each_once(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("resolvers.calendars.ROWS_AT_ONCE", 3)
    user = server.user()
    for n in range(10):
        user.create(str(n), dueOn="2026-12-24" if n % 2 else f"2026-12-{n + 1:02}")
    found = titles(get(server, user.create_link()["url"]))
    assert found == ["0", "2", "4", "6", "8", "1", "3", "5", "7", "9"]


def test_a_task_that_is_put_off_meanwhile_is_there_once(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("resolvers.calendars.ROWS_AT_ONCE", 2)
    user = server.user()
    ids = [user.create(str(n), dueOn=f"2026-12-{n + 1:02}")["id"] for n in range(5)]
    url = user.create_link()["url"]
    fetch = server.running.database.fetch

    async def put_off(statement: Any) -> Any:
        rows = await fetch(statement)
        if statement.sql.name == "due_tasks" and rows and rows[0].title == "0":
            await asyncio.to_thread(user.update, id=ids[0], dueOn="2027-01-01")
        return rows

    with monkeypatch.context() as patch:
        patch.setattr(server.running.database, "fetch", put_off)
        assert titles(get(server, url)) == ["0", "1", "2", "3", "4"]
    assert titles(get(server, url)) == ["1", "2", "3", "4", "0"]


def test_what_is_known_already_is_not_sent_again(server: Server) -> None:
    user = server.user()
    task = user.create("Milk", dueOn="2026-12-24")["id"]
    url = user.create_link()["url"]
    first = get(server, url)
    etag = first.headers["etag"]
    for known in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        again = get(server, url, **{"If-None-Match": known})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == etag
        assert again.headers["cache-control"] == first.headers["cache-control"]
    assert get(server, url, **{"If-None-Match": '"other"'}).status_code == 200
    changes: list[Any] = [
        lambda: user.update(id=task, title="Bread"),
        lambda: user.toggle(id=task),
        lambda: user.toggle(id=task),
        lambda: user.create("more", dueOn="2027-01-01"),
        lambda: user.delete(id=task),
        lambda: user.restore(id=task),
    ]
    for change in changes:
        change()
        response = get(server, url, **{"If-None-Match": etag})
        assert response.status_code == 200
        assert response.headers["etag"] != etag
        etag = response.headers["etag"]


def test_two_links_of_a_user_have_tags_of_their_own(server: Server) -> None:
    user = server.user()
    tags = {get(server, user.create_link()["url"]).headers["etag"] for _ in range(3)}
    assert len(tags) == 3


def test_a_head_is_answered_as_a_get_without_the_calendar(server: Server) -> None:
    user = server.user()
    user.create("Milk", dueOn="2026-12-24")
    url = user.create_link()["url"]
    whole, head = get(server, url), get(server, url, "HEAD")
    assert told(head) == (200, b"", told(whole)[2])
    assert get(server, f"{url}x", "HEAD").status_code == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND"])
def test_a_calendar_can_only_be_read(server: Server, method: str) -> None:
    url = server.user().create_link()["url"]
    response = get(server, url, method)
    assert response.status_code == 405
    assert response.headers["allow"] == "GET, HEAD"
    assert told(response) == told(get(server, "/calendar/nothing.ics", method))


def test_all_that_is_no_address_is_answered_as_a_path_that_does_not_exist(
    server: Server, database: Database
) -> None:
    ada, bob, gone = server.user(), server.user(), server.user()
    url, bobs, goners = (each.create_link()["url"] for each in (ada, bob, gone))
    revoked = ada.create_link()
    assert get(server, revoked["url"]).status_code == 200
    ada.revoke_link(id=revoked["link"]["id"])
    delete(database.superuser_url, str(gone.user_id), timedelta(days=1))
    owner, _, secret = url.rpartition(".ics")[0].rpartition(".")
    bob_owner = bobs.rpartition(".ics")[0].rpartition(".")[0]
    nothing = told(get(server, "/nothing"))
    assert nothing[0] == 404
    for wrong in (
        revoked["url"],
        goners,
        f"{bob_owner}.{secret}.ics",
        f"{owner}.{secret[:-1]}{'A' if secret[-1] != 'A' else 'B'}.ics",
        f"{owner}.{secret.swapcase()}.ics",
        f"{owner}.{secret}",
        f"{owner}.{secret}.ICS",
        f"{owner}.{secret}.ics/",
        f"{owner}.{secret}.ics/x",
        f"{owner}.ics",
        f"{owner}..ics",
        f"/Calendar/{url.removeprefix('/calendar/')}",
        "/calendar/",
        "/calendar",
        "/calendar/.ics",
        "/calendar/%00.ics",
        f"/calendar/bm9ib2R5.{secret}.ics",
    ):
        assert told(get(server, wrong)) == nothing, wrong
        assert told(ada.http.get(wrong)) == nothing, wrong
    assert get(server, url).status_code == 200


def used(user: Caller) -> list[str | None]:
    return [link["lastUsedAt"] for link in user.links()]


def set_used(database: Database, user: Caller, minutes: int) -> None:
    with psycopg.connect(database.superuser_url) as connection:
        connection.execute("SET LOCAL session_replication_role = replica")
        connection.execute(
            "UPDATE calendar_links SET last_used_at = now() - make_interval(mins => %s) "
            "WHERE user_id = %s",
            [minutes, user.user_id],
        )


def test_the_use_of_a_link_is_noted_once_an_hour(server: Server, database: Database) -> None:
    user = server.user()
    first, _other = user.create_link(), user.create_link()
    assert used(user) == [None, None]
    get(server, f"{first['url']}x")
    assert used(user) == [None, None]
    get(server, first["url"])
    noted = used(user)
    assert noted[0] is not None
    assert noted[1] is None
    get(server, first["url"])
    assert used(user) == noted
    set_used(database, user, 59)
    before = used(user)
    get(server, first["url"])
    assert used(user) == before
    set_used(database, user, 61)
    before = used(user)
    etag = get(server, first["url"]).headers["etag"]
    assert used(user)[0] != before[0]
    assert used(user)[1] == before[1]
    set_used(database, user, 61)
    before = used(user)
    assert get(server, first["url"], **{"If-None-Match": etag}).status_code == 304
    assert used(user)[0] != before[0]


def test_a_use_that_is_noted_is_not_written_again(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor is it by a worker that has read, at the same time, that it was not noted yet."""
    user = server.user()
    url = user.create_link()["url"]
    get(server, url)
    before, sent = used(user), list[str]()
    fetch = server.running.database.fetch

    async def watched(statement: Any) -> Any:
        # What other workers are told is told at any time.
        if statement.sql.name != "notify":
            sent.append(statement.sql.name)
        return await fetch(statement)

    with monkeypatch.context() as patch:
        patch.setattr(server.running.database, "fetch", watched)
        get(server, url)
    assert sent == ["known_links", "due_tasks"]

    async def late(statement: Any) -> Any:
        rows = await fetch(statement)
        is_known = statement.sql.name == "known_links"
        return [row._replace(is_noted=False) for row in rows] if is_known else rows

    monkeypatch.setattr(server.running.database, "fetch", late)
    get(server, url)
    assert used(user) == before


def test_a_use_that_cannot_be_noted_keeps_nobody_from_reading(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = server.user()
    url = user.create_link()["url"]
    fetch = server.running.database.fetch

    async def read_only(statement: Any) -> Any:
        if statement.sql.writes:
            raise DatabaseUnavailable
        return await fetch(statement)

    monkeypatch.setattr(server.running.database, "fetch", read_only)
    assert get(server, url).status_code == 200


def test_while_the_database_is_away_a_calendar_is_asked_for_again_later(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = server.user().create_link()["url"]

    async def away(statement: Any) -> Any:
        raise DatabaseUnavailable

    monkeypatch.setattr(server.running.database, "fetch", away)
    response = get(server, url)
    assert response.status_code == 503
    assert response.headers["retry-after"] == "1"
    assert response.headers["cache-control"] == "no-store"


def test_a_calendar_is_paid_for_by_its_owner_and_guesses_are_not(database: Database) -> None:
    with running_server(settings_for(database.server_url, rate_limit=100)) as server:
        user, other = server.user(), server.user()
        url, others = user.create_link()["url"], other.create_link()["url"]
        user.create_many(*({"title": str(n), "dueOn": "2026-12-24"} for n in range(10)))
        budget = server.running.budget
        assert budget is not None
        spent = budget.spent
        response = get(server, url)
        assert budget.spent - spent == 11
        get(server, url, **{"If-None-Match": response.headers["etag"]})
        assert budget.spent - spent == 12
        get(server, f"{url[:-5]}x.ics")
        assert budget.spent - spent == 12
        while (response := get(server, url)).status_code == 200:
            pass
        assert response.status_code == 429
        assert 0 < int(response.headers["retry-after"]) <= 60
        assert response.headers["cache-control"] == "no-store"
        # Who guesses is not told that the owner has spent anything.
        assert get(server, f"{url[:-5]}x.ics").status_code == 404
        assert get(server, others).status_code == 200


def test_strangers_who_guess_leave_the_database_to_others(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    under_way, most = 0, 0
    fetch = server.running.database.fetch

    async def counting(statement: Any) -> Any:
        nonlocal under_way, most
        if statement.sql.name != "known_links":
            return await fetch(statement)
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.02)
        under_way -= 1
        return []

    monkeypatch.setattr(server.running.database, "fetch", counting)

    async def flood() -> list[int]:
        async with httpx2.AsyncClient(base_url=server.url) as http:
            path = f"/calendar/bm9ib2R5.{'A' * 43}.ics"
            answers = await asyncio.gather(*(http.get(path) for _ in range(40)))
            return [answer.status_code for answer in answers]

    assert asyncio.run(flood()) == [404] * 40
    assert most == 4


SECRET_PATHS = {
    "/calendar/YWRh.secret.ics": "/calendar/…",
    "/calendar/x/secret": "/calendar/…",
    "//calendar/secret": "//calendar/…",
    "/api/Calendar/secret\nx": "/api/Calendar/…",
    "/calendar/": "/calendar/",
    "/calendar": "/calendar",
    "/graphql": "/graphql",
    f"/calendars/YWRh.{'-_sS0' * 9}.ics": f"/calendars/YWRh.{'-_sS0' * 9}.ics",
    f"/calendars/YWRh.{('-_sS0' * 9)[:43]}.ics": "/calendars/….ics",
    f"/YWRh.{('-_sS0' * 9)[:43]}": "/…",
}


@pytest.mark.parametrize(("path", "shown"), SECRET_PATHS.items())
def test_a_path_is_told_without_what_lets_somebody_in(path: str, shown: str) -> None:
    assert shown_path(path) == shown


def secrets_of(url: str) -> Iterator[str]:
    """Yield what must be told nowhere: the secret, and any eight letters of it."""
    secret = url.rpartition(".ics")[0].rpartition(".")[2]
    yield from (secret[n : n + 8] for n in range(len(secret) - 7))


def test_a_line_of_the_log_has_no_address(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    user = server.user()
    user.create("Milk", dueOn="2026-12-24")
    url = user.create_link()["url"]
    caplog.clear()
    caplog.set_level(logging.DEBUG)
    for asked in (url, f"{url}?token=x", f"/api{url}", f"{url}/x"):
        get(server, asked)
    deadline = time.monotonic() + 10
    while len(lines(caplog)) < 4 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert [line["path"] for line in lines(caplog)] == [
        *("/calendar/…", "/calendar/…", "/api/calendar/…", "/calendar/…"),
    ]
    text = json.dumps(lines(caplog)) + "".join(
        record.getMessage()
        for record in caplog.records
        if record.name.split(".")[0] != "httpcore2" and not record.name.startswith("httpx")
    )
    assert not [part for part in secrets_of(url) if part in text]


def test_uvicorns_own_line_has_no_address(caplog: pytest.LogCaptureFixture) -> None:
    """As where the application is started by uvicorn alone."""
    configure_logging(RequestLog(), readable=True, debug=False)
    caplog.set_level(logging.INFO, "uvicorn.access")
    logging.getLogger("uvicorn.access").info(
        '%s - "%s %s HTTP/%s" %d', "127.0.0.1:1", "GET", "/calendar/YWRh.hush.ics?x=1", "1.1", 200
    )
    (line,) = [r.getMessage() for r in caplog.records if r.name == "uvicorn.access"]
    assert line == '127.0.0.1:1 - "GET /calendar/… HTTP/1.1" 200'


def test_a_server_writes_no_address_anywhere(tmp_path: Path, database: Database) -> None:
    environment = {
        "DATABASE_URL": database.server_url,
        "BETTER_AUTH_SECRET": SECRET,
        "DEBUG": "1",
    }
    with running_server(settings_for(database.server_url)) as here:
        user = here.user()
        url = user.create_link()["url"]
    for command in (
        ["todo-api", "serve", "--port", "{port}"],
        ["uvicorn", "--factory", "app.factory:create_app", "--port", "{port}"],
    ):
        with started(command, environment, tmp_path) as server:
            server.wait_until_ready()
            server.get(url)
            server.get(f"{url[:-5]}x.ics")
            server.stop(signal.SIGTERM)
        assert "/calendar/…" in server.said
        assert not [part for part in secrets_of(url) if part in server.said]


def test_metrics_and_traces_have_no_address(
    database: Database,
    collector: Collector,  # noqa: F811
) -> None:
    token = "a-token-for-metrics-of-thirty-two-bytes"
    settings = settings_for(
        database.server_url,
        otel_exporter_otlp_endpoint=collector.url,
        metrics="path",
        metrics_token=token,
    )
    with running_server(settings) as server:
        url = server.user().create_link()["url"]
        assert get(server, url).status_code == 200
        numbers = get(server, "/metrics", Authorization=f"Bearer {token}").text
    assert 'http_route="/calendar/…"' in numbers
    paths = [attributes(span).get("url.path") for span in collector.spans]
    assert "/calendar/…" in paths
    for part in secrets_of(url):
        assert part not in numbers
        assert part.encode() not in collector.bodies


def test_a_server_imports_no_library_for_calendars() -> None:
    """icalendar needs a fifth of a second of a core for that."""
    command = "import sys, app.asgi; sys.exit('icalendar' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr or "icalendar is imported"


def test_ten_links_are_ten_calendars(server: Server) -> None:
    user = server.user()
    user.create("Milk", dueOn="2026-12-24")
    urls = [user.create_link()["url"] for _ in range(10)]
    assert [titles(get(server, url)) for url in urls] == [["Milk"]] * len(urls)
