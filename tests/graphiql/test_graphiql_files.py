"""GraphiQL's files from npm: fetched once and checked; where that fails, nothing is left over."""

import asyncio
import gzip
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest
from starlette.requests import Request

from app.graphiql import files as graphiql_files
from app.graphiql import page as graphiql
from app.graphiql import program
from app.graphiql.files import FILES, FilesUnavailable, fetch
from app.graphiql.page import CDN, GraphiQL
from app.supervisor import Supervisor

FakeNpm = Callable[[str], None]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the files will be, with nothing there yet."""
    folder = tmp_path / "cache" / "graphiql"
    monkeypatch.setattr(graphiql_files, "folder", lambda: folder)
    return folder


@pytest.fixture
def npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeNpm:
    """Have npm do what a shell script says: what the registry does is not to be had at will."""

    def install(script: str) -> None:
        program = tmp_path / "bin" / "npm"
        program.parent.mkdir(exist_ok=True)
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")

    return install


async def test_they_come_whole_and_several_may_fetch_at_once(
    graphiql_folder: Path, cache: Path
) -> None:
    folders = await asyncio.gather(fetch(), fetch())
    assert set(folders) == {cache}
    names = {file.name for file in cache.iterdir()}
    assert {file.name for file in FILES.values()} < names
    for name in names:
        assert unpacked(cache / name) == unpacked(graphiql_folder / name)
    assert list(cache.parent.iterdir()) == [cache]


def unpacked(file: Path) -> bytes:
    """Return what is in a file: each Python packs it in another way."""
    content = file.read_bytes()
    return gzip.decompress(content) if file.suffix == ".gz" else content


async def test_what_is_there_is_not_fetched_again(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.mkdir(parents=True)
    monkeypatch.setenv("PATH", "/nowhere")
    assert await fetch() == cache


async def test_another_package_is_refused(cache: Path, npm: FakeNpm) -> None:
    npm("echo other > graphiql.tgz")
    with pytest.raises(FilesUnavailable, match="another package"):
        await fetch()
    assert list(cache.parent.iterdir()) == []


async def test_why_npm_failed_is_said(cache: Path, npm: FakeNpm) -> None:
    npm("echo 'npm error code ENOTFOUND' >&2; exit 1")
    with pytest.raises(FilesUnavailable, match="npm failed: npm error code ENOTFOUND"):
        await fetch()
    assert list(cache.parent.iterdir()) == []


async def test_npm_is_not_waited_for_without_end(
    cache: Path, npm: FakeNpm, monkeypatch: pytest.MonkeyPatch
) -> None:
    npm("exec sleep 60")
    monkeypatch.setattr(program, "TIME_LIMIT", 0.2)
    with pytest.raises(FilesUnavailable, match="longer than"):
        await fetch()
    assert list(cache.parent.iterdir()) == []


async def test_without_npm_or_a_place_that_is_said(
    cache: Path, npm: FakeNpm, monkeypatch: pytest.MonkeyPatch
) -> None:
    npm("exit 1")
    cache.parent.write_text("a file where a folder should be")
    with pytest.raises(FilesUnavailable, match="cannot be written"):
        await fetch()
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(FilesUnavailable, match="npm is not installed"):
        await fetch()


@asynccontextmanager
async def fetching(page: GraphiQL) -> AsyncIterator[None]:
    """Fetch the page's files in the background, as a running server does."""
    supervisor = Supervisor()
    supervisor.run("fetch", page.fetch, returns=True)
    await asyncio.sleep(0)
    yield
    await supervisor.stop()


@pytest.mark.parametrize("script", ["exec sleep 60", "exit 1"])
async def test_a_page_is_not_kept_waiting_for_npm(
    cache: Path,
    npm: FakeNpm,
    monkeypatch: pytest.MonkeyPatch,
    script: str,
) -> None:
    npm(script)
    monkeypatch.setattr(graphiql, "PATIENCE", 0.2)
    page = GraphiQL("/graphql", lambda _: None)
    async with fetching(page):
        response = await page.page(Request({"type": "http", "headers": [], "client": None}))
    assert f'src="{CDN}dist/yoga-graphiql.umd.js"' in bytes(response.body).decode()
    assert f"script-src 'self' {CDN};" in response.headers["content-security-policy"]


async def test_a_page_waits_for_files_that_are_being_fetched(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_end = asyncio.Event()

    async def fetch_later() -> Path:
        await may_end.wait()
        cache.mkdir(parents=True)
        return cache

    monkeypatch.setattr(graphiql_files, "fetch", fetch_later)
    monkeypatch.setattr(graphiql, "PATIENCE", 1e6)
    page = GraphiQL("/graphql", lambda _: None)
    async with fetching(page), asyncio.timeout(20):
        request = Request({"type": "http", "headers": [], "client": None})
        waiting = asyncio.create_task(page.page(request))
        for _ in range(5):
            await asyncio.sleep(0)
        assert not waiting.done()
        may_end.set()
        response = await waiting
    assert CDN not in bytes(response.body).decode()


async def test_a_server_that_stops_stops_npm(cache: Path, npm: FakeNpm, tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    npm(f"echo $$ > {pid}.draft; mv {pid}.draft {pid}; exec sleep 60")
    async with fetching(GraphiQL("/graphql", lambda _: None)):
        deadline = time.monotonic() + 30
        while not pid.exists():
            assert time.monotonic() < deadline
            await asyncio.sleep(0.01)
    assert not psutil.pid_exists(int(pid.read_text()))
    assert list(cache.parent.iterdir()) == []
