"""Where the master of a service is: wherever its sentinels say."""

from typing import Any

import redis
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as ConnectionLost
from redis.exceptions import RedisError
from redis.retry import Retry as SyncRetry

from shared.redis.masters import DRIVER, Locator, Options, master_options
from shared.urls.servers import Address, SentinelUrl

ASK_SECONDS = 1.0
"""How long a sentinel has to answer."""


def sentinel_options(url: SentinelUrl) -> Options:
    """Return how the sentinels are connected to, wherever they are."""
    secret = {field: url.query.get(f"sentinel_{field}") for field in ("username", "password")}
    tls = {
        name: value for name, value in master_options(url.server(url.sentinels[0])).items() if name.startswith("ssl_")
    }
    return {**secret, **tls, "ssl": url.is_secure}


def master_of(url: SentinelUrl) -> Address:
    """
    Ask the sentinels, and wait for them.

    :raises ConnectionError: none names a master.
    """
    troubles = []
    for sentinel in url.sentinels:
        try:
            with redis.Redis(**_options(url, sentinel), retry=SyncRetry(NoBackoff(), 0)) as client:
                if master := client.sentinel_get_master_addr_by_name(url.service):
                    return Address(*master)
        except (RedisError, OSError) as error:
            troubles.append(f"{sentinel}: {error}")
    raise ConnectionLost("; ".join((_no_master(url), *troubles)))


class Sentinels(Locator):
    """Ask a service's sentinels for its master."""

    def __init__(self, url: SentinelUrl) -> None:
        super().__init__(url.sentinels)
        self._url = url

    async def master(self) -> Address:
        return await self.first(self._ask, otherwise=_no_master(self._url))

    async def _ask(self, sentinel: Address) -> Address | None:
        retry = Retry(NoBackoff(), 0)
        async with Redis(**_options(self._url, sentinel), retry=retry) as client:
            master: Any = await client.sentinel_get_master_addr_by_name(self._url.service)
            return Address(*master) if master else None


def _options(url: SentinelUrl, sentinel: Address) -> Options:
    timeouts = {"socket_timeout": ASK_SECONDS, "socket_connect_timeout": ASK_SECONDS}
    return {**DRIVER, **sentinel_options(url), **timeouts, **sentinel._asdict(), "decode_responses": True}


def _no_master(url: SentinelUrl) -> str:
    return f"no sentinel names a master of {url.service}"
