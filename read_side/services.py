"""The composition root of the read side: which adapter stands for which port."""

import os

import svcs
from litestar.types import ASGIApp

from read_side.adapters.redis import RedisProfileViews, connector
from read_side.freshness import Freshness
from read_side.http.app import read_api
from read_side.views import ProfileViews
from shared.settings import Settings


def create_app() -> ASGIApp:
    """The read API on Redis, as the environment says."""
    return read_api(register_services)


def register_services(registry: svcs.Registry) -> None:
    """Register the real adapters, as the environment says."""
    settings = Settings.load(os.environ).with_addresses()
    connect = connector(settings.required("redis_url"))
    register_profiles(registry, RedisProfileViews(connect, freshness=Freshness(patience=settings.read_wait)))


def register_profiles(registry: svcs.Registry, views: ProfileViews) -> None:
    """Register profile views on any adapter; they are ready once they can say where they stand."""
    registry.register_value(ProfileViews, views, ping=_stands_somewhere)


async def _stands_somewhere(views: ProfileViews) -> None:
    await views.position()
