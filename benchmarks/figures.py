"""How figures are shown: the medians as tables in Markdown, with ratios to the other servers."""

import statistics
from collections.abc import Sequence

from benchmarks.measuring import Figure
from benchmarks.workload import NAMES

KINDS = {
    "Server CPU, µs a request": ("cpu", "{:,.0f}"),
    "Requests a second": ("rate", "{:,.0f}"),
    "p50, ms": ("p50", "{:,.1f}"),
    "p99, ms": ("p99", "{:,.1f}"),
}


def median(figures: Sequence[Figure], subject: str, operation: str, attribute: str) -> float:
    values: list[float] = [
        getattr(figure, attribute)
        for figure in figures
        if (figure.subject, figure.operation) == (subject, operation)
    ]
    return statistics.median(values)


def tables(figures: Sequence[Figure], ours: str) -> str:
    """Return a table for each kind of figure, with a row for each server."""
    subjects = list(dict.fromkeys(figure.subject for figure in figures))
    parts = []
    for title, (attribute, form) in KINDS.items():
        medians = {
            subject: [median(figures, subject, name, attribute) for name in NAMES]
            for subject in subjects
        }
        rows = {subject: [form.format(value) for value in medians[subject]] for subject in medians}
        parts.append(table(title, NAMES, rows))
        others = [subject for subject in subjects if subject != ours]
        if attribute == "cpu" and others:
            ratios = {
                f"{ours} : {other}": [
                    f"{mine / theirs:.2f}"
                    for mine, theirs in zip(medians[ours], medians[other], strict=True)
                ]
                for other in others
            }
            parts.append(table("The same as ratios", NAMES, ratios))
    return "\n".join(parts)


def table(title: str, columns: Sequence[str], rows: dict[str, list[str]]) -> str:
    """Return a table in Markdown; the title stands over the rows' names."""
    lines = [f"| {title} | {' | '.join(columns)} |", "|---|" + "---:|" * len(columns)]
    lines += [f"| {name} | {' | '.join(cells)} |" for name, cells in rows.items()]
    return "\n".join(lines) + "\n"
