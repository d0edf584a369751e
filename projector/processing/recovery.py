"""How the loop of a projection goes on after an error."""

from collections.abc import Awaitable, Callable

from projector.processing.limits import ProcessorLimits
from projector.processing.progress import ProjectionProgress
from shared.errors import Unavailable, Unsound
from shared.runtime.retry import Backoff, repeat


class Recovery:
    """Report an error in the progress, and try again: soon where a server is away, else every few seconds."""

    def __init__(self, progress: ProjectionProgress, limits: ProcessorLimits) -> None:
        self._progress = progress
        self._recheck = limits.recheck
        self.backoff = Backoff(limits.retry)

    async def repeat(self, turn: Callable[[], Awaitable[None]]) -> None:
        """Take one turn after the other, whatever happens, until cancelled."""
        await repeat(turn, after_error=self._report)

    def _report(self, error: Exception) -> float:
        match error:
            case Unavailable():
                self._progress.wait(error)
                return self.backoff.next()
            case Unsound():
                self._progress.stop(error)
            case _:  # a defect must not go unseen, nor take /status along
                self._progress.break_down(error)
        return self._recheck
