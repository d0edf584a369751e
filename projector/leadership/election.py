"""Leader election by lease: one projector at a time feeds what one version of a projection has made in a partition."""

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from functools import partial
from hashlib import sha256
from time import monotonic

import msgspec
import structlog

from projector.folding.grouping import grouped
from projector.leadership.limits import LeadershipLimits
from projector.leadership.presence import Presence
from projector.leadership.sharing import Share, shared_out
from projector.store.ports import Candidate, Candidates, Lease, LeaseName
from shared.errors import Unavailable
from shared.runtime.retry import repeat
from shared.runtime.tasks import Tasks

log = structlog.get_logger()


class Leadership:
    """Whether this projector holds a lease, and so feeds the generations which it is about."""

    def __init__(self, lease: LeaseName) -> None:
        self.lease = lease
        self.trouble: str | None = None
        """Why no projector can hold the lease now."""
        self.unused = asyncio.Event()
        """Set while nothing is fed by it."""
        self.unused.set()
        self._held = asyncio.Event()
        self._followers: list[Callable[[], None]] = []

    @property
    def is_held(self) -> bool:
        return self._held.is_set()

    def follow(self, told: Callable[[], None]) -> None:
        """Call this whenever the lease is taken or lost."""
        self._followers.append(told)

    async def begun(self) -> None:
        """Wait until the lease is held."""
        await self._held.wait()

    def hold(self, *, held: bool, trouble: str | None = None) -> None:
        self.trouble = trouble
        if held is self.is_held:
            return
        if held:
            self._held.set()
        else:
            self._held.clear()
        for told in self._followers:
            told()


