"""A whole run: from the first chunk to the summary and the exit status."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from http import HTTPStatus

import httpx
import msgspec

from shared.cli.exit_codes import DONE, FAILED, INTERRUPTED
from shared.cli.output import print_result
from shared.client.lines import Chunk, Line
from shared.client.sender import GaveUp, LineResult, Sender, SenderLimits
from shared.runtime.progress import Progress
from shared.text import printable
from shared.wording import counted


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """The number of lines by their outcome; each of them is applied, replayed or failed."""

    lines: int
    applied: int
    replayed: int
    failed: int
    position: int
    """The head of the log; where the projector cannot be asked, the last one that was answered, 0 if none was."""
    seconds: float

    def __str__(self) -> str:
        return (
            f"{counted(self.lines, 'line')} in {self.seconds:.1f} s: {self.applied:,} applied, "
            f"{self.replayed:,} replayed, {self.failed:,} failed; position {self.position} of the log is reached"
        )


class Tally:
    """Counts the lines that are done, and reports those that failed."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._start = time.monotonic()
        self._applied = self._replayed = self._failed = self._position = 0

    def done(self, line: Line, answer: LineResult) -> None:
        if answer.status != HTTPStatus.OK:
            self._failed += 1
            self._progress.say(failure(line, answer))
        elif answer.replayed:
            self._replayed += 1
        else:
            self._applied += 1
        self._position = max(self._position, answer.position)
        self._progress.show(self._lines, reached=line.reached)

    def waiting(self, why: str) -> None:
        self._progress.wait(why)

    def summary(self, *, head: int | None) -> Summary:
        return Summary(
            lines=self._lines,
            applied=self._applied,
            replayed=self._replayed,
            failed=self._failed,
            position=max(self._position, head or 0),
            seconds=round(time.monotonic() - self._start, 3),
        )

    @property
    def _lines(self) -> int:
        return self._applied + self._replayed + self._failed


def failure(line: Line, answer: LineResult) -> str:
    """Describe a failed line: in a line, and one more for each wrong field."""
    name = f" ({answer.problem})" if answer.problem else ""
    said = ": ".join(dict.fromkeys((answer.title, answer.detail)))
    first = f"line {line.number}: {answer.status} {said}{name}"
    others = (f"    {wrong.pointer or 'the line'} {wrong.detail}" for wrong in answer.errors)
    return "\n".join(map(printable, [first, *others]))


@dataclass(frozen=True, kw_only=True)
class Posting:
    """
    How commands are posted, and how the end is told.

    :param head: asks where the log ends.
    """

    client: httpx.Client
    limits: SenderLimits | None = None
    head: Callable[[], int | None] = lambda: None
    as_json: bool

    def post(self, chunks: Iterable[Chunk], *, progress: Progress) -> int:
        """Post everything, print the summary, and return the exit status."""
        with progress:
            tally = Tally(progress)
            sender = Sender(client=self.client, observer=tally, limits=self.limits)
            status = send_all(chunks, sender=sender, progress=progress)
        summary = tally.summary(head=self.head())
        print_result(summary, summary, as_json=self.as_json)
        return FAILED if status == DONE and summary.failed else status


def send_all(chunks: Iterable[Chunk], *, sender: Sender, progress: Progress) -> int:
    try:
        for chunk in chunks:
            sender.send(chunk)
    except GaveUp as error:
        progress.say(str(error))
        return FAILED
    except KeyboardInterrupt:
        progress.say("interrupted: run this again to do the rest; what was applied is not applied twice")
        return INTERRUPTED
    return DONE
