"""What may be logged again and again: each sentence once a minute, with how often it was not."""

import logging
import time
from collections.abc import Callable

INTERVAL = 60.0
"""Seconds between two lines in the log with the same sentence."""

REMEMBERED_MAX = 1000
"""Sentences or names that are remembered; if there are more, they are logged again sooner."""


class Repeated:
    """Logs sentences, each at most once in an interval, or one of those about one thing."""

    def __init__(self, logger: logging.Logger, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock`: in seconds."""
        self._logger = logger
        self._clock = clock
        self._logged: dict[str, tuple[float, int]] = {}
        """When each was logged last, and how often it was left out since."""

    def log(self, level: int, sentence: str, *, about: str | None = None) -> None:
        """`about`: a name for all sentences of which one is enough; None: each for itself."""
        left_out = self.left_out(about or sentence)
        if left_out is None:
            return
        if left_out:
            times = "once" if left_out == 1 else f"{left_out} times"
            sentence = f"{sentence} (and {times} more since the line before)"
        self._logger.log(level, "%s", sentence)

    def left_out(self, name: str) -> int | None:
        """Return how often something was left out since it was logged; None: do so again."""
        now = self._clock()
        at, left_out = self._logged.get(name, (-INTERVAL, 0))
        if now - at < INTERVAL:
            self._logged[name] = at, left_out + 1
            return None
        if len(self._logged) >= REMEMBERED_MAX:
            self._logged.clear()
        self._logged[name] = now, 0
        return left_out
