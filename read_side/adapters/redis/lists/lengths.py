"""How long lists are, remembered for a moment: that decides how a page is looked for, and never what it shows."""

import asyncio
from collections.abc import Sequence
from itertools import chain

from read_side.adapters.list_query import ListLimits
from read_side.adapters.redis.lists.range_scan import RangeScan
from read_side.adapters.redis.transport.consistent_read import ConsistentRead
from read_side.adapters.redis.transport.reads import Count


class ListLengths:
    """
    The lengths of the lists of one projection, as they were a moment ago.

    :param limits: the cost that finding one page may have.
    """

    def __init__(self, limits: ListLimits) -> None:
        self.limits = limits
        self._lengths: dict[Count, int] = {}
        self._until = 0.0

    async def of(self, read: ConsistentRead, scans: Sequence[RangeScan]) -> list[int]:
        """How many entries each scan has; those that are not known are counted in one trip."""
        known, counts = self._known(), [scan.counts() for scan in scans]
        unknown = list(dict.fromkeys(each for each in chain(*counts) if each not in known))
        if unknown:
            known.update(zip(unknown, (await read.ask(reads=unknown)).results, strict=True))
        return [sum(map(known.__getitem__, own)) for own in counts]

    def _known(self) -> dict[Count, int]:
        """The lengths of this moment; those of the next are others, and who has these goes on with them."""
        now = asyncio.get_running_loop().time()
        if now >= self._until or len(self._lengths) > self.limits.lengths:
            self._lengths, self._until = {}, now + self.limits.remembered
        return self._lengths
