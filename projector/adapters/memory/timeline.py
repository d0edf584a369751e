"""The figures of the last hour, in memory."""

from collections.abc import Sequence

from projector.monitoring.timeline import MINUTES, Point
from shared.errors import Unavailable


class MemoryTimelineStore:
    """Can be made to fail by `available`."""

    def __init__(self, *points: Point) -> None:
        self.available = True
        self._points = {each.minute % MINUTES: each for each in points}

    async def read(self) -> Sequence[Point]:
        self._check()
        return list(self._points.values())

    async def keep(self, points: Sequence[Point]) -> None:
        self._check()
        self._points |= {each.minute % MINUTES: each for each in points}

    def _check(self) -> None:
        if not self.available:
            message = "the timeline in memory was made unavailable"
            raise Unavailable(message)
