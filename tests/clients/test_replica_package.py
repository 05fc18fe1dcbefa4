"""The client package's copy of what a person has, against a real server."""

import json
import random
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any
from unicodedata import category

import psycopg
import pytest

from tests.api import Server, nonempty
from tests.clients.client_package import needs_package, package
from tests.counts import Count
from tests.databases import Database
from tests.repository import ROOT

__all__ = ["package"]

pytestmark = needs_package

CASES = json.loads((ROOT / "clients/typescript/tests/search-cases.json").read_text("utf-8"))


def run(package: Path, script: str, input: str = "", *arguments: str) -> Any:
    """Run a script of the package's tests; return what it prints as JSON."""
    done = subprocess.run(
        ["node", f"tests/{script}", *arguments],
        cwd=package,
        input=input,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


def device_options(server: Server, **rest: Any) -> str:
    user = server.user(lifetime=timedelta(hours=1))
    return json.dumps(
        {"url": f"{server.url}/graphql", "user": user.user_id, "token": user.token, **rest}
    )


def test_the_server_finds_what_the_table_of_searches_says(server: Server) -> None:
    user = server.user()
    for found in (True, False):
        pairs = CASES["found" if found else "notFound"]
        made = user.create_many(*({"title": title} for title, _ in pairs))["tasks"]
        for (title, said), task in nonempty(zip(pairs, made, strict=True)):
            page = user.page(filter={"search": said, "ids": [task["id"]]})
            assert bool(page["nodes"]) is found, (title, said)


def texts(seed: int, count: int) -> list[str]:
    """Return texts of signs that have a meaning in searches, and of any others."""
    dice = random.Random(seed)
    usual = "aeiouxyz  ßłéÅ1٣-'.,+#_·🎉→か゛ガ漢한हिมu\u00ad\u200d\u2019C<@"
    every = [
        chr(code)
        for code in range(1, sys.maxunicode + 1)
        if category(chr(code)) not in ("Cn", "Cs")
    ]
    return [
        "".join(dice.choice(usual if dice.random() < 0.9 else every) for _ in range(length))
        for length in (dice.randrange(1, 24) for _ in range(count))
    ]


def test_the_device_finds_what_the_server_finds(
    package: Path, database: Database, count: Count, long: bool
) -> None:
    titles = texts(1, 40_000 if long else 4_000)
    dice = random.Random(2)
    pairs = []
    for title in titles:
        start = dice.randrange(len(title))
        within = title[start : start + dice.randrange(1, 8)]
        pairs.append((title, dice.choice([within, within.upper(), title, dice.choice(titles)[:3]])))
    with psycopg.connect(database.superuser_url) as connection:
        rows = connection.execute(
            "SELECT coalesce(array_to_tsvector(words_of('ada', title)) "
            "                @@ query_for('ada', said), false) "
            "FROM unnest(%s::text[], %s::text[]) WITH ORDINALITY AS t (title, said, place) "
            "ORDER BY place",
            [[title for title, _ in pairs], [said for _, said in pairs]],
        ).fetchall()
    theirs = [found for (found,) in rows]
    ours = run(package, "search-pairs.mjs", json.dumps(pairs))
    different = [
        (pair, f"server: {their}, device: {our}")
        for pair, their, our in zip(pairs, theirs, ours, strict=True)
        if their is not our
    ]
    assert different == []
    assert len(titles) / 10 < sum(theirs) < len(titles)
    count("searches that the device answers as the server", len(pairs))


def test_what_is_seen_of_each_act_is_what_the_server_says(
    package: Path, server: Server, count: Count
) -> None:
    done = run(package, "each-act.mjs", "", device_options(server))
    assert done["failures"] == []
    assert done["count"] > 25
    count("kinds of acts that are seen as the server does them", done["count"])


@pytest.mark.parametrize("seed", [3, 4])
def test_two_devices_that_act_at_random_see_what_the_server_has(
    package: Path, server: Server, count: Count, long: bool, seed: int
) -> None:
    seeds = range(seed, seed + 50) if long else [seed]
    for each in nonempty(seeds):
        options = device_options(server, seed=each, acts=200 if long else 60)
        done = run(package, "random-acts.mjs", "", options)
        assert done["failures"] == [], done
        assert done["faults"] > 0, done
        count("random acts on two devices", done["acts"])


def test_of_several_windows_one_leads_and_all_see_the_same(package: Path, server: Server) -> None:
    done = run(package, "windows-of-one.mjs", "", device_options(server))
    assert done["failures"] == []
