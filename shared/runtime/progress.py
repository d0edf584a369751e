"""How far a long run is, on stderr: a bar on a terminal, a line now and then in a log."""

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Self, TextIO

from rich.console import Console
from rich.progress import BarColumn, Task, TextColumn
from rich.progress import Progress as Bars

from shared.text import printable, printable_lines
from shared.wording import counted

SECONDS_BETWEEN_LINES = 10.0
"""Where a bar would only fill a log file."""

SECONDS_BETWEEN_FRAMES = 0.1

Clock = Callable[[], float]


class Progress:
    """Shows how much of one kind of thing is done, how fast, and when it will be over; the next kind begins anew."""

    def __init__(self, stderr: TextIO, *, clock: Clock = time.monotonic) -> None:
        self._stderr = stderr
        self._clock = clock
        self._is_live = stderr.isatty()
        self._bars = Bars(
            BarColumn(),
            TextColumn("{task.description}", markup=False),
            console=Console(file=stderr),
            get_time=clock,
        )
        self._next = clock() + (0.0 if self._is_live else SECONDS_BETWEEN_LINES)
        self._task = self._bars.add_task("", total=None, done=0, unit="", stage="")
        self._waiting = ""

    def __enter__(self) -> Self:
        if self._is_live:
            self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._is_live:
            self._draw()
            self._bars.stop()

    def begin(self, unit: str, *, total: int | None, stage: str = "") -> Self:
        """
        Begin with another kind of thing.

        :param unit: one of what is done.
        :param total: what there is to do, in the unit of `reached`; None if nothing says how much.
        :param stage: what this part of the work is called.
        """
        self._bars.remove_task(self._task)
        self._task = self._bars.add_task("", total=total, done=0, unit=unit, stage=stage and f"{stage}: ")
        return self

    def show(self, done: int, *, reached: int | None = None) -> None:
        """
        Show how far it is, unless that was shown a moment ago.

        :param reached: what is done in the unit of the total, if that is another one.
        """
        self._waiting = ""
        self._bars.update(self._task, completed=done if reached is None else reached, done=done)
        if (now := self._clock()) >= self._next:
            self._next = now + (SECONDS_BETWEEN_FRAMES if self._is_live else SECONDS_BETWEEN_LINES)
            self._draw()

    def wait(self, why: str) -> None:
        """Show once that nothing moves, until something is shown again."""
        if why != self._waiting:
            self._waiting = why
            self._put(f"waiting: {why}")

    def say(self, text: str) -> None:
        """Say what is worth a line of its own."""
        if self._is_live:
            self._bars.console.print(printable_lines(text), markup=False, highlight=False, soft_wrap=True)
        else:
            print(printable_lines(text), file=self._stderr, flush=True)

    def _draw(self) -> None:
        (task,) = self._bars.tasks
        self._put(_described(task))

    def _put(self, text: str) -> None:
        if self._is_live:
            self._bars.update(self._task, description=printable(text))
        else:
            self.say(text)


def _described(task: Task) -> str:
    done, seconds = task.fields["done"], task.elapsed or 0.0
    parts = [f"{task.fields['stage']}{counted(done, task.fields['unit'])}"]
    if seconds:
        parts.append(f"{done / seconds:,.0f} a second")
    if seconds and task.total and task.completed:
        left = max(task.total - task.completed, 0) / task.completed * seconds
        parts.append(f"{timedelta(seconds=round(left))} left")
    return ", ".join(parts)
