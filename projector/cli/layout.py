"""How the read models are divided that a command looks into."""

from contextlib import suppress
from typing import Any

import msgspec

from shared.cli.output import say
from shared.errors import Unavailable
from shared.read_model.layouts import WHERE, Layouts, recorded
from shared.redis.client import connect
from shared.redis.failures import reachable
from shared.settings import Settings, variable


async def layouts_at(settings: Settings) -> Layouts:
    """Return what is recorded; what the settings say where nothing is, or Redis is away."""
    with suppress(Unavailable), reachable():
        async with connect(settings.required("redis_url")) as client:
            stored: Any = await client.mget(WHERE)
            if found := recorded(*stored):
                return found
    return Layouts(live=settings.partitions)


async def as_recorded(settings: Settings) -> Settings:
    """Return settings with as many partitions as readers use, and say so where others were set."""
    live = (await layouts_at(settings)).live
    if live != settings.partitions:
        say(f"{variable('partitions')} is {settings.partitions}, the read models here have {live}: looking into these")
    return msgspec.structs.replace(settings, partitions=live)
