"""For how long each projector has been there, as another one has seen it."""

from collections.abc import Callable, Collection
from time import monotonic


class Presence:
    """
    The signs of life that one projector has found in each partition, by its own clock.

    Who joined, or was missing in any partition, is not settled until it has been there for as long as one sign of life
    is good: one that gets too little of the processor would lose again what is given up to it.
    """

    def __init__(self, *, lasting: float, now: Callable[[], float] = monotonic) -> None:
        """:param lasting: for how many seconds a sign of life is good."""
        self._lasting = lasting
        self._now = now
        self._seen: dict[str, tuple[float, frozenset[str]]] = {}
        """When each partition was last looked at, and who was there."""
        self._since: dict[str, float] = {}

    @property
    def settled(self) -> frozenset[str]:
        """The ids of those that have been there for long enough, without a gap."""
        return frozenset(each for each, since in self._since.items() if self._now() - since >= self._lasting)

    def see(self, tag: str, present: Collection[str]) -> None:
        """Take note of who is there in a partition; whether it was before is not known where nobody looked for long."""
        looked, former = self._seen.get(tag, (self._now(), frozenset()))
        if self._now() - looked >= self._lasting:
            former = frozenset()
        changed = former.symmetric_difference(present)
        self._seen[tag] = (self._now(), frozenset(present))
        there = frozenset[str]().union(*(each for _, each in self._seen.values()))
        self._since = {each: self._now() if each in changed else self._since[each] for each in there}
