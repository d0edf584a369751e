"""Ranges of generations that one reading of the log fills, as those see it who want them filled."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

from projector.processing.filling import Piece, RangeOrder, RangeOutcome, Reading, Report, Turn
from shared.errors import Unavailable
from shared.event_log.adapters.shared_session import SharedSessionLog
from shared.read_model.positions import Checkpoint

UNREAD = "the log was read to its end, but not for it"


@dataclass(eq=False, slots=True)
class ReadingShare:
    """A range, and how it is to be filled."""

    label: str
    """Of the projection."""
    order: RangeOrder
    turn: Turn
    report: Report
    size: float = 0.0
    """How many events have something of it in memory."""
    outcome: asyncio.Future[RangeOutcome] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def end(self, end: RangeOutcome | Exception) -> None:
        """Say how it has ended, if that was not known."""
        if self.outcome.done():
            return
        if isinstance(end, Exception):
            self.outcome.set_exception(end)
        else:
            self.outcome.set_result(end)


class SharesHere:
    """Ranges that are wanted in this process; see `Shares`."""

    def __init__(self, shares: Iterable[ReadingShare]) -> None:
        self._shares = {each.label: each for each in shares}
        self.orders: Mapping[str, RangeOrder] = {label: each.order for label, each in self._shares.items()}

    def are_wanted(self) -> bool:
        return any(map(self.is_wanted, self._shares))

    def is_wanted(self, label: str) -> bool:
        return not self._shares[label].outcome.done()

    async def report(self, pieces: Mapping[str, Piece]) -> None:
        await asyncio.gather(*(self._heard(self._shares[label], piece) for label, piece in pieces.items()))

    def turn(self, label: str) -> AbstractAsyncContextManager[Checkpoint]:
        return self._shares[label].turn()

    def end(self, label: str, end: RangeOutcome | Exception) -> None:
        self._shares[label].end(end)

    async def read_by(self, reading: Reading) -> None:
        """Have them filled; each has an end then."""
        why: Exception = Unavailable(UNREAD)
        try:
            await reading.fill(self)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is raised where the ranges are wanted
            why = error
        for each in self._shares.values():
            each.end(why)

    async def _heard(self, share: ReadingShare, piece: Piece) -> None:
        if share.outcome.done():
            return
        try:
            await share.report(piece)
        except Exception as error:  # noqa: BLE001 - likewise
            share.end(error)


class LoneReading:
    """Fills each range of one projection by a reading of its own."""

    def __init__(self, label: str, reading: Reading) -> None:
        self._label = label
        self._reading = reading

    async def fill(self, order: RangeOrder, *, turn: Turn, report: Report) -> RangeOutcome:
        only = _OnlyOne(self._label, order, turn, report)
        await self._reading.fill(only)
        return only.outcome()


class _OnlyOne:
    """A range that is read for alone: what goes wrong where it is wanted ends the reading."""

    def __init__(self, label: str, order: RangeOrder, turn: Turn, report: Report) -> None:
        self.orders: Mapping[str, RangeOrder] = {label: order}
        self._turn = turn
        self._report = report
        self._end: RangeOutcome | Exception | None = None

    def are_wanted(self) -> bool:
        return self._end is None

    def is_wanted(self, _: str) -> bool:
        return self._end is None

    async def report(self, pieces: Mapping[str, Piece]) -> None:
        for piece in pieces.values():
            await self._report(piece)

    def turn(self, _: str) -> AbstractAsyncContextManager[Checkpoint]:
        return self._turn()

    def end(self, _: str, end: RangeOutcome | Exception) -> None:
        self._end = end

    def outcome(self) -> RangeOutcome:
        if isinstance(self._end, RangeOutcome):
            return self._end
        raise self._end or Unavailable(UNREAD)


class SharedReading:
    """Fills ranges of many parts of projections, by one reading of the log for those that wait at the same time."""

    def __init__(self, reading: Reading, *, events: int, gather: float = 0.0) -> None:
        """
        :param events: of how many a reading may have something in memory, unless a single range has more.
        :param gather: seconds in which nothing comes before those that wait are read for.
        """
        self._reading = reading
        self._events = events
        self._gather = gather
        self._waiting: list[ReadingShare] = []
        self._under_way: dict[asyncio.Task[None], Sequence[ReadingShare]] = {}
        self._beginning: asyncio.Task[None] | None = None
        self._came = 0.0

    async def fill(self, share: ReadingShare) -> RangeOutcome:
        """See `RangeFiller`."""
        self._waiting.append(share)
        self._came = asyncio.get_running_loop().time()
        if self._beginning is None or self._beginning.done():
            self._beginning = asyncio.create_task(self._begin())
        try:
            return await share.outcome
        finally:
            await self._leave(share)

    async def _begin(self) -> None:
        """Begin readings as long as anything waits for one."""
        while self._waiting:
            while (left := self._came + self._gather - asyncio.get_running_loop().time()) > 0:  # noqa: ASYNC110
                await asyncio.sleep(left)
            free = min(each.order.at_once for each in self._waiting) - len(self._under_way)
            if free > 0:
                self._read_for(self._next(free))
            else:
                await asyncio.wait(self._under_way, return_when=asyncio.FIRST_COMPLETED)

    def _next(self, free: int) -> Sequence[ReadingShare]:
        """Take what the next of so many readings can have, of those that wait: neighbours are alike."""
        self._waiting.sort(key=lambda each: each.label)
        most, size, taken = -(-len(self._waiting) // free), 0.0, 0
        for each in self._waiting[:most]:
            size += each.size
            if taken and size > self._events:
                break
            taken += 1
        shares, self._waiting = self._waiting[:taken], self._waiting[taken:]
        return shares

    def _read_for(self, shares: Sequence[ReadingShare]) -> None:
        task = asyncio.create_task(SharesHere(shares).read_by(self._reading))
        self._under_way[task] = shares
        task.add_done_callback(self._under_way.pop)

    async def _leave(self, share: ReadingShare) -> None:
        """Wait for the end of what nothing wants any more."""
        if share in self._waiting:
            self._waiting.remove(share)
        unwanted = [
            task
            for task, shares in self._under_way.items()
            if share in shares and all(each.outcome.done() for each in shares)
        ]
        if self._beginning and not self._waiting:
            unwanted.append(self._beginning)
            self._beginning = None
        for task in unwanted:
            task.cancel()
        if unwanted:
            await asyncio.wait(unwanted)


class SharingFiller:
    """Fills the ranges of one part together with those of others."""

    def __init__(self, label: str, shared: SharedReading, *, partitions: int, asked: SharedSessionLog) -> None:
        """
        :param partitions: a part has that much less to keep in memory.
        :param asked: in whose session it is looked, before and afterwards, how far the log is.
        """
        self._label = label
        self._shared = shared
        self._partitions = partitions
        self._asked = asked

    async def fill(self, order: RangeOrder, *, turn: Turn, report: Report) -> RangeOutcome:
        size = order.until / (self._partitions * order.of)
        async with self._asked.kept():
            return await self._shared.fill(ReadingShare(self._label, order, turn, report, size))
