"""How far a verification is, on stderr."""

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


class Display(Protocol):
    """Shows a line of text and which part is done, or nothing if that is too often."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...

    def show(self, text: str, *, done: float) -> None: ...


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


def display_on(stderr: TextIO) -> Display:
    return DisplayBar(stderr) if stderr.isatty() else DisplayLines(stderr)


class DisplayBar:
    """For a terminal."""

    def __init__(self, stderr: TextIO, *, clock: Clock = time.monotonic) -> None:
        columns = (BarColumn(), TextColumn("{task.description}", markup=False))
        self._bar = Bar(*columns, console=Console(file=stderr), transient=True)
        self._task = self._bar.add_task("", total=1.0)
        self._clock = clock
        self._next = 0.0

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def show(self, text: str, *, done: float) -> None:
        if (now := self._clock()) >= self._next:
            self._next = now + SECONDS_BETWEEN_FRAMES
            self._bar.update(self._task, completed=done, description=text)


class DisplayLines:
    """For a log: a line now and then."""

    def __init__(self, stderr: TextIO, *, clock: Clock = time.monotonic) -> None:
        self._stderr = stderr
        self._clock = clock
        self._next = clock() + SECONDS_BETWEEN_LINES

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stderr.flush()

    def show(self, text: str, *, done: float) -> None:  # noqa: ARG002 - the text says it too
        if (now := self._clock()) >= self._next:
            self._next = now + SECONDS_BETWEEN_LINES
            print(text, file=self._stderr, flush=True)
