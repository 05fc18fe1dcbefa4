"""A plot of bars, as SVG that reads well on light and on dark pages."""

from collections.abc import Mapping, Sequence
from html import escape

COLOURS = ["#2563eb", "#d97706", "#059669", "#db2777", "#7c3aed", "#0891b2", "#65a30d", "#78716c"]
BAR, GAP, LEFT, WIDTH, RIGHT = 16, 18, 110, 560, 70


def bars(title: str, groups: Sequence[str], series: Mapping[str, Sequence[float]]) -> str:
    """Return a plot with a group of horizontal bars for each name, a bar for each series."""
    greatest = max(value for values in series.values() for value in values)
    top = 40 + 20 * len(series)
    height = top + len(groups) * (BAR * len(series) + GAP)
    shapes = [f'<text x="0" y="18" font-weight="bold">{escape(title)}</text>']
    for row, name in enumerate(series):
        y = 32 + 20 * row
        shapes.append(f'<rect x="0" y="{y}" width="12" height="12" fill="{COLOURS[row % 8]}"/>')
        shapes.append(f'<text x="18" y="{y + 11}">{escape(name)}</text>')
    for column, group in enumerate(groups):
        y = top + column * (BAR * len(series) + GAP)
        middle = y + BAR * len(series) / 2 + 4
        shapes.append(
            f'<text x="{LEFT - 8}" y="{middle:g}" text-anchor="end">{escape(group)}</text>'
        )
        for row, values in enumerate(series.values()):
            length, here = values[column] / greatest * WIDTH, y + row * BAR
            shapes.append(
                f'<rect x="{LEFT}" y="{here}" width="{length:.1f}" height="{BAR - 3}" '
                f'fill="{COLOURS[row % 8]}"/>'
            )
            shapes.append(
                f'<text x="{LEFT + length + 6:.1f}" y="{here + 11}">{values[column]:,.0f}</text>'
            )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + WIDTH + RIGHT} {height}" '
        'font-family="system-ui, sans-serif" font-size="13" fill="#64748b">\n'
        + "\n".join(shapes)
        + "\n</svg>\n"
    )
