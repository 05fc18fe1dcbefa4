"""The keys of the order by hand: the functions in SQL against plain ones in Python."""

import random
from typing import Any

import psycopg
import pytest

from tests.counts import Count
from tests.databases import Database

DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
PAIRS = 3_000


def between(low: str, high: str) -> str:
    """Return a key between two, the first of which may be empty."""
    key, is_open = "", False
    while True:
        n = len(key)
        below = DIGITS.index(low[n]) if n < len(low) else 0
        above = 62 if is_open else DIGITS.index(high[n]) if n < len(high) else 0
        if above - below > 1:
            return key + DIGITS[(below + above) // 2]
        key += DIGITS[below]
        is_open = is_open or above - below == 1


def below(high: str) -> str:
    last = DIGITS.index(high[-1])
    return high[:-1] + (DIGITS[last - 1] if last > 1 else "0V")


def above(low: str, high: str) -> str:
    last = DIGITS.index(low[-1])
    key = low[:-1] + DIGITS[last + 1] if last < 61 else low + "V"
    return key if key < high else between(low, high)


def many_between(low: str, high: str, count: int) -> list[str]:
    if count < 1:
        return []
    middle, left = between(low, high), (count - 1) // 2
    right = many_between(middle, high, count - 1 - left)
    return [*many_between(low, middle, left), middle, *right]


def is_key(key: str) -> bool:
    return key != "" and set(key) <= set(DIGITS) and not key.endswith("0")


def some_pair(dice: random.Random) -> tuple[str, str]:
    """Return two keys, the smaller first; many are close to each other, or begin alike."""

    def some_key(start: str) -> str:
        digits = dice.choice([DIGITS, "01z", "0V", "yz"])
        middle = "".join(dice.choice(digits) for _ in range(dice.randrange(6)))
        return start + middle + dice.choice([d for d in digits if d != "0"])

    while True:
        start = some_key("") if dice.random() < 0.5 else ""
        low, high = sorted([some_key(start), dice.choice([start, some_key(start)]) or "V"])
        if low != high:
            return low if dice.random() < 0.9 else "", high


def asked(connection: psycopg.Connection[Any], call: str, rows: list[tuple[Any, ...]]) -> list[Any]:
    """Return what a function says of many arguments, each row of which is given to it."""
    columns = ", ".join(f"p{n}" for n in range(len(rows[0])))
    kinds = {str: "text", int: "integer"}
    arrays = ", ".join(f"%s::{kinds[type(value)]}[]" for value in rows[0])
    found = connection.execute(
        f"SELECT {call} FROM unnest({arrays}) WITH ORDINALITY AS given ({columns}, n) ORDER BY n",
        [list(column) for column in zip(*rows, strict=True)],
    )
    return [value for (value,) in found.fetchall()]


@pytest.mark.parametrize("seed", range(2))
def test_keys_in_sql_are_those_of_the_reference(
    database: Database, count: Count, long: bool, seed: int
) -> None:
    dice = random.Random(seed)
    pairs = [some_pair(dice) for _ in range(PAIRS * (20 if long else 1))]
    sizes = [dice.randrange(40) for _ in pairs]
    with psycopg.connect(database.superuser_url) as connection:
        middle = asked(connection, "key_between(p0, p1)", pairs)
        under = asked(connection, "key_below(p0)", [(high,) for _, high in pairs])
        closed = [(low, high) for low, high in pairs if low]
        over = asked(connection, "key_above(p0, p1)", closed)
        rows = [(*pair, size) for pair, size in zip(pairs, sizes, strict=True)][:500]
        many = asked(connection, "keys_between(p0, p1, p2)", rows)
    assert middle == [between(low, high) for low, high in pairs]
    assert under == [below(high) for _, high in pairs]
    assert many == [many_between(low, high, size) for low, high, size in rows]
    assert over == [above(low, high) for low, high in closed]
    assert all(map(is_key, [*middle, *under, *over]))
    for (low, high), in_the_middle, lower in zip(pairs, middle, under, strict=True):
        assert low < in_the_middle < high
        assert lower < high
    for (low, high), higher in zip(closed, over, strict=True):
        assert low < higher < high
    for (low, high, size), keys in zip(rows, many, strict=True):
        assert len(keys) == size
        assert [low, *keys, high] == sorted({low, *keys, high})
    count("pairs of keys", len(pairs))