class LeaderElection:
    """
    Take part in the elections of all partitions, and stay the leader for as long as possible.

    Nothing is taken from a projector that is there: one that has more than its part gives up what another is to have,
    once that is settled.
    """

    def __init__(
        self,
        lease: Lease,
        candidate: Candidate,
        leaderships: Sequence[Leadership],
        *,
        limits: LeadershipLimits | None = None,
        now: Callable[[], float] = monotonic,
    ) -> None:
        """:param now: the time in seconds, from any beginning."""
        self._lease = lease
        self._now = now
        self._leaderships = {each.lease: each for each in leaderships}
        self._candidate = msgspec.structs.replace(candidate, feeds=_digest(self._leaderships))
        self._limits = limits or LeadershipLimits()
        self._partitions = {each.partition for each in self._leaderships}
        self._lasting = self._limits.lasting(partitions=len(self._partitions))
        self._presence = Presence(lasting=self._lasting, now=now)
        self._until: dict[LeaseName, float] = {}
        """Up to when each lease is held."""
        self._shares: dict[str, Share] = {}
        """Of the partitions of which anything is known."""
        self._under_way: set[LeaseName] = set()

    async def run(self, *, after: asyncio.Event | None = None) -> None:
        """
        Take the leases or wait for them, renew them, and give them up when cancelled.

        :param after: take none before this is set.
        """
        if after:
            await after.wait()
        try:
            async with Tasks() as rounds:
                await repeat(partial(self._turn, rounds), every=self._limits.renew)
        finally:
            await self.leave()

    async def round(self, names: Sequence[LeaseName]) -> None:
        """Renew the leases on one server, take what is to be taken, and give up what is another's."""
        try:
            await self._renew(names)
        except Unavailable as error:
            log.debug("leases cannot be renewed", error=str(error))
            for each in names:
                self._shares.pop(each.partition, None)
            self._note(names, trouble=error)
        finally:
            self._under_way.difference_update(names)

    async def leave(self) -> None:
        """Hold nothing any more, and let others have it at once."""
        self._until.clear()
        self._note(self._leaderships)
        try:
            servers = await self._lease.by_server(list(self._leaderships))
        except Unavailable as error:
            log.info("the leases are left to run out", error=str(error))
            return
        await asyncio.gather(*map(self._leave_at, servers))

    async def _turn(self, rounds: Tasks) -> None:
        """Begin a round with each server that has answered: one that does not holds up only what it has."""
        self._expire()
        try:
            servers = await self._lease.by_server(list(self._leaderships))
        except Unavailable as error:
            self._note(self._leaderships, trouble=error)
            return
        for names in servers:
            if not self._under_way.intersection(names):
                self._under_way.update(names)
                rounds.start(self.round(names), name="renewal of leases")

    async def _renew(self, names: Sequence[LeaseName]) -> None:
        until = self._now() + self._lasting  # the answer may be long in coming: from before the question
        found = await self._lease.renew(self._candidate, names)
        held = {each for each, holder in found.holders.items() if holder.id == self._candidate.id}
        own = self._part_of(names, found)
        held |= await self._lease.take(self._candidate, [each for each in own if each not in found.holders])
        kept = held.intersection(own) if self._sees_all else held
        for each in names:
            self._until.pop(each, None)
        self._until |= dict.fromkeys(kept, until)
        self._note(names)
        await self._give_up(held - kept)

    @property
    def _sees_all(self) -> bool:
        """Whether it is known of all partitions who has them: without, others come to another plan."""
        return self._shares.keys() == self._partitions

    def _part_of(self, names: Sequence[LeaseName], found: Candidates) -> Sequence[LeaseName]:
        """Return the leases that this projector is to have; what it is to give up counts from now on as the other's."""
        by_partition = grouped((each.partition, each) for each in names)
        for tag, leases in by_partition.items():
            self._shares[tag] = self._share(tag, found, leases)
            self._presence.see(tag, self._shares[tag].present)
        plan = shared_out(self._shares, settled=self._presence.settled)
        for tag in by_partition:
            if self._shares[tag].holder == self._candidate.id:
                self._shares[tag] = self._shares[tag]._replace(holder=plan[tag])
        return [each for each in names if plan.get(each.partition) == self._candidate.id]

    def _share(self, tag: str, found: Candidates, leases: Collection[LeaseName]) -> Share:
        """Say who has a partition: of those who take part for the same leases the one with the most of them."""
        present = {each.id for each in found.present[tag] if each.feeds == self._candidate.feeds}
        holders = Counter(found.holders[each].id for each in leases if each in found.holders)
        ranked = sorted(present.intersection(holders), key=lambda each: (-holders[each], each))
        return Share(next(iter(ranked), None), present)

    async def _give_up(self, names: Collection[LeaseName]) -> None:
        """Give leases up, each once nothing is fed by it any more; of what goes on for longer the next round does."""
        leaderships = [self._leaderships[each] for each in names]
        with suppress(TimeoutError):
            async with asyncio.timeout(self._limits.renew / 2):
                await asyncio.gather(*(each.unused.wait() for each in leaderships))
        await self._lease.release(self._candidate, [each.lease for each in leaderships if each.unused.is_set()])

    def _expire(self) -> None:
        """Lose what was not renewed in time."""
        for name, leadership in self._leaderships.items():
            leadership.hold(held=self._is_held(name), trouble=leadership.trouble)

    def _note(self, names: Iterable[LeaseName], trouble: Unavailable | None = None) -> None:
        for each in names:
            self._leaderships[each].hold(held=self._is_held(each), trouble=str(trouble) if trouble else None)

    def _is_held(self, name: LeaseName) -> bool:
        return name in self._until and self._now() < self._until[name]

    async def _leave_at(self, names: Sequence[LeaseName]) -> None:
        try:
            async with asyncio.timeout(self._limits.renew):
                await self._lease.leave(self._candidate, names)
        except (Unavailable, TimeoutError) as error:
            log.info("leases are left to run out", error=str(error))


def _digest(names: Iterable[LeaseName]) -> str:
    return sha256(repr(sorted(names)).encode()).hexdigest()[:8]
