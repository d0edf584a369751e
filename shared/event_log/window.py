"""What was read last of the log, as long as it may be asked for."""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import repeat
from operator import attrgetter

from shared.event_log.ports import RecordedEvent

_POSITION = attrgetter("position")


class ReadWindow:
    """
    All events of the log in (`begin`, `end`], with the number of the read that found each.

    :param size: of so many events at most; the oldest are forgotten.
    """

    def __init__(self, *, size: int) -> None:
        self.begin = self.end = -1
        self._size = size
        self._events: list[RecordedEvent] = []
        self._reads: list[int] = []

    def take(self, events: Sequence[RecordedEvent], *, after: int, read: int) -> bool:
        """
        Take what a read found after a position, behind the rest or instead of it; return whether it reached as far.

        :param read: its number, greater than those of all before.
        """
        end = events[-1].position if events else after
        if end < self.end:
            return False
        if after != self.end:
            self.begin = after
            self._events, self._reads = [], []
        self._events += events
        self._reads += repeat(read, len(events))
        self.end = end
        if len(self._events) > self._size:
            self.forget(until=self._events[-self._size - 1].position)
        return True

    def following(self, after: int, *, limit: int, since: int) -> Sequence[RecordedEvent] | None:
        """
        Return the first events after a position, none if it is the end; None if they are not known.

        :param since: the number of the earliest read they may be of.
        """
        if not self.begin <= after <= self.end:
            return None
        first = bisect_right(self._events, after, key=_POSITION)
        if first < len(self._events) and self._reads[first] < since:
            return None
        return self._events[first : first + limit]

    def read_of(self, position: int) -> int:
        """Return the number of the read that found the event at a position in the window."""
        return self._reads[bisect_right(self._events, position, key=_POSITION) - 1]

    def forget(self, *, until: int) -> None:
        """Forget the events up to a position in the window, or before it."""
        if until > self.begin:
            gone = bisect_right(self._events, until, key=_POSITION)
            del self._events[:gone], self._reads[:gone]
            self.begin = until
