"""Two settings of this server side by side: they are asked by turns, for moments at a time.

What the machine does besides changes within seconds, and so meets both alike.
"""

import statistics
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass

from benchmarks.load import load
from benchmarks.measuring import measure
from benchmarks.servers import our_server
from benchmarks.workload import Operation, asked


@dataclass(frozen=True)
class Ratio:
    """What a request costs with other settings, as a part of what it costs without."""

    usual: float
    """Microseconds of CPU a request, the median of all chunks."""
    median: float
    """Of the ratios of neighbouring chunks."""
    lower: float
    """A quarter of the ratios are below."""
    upper: float
    """A quarter of the ratios are above."""


def ratio(
    url: str, operation: Operation, settings: Mapping[str, str], *, users: int, chunks: int
) -> Ratio:
    """Ask the server without and with the settings by turns, a second at a time.

    Raises:
        WrongAnswer: an answer is wrong.
        ConnectionError: one did not come.
    """
    with ExitStack() as stack:
        pair = [
            stack.enter_context(our_server(name, url, given))
            for name, given in (("without", {}), ("with", settings))
        ]
        for subject in pair:
            # First the answers are checked.
            measure(subject, operation, users=users, seconds=1)
        requests = list(asked(operation, users, {}).values())
        usual, ratios = [], []
        for number in range(chunks):
            cost = {}
            for subject in pair[:: -1 if number % 2 else 1]:
                before = subject.cpu()
                done = load(subject.port, requests, 1, smallest=1)
                cost[subject.name] = subject.cpu().since(before) / done.requests * 1e6
            usual.append(cost["without"])
            ratios.append(cost["with"] / cost["without"])
    lower, median, upper = statistics.quantiles(ratios, n=4)
    return Ratio(statistics.median(usual), median, lower, upper)
