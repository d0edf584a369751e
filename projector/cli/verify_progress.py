"""How far a verification is."""

import time
from datetime import timedelta

from shared.runtime.progress import Clock, Display


class Stretch:
    """A part of the work: what it is called, how fast it goes and when it will be over."""

    def __init__(self, name: str, unit: str, *, clock: Clock) -> None:
        self._name, self._unit, self._clock = name, unit, clock
        self._start: tuple[float, int] | None = None

    def describe(self, reached: int, *, of: int) -> str:
        now = self._clock()
        since, first = self._start = self._start or (now, reached)
        seconds, passed = now - since, reached - first
        parts = [f"{self._name}: {reached:,} of {of:,} {self._unit}"]
        if seconds > 0 and passed:
            left = timedelta(seconds=round((of - reached) / passed * seconds))
            parts += [f"{passed / seconds:,.0f}/s", f"{left} left"]
        return ", ".join(parts)


class Watching:
    """Shows on a display how far the verification of one projection is; positions stand for events."""

    def __init__(self, display: Display, projection: str, *, clock: Clock = time.monotonic) -> None:
        self._display = display
        self._fold = Stretch(f"{projection}, folding the log", "events", clock=clock)
        self._comparison = Stretch(f"{projection}, comparing", "records", clock=clock)

    def folded(self, position: int, *, of: int) -> None:
        self._display.show(self._fold.describe(position, of=of), done=position / max(of, 1))

    def compared(self, documents: int, *, of: int) -> None:
        self._display.show(self._comparison.describe(documents, of=of), done=documents / max(of, 1))
