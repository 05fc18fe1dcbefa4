"""What became of a day's requests, in words: what failed, whether it may, and what was lost."""

import time
from collections import Counter
from collections.abc import Callable

from scripts.rehearse.clusters import say
from scripts.rehearse.load import ANSWERED_IN_ORDER, Act, Load

MAY_FAIL = {"full disk", "hang", "failover"}
"""Acts in which requests may be answered 503 with Retry-After."""

UNKNOWN_KEY = 2.5
"""Seconds for which tokens of a new key may be refused, where strangers make up the ids of keys."""


def report(act: Act) -> None:
    failed = act.failed.total()
    seconds = time.monotonic() - act.began
    say(
        f"{act.name}: {failed} failed of {failed + act.good.total()} in {seconds:.0f} s; "
        f"the slowest took {act.slowest:.2f} s"
    )
    for (second, how), count in sorted(act.failed.items()):
        say(f"  second {second}: {count} of {count + act.good[second]}, {how}")


def judge(
    load: Load,
    failed: int,
    found: Counter[tuple[str, str]],
    wrong_in: Callable[[Act], list[str]] | None = None,
) -> bool:
    """Say what became of the writes and what should not have failed; return whether all is well.

    `wrong_in`: what should not have failed in an act, in sentences; None: as in `MAY_FAIL`.
    """
    titles = Counter(title for title, _ in found.elements())
    lost = sum((title, id) not in found for title, id in load.acknowledged.items())
    doubled = sum(titles[title] > 1 for title in load.acknowledged)
    say(
        f"{len(load.acknowledged)} writes acknowledged, {failed} of them not before they were "
        f"repeated in the end: {lost} lost, {doubled} doubled; {load.unacknowledged} never"
    )
    wrong = [each for act in load.acts for each in (wrong_in or what_should_not_fail)(act)]
    for sentence in wrong:
        say(f"WRONG  {sentence}")
    return not (wrong or lost or doubled or load.unacknowledged)


def what_should_not_fail(act: Act) -> list[str]:
    found = []
    for (second, how), count in act.failed.items():
        is_new_key = act.name == "key set" and how.startswith("401") and second < UNKNOWN_KEY
        if not is_new_key and not (act.name in MAY_FAIL and how == ANSWERED_IN_ORDER):
            found.append(f"{act.name}, second {second}: {count}, {how}")
    return found
