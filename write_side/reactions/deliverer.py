"""Carries deliveries out, several at once, each until it is done or given up."""

import asyncio
from collections.abc import Collection, Sequence
from datetime import timedelta

import structlog
from prometheus_client import Counter

from shared.errors import Unavailable
from shared.problems import Refusal
from write_side.ports import Delivery, MailRefused
from write_side.reactions.limits import REACTION_LIMITS, ReactionLimits
from write_side.reactions.reaction import Reaction, World

_DELIVERIES = Counter(
    "muster_delivery_attempts_total",
    "Attempts to deliver, by what came of them: delivered, not needed, deferred, given up.",
    ("reaction", "outcome"),
)

log = structlog.get_logger()


class Deliverer:
    """
    Takes up what is due, of one account one after the other. No channel waits for what is due on another.

    So nothing that was begun before an erasure is under way when what was written to the person is forgotten. A
    delivery is deleted once it was carried out: one that is killed in between is carried out again.
    """

    def __init__(
        self, world: World, reactions: Sequence[Reaction], *, limits: ReactionLimits = REACTION_LIMITS
    ) -> None:
        self._world = world
        self._reactions = {each.name: each for each in reactions}
        self._limits = limits
        self._permits = {each.channel: asyncio.Semaphore(limits.at_once) for each in reactions}
        self._under_way: dict[Delivery, asyncio.Task[None]] = {}

    async def run(self, scheduled: asyncio.Event) -> None:
        """:param scheduled: set by others whenever there may be something new."""
        try:
            while True:
                scheduled.clear()
                await self.take_up()
                await self._wait(scheduled)
                await asyncio.sleep(self._limits.pause_seconds)  # what ends or is scheduled meanwhile shares a look
        finally:
            for task in self._under_way.values():
                task.cancel()
            await asyncio.gather(*self._under_way.values(), return_exceptions=True)

    async def take_up(self) -> int:
        """Begin with what is due, as much as there is room for; return how much that is."""
        self._put_away_ended()
        return sum([await self._take_up(channel) for channel in self._permits])

    async def _take_up(self, channel: str) -> int:
        under_way = [each.id for each in self._under_way if each.channel == channel]
        room = self._limits.ahead - len(under_way)
        if room <= self._limits.ahead // 2:
            return 0
        found = await self._world.session.due(channel, now=self._world.clock.now(), limit=room, besides=under_way)
        for each in found:
            before = [task for other, task in self._under_way.items() if other.account_id == each.account_id]
            self._under_way[each] = asyncio.create_task(self._carry_out(each, before), name=each.reaction)
        return len(found)

    async def settle(self) -> None:
        """Return once everything that is due has been tried."""
        while await self.take_up() or self._under_way:
            await self._some_end()

    async def _wait(self, scheduled: asyncio.Event) -> None:
        """Return when there may be more to take up: an end, something scheduled, something due."""
        waiter = asyncio.create_task(scheduled.wait())
        try:
            await self._some_end(waiter, within=await self._patience())
        finally:
            waiter.cancel()

    async def _patience(self) -> float:
        """Return the seconds until the next delivery is due, but no more than those of the poll."""
        now = self._world.clock.now()
        due = await self._world.session.next_due(self._permits, after=now)
        return self._limits.poll_seconds if due is None else min((due - now).total_seconds(), self._limits.poll_seconds)

    async def _some_end(self, *besides: asyncio.Task[bool], within: float | None = None) -> None:
        tasks = {*self._under_way.values(), *besides}
        if tasks:
            await asyncio.wait(tasks, timeout=within, return_when=asyncio.FIRST_COMPLETED)
        self._put_away_ended()

    def _put_away_ended(self) -> None:
        """:raises Exception: that which ended one of the attempts."""
        for each in [each for each, task in self._under_way.items() if task.done()]:
            self._under_way.pop(each).result()

    async def _carry_out(self, delivery: Delivery, before: Collection[asyncio.Task[None]]) -> None:
        if before:
            await asyncio.wait(before)
        async with self._permits[delivery.channel]:
            outcome = await self._attempt(delivery)
        _DELIVERIES.labels(delivery.reaction, outcome).inc()

    async def _attempt(self, delivery: Delivery) -> str:
        try:
            was_needed = await self._reactions[delivery.reaction].carry_out(delivery, self._world)
        except (Unavailable, Refusal) as error:
            return await self._defer(delivery, _name_of(error))
        except MailRefused as error:
            return await self._give_up(delivery, f"refused: {error}")
        except Exception as error:  # noqa: BLE001 - a defect in one delivery holds up no other; its text may name people
            name = type(error).__name__
            log.critical("a delivery has met a defect", id=str(delivery.id), reaction=delivery.reaction, error=name)
            return await self._defer(delivery, name)
        await self._world.session.done(delivery)
        return "delivered" if was_needed else "not needed"

    async def _defer(self, delivery: Delivery, error: str) -> str:
        if delivery.attempts + 1 >= self._limits.attempts:
            return await self._give_up(delivery, error)
        pause = min(self._limits.first_seconds * 2**delivery.attempts, self._limits.longest_seconds)
        until = self._world.clock.now() + timedelta(seconds=pause)
        await self._world.session.defer(delivery, until=until, error=error)
        return "deferred"

    async def _give_up(self, delivery: Delivery, error: str) -> str:
        await self._world.session.give_up(delivery, at=self._world.clock.now(), error=error)
        log.warning("a delivery is given up", delivery=str(delivery.id), reaction=delivery.reaction, error=error)
        return "given up"


def _name_of(error: Unavailable | Refusal) -> str:
    return error.problem.name if isinstance(error, Refusal) else str(error)
