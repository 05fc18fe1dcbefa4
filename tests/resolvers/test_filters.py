"""Filters: each narrows a list down by itself and together with others, and search finds words."""

from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.fact import May
from resolvers import narrowing
from tests.api import Caller, Server, nonempty
from tests.databases import Database
from tests.facts import facts_with


def found(user: Caller, **filter: Any) -> set[str]:
    """Return the titles that a filter lets through, which every way to page must agree on."""
    page = user.page(filter=filter)
    titles = {task["title"] for task in page["nodes"]}
    assert page["totalCount"] == len(page["nodes"]) == len(titles)
    for field in nonempty(fact.name.upper() for fact in facts_with(May.ORDER)):
        for direction in ("ASC", "DESC"):
            order = {"field": field, "direction": direction}
            paged, after = [], None
            for _ in range(len(titles) + 1):
                part = user.page(filter=filter, orderBy=order, first=1, after=after)
                paged += [task["title"] for task in part["nodes"]]
                after = part["pageInfo"]["endCursor"]
                if not part["pageInfo"]["hasNextPage"]:
                    break
            assert sorted(paged) == sorted(titles)
    return titles


@pytest.fixture(scope="module")
def shopper(server: Server) -> Caller:
    user = server.user()
    for title, description in (
        ("Buy milk", "two bottles"),
        ("Buy oat milk", None),
        ("Café Crème brûlée", "Straße, naïve façade"),
        ("Купить Молоко", "две бутылки"),
        ("今天买牛奶", "牛奶两瓶"),
        ("カタカナでメモ", None),
        ("우유 사기", None),
        ("Call re-seller about v1.2 of foo_bar", "mail bob@example.com, see /usr/local/lib"),
        ("'quoted' \\ & | ! <-> :* (x)", "' OR 1=1 --"),
    ):
        user.create(title, description=description)
    user.delete(id=user.create("Milk in the trash")["id"])
    return user


@pytest.mark.parametrize(
    ("search", "wanted"),
    [
        ("milk", {"Buy milk", "Buy oat milk"}),
        ("MILK buy", {"Buy milk", "Buy oat milk"}),
        ("mil", {"Buy milk", "Buy oat milk"}),
        ("ilk", set()),
        ("bottles milk", {"Buy milk"}),
        ("milk bread", set()),
        ("  oat\t\n", {"Buy oat milk"}),
        ("cafe", {"Café Crème brûlée"}),
        ("CAFÉ brulee", {"Café Crème brûlée"}),
        ("cafe\u0301", {"Café Crème brûlée"}),
        ("facade naive", {"Café Crème brûlée"}),
        ("молоко", {"Купить Молоко"}),
        ("МОЛ бутыл", {"Купить Молоко"}),
        ("牛奶", {"今天买牛奶"}),
        ("瓶", {"今天买牛奶"}),
        ("猫", set()),
        ("メモ", {"カタカナでメモ"}),
        ("우유", {"우유 사기"}),
        ("seller", {"Call re-seller about v1.2 of foo_bar"}),
        ("bar example local", {"Call re-seller about v1.2 of foo_bar"}),
        ("v1.2", {"Call re-seller about v1.2 of foo_bar"}),
        ("quoted:*", {"'quoted' \\ & | ! <-> :* (x)"}),
        ("' or", {"'quoted' \\ & | ! <-> :* (x)"}),
        ("milk | oat", {"Buy oat milk"}),
        ("!!!", set()),
        ("milk " * 40, {"Buy milk", "Buy oat milk"}),
    ],
)
@pytest.mark.parametrize("found_max", [1000, 0], ids=["looked up", "one after another"])
def test_a_search_finds_words(
    shopper: Caller,
    monkeypatch: pytest.MonkeyPatch,
    search: str,
    wanted: set[str],
    found_max: int,
) -> None:
    monkeypatch.setattr(narrowing, "FOUND_MAX", found_max)
    assert {task["title"] for task in shopper.page(filter={"search": search})["nodes"]} == wanted


@pytest.mark.parametrize("search", ["", "  \n", None])
def test_a_blank_search_is_none(shopper: Caller, search: str | None) -> None:
    assert shopper.page(filter={"search": search}) == shopper.page()


def test_a_changed_task_is_found_by_its_new_words_alone(server: Server) -> None:
    user = server.user()
    id = user.create("Milk", description="two bottles")["id"]
    user.update(id=id, title="Bread")
    assert found(user, search="milk") == set()
    assert found(user, search="bread bottles") == {"Bread"}
    user.update(id=id, description=None)
    assert found(user, search="bottles") == set()
    user.toggle(id=id)
    assert found(user, search="bread", status="COMPLETED") == {"Bread"}
    user.delete(id=id)
    assert found(user, search="bread") == set()
    assert found(user, search="bread", trash="ONLY") == {"Bread"}


