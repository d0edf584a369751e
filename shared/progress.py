"""How far a long run is, on stderr."""

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Protocol, Self, TextIO

from rich.console import Console
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as Bar

SECONDS_BETWEEN_LINES = 10.0
"""Where a bar would only fill a log file."""

SECONDS_BETWEEN_FRAMES = 0.1

Clock = Callable[[], float]


class Progress(Protocol):
    """Shows how far a run is, and says what is worth a line of its own."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...

    def show(self, *, done: int, reached: int) -> None:
        """:param reached: what is done, in the unit of the total."""

    def wait(self, why: str) -> None:
        """Show that nothing moves, until something is shown again."""

    def say(self, text: str) -> None: ...


def progress_on(stderr: TextIO, *, total: int | None, unit: str = "lines", clock: Clock = time.monotonic) -> Progress:
    """
    :param total: what there is to do, None if nobody knows; in the unit of `reached`.
    :param unit: of what is `done`, in the plural.
    """
    pace = Pace(total=total, unit=unit, clock=clock)
    return ProgressBar(stderr, pace=pace) if stderr.isatty() else ProgressLines(stderr, pace=pace)


class Pace:
    """How much is done, rate and time left since it was made."""

    def __init__(self, *, total: int | None, unit: str, clock: Clock) -> None:
        self.total = total
        self._unit = unit
        self.clock = clock
        self._start = clock()

    def describe(self, *, done: int, reached: int) -> str:
        seconds = self.clock() - self._start
        parts = [f"{done:,} {self._unit}", f"{done / max(seconds, 0.001):,.0f} a second"]
        if self.total and reached:
            left = max(self.total - reached, 0) / reached * seconds
            parts.append(f"{timedelta(seconds=round(left))} left")
        return ", ".join(parts)


class ProgressBar:
    """For a terminal."""

    def __init__(self, stderr: TextIO, *, pace: Pace) -> None:
        self._pace = pace
        self._bar = Bar(BarColumn(), TextColumn("{task.description}", markup=False), console=Console(file=stderr))
        self._task = self._bar.add_task("", total=pace.total)
        self._next = 0.0
        self._done = self._reached = 0

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._draw()
        self._bar.stop()

    def show(self, *, done: int, reached: int) -> None:
        self._done, self._reached = done, reached
        if (now := self._pace.clock()) >= self._next:
            self._next = now + SECONDS_BETWEEN_FRAMES
            self._draw()

    def wait(self, why: str) -> None:
        self._bar.update(self._task, description=f"waiting: {printable(why)}")

    def say(self, text: str) -> None:
        self._bar.console.print(printable(text), markup=False, highlight=False, soft_wrap=True)

    def _draw(self) -> None:
        text = self._pace.describe(done=self._done, reached=self._reached)
        self._bar.update(self._task, completed=self._reached, description=text)


class ProgressLines:
    """For a log: a line now and then."""

    def __init__(self, stderr: TextIO, *, pace: Pace) -> None:
        self._stderr = stderr
        self._pace = pace
        self._next = pace.clock() + SECONDS_BETWEEN_LINES
        self._waits_for = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stderr.flush()

    def show(self, *, done: int, reached: int) -> None:
        self._waits_for = ""
        if (now := self._pace.clock()) >= self._next:
            self._next = now + SECONDS_BETWEEN_LINES
            self.say(self._pace.describe(done=done, reached=reached))

    def wait(self, why: str) -> None:
        if why != self._waits_for:
            self._waits_for = why
            self.say(f"waiting: {why}")

    def say(self, text: str) -> None:
        print(printable(text), file=self._stderr, flush=True)


def printable(text: str) -> str:
    """The text without what could steer a terminal: an answer may quote what somebody wrote into a file."""
    return "".join(each if each.isprintable() or each == "\n" else f"\\u{ord(each):04x}" for each in text)
