"""Stores of read models for tests: one in memory and one in Redis that can be looked into, emptied and spoilt."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import msgspec
from fakeredis import FakeAsyncRedis
from redis import Redis as BlockingRedis
from redis.asyncio import Redis

from projector.adapters.memory.checkpoints import MemoryCheckpoints
from projector.adapters.memory.store import MemoryStore
from projector.adapters.redis.checkpoints import RedisCheckpoints
from projector.adapters.redis.store import store_in_redis
from projector.leadership.limits import LeadershipLimits
from projector.store.inspection import GenerationInspector
from projector.store.ports import Checkpoints, ReadModel
from shared.dev_stack.embedded.redis import EmbeddedRedis
from shared.read_model.keys import HOME
from shared.read_model.positions import Announcement
from shared.redis.client import connect
from shared.redis.location import located
from tests.support.cluster import ValkeyCluster
from tests.support.folding import PROFILES, Held, held
from tests.support.projectors import store_in_memory

LASTING = LeadershipLimits(lease=60.0, shared=60.0)
"""However slow the disk is to which the servers write each of their steps."""


class StoreInMemory:
    """A store in memory, of profiles."""

    def __init__(self) -> None:
        self._store = MemoryStore()

    def model(self) -> ReadModel:
        return store_in_memory(self._store, PROFILES).model

    def inspector(self) -> GenerationInspector:
        return store_in_memory(self._store, PROFILES).inspector

    def checkpoints(self) -> Checkpoints:
        return MemoryCheckpoints({PROFILES.label: self._store})

    async def content(self) -> Held:
        return held(self._store.content)

    async def keys(self) -> set[str]:
        return set(self._store.content)

    async def string(self, key: str) -> bytes | None:
        return self._store.string(key)

    async def plant(self, key: str, value: bytes) -> None:
        self._store.content[key] = value

    async def forget(self, key: str) -> None:
        del self._store.content[key]

    async def empty(self) -> None:
        self._store.content.clear()

    async def let_evict(self) -> None:
        self._store.evicts = True

    async def announced(self) -> list[Announcement]:
        return self._store.announced


class StoreInRedis:
    """The same in Redis, seen through a client of its own; listens to the announcements from its start."""

    def __init__(self, client: Redis, *, spy: Redis) -> None:
        self.url: str | None = None
        self._client = client
        self._spy = spy
        self._ear = spy.pubsub(ignore_subscribe_messages=True)

    async def start(self, *, is_sharded: bool) -> None:
        subscribe = self._ear.ssubscribe if is_sharded else self._ear.subscribe
        await subscribe(HOME.projection(PROFILES.name).announce)
        await self._ear.get_message(timeout=5)

    async def close(self) -> None:
        await self._ear.aclose()

    def model(self) -> ReadModel:
        return store_in_redis(self._client, PROFILES).model

    def inspector(self) -> GenerationInspector:
        return store_in_redis(self._client, PROFILES).inspector

    def checkpoints(self) -> Checkpoints:
        assert self.url, "there is no server"
        return RedisCheckpoints(self.url, {PROFILES.label: HOME.projection(PROFILES.name)})

    async def content(self) -> Held:
        return held({key.decode(): await self._value(key) for key in await self._spy.keys("muster:{0}:*")})

    async def _value(self, key: bytes) -> object:
        match await self._spy.type(key):
            case b"hash":
                return {field.decode(): value for field, value in (await self._spy.hgetall(key)).items()}
            case b"zset":
                return set(await self._spy.zrange(key, 0, -1))
        return None

    async def keys(self) -> set[str]:
        return {key.decode() for key in await self._spy.keys()}

    async def string(self, key: str) -> bytes | None:
        value: bytes | None = await self._spy.get(key)
        return value

    async def plant(self, key: str, value: bytes) -> None:
        await self._spy.set(key, value)

    async def plant_hash(self, key: str, size: int) -> None:
        """Put something under so many names."""
        await self._spy.hset(key, mapping={str(nth): b"{}" for nth in range(size)})

    async def forget(self, key: str) -> None:
        await self._spy.delete(key)

    async def empty(self) -> None:
        await self._spy.flushall()

    async def let_evict(self) -> None:
        await self._spy.config_set("maxmemory-policy", "allkeys-lru")

    async def announced(self) -> list[Announcement]:
        told = []
        await self._ear.ping("until-now")
        while (message := await self._ear.get_message(timeout=5)) and message["type"] in {"message", "smessage"}:
            told.append(msgspec.json.decode(message["data"], type=Announcement))
        assert message, "it does not answer"
        return told


@asynccontextmanager
async def on_redis(client: Redis, spy: Redis, *, is_sharded: bool = False) -> AsyncIterator[StoreInRedis]:
    store = StoreInRedis(client, spy=spy)
    await store.start(is_sharded=is_sharded)
    try:
        yield store
    finally:
        await store.close()


@asynccontextmanager
async def on_a_server(server: EmbeddedRedis | ValkeyCluster) -> AsyncIterator[StoreInRedis]:
    """Give an empty store on a server, or on the owner of it in a cluster, which is started."""
    server.start()
    async with connect(server.url) as client, Redis.from_url(located(server.url)) as spy:
        await spy.config_set("maxmemory-policy", "noeviction")
        await spy.flushall()
        async with on_redis(client, spy, is_sharded=isinstance(server, ValkeyCluster)) as store:
            store.url = server.url
            yield store


@asynccontextmanager
async def on_fakeredis() -> AsyncIterator[StoreInRedis]:
    async with FakeAsyncRedis() as client, on_redis(client, client) as store:
        yield store


def everything(server: EmbeddedRedis) -> Mapping[str, object]:
    """All hashes and lists that a server holds, by their keys."""
    with BlockingRedis.from_url(server.url) as client:
        return {key.decode(): _value_at(client, key) for key in client.keys("muster:{0}:*")}


def _value_at(client: BlockingRedis, key: bytes) -> object:
    match client.type(key):
        case b"hash":
            return {field.decode(): value for field, value in client.hgetall(key).items()}
        case b"zset":
            return set(client.zrange(key, 0, -1))
    return None
