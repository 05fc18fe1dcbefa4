"""Kill the browser again and again while it sends, and count what is lost or doubled.

    uv run python -m scripts.web.kills --kills 100 --seed 1

Exits with another status than 0 if anything is.
"""

import argparse
import random
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from scripts.web import site
from tests.clients.web.kills import Victim


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--longest", type=float, default=1.5, help="seconds until the latest kill")
    given = parser.parse_args()
    chosen = random.Random(given.seed)
    wrong: list[str] = []
    sent: list[int] = []
    with (
        site() as served,
        tempfile.TemporaryDirectory(prefix="todo-profiles-") as folder,
        sync_playwright() as playwright,
    ):
        victim = Victim(playwright, served, Path(folder))
        for number in range(given.kills):
            moment = chosen.uniform(0, given.longest)
            death = victim.die(f"k{number}", moment)
            sent.append(death.sent)
            print(f"{number}: {moment:.2f} s, {death.sent} sent by then {death.wrong}", flush=True)
            if death.wrong:
                wrong.append(f"{number}, after {moment:.2f} s: {death.wrong}")
    print(f"{given.kills} kills; sent by then: {min(sent)} to {max(sent)}; wrong: {len(wrong)}")
    print("\n".join(wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
