"""Counts what tests tried, over all workers, and prints one table at the end of the run."""

from collections import Counter
from collections.abc import Callable

import pytest

PREFIX = "count: "

Count = Callable[[str, int], None]


@pytest.fixture
def count(record_property: Callable[[str, object], None]) -> Count:
    """Add to a row of the table that ends the run."""

    def add(what: str, number: int) -> None:
        record_property(PREFIX + what, number)

    return add


class Counts:
    """The pytest plugin that adds up what every worker's tests have counted."""

    def __init__(self) -> None:
        self._totals: Counter[str] = Counter()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "teardown":
            for name, value in report.user_properties:
                if name.startswith(PREFIX):
                    self._totals[name.removeprefix(PREFIX)] += int(str(value))

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if not self._totals:
            return
        terminalreporter.section("counts")
        width = max(map(len, self._totals))
        for name, total in sorted(self._totals.items()):
            terminalreporter.write_line(f"{name:<{width}}  {total:>8,}")
