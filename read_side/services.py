"""The composition root of the read side: which adapter stands for which port."""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, TypeAlias

import httpx
import svcs
from litestar.types import ASGIApp

from read_side.adapters.httpx.commands import CommandSenderLimits, HttpxCommandSender
from read_side.adapters.list_query import ListLimits
from read_side.adapters.redis.limits import RedisReadLimits
from read_side.adapters.redis.transport.announcements import Announcements
from read_side.adapters.redis.transport.eviction import EvictionWatch
from read_side.adapters.redis.transport.recorded import RecordedLayout
from read_side.commands import CommandSender
from read_side.freshness import Freshness, FreshnessLimits
from read_side.http.resource import Resource
from read_side.http.resources import RESOURCES
from read_side.http.resources.change_stream import ChangeStreamLimits, ChangeStreams
from read_side.http.resources.directory import ExportLimits, Exports
from read_side.pages.app import directory
from read_side.views import Views
from shared.auth.bearer import is_near
from shared.auth.local_access import TO_PEOPLE_PAGE
from shared.auth.setup import register_authentication, register_limits, register_sessions
from shared.http.limits import HttpLimits
from shared.http.middleware.cors import register_origins
from shared.http.pages.sign_in_answers import CookiePolicy
from shared.http.pages.site_map import SiteMap
from shared.http_clients import http_client
from shared.read_model.keys import HOME
from shared.read_model.partitions import ONE, Partitions
from shared.redis.client import Connect, connector
from shared.redis.nodes import Nodes
from shared.settings import Settings

LimitsOf: TypeAlias = Callable[[type[Any]], Any]


def _defaults(kind: type[Any]) -> Any:
    return kind()


REDIS, MEMORY = "read_side.adapters.redis.views", "read_side.adapters.memory"


def create_app() -> ASGIApp:
    """The read API and the people page on Redis, as the environment says."""
    return directory(register_services)


def register_services(registry: svcs.Registry) -> None:
    """Register the real adapters, as the environment says."""
    settings = Settings.here()
    registry.register_value(HttpLimits, settings.limits_of(HttpLimits))
    register_authentication(registry, settings, to_page=TO_PEOPLE_PAGE)
    register_limits(registry, settings, api="read", keyspace=HOME)
    register_sessions(registry, settings, keyspace=HOME)
    registry.register_value(CookiePolicy, CookiePolicy.at(settings.read_url))
    registry.register_value(SiteMap, SiteMap.of(settings, own="read"))
    register_origins(registry, settings)
    registry.register_value(ChangeStreams, ChangeStreams(settings.limits_of(ChangeStreamLimits)))
    registry.register_value(Exports, Exports(settings.limits_of(ExportLimits)))
    register_commands(registry, settings)
    url = settings.required("redis_url")
    recorded = RecordedLayout.at(url)
    registry.register_value(RecordedLayout, recorded, on_registry_close=recorded.aclose)
    views = redis_views(connector(url), recorded=recorded, patience=settings.read_wait, limits_of=settings.limits_of)
    register_views(registry, views)


def register_commands(registry: svcs.Registry, settings: Settings) -> None:
    """Register the way to the write API, if it is known where that is: the people page changes nothing without."""
    if (url := settings.write_url) is None:
        return
    limits = settings.limits_of(CommandSenderLimits)
    client = http_client(httpx.AsyncClient, url, direct=is_near(settings, url), timeout=limits.answer)
    registry.register_value(CommandSender, HttpxCommandSender(client), on_registry_close=client.aclose)


def redis_views(
    connect: Connect,
    partitions: Partitions = ONE,
    *,
    nodes: Nodes | None = None,
    recorded: RecordedLayout | None = None,
    patience: float,
    limits_of: LimitsOf = _defaults,
) -> Mapping[str, Any]:
    """
    The views of all resources in Redis, by the names of these; not yet open.

    :param nodes: those of a cluster that have the partitions, if there are several.
    :param recorded: the layout that they follow, instead of these partitions.
    :param patience: how long a reader may wait, in seconds.
    :param limits_of: the limits of a component.
    """
    limits, list_limits = limits_of(RedisReadLimits), limits_of(ListLimits)
    eviction = EvictionWatch(connect, nodes=nodes, limits=limits)
    announcements = Announcements(connect, nodes=nodes, limits=limits)
    if recorded:
        recorded.follow(eviction.go_over)  # before anything is read there
    views = {
        each.name: _adapter(REDIS, each)(
            connect,
            partitions=partitions,
            nodes=nodes,
            recorded=recorded,
            freshness=Freshness(each.name, patience=patience, limits=limits_of(FreshnessLimits)),
            eviction=eviction,
            announcements=announcements,
            limits=limits,
            list_limits=list_limits,
        )
        for each in RESOURCES
    }
    if recorded:
        recorded.follow(announcements.go_over)  # once it is known what is to be heard
    return views


def memory_views(*, patience: float, limits_of: LimitsOf = _defaults) -> Mapping[str, Any]:
    """The same in memory, never filled."""
    return {
        each.name: _adapter(MEMORY, each)(
            freshness=Freshness(each.name, patience=patience, limits=limits_of(FreshnessLimits)),
            list_limits=limits_of(ListLimits),
        )
        for each in RESOURCES
    }


def register_views(registry: svcs.Registry, views: Mapping[str, Views]) -> None:
    """Register views of all resources, by their names; they are ready once they can say where they stand."""
    for resource in RESOURCES:
        registry.register_value(resource.port, views[resource.name], ping=_stands_somewhere)


def _adapter(package: str, resource: Resource) -> Any:
    """The class that is named after the technology and the port, in the module that is named after the resource."""
    technology = package.split(".")[2].capitalize()
    return getattr(import_module(f"{package}.{resource.name}"), f"{technology}{resource.port.__name__}")


async def _stands_somewhere(views: Views) -> None:
    await views.position()
