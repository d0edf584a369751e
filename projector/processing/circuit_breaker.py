"""Tell bad code from a bad event, by how many events cannot be folded."""

from collections import deque
from collections.abc import Callable
from time import monotonic

from projector.declaring.errors import EventNotFoldable
from projector.processing.limits import BreakerLimits

MINUTE = 60.0


class TooManyParked(EventNotFoldable):
    """So many events cannot be folded that it must be the code."""


class CircuitBreaker:
    """Count what a projection parks; once that is too much, stop the projection until another process takes over."""

    def __init__(
        self, *, projection: str, limits: BreakerLimits | None = None, now: Callable[[], float] = monotonic
    ) -> None:
        self._projection = projection
        self._limits = limits or BreakerLimits()
        self._now = now
        self._lately: deque[tuple[float, int]] = deque()
        self._error: str | None = None

    def check(self, *, failed: int, parked: int) -> None:
        """
        Return if so many more may be parked.

        :param failed: how many events would be, because they cannot be folded.
        :param parked: how many there would be then, those included that wait behind others.
        :raises TooManyParked: they may not.
        """
        if self._error is None:
            self._error = self._too_many(failed, parked)
        if self._error:
            raise TooManyParked(f"projection {self._projection}: {self._error}")

    def _too_many(self, failed: int, parked: int) -> str | None:
        now = self._now()
        while self._lately and self._lately[0][0] < now - MINUTE:
            self._lately.popleft()
        most = self._limits
        if sum(each for _, each in self._lately) + failed > most.failures:
            return (
                f"more than {most.failures} events could not be folded within a minute, so it is the release and not"
                " the events; deploy one that can fold them: what is parked is retried by itself then"
            )
        if parked > most.parked:
            return (
                f"more than {most.parked} events are parked; see `muster parked list`, and deploy a release that can"
                " fold them, or skip what never can be, and start the projector again"
            )
        if failed:
            self._lately.append((now, failed))
        return None
