"""The views of a projection on each adapter, with what fills them."""

from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from functools import partial
from typing import Any, NamedTuple

import pytest
from fakeredis import FakeRedis, FakeServer
from fakeredis.aioredis import FakeAsyncRedisConnection
from redis import Redis

from read_side.adapters.list_query import ListLimits
from read_side.services import memory_views, redis_views
from shared.read_model.partitions import AT_HOME, ONE, Partitions
from shared.redis.location import located
from shared.redis.nodes import nodes_with
from shared.redis.pipelined import PipelinedConnection
from tests.contract.partitions import PartitionedCollections
from tests.support.patience import patient_connector
from tests.support.read_side import PATIENCE, RedisActivity, RedisChanges, RedisGroups, RedisProjection, RedisStats

ADAPTERS = ("memory", "valkey", "genuine_redis")
ALSO_IN_PARTS = (*ADAPTERS, "valkey/3")
"""The same, and one on which the read models are divided."""


class Side(NamedTuple):
    """Views, and what commits to them."""

    views: Any
    projection: Any


PROJECTIONS = {
    "profiles": RedisProjection,
    "groups": RedisGroups,
    "activity": RedisActivity,
    "stats": RedisStats,
    "changes": RedisChanges,
}


@asynccontextmanager
async def side_on(
    adapter: str, kind: str, request: pytest.FixtureRequest, *, list_limits: ListLimits | None = None
) -> AsyncIterator[Side]:
    """
    Open the views of one projection on an adapter that nobody has filled yet.

    :param adapter: its name, and in how many partitions what it has is divided, such as `valkey/3`.
    """
    adapter, _, count = adapter.partition("/")
    partitions = Partitions(int(count or 1))
    limits_of = partial(_limits_of, list_limits or ListLimits())
    if adapter == "memory":
        views = memory_views(patience=PATIENCE, limits_of=limits_of)[kind]
        yield Side(views, views)
        return
    if adapter == "fakeredis":
        fake = FakeServer()
        client, connect, nodes = FakeRedis(server=fake), partial(_connection_to, fake), None
    else:
        url = request.getfixturevalue(adapter).start().url
        client, connect = Redis.from_url(located(url)), patient_connector(url)
        nodes = nodes_with(partitions.tags, url)
    with client, ExitStack() as clients:
        client.flushall()
        projection = PROJECTIONS[kind](client)
        projection.publish = connect().publish
        if partitions != ONE and kind not in AT_HOME:
            owners: list[Redis] = []

            def client_of(tag: str) -> Redis:
                owners.append(clients.enter_context(Redis.from_url(located(url, tag=tag))))
                owners[-1].flushall()
                return owners[-1]

            def forget() -> None:
                for each in owners:
                    each.flushall()

            projection.forget = forget
            projection.save = PartitionedCollections(
                client_of, projection.of, partitions, publish=projection.publish
            ).save
        async with redis_views(connect, partitions, nodes=nodes, patience=PATIENCE, limits_of=limits_of)[kind] as views:
            yield Side(views, projection)


def _limits_of(list_limits: ListLimits, kind: type[Any]) -> Any:
    return list_limits if kind is ListLimits else kind()


def _connection_to(server: FakeServer) -> PipelinedConnection:
    return PipelinedConnection(FakeAsyncRedisConnection(server=server, protocol=2, socket_timeout=None))
