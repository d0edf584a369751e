"""What the projector tells readers of the live generation: one message a commit, from inside the transaction."""

import asyncio
from typing import Self

import msgspec
from redis.asyncio import Redis
from redis.asyncio.client import PubSub

from shared.read_model.keys import HOME
from shared.read_model.positions import Announcement, Pointer


class Announcements:
    """Hears every commit as long as it is entered."""

    def __init__(self, redis_url: str) -> None:
        self._client = Redis.from_url(redis_url)
        self._channel: PubSub = self._client.pubsub()
        self.positions: list[int] = []

    async def __aenter__(self) -> Self:
        pointer = await self._client.get(HOME.projection("profiles").live)
        self._live = msgspec.json.decode(pointer, type=Pointer).generation
        await self._channel.subscribe(HOME.projection("profiles").announce)
        self._task = asyncio.create_task(self._listen())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])
        await self._channel.aclose()
        await self._client.aclose()

    async def _listen(self) -> None:
        async for message in self._channel.listen():
            if message["type"] == "message":
                told = msgspec.json.decode(message["data"], type=Announcement)
                if told.generation == self._live:  # another may be kept, and fed as well
                    self.positions.append(told.position)
