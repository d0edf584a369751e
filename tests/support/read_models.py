"""Stores of read models for tests: one in memory and one in Redis that can be looked into, emptied and spoilt."""

from collections.abc import Mapping

import msgspec
from redis.asyncio import Redis

from projector.adapters.memory import MemoryLease, MemoryReadModel, MemoryStore
from projector.adapters.redis.lease import RedisLease
from projector.adapters.redis.read_model import RedisReadModel
from projector.ports import Lease, ReadModel
from shared.records import Announcement
from tests.support.folding import hashes


class StoreInMemory:
    """A store in memory."""

    def __init__(self) -> None:
        self._store = MemoryStore()
        self._lease = MemoryLease()

    def model(self) -> ReadModel:
        return MemoryReadModel(self._store, projection="profiles")

    def lease(self) -> Lease:
        return self._lease

    async def content(self) -> Mapping[str, Mapping[str, bytes]]:
        return hashes(self._store.content)

    async def plant(self, key: str, value: bytes) -> None:
        self._store.content[key] = value

    async def empty(self) -> None:
        self._store.content.clear()

    async def let_evict(self) -> None:
        self._store.evicts = True

    async def announced(self) -> list[Announcement]:
        return self._store.announced


class StoreInRedis:
    """A store in Redis, seen through a client of its own; listens to the announcements from its start."""

    def __init__(self, client: Redis, *, spy: Redis) -> None:
        self._client = client
        self._spy = spy
        self._ear = spy.pubsub(ignore_subscribe_messages=True)

    async def start(self) -> None:
        await self._ear.subscribe("muster:{0}:profiles:announce")
        await self._ear.get_message(timeout=5)

    async def close(self) -> None:
        await self._ear.aclose()

    def model(self) -> ReadModel:
        return RedisReadModel(self._client, projection="profiles")

    def lease(self) -> Lease:
        return RedisLease(self._client)

    async def content(self) -> Mapping[str, Mapping[str, bytes]]:
        content = {}
        for key in await self._spy.keys("muster:{0}:profiles:g1:*"):
            if await self._spy.type(key) == b"hash":
                content[key.decode()] = {
                    field.decode(): value for field, value in (await self._spy.hgetall(key)).items()
                }
        return hashes(content)

    async def plant(self, key: str, value: bytes) -> None:
        await self._spy.set(key, value)

    async def empty(self) -> None:
        await self._spy.flushall()

    async def let_evict(self) -> None:
        await self._spy.config_set("maxmemory-policy", "allkeys-lru")

    async def announced(self) -> list[Announcement]:
        told = []
        while message := await self._ear.get_message(timeout=0.05):
            told.append(msgspec.json.decode(message["data"], type=Announcement))
        return told
