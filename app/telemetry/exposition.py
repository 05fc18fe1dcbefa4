"""What Prometheus reads: the numbers as text, by prometheus_client.

prometheus_client comes with the extra `metrics`, and is imported when it is needed.
"""

from collections.abc import Iterator
from functools import cache
from importlib import import_module
from itertools import accumulate
from typing import Any

from app.telemetry.metrics import BOUNDS, METRICS, Figures, Kind

LIBRARY = "prometheus_client"

_BOUNDS = [*map(str, BOUNDS), "+Inf"]


def text_of(figures: Figures, accept: str) -> tuple[str, bytes]:
    """Return a media type and the text: OpenMetrics where the client accepts it."""
    choose = _module("exposition").choose_encoder
    try:
        encode, media_type = choose(accept)
    except (ValueError, TypeError):
        # What it accepts has a version that is none.
        encode, media_type = choose("")
    return media_type, encode(_Collected(figures))


def process_figures() -> Iterator[tuple[str, tuple[str, ...], float]]:
    """Yield the numbers of this process; none where the system does not tell them."""
    for family in _process_collector().collect():
        for sample in family.samples:
            if sample.name in METRICS:
                yield sample.name, (), sample.value


class _Collected:
    """Figures, as prometheus_client takes metrics from a registry."""

    def __init__(self, figures: Figures) -> None:
        self._figures = figures

    def collect(self) -> Iterator[Any]:
        core = _module("core")
        for name, (kind, says, labels, _) in METRICS.items():
            rows = sorted(self._figures[name].items())
            if kind is Kind.HISTOGRAM:
                family = core.HistogramMetricFamily(name, says, labels=labels)
                for values, row in rows:
                    buckets = list(zip(_BOUNDS, accumulate(row[:-1]), strict=True))
                    family.add_metric(values, buckets, row[-1])
            else:
                make = core.CounterMetricFamily if kind is Kind.COUNTER else core.GaugeMetricFamily
                family = make(name, says, labels=labels)
                for values, row in rows:
                    family.add_metric(values, row[0])
            yield family


@cache
def _process_collector() -> Any:  # noqa: ANN401 -- the library is imported by name
    return _module("process_collector").ProcessCollector(registry=None)


def _module(name: str) -> Any:  # noqa: ANN401 -- the library is imported by name
    return import_module(f"{LIBRARY}.{name}")
