"""Plots as SVG, written by hand: a pair of bars for each comparison, and curves for what grows with the directory."""

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from math import log10

from tests.benchmarks.results import BenchResult, SideFigures, short

WIDTH, ROW, BAR = 820, 22, 15
LEFT, SPAN = 190, 300
"""Where bars begin, and how long the longest is."""

OURS, THEIRS, INK = "#2563a8", "#b9bec6", "#222"
COLOURS = ("#2563a8", "#c2571a", "#3a8a4b", "#8a3a86", "#a8891f", "#357f8c", "#9a3434", "#555")
HEIGHT, MARGIN, LINE = 340, 60, 14
"""Of curves, and of the lines that name them."""


def bars(title: str, results: Sequence[BenchResult]) -> str:
    """Draw the rates of both sides of each comparison, each pair on a scale of its own, and what they cost."""
    compared = [each for each in results if each.ours and each.theirs]
    lines, y = [], 46
    for result in compared:
        lines += [_text(12, y + ROW, result.name, bold=True), *_pair(result, y)]
        y += 2 * ROW + 14
    return _svg(title, "operations a second; in brackets milliseconds of CPU for one", y, lines)


def _pair(result: BenchResult, y: int) -> Iterator[str]:
    assert result.ours
    assert result.theirs
    most = max(result.ours.spread[1], result.theirs.spread[1])
    for figures, colour, top in ((result.ours, OURS, y), (result.theirs, THEIRS, y + ROW - 4)):
        low, middle, high = (LEFT + SPAN * each / most for each in (figures.spread[0], figures.rate, figures.spread[1]))
        yield f'<rect x="{LEFT}" y="{top}" width="{middle - LEFT:.1f}" height="{BAR}" fill="{colour}"/>'
        yield f'<path d="M{low:.1f} {top + BAR / 2}H{high:.1f}" stroke="{INK}"/>'
        yield _text(LEFT + SPAN + 10, top + 12, _caption(figures))
    if result.ratio is not None:
        yield _text(12, y + 2 * ROW - 4, f"{short(result.ratio)} times")


def _caption(figures: SideFigures) -> str:
    cpu = f" ({short(figures.compared_cpu)})" if figures.cpu else ""
    return f"{short(figures.rate)}{cpu}  {figures.what.partition(':')[0][:40]}"


def curves(title: str, results: Sequence[BenchResult]) -> str:
    """Draw CPU an operation by the number of people, both logarithmic."""
    series = {each.name.removeprefix("growth-"): each.by_people for each in results if each.by_people}
    people = sorted({each for points in series.values() for each in points})
    costs = [ms for points in series.values() for ms in points.values()]
    x, y = _scale(people, MARGIN, WIDTH - 200), _scale(costs, HEIGHT - 40, 60)
    lines = [_text(int(x(each)) - 20, HEIGHT - 14, f"{each:,}") for each in people]
    lines += [_text(8, int(y(each)) + 4, short(each)) for each in _decades(costs)]
    below = 0
    coloured = zip(series.items(), COLOURS, strict=False)
    for (name, points), colour in sorted(coloured, key=lambda each: y(_last(each[0][1]))):
        below = max(below + LINE, int(y(_last(points))) + 4)
        lines += _curve(points, colour, x, y)
        lines.append(_text(WIDTH - 192, below, f"{name} {short(_last(points))}", colour=colour))
    return _svg(title, "milliseconds of CPU for one, by the number of people; both axes logarithmic", HEIGHT, lines)


def _last(points: Mapping[int, float]) -> float:
    return points[max(points)]


def _curve(points: Mapping[int, float], colour: str, x, y) -> Iterator[str]:
    places = [(x(people), y(ms)) for people, ms in sorted(points.items())]
    way = "L".join(f"{across:.1f} {down:.1f}" for across, down in places)
    yield f'<path d="M{way}" fill="none" stroke="{colour}" stroke-width="2"/>'
    yield from (f'<circle cx="{across:.1f}" cy="{down:.1f}" r="3" fill="{colour}"/>' for across, down in places)


def _scale(numbers: Sequence[float], begin: float, end: float):
    """Return what gives the place of a number between two places, by its logarithm."""
    least, most = log10(min(numbers)), log10(max(numbers))
    return lambda number: begin + (end - begin) * (log10(number) - least) / (most - least or 1)


def _decades(numbers: Sequence[float]) -> Iterator[float]:
    yield from (each for each in (10.0**power for power in range(-3, 4)) if min(numbers) <= each <= max(numbers))


def _text(x: int, y: int, text: str, *, bold: bool = False, colour: str = INK) -> str:
    weight = ' font-weight="bold"' if bold else ""
    return f'<text x="{x}" y="{y}" fill="{colour}"{weight}>{escape(text)}</text>'


def _svg(title: str, about: str, height: int, lines: Sequence[str]) -> str:
    head = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"',
        f'  font-family="sans-serif" font-size="12" role="img" aria-label="{escape(title)}">',
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
        f'<text x="12" y="20" font-size="15" fill="{INK}">{escape(title)}</text>',
        _text(12, 37, about),
    ]
    return "\n".join([*head, *lines, "</svg>", ""])
