"""The one way to Redis: clients and connections to the server that a URL names, or that its sentinels or nodes name."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import redis
from redis.asyncio import Redis
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.retry import Retry as BlockingRetry

from shared.redis.cluster import HOME_TAG
from shared.redis.location import connection_options, located
from shared.redis.masters import Locator, Options
from shared.redis.pipelined import PipelinedConnection
from shared.redis.shared_pool import SharedPool

Connect: TypeAlias = Callable[[], PipelinedConnection]
"""Makes a connection, which connects when it is first used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisTimeouts:
    """How long a server may take, in seconds."""

    connect: float = 5.0
    reply: float = 5.0


TIMEOUTS = RedisTimeouts()
READER_TIMEOUTS = RedisTimeouts(connect=1.0, reply=2.0)


def connect(url: str, *, timeouts: RedisTimeouts = TIMEOUTS, tag: str = HOME_TAG) -> Redis:
    """
    Return a client that never sends anything twice.

    By default redis-py sends a MULTI again when the connection was lost, on a new connection that watches nothing: the
    compare-and-set would be gone. The caller looks at what is stored and decides anew instead.

    :param timeouts: where the URL itself does not say others.
    :param tag: the hash tag of all keys that are asked for, where the URL names a cluster.
    """
    return Redis.from_pool(pool_of(url, timeouts=timeouts, tag=tag))


def pool_of(
    url: str, *, timeouts: RedisTimeouts = TIMEOUTS, tag: str = HOME_TAG, locator: Locator | None = None
) -> SharedPool:
    """
    Return the connections of such a client.

    :param locator: of the server, where it is not the one that has the keys of the tag.
    """
    named = connection_options(url, tag=tag) | ({} if locator is None else {"locator": locator})
    return SharedPool(**{**_limits(timeouts), **named, "retry": Retry(NoBackoff(), 0)})


def connector(url: str, *, timeouts: RedisTimeouts = READER_TIMEOUTS, locator: Locator | None = None) -> Connect:
    """
    Return what makes single connections, each for one exchange at a time.

    Without redis-py's socket time-out, which costs a task for every command: each exchange has one of its own. In
    RESP2, where published messages come as ordinary replies.

    :param locator: of the server, where it is not the one that has the keys at home.
    """
    options = connection_options(url) | ({} if locator is None else {"locator": locator})
    kind: type[AbstractConnection] = options.pop("connection_class")
    options |= {"protocol": 2, "socket_timeout": None, "socket_connect_timeout": timeouts.connect}
    return lambda: PipelinedConnection(kind(**options), timeout=timeouts.reply)


def connect_blocking(url: str, *, timeouts: RedisTimeouts = TIMEOUTS) -> redis.Redis:
    """Return a client for programs without an event loop, which reads replies as text."""
    retry = BlockingRetry(NoBackoff(), 0)
    return redis.Redis.from_url(located(url), **_limits(timeouts), retry=retry, decode_responses=True)


async def leave_replaced_master(client: Redis) -> None:
    """Have a client connect anew where another server took over; a server that is named itself stays."""
    locator: Locator | None = client.connection_pool.connection_kwargs.get("locator")
    if locator is not None:
        await locator.leave_replaced_master()


def describe(error: Exception) -> str:
    """Say in a log what went wrong: redis-py's own representation of an error leaves it out."""
    return f"{type(error).__name__}: {error}"


def _limits(timeouts: RedisTimeouts) -> Options:
    return {"socket_timeout": timeouts.reply, "socket_connect_timeout": timeouts.connect}
