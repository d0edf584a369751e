"""How long lists are, remembered for a moment: that decides how a page is looked for, and never what it shows."""

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

from read_side.adapters.list_query import ListLimits
from read_side.adapters.redis.lists.range_scan import RangeScan
from read_side.adapters.redis.transport.consistent_read import ConsistentRead
from read_side.adapters.redis.transport.reads import Count


class _Length(NamedTuple):
    entries: int
    until: float


class ListLengths:
    """
    The lengths of the lists of one projection, as they were a moment ago.

    :param limits: the cost that finding one page may have.
    """

    def __init__(self, limits: ListLimits) -> None:
        self.limits = limits
        self._known: dict[Count, _Length] = {}

    async def of(self, read: ConsistentRead, scans: Sequence[RangeScan]) -> list[int]:
        """How many entries each scan has; those that are not known are counted in one trip."""
        counts = [scan.counts() for scan in scans]
        every, now = list(dict.fromkeys(each for own in counts for each in own)), asyncio.get_running_loop().time()
        lengths = {each: known.entries for each in every if (known := self._known.get(each)) and now < known.until}
        if unknown := [each for each in every if each not in lengths]:
            counted = dict(zip(unknown, (await read.ask(reads=unknown)).results, strict=True))
            self._remember(counted, until=now + self.limits.remembered)
            lengths |= counted
        return [sum(map(lengths.__getitem__, own)) for own in counts]

    def _remember(self, counted: dict[Count, int], *, until: float) -> None:
        if len(self._known) + len(counted) > self.limits.lengths:
            self._known.clear()
        self._known |= {each: _Length(entries, until) for each, entries in counted.items()}
