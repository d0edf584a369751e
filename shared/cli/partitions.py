"""Refuse to start where the read models are divided otherwise."""

from contextlib import suppress

from redis.asyncio import Redis

from shared.cli.exit_codes import CommandFailed
from shared.errors import Unavailable
from shared.read_model.keys import HOME
from shared.redis.client import connect
from shared.redis.failures import reachable
from shared.settings import Settings, variable


async def require_partitions(settings: Settings, *, record: bool = False) -> None:
    """
    Return where there are as many partitions as the settings say, or Redis is away, which is no reason not to start.

    :param record: hold all that start later to this number, where none was recorded.
    :raises CommandFailed: there are others.
    """
    count = settings.partitions
    with suppress(Unavailable), reachable():
        async with connect(settings.required("redis_url")) as client:
            found = await _recorded(client) or (await _record(client, count) if record else None)
            if found and found != count:
                raise CommandFailed(
                    f"{variable('partitions')} is {count}, and the read models here have {found}: set {found};"
                    " another number needs a Redis of its own, which is filled anew"
                )


async def _recorded(client: Redis) -> int | None:
    """Where nothing was recorded and something was filled, that was by a release that knew one partition."""
    if found := await client.get(HOME.partitions):
        return int(found)
    return 1 if await client.get(HOME.projection("profiles").live) else None


async def _record(client: Redis, count: int) -> int | None:
    found = await client.set(HOME.partitions, count, nx=True, get=True)
    return int(found) if found else None
