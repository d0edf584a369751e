"""What the projector tells readers: one message a commit, from inside the transaction."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TypeAlias

import msgspec

from shared.read_model.positions import Announcement
from shared.redis.client import connect

Positions: TypeAlias = Mapping[tuple[bytes, str], Sequence[int]]
"""By channel and generation."""


@asynccontextmanager
async def announced(url: str) -> AsyncIterator[Positions]:
    """Give the positions that are announced meanwhile; shards of a cluster announce nothing to those who hear all."""
    positions: defaultdict[tuple[bytes, str], list[int]] = defaultdict(list)
    async with connect(url) as client, client.pubsub() as channels:
        await channels.psubscribe("muster:*:announce")

        async def listen() -> None:
            async for message in channels.listen():
                if message["type"] == "pmessage":
                    told = msgspec.json.decode(message["data"], type=Announcement)
                    positions[message["channel"], told.generation].append(told.position)

        listening = asyncio.create_task(listen())
        yield positions
        listening.cancel()
        await asyncio.wait([listening])


def out_of_order(positions: Positions) -> Positions:
    """Return those in which a commit is announced twice, or behind a later one."""
    return {where: each for where, each in positions.items() if each != sorted(set(each))}
