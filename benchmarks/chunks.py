"""Two settings of this server side by side: they answer by turns, some milliseconds at a time.

Both run in this process, and are asked without a network. So whatever else the machine does meets
both alike, and the difference shows where it is some hundredths. What uvicorn does for a request is
left out: of the whole, what a setting costs is a smaller part than the ratio says.
"""

import asyncio
import gc
import logging
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Any

from starlette.types import ASGIApp, Message

from app.factory import create_app
from app.settings import Settings
from benchmarks.load import Request, WrongAnswer
from benchmarks.workload import SECRET, Operation, asked

AT_ONCE = 16
"""Requests under way together, as from so many clients."""

ROUNDS = 4
"""How often so many are asked in a chunk."""

WARMING_UP = 20
"""Chunks that do not count."""


@dataclass(frozen=True)
class Ratio:
    """What a request costs with other settings, as a part of what it costs without."""

    usual: float
    """Microseconds of CPU a request, the median of all chunks."""
    median: float
    """Of the ratios of neighbouring chunks."""
    lower: float
    """A quarter of the ratios are below."""
    upper: float
    """A quarter of the ratios are above."""


def ratio(
    url: str, operation: Operation, settings: Mapping[str, Any], *, users: int, chunks: int
) -> Ratio:
    """Ask the server without and with the settings by turns.

    Raises:
        WrongAnswer: an answer is wrong.
    """
    # Lines are made, and thrown away.
    logging.root.addHandler(logging.NullHandler())
    return asyncio.run(_ratio(url, operation, settings, users, chunks))


async def _ratio(
    url: str, operation: Operation, settings: Mapping[str, Any], users: int, chunks: int
) -> Ratio:
    requests = cycle(asked(operation, users, {}).values())
    usual: list[float] = []
    ratios: list[float] = []
    async with AsyncExitStack() as stack:
        servers = []
        for given in ({}, settings):
            app = create_app(_settings(url, given))
            state = await stack.enter_async_context(app.router.lifespan_context(app))
            servers.append((app, dict(state or {})))
        for number in range(WARMING_UP + chunks):
            cost = [0.0, 0.0]
            each = list(islice(requests, AT_ONCE * ROUNDS))
            for turn in (0, 1) if number % 2 else (1, 0):
                cost[turn] = await _chunk(*servers[turn], each)
            if number >= WARMING_UP:
                usual.append(cost[0])
                ratios.append(cost[1] / cost[0])
    lower, median, upper = statistics.quantiles(ratios, n=4)
    return Ratio(statistics.median(usual), median, lower, upper)


def _settings(url: str, given: Mapping[str, Any]) -> Settings:
    known: dict[str, Any] = {"database_url": url, "better_auth_secret": SECRET, "rate_limit": 10**9}
    changed = {name.lower(): value for name, value in given.items()}
    return Settings.model_validate({**known, **changed})


async def _chunk(app: ASGIApp, state: dict[str, Any], requests: Sequence[Request]) -> float:
    """Return the microseconds of CPU that each request took."""
    gc.collect(0)
    began = time.process_time()
    for part in _parts(requests):
        await asyncio.gather(*(asyncio.create_task(_ask(app, state, each)) for each in part))
    return (time.process_time() - began) / len(requests) * 1e6


def _parts(requests: Sequence[Request]) -> Iterator[Sequence[Request]]:
    for start in range(0, len(requests), AT_ONCE):
        yield requests[start : start + AT_ONCE]


async def _ask(app: ASGIApp, state: dict[str, Any], request: Request) -> None:
    answer: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": request.body, "more_body": False}

    async def send(message: Message) -> None:
        answer.append(message)

    headers = [(k.lower().encode(), v.encode()) for k, v in request.headers().items()]
    scope = {
        "type": "http",
        "http_version": "1.1",
        "scheme": "http",
        "method": "POST",
        "path": "/graphql",
        "raw_path": b"/graphql",
        "root_path": "",
        "query_string": b"",
        "headers": headers,
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 8000),
        "state": state.copy(),
    }
    await app(scope, receive, send)
    if answer[0]["status"] != 200 or b'"errors"' in answer[1]["body"]:
        raise WrongAnswer(str(answer[1]["body"][:300]))
