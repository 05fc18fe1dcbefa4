"""The numbers of several workers as one, those of workers that have ended included.

A counter that drops is one that began anew, for Prometheus; so what an ended worker had counted
stays counted.
"""

from collections.abc import Iterable

from app.telemetry.metrics import METRICS, Figures, Kind, Metric


def merged(workers: Iterable[tuple[str, Figures]], ended: Figures | None = None) -> Figures:
    """Return the numbers of workers, each with its name, and of those that have ended."""
    found: Figures = {name: {} for name in METRICS}
    if ended is not None:
        _add(found, ended)
    for worker, figures in workers:
        _add(found, _named(worker, figures))
    return found


def add_ended(ended: Figures, worker: str, figures: Figures) -> None:
    """Add what a worker had counted when it ended; gauges end with it."""
    counted = {name: rows for name, rows in figures.items() if METRICS[name].kind is not Kind.GAUGE}
    _add(ended, _named(worker, counted))


def _named(worker: str, figures: Figures) -> Figures:
    return {
        name: {(worker, *labels): row for labels, row in rows.items()}
        if METRICS[name].labels[:1] == ("worker",)
        else rows
        for name, rows in figures.items()
    }


def _add(found: Figures, figures: Figures) -> None:
    for name, rows in figures.items():
        into, metric = found.setdefault(name, {}), METRICS[name]
        for labels, row in rows.items():
            known = into.get(labels)
            into[labels] = row if known is None else _sum(metric, known, row)


def _sum(metric: Metric, one: list[float], two: list[float]) -> list[float]:
    if metric.kind is Kind.GAUGE:
        return [metric.merge(float(one[0]), float(two[0]))]
    return [a + b for a, b in zip(one, two, strict=True)]
