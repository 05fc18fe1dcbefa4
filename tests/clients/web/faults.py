"""How answers go wrong on the way: each function does it to one request."""

import json
from collections.abc import Callable
from typing import Any

from playwright.sync_api import BrowserContext, Route

CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "Retry-After, Date",
}
Way = Callable[[Route], Any]


def status(code: int) -> Way:
    """The API's own answer with a status."""
    error = {"message": "Later.", "extensions": {"code": "SERVICE_UNAVAILABLE"}}
    body = {"data": None, "errors": [error]}
    return lambda route: route.fulfill(status=code, headers=CORS, json=body)


def in_the_field(code: str) -> Way:
    def answer(route: Route) -> None:
        error = {"message": "Later.", "path": ["field"], "extensions": {"code": code}}
        route.fulfill(status=200, headers=CORS, json={"data": None, "errors": [error]})

    return answer


def page_of_a_proxy(route: Route) -> None:
    html = {**CORS, "Content-Type": "text/html"}
    route.fulfill(status=502, headers=html, body="<h1>Bad Gateway</h1>")


def without_cors(route: Route) -> None:
    route.fulfill(status=502, content_type="text/html", body="<h1>Bad Gateway</h1>")


def captive_portal(route: Route) -> None:
    html = {**CORS, "Content-Type": "text/html"}
    route.fulfill(status=200, headers=html, body="<h1>Welcome to the hotel</h1>")


def reset(route: Route) -> None:
    route.abort("connectionreset")


def lose_the_answer(route: Route) -> None:
    """The server has done it, and nobody is told."""
    route.fetch()
    route.abort("connectionreset")


def hang(route: Route) -> None:
    """No answer, ever."""


WAYS: dict[str, Way] = {
    "503": status(503),
    "500": status(500),
    "504": status(504),
    "429": status(429),
    "page of a proxy": page_of_a_proxy,
    "without CORS": without_cors,
    "captive portal": captive_portal,
    "SERVICE_UNAVAILABLE in the field": in_the_field("SERVICE_UNAVAILABLE"),
    "IDEMPOTENCY_CONCURRENT_REQUEST in the field": in_the_field("IDEMPOTENCY_CONCURRENT_REQUEST"),
    "reset": reset,
    "lost answer": lose_the_answer,
    "hang": hang,
}


class Changes:
    """The changes that a context sends, in the order of their first tries; the first may fail."""

    def __init__(self, context: BrowserContext, *ways: Way) -> None:
        self.tries: list[tuple[str, str]] = []
        """The key and the name of the operation, for each try."""
        self.ways = list(ways)
        context.route("**/graphql", self._answer)

    def _answer(self, route: Route) -> None:
        body = json.loads(route.request.post_data or "{}")
        key = ((body.get("variables") or {}).get("input") or {}).get("idempotencyKey")
        if key is None:
            route.fallback()
            return
        self.tries.append((key, body["query"].split("(")[0].removeprefix("mutation ")))
        way = self.ways.pop(0) if self.ways else Route.fallback
        way(route)
