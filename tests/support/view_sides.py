"""The views of a projection on each adapter, with what fills them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import pytest
from redis import Redis

from read_side.adapters.memory import MemoryActivityViews, MemoryGroupViews, MemoryProfileViews, MemoryStatsViews
from read_side.adapters.redis import (
    RedisActivityViews,
    RedisGroupViews,
    RedisProfileViews,
    RedisStatsViews,
)
from read_side.freshness import Freshness
from shared.read_model.keys import HOME
from shared.redis.client import connector
from tests.support.read_side import PATIENCE, RedisActivity, RedisGroups, RedisProjection, RedisStats

ADAPTERS = ("memory", "valkey", "genuine_redis")


class Side(NamedTuple):
    """Views, and what commits to them."""

    views: Any
    projection: Any


class _Kind(NamedTuple):
    memory: Any
    redis: Any
    projection: Any


KINDS = {
    "profiles": _Kind(MemoryProfileViews, RedisProfileViews, RedisProjection),
    "groups": _Kind(MemoryGroupViews, RedisGroupViews, RedisGroups),
    "activity": _Kind(MemoryActivityViews, RedisActivityViews, RedisActivity),
    "stats": _Kind(MemoryStatsViews, RedisStatsViews, RedisStats),
}


@asynccontextmanager
async def side_on(adapter: str, kind: str, request: pytest.FixtureRequest) -> AsyncIterator[Side]:
    """Open the views of one projection on an adapter that nobody has filled yet."""
    makes = KINDS[kind]
    if adapter == "memory":
        views = makes.memory(freshness=Freshness(patience=PATIENCE))
        yield Side(views, views)
        return
    server = request.getfixturevalue(adapter).start()
    with Redis.from_url(server.url) as client:
        client.flushall()
        async with makes.redis(connector(server.url), keyspace=HOME, freshness=Freshness(patience=PATIENCE)) as views:
            yield Side(views, makes.projection(client))
