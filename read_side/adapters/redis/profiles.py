"""Profiles in Redis, served as they are stored."""

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Self, TypeVar

from read_side.adapters.redis.announcements import Announcements
from read_side.adapters.redis.connections import Connect
from read_side.adapters.redis.eviction import EvictionWatch
from read_side.adapters.redis.look_ups import (
    BY_EMAIL,
    BY_EXTERNAL_ID,
    BY_HANDLE,
    KeysAsked,
    LookUp,
    Outcome,
    documents,
    hashes,
    outcome,
)
from read_side.adapters.redis.trips import Seen, Trips, Want
from read_side.freshness import Freshness
from read_side.views import Answer, Batch, ProfileKeys, ReadModelUnavailable, Variant
from shared.keys import ProjectionKeys
from shared.records import unseal

A = TypeVar("A", Answer, Batch)

KEYS = ProjectionKeys("profiles")

LOOKS = 3
"""How often something is looked for that moves between the two trips; it is not there only if nothing else moved."""


class RedisProfileViews:
    """
    Answers of one trip are from one moment. Answers of two are from one generation, which the second trip found to be
    live, and are said to be from the earlier moment.
    """

    def __init__(self, connect: Connect, *, freshness: Freshness) -> None:
        self.freshness = freshness
        self._eviction = EvictionWatch(connect)
        self._trips = Trips(connect, keys=KEYS, hashes=hashes, freshness=freshness)
        self._announcements = Announcements(connect, channel=KEYS.announce, freshness=freshness)
        self._open = AsyncExitStack()

    async def __aenter__(self) -> Self:
        for each in (self._eviction, self._trips, self._announcements):
            await self._open.enter_async_context(each)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._open.aclose()

    async def by_id(self, account_id: str, *, variant: Variant = "full") -> Answer:
        seen = await self._ask(Want(variant, account_id.encode()))
        (envelope,) = seen.values
        return Answer(seen.position, None if envelope is None else unseal(envelope))

    async def by_handle(self, handle: str, *, variant: Variant = "full") -> Answer:
        return await self._look_up(BY_HANDLE, handle, variant)

    async def by_email(self, email: str, *, variant: Variant = "full") -> Answer:
        return await self._look_up(BY_EMAIL, email, variant)

    async def by_external_id(self, external_id: str, *, variant: Variant = "full") -> Answer:
        return await self._look_up(BY_EXTERNAL_ID, external_id, variant)

    async def by_keys(self, keys: ProfileKeys, *, variant: Variant = "full") -> Batch:
        asked = KeysAsked(keys)
        return await _settled(lambda: self._look_for_all(asked, variant))

    async def position(self) -> int:
        return (await self._ask()).position

    async def _look_up(self, by: LookUp, key: str, variant: Variant) -> Answer:
        return await _settled(lambda: self._look_for(by, key, variant))

    async def _look_for(self, by: LookUp, key: str, variant: Variant) -> Outcome[Answer]:
        first = await self._ask(by.want(key))
        (account,) = first.values
        if account is None:
            return Outcome(Answer(first.position, None), settled=True)
        second = await self._ask(*documents([account], variant))
        if second.generation != first.generation:
            return Outcome(None, settled=False)
        return outcome(by, key, second, position=min(first.position, second.position))

    async def _look_for_all(self, asked: KeysAsked, variant: Variant) -> Outcome[Batch]:
        wants = asked.look_ups()
        first = await self._ask(*wants) if wants else None
        leads = first.values if first else []
        second = await self._ask(*documents(asked.accounts(leads), variant))
        if first and second.generation != first.generation:
            return Outcome(None, settled=False)
        position = min(first.position, second.position) if first else second.position
        return asked.outcome(leads, second, position=position)

    async def _ask(self, *wants: Want) -> Seen:
        self._eviction.require_none()
        return await self._trips.ask(*wants)


async def _settled(look: Callable[[], Awaitable[Outcome[A]]]) -> A:
    unsettled: list[A | None] = []
    for _ in range(LOOKS):
        answer, settled = await look()
        if answer and settled:
            return answer
        unsettled.append(answer)
    last = unsettled[-1]
    if last is None or any(each is None or each.position != last.position for each in unsettled):
        raise ReadModelUnavailable("What is looked for keeps moving")
    return last