def test_a_long_word_is_found_by_all_of_it(server: Server) -> None:
    user = server.user()
    user.create("x" * 200, description="😀" * 500 + "é" * 500)
    assert found(user, search="x" * 200) == found(user, search="e" * 200) == {"x" * 200}


@settings(max_examples=60)
@given(search=st.text(max_size=200))
def test_no_search_is_a_syntax_error(shopper: Caller, search: str) -> None:
    result = shopper.execute(
        "query ($s: String) { tasks(filter: {search: $s}) { totalCount } }", {"s": search}
    )
    if "errors" in result:
        assert "\0" in search
        assert result["errors"][0]["extensions"] == {"code": "BAD_USER_INPUT"}
    else:
        assert result["data"]["tasks"]["totalCount"] >= 0


@settings(max_examples=40)
@given(
    data=st.data(),
    title=st.text(
        st.characters(exclude_categories=["C", "Z", "P", "S", "M"]), min_size=1, max_size=30
    ),
)
def test_every_title_is_found_by_its_beginning(
    shopper: Caller, data: st.DataObject, title: str
) -> None:
    id = shopper.create(title)["id"]
    search = title[: data.draw(st.integers(1, len(title)))]
    ids = [task["id"] for task in shopper.page(filter={"search": search, "ids": [id]})["nodes"]]
    shopper.delete(id=id)
    assert ids == [id]


def test_ids_choose_the_callers_own(server: Server) -> None:
    user = server.user()
    ids = {title: user.create(title)["id"] for title in ("a", "b", "c")}
    anothers = server.user().create("another's")["id"]
    user.toggle(id=ids["b"])
    wanted = [ids["a"], ids["b"], ids["a"], anothers, "x", "0", "01", str(2**63), str(2**63 - 1)]
    assert found(user, ids=wanted) == {"a", "b"}
    assert found(user, ids=wanted, status="COMPLETED") == {"b"}
    assert found(user, ids=wanted, search="a") == {"a"}
    assert found(user, ids=[]) == set()
    assert found(user, ids=None) == {"a", "b", "c"}
    assert found(user, ids=[ids["a"]] * 100) == {"a"}


def test_ranges_begin_at_an_instant_and_end_before_one(server: Server, database: Database) -> None:
    user = server.user()
    times = [datetime.fromisoformat(f"2026-0{n}-01T12:00:00+00:00") for n in (1, 2, 3)]
    with psycopg.connect(database.superuser_url) as connection:
        for n, time in enumerate(times):
            id = user.create(str(n))["id"]
            connection.execute(
                "UPDATE tasks SET created_at = %s, updated_at = %s WHERE id = %s",
                [time, time + timedelta(days=365), id],
            )

    def range_(start: int | None, end: int | None, *, days: int = 0) -> dict[str, str]:
        bounds = {"from": start, "until": end}
        return {
            name: (times[n] + timedelta(days=days)).isoformat()
            for name, n in bounds.items()
            if n is not None
        }

    for bounds, wanted in (
        ((0, 2), {"0", "1"}),
        ((1, None), {"1", "2"}),
        ((None, 1), {"0"}),
        ((1, 1), set()),
        ((2, 0), set()),
        ((None, None), {"0", "1", "2"}),
    ):
        assert found(user, createdAt=range_(*bounds)) == wanted
        assert found(user, updatedAt=range_(*bounds, days=365)) == wanted
    both = {"createdAt": range_(1, None), "updatedAt": range_(None, 2, days=365)}
    assert found(user, **both) == {"1"}
    assert found(user, **both, status="COMPLETED") == set()
    assert found(user, createdAt={"from": "2026-02-01T14:00:00+02:00", "until": None}) == {"1", "2"}


@pytest.mark.parametrize(
    ("filter", "message"),
    [
        ({"ids": ["1"] * 101}, "`ids` must have at most 100 ids, not 101."),
        ({"search": "x" * 201}, "`search` must have at most 200 characters, not 201."),
        ({"search": "\0"}, "`search` has a character that no task can have."),
        ({"search": "\ud800"}, "`search` has a character that no task can have."),
    ],
)
def test_a_filter_that_asks_too_much_is_refused(
    server: Server, filter: dict[str, Any], message: str
) -> None:
    query = "query ($f: TaskFilter) { tasks(filter: $f) { totalCount } }"
    (error,) = server.user().execute(query, {"f": filter})["errors"]
    assert (error["message"], error["extensions"]) == (message, {"code": "BAD_USER_INPUT"})


@pytest.mark.parametrize("instant", ["2026-01-31", "2026-01-31T12:00:00", "yesterday", 7])
def test_an_instant_without_an_offset_is_refused(server: Server, instant: Any) -> None:
    query = "query ($f: TaskFilter) { tasks(filter: $f) { totalCount } }"
    response = server.user().post(query, {"f": {"createdAt": {"from": instant}}})
    assert response.status_code == 400
    assert response.json()["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"
