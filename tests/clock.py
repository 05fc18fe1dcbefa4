"""A clock for parts that are given one."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import pytest

from app.operations.budget import Budget


class Clock:
    """Time in seconds, that passes when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@contextmanager
def stopped_clock() -> Iterator[None]:
    """Let no time pass for the budgets of servers that start meanwhile: nothing leaks away."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("app.lifespan.Budget", partial(Budget, clock=Clock()))
        yield
