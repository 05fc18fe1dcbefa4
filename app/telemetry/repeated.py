"""What may be logged again and again: each sentence once a minute."""

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
        self._logged: dict[str, float] = {}

    def log(self, level: int, sentence: str, *, about: str | None = None) -> None:
        """`about`: a name for all sentences of which one is enough; None: each for itself."""
        name, now = about or sentence, self._clock()
        if now - self._logged.get(name, -INTERVAL) < INTERVAL:
            return
        if len(self._logged) >= REMEMBERED_MAX:
            self._logged.clear()
        self._logged[name] = now
        self._logger.log(level, "%s", sentence)
