"""Cursors with one member changed are refused, whichever it is and whatever it becomes."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator
from typing import Any

import pytest

from graphql_schema.filters import TaskOrderField
from tests.api import CHANGES, LIST, Server, nonempty
from tests.counts import Count

Parts = list[Any]

OTHER_TYPES: list[Any] = [None, True, False, 1.0, 1e300, [], ["x"], {}, {"x": 1}]
NO_TIMES = [
    *("", "x", "\0", "2026-01-31", "12:00:00+00", "2026-02-30 12:00:00+00", "now"),
    # Without an offset it might mean any of a day's instants.
    *("2026-01-31 12:00:00", "2026-01-31T12:00:00.25"),
    # In UTC these are before the year 1, and after 9999.
    *("0001-01-01 00:00:00+14:00", "9999-12-31 23:59:59-14:00"),
]
NO_DUE_TIMES = [
    *(
        "",
        "x",
        "\0",
        "2026-01-31",
        "09:00:00",
        "2026-02-30 09:00:00",
        "now",
        "-infinity",
        "Infinity",
    ),
    # A time without a zone, in the one form that cursors have.
    *("2026-01-31 09:00:00+00", "2026-01-31T09:00:00", "2026-01-31 09:00", "10000-01-01 00:00:00"),
]
NO_PRIORITIES = [-1, 5, 2**31, "1", "HIGH"]
NO_TITLES = ["\0", "half \ud800", "x" * 201]
NO_IDS = [0, -1, 2**63, 10**30, "7", "x"]
NO_VERSIONS = [-1, 2**31, 10**30, "7", "x"]


def decoded(cursor: str) -> Parts:
    parts: Parts = json.loads(urlsafe_b64decode(cursor + "=="))
    return parts


def encoded(parts: Parts) -> str:
    return urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


def mutants(parts: Parts, values: list[list[Any]]) -> Iterator[Parts]:
    """Yield the parts with one that is missing, one too many, and each of the values in turn."""
    for place, wrong in enumerate(values):
        yield parts[:place] + parts[place + 1 :]
        for value in [*OTHER_TYPES, *wrong]:
            yield [*parts[:place], value, *parts[place + 1 :]]
        yield [*parts[: place + 1], *parts[place:]]


def refused(server: Server, query: str, cursors: list[str], **arguments: Any) -> None:
    user = server.user()
    for cursor in nonempty(cursors):
        result = user.execute(query, {**arguments, "after": cursor})
        assert "errors" in result, decoded(cursor)
        codes = [error["extensions"] for error in result["errors"]]
        assert codes == [{"code": "BAD_USER_INPUT"}], decoded(cursor)


WRONG: dict[TaskOrderField, list[Any]] = {
    TaskOrderField.TITLE: [*NO_TITLES, 7],
    TaskOrderField.DUE: [*NO_DUE_TIMES, 7],
    TaskOrderField.PRIORITY: NO_PRIORITIES,
    TaskOrderField.POSITION: ["", "a b", "\0", "é", "-", "x" * 65, 7],
}
"""Values that no cursor of an order has. The others have instants."""


@pytest.mark.parametrize("field", TaskOrderField)
@pytest.mark.parametrize("given", [{}, {"dueOn": "2028-02-29", "priority": "HIGH"}], ids=str)
def test_a_changed_cursor_of_a_list_is_refused(
    server: Server, count: Count, field: TaskOrderField, given: dict[str, str]
) -> None:
    user = server.user()
    user.toggle(id=user.create(**given)["id"])
    arguments: dict[str, Any] = {
        "orderBy": {"field": field.name},
        "filter": {"status": "COMPLETED", "inbox": True},
    }
    cursor = user.page(**arguments)["edges"][0]["cursor"]
    parts = decoded(cursor)
    assert user.page(**arguments, after=encoded(parts))["nodes"] == []

    others = [name for name in (*TaskOrderField.__members__, "CHANGES") if name != field.name]
    values = WRONG.get(field, [*NO_TIMES, 7])
    changed = [encoded(each) for each in mutants(parts, [[*others, "x", 7], values, NO_IDS])]
    refused(server, LIST, changed, **arguments)
    count("cursors with a member changed", len(changed))


def test_a_changed_cursor_of_the_changes_is_refused(server: Server, count: Count) -> None:
    user = server.user()
    user.create()
    cursor = user.changes()["pageInfo"]["endCursor"]
    parts = decoded(cursor)
    assert user.changes(after=encoded(parts))["nodes"] == []

    wrong = [[*TaskOrderField.__members__, "x", 7], NO_VERSIONS, NO_VERSIONS]
    changed = [encoded(each) for each in mutants(parts, wrong)]
    refused(server, CHANGES, changed)
    count("cursors with a member changed", len(changed))


def respelt(cursor: str) -> list[str]:
    """Return other spellings of the same bytes, as a lenient reader of base64 would have them."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    others = {
        f"{cursor}=" + "=" * (-len(cursor + "=") % 4),
        f"{cursor[:5]}\n{cursor[5:]}",
        f"{cursor} ",
        f"{cursor[:5]}!{cursor[5:]}",
        f"{cursor[:5]}.{cursor[5:]}",
    }
    bits = {2: 4, 3: 2}.get(len(cursor) % 4)
    if bits is not None:
        others.add(cursor[:-1] + alphabet[alphabet.index(cursor[-1]) ^ 1])
    return sorted(others)


def test_a_cursor_has_one_spelling(server: Server) -> None:
    user = server.user()
    for title in ("a", "ab", "abc"):
        user.create(title)
    order = {"field": "TITLE"}
    cursors = [edge["cursor"] for edge in user.page(orderBy=order)["edges"]]
    assert len({len(cursor) % 4 for cursor in cursors}) == 3
    for cursor in nonempty(cursors):
        assert user.page(orderBy=order, after=cursor)
        refused(server, LIST, respelt(cursor), orderBy=order)
    end = user.changes()["pageInfo"]["endCursor"]
    refused(server, CHANGES, respelt(end))
