"""How far a long run is, on stderr."""

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Protocol, Self, TextIO

from rich.console import Console
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as Bar

from shared.text import printable, printable_lines

SECONDS_BETWEEN_LINES = 10.0
"""Where a bar would only fill a log file."""

SECONDS_BETWEEN_FRAMES = 0.1

Clock = Callable[[], float]


class Display(Protocol):
    """Where it is shown."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...

    def show(self, text: str, *, done: float | None) -> None:
        """
        Show how far it is, unless that was shown a moment ago.

        :param done: which part, from 0 to 1; None if nobody knows.
        """

    def hold(self, text: str) -> None:
        """Show that nothing moves, until something is shown again."""

    def say(self, text: str) -> None:
        """Say what is worth a line of its own."""


def display_on(stderr: TextIO, *, clock: Clock = time.monotonic) -> Display:
    return DisplayBar(stderr, clock=clock) if stderr.isatty() else DisplayLines(stderr, clock=clock)


class DisplayBar:
    """For a terminal."""

    def __init__(self, stderr: TextIO, *, clock: Clock) -> None:
        self._bar = Bar(BarColumn(), TextColumn("{task.description}", markup=False), console=Console(file=stderr))
        self._task = self._bar.add_task("", total=None)
        self._clock = clock
        self._next = 0.0
        self._last: tuple[str, float | None] = ("", None)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._draw()
        self._bar.stop()

    def show(self, text: str, *, done: float | None) -> None:
        self._last = (text, done)
        if (now := self._clock()) >= self._next:
            self._next = now + SECONDS_BETWEEN_FRAMES
            self._draw()

    def hold(self, text: str) -> None:
        self._bar.update(self._task, description=printable(text))

    def say(self, text: str) -> None:
        self._bar.console.print(printable_lines(text), markup=False, highlight=False, soft_wrap=True)

    def _draw(self) -> None:
        text, done = self._last
        total = None if done is None else 1.0
        self._bar.update(self._task, description=printable(text), total=total, completed=done)


class DisplayLines:
    """For a log: a line now and then."""

    def __init__(self, stderr: TextIO, *, clock: Clock) -> None:
        self._stderr = stderr
        self._clock = clock
        self._next = clock() + SECONDS_BETWEEN_LINES
        self._held = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stderr.flush()

    def show(self, text: str, *, done: float | None) -> None:  # noqa: ARG002 - the text says it too
        self._held = ""
        if (now := self._clock()) >= self._next:
            self._next = now + SECONDS_BETWEEN_LINES
            self.say(text)

    def hold(self, text: str) -> None:
        if text != self._held:
            self._held = text
            self.say(text)

    def say(self, text: str) -> None:
        print(printable_lines(text), file=self._stderr, flush=True)


class Pace:
    """How much is done, rate and time left since it was made."""

    def __init__(self, *, total: int | None, unit: str, clock: Clock) -> None:
        self.total = total
        self._unit = unit
        self._clock = clock
        self._start = clock()

    def describe(self, *, done: int, reached: int) -> str:
        seconds = self._clock() - self._start
        parts = [f"{done:,} {self._unit}", f"{done / max(seconds, 0.001):,.0f} a second"]
        if self.total and reached:
            left = max(self.total - reached, 0) / reached * seconds
            parts.append(f"{timedelta(seconds=round(left))} left")
        return ", ".join(parts)


class Progress:
    """Shows on a display how much of one kind of thing is done, and what is worth a line of its own."""

    def __init__(self, display: Display, *, pace: Pace) -> None:
        self._display = display
        self._pace = pace

    def __enter__(self) -> Self:
        self._display.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._display.__exit__()

    def show(self, *, done: int, reached: int) -> None:
        """:param reached: what is done, in the unit of the total."""
        total = self._pace.total
        self._display.show(self._pace.describe(done=done, reached=reached), done=reached / total if total else None)

    def wait(self, why: str) -> None:
        """Show that nothing moves, until something is shown again."""
        self._display.hold(f"waiting: {why}")

    def say(self, text: str) -> None:
        self._display.say(text)


def progress_on(stderr: TextIO, *, total: int | None, unit: str = "lines", clock: Clock = time.monotonic) -> Progress:
    """
    :param total: what there is to do, None if nobody knows; in the unit of `reached`.
    :param unit: of what is `done`, in the plural.
    """
    return Progress(display_on(stderr, clock=clock), pace=Pace(total=total, unit=unit, clock=clock))
