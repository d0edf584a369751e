"""The composition root of the read side: which adapter stands for which port."""

import os

import svcs
from litestar.types import ASGIApp

from read_side.adapters.redis import (
    EvictionWatch,
    RedisActivityViews,
    RedisGroupViews,
    RedisProfileViews,
    RedisStatsViews,
)
from read_side.freshness import Freshness
from read_side.http.app import read_api
from read_side.views import ActivityViews, GroupViews, ProfileViews, StatsViews, Views
from shared.auth.setup import register_authentication, register_limits
from shared.http.limits import HttpLimits
from shared.read_model.keys import HOME
from shared.redis.client import connector
from shared.settings import Settings


def create_app() -> ASGIApp:
    """The read API on Redis, as the environment says."""
    return read_api(register_services)


def register_services(registry: svcs.Registry) -> None:
    """Register the real adapters, as the environment says."""
    settings = Settings.load(os.environ).with_addresses()
    registry.register_value(HttpLimits, settings.limits_of(HttpLimits))
    register_authentication(registry, settings)
    register_limits(registry, settings, api="read", keyspace=HOME)
    connect = connector(settings.required("redis_url"))
    eviction = EvictionWatch(connect)
    for port, adapter in (
        (ProfileViews, RedisProfileViews),
        (GroupViews, RedisGroupViews),
        (ActivityViews, RedisActivityViews),
        (StatsViews, RedisStatsViews),
    ):
        views = adapter(connect, keyspace=HOME, freshness=Freshness(patience=settings.read_wait), eviction=eviction)
        register_views(registry, port, views)


def register_views(registry: svcs.Registry, port: type[Views], views: Views) -> None:
    """Register the views of a projection on any adapter; they are ready once they can say where they stand."""
    registry.register_value(port, views, ping=_stands_somewhere)


async def _stands_somewhere(views: Views) -> None:
    await views.position()
