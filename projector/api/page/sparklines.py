"""Figures of the last hour, drawn as SVG: a bar a minute, each with its time and its value."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from projector.api.page.figures import number
from projector.monitoring.timeline import MINUTES, Timeline

HEIGHT = 20
"""Of the drawing, in its own units; a minute is one unit wide."""

_LARGE = 10_000

Values = Sequence[float | None]


class Bar(NamedTuple):
    """
    What was measured in a minute.

    :param x: of its left edge.
    :param y: of its upper edge; the lower one is at `HEIGHT`.
    """

    x: int
    y: float
    title: str


class Sparkline(NamedTuple):
    """
    A drawing in words.

    :param label: all of it, for those who do not see it.
    :param most: the scale: what the highest bar stands for.
    """

    label: str
    most: str
    bars: Sequence[Bar]

    @property
    def path(self) -> str:
        """Return the outline of all bars."""
        return "".join(f"M{each.x} {HEIGHT}V{each.y:g}h.8V{HEIGHT}z" for each in self.bars)


def sparkline(what: str, unit: str, timeline: Timeline, values: Values) -> Sparkline:
    """
    Draw figures up to the last minute, which stands at the right.

    :param what: is measured.
    :param unit: of the values, as it stands behind one.
    """
    known = [each for each in values if each is not None]
    most = max(known, default=0)
    last = f"{number(known[-1])} {unit} in the last minute" if known else "not measured yet"
    height = _height_of(most or 1)
    newest = timeline.at[-1] // 60_000 if timeline.at else 0
    bars = [
        Bar(MINUTES - 1 - (newest - at // 60_000), height(value), f"{_time(at)}: {number(value)} {unit}")
        for at, value in zip(timeline.at, values, strict=False)
        if value is not None
    ]
    return Sparkline(f"{what}: {last}, {number(most)} {unit} at most within an hour", _short(most), bars)


def _height_of(most: float) -> Callable[[float], float]:
    """Return what gives the upper edge of a bar; the least that is not nothing is seen."""
    return lambda value: round(HEIGHT - max(value / most * (HEIGHT - 1), 1 if value else 0.3), 1)


def _short(value: float) -> str:
    """Give a scale in a few characters."""
    return f"{value / 1_000:,.0f}k" if value >= _LARGE else number(value)


def _time(milliseconds: int) -> str:
    return f"{datetime.fromtimestamp(milliseconds / 1_000, UTC):%H:%M} UTC"
