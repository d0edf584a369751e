"""Where Redis is: at the address that a URL names, or wherever its sentinels say that the master is."""

from collections.abc import Sequence
from typing import Any
from weakref import WeakSet

import redis
from redis.asyncio import Redis
from redis.asyncio.connection import Connection, SSLConnection, parse_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as ConnectionLost
from redis.exceptions import RedisError
from redis.retry import Retry as SyncRetry

from shared.urls.servers import Address, SentinelUrl, is_sentinel_url

ASK_SECONDS = 1.0

Options = dict[str, Any]


def connection_options(url: str) -> Options:
    """
    Return what redis-py makes connections with; `connection_class` is always among it.

    :raises ValueError: the URL cannot be read.
    """
    if not is_sentinel_url(url):
        return {"connection_class": Connection, **parse_url(url)}
    named = SentinelUrl.parse(url)
    kind = SecureMasterConnection if named.is_secure else MasterConnection
    return {**master_options(named), "connection_class": kind, "sentinels": Sentinels(named)}


def master_options(url: SentinelUrl) -> Options:
    """Return how the master is connected to, wherever it is."""
    options: Options = {**parse_url(url.server(url.sentinels[0]))}
    return {name: value for name, value in options.items() if name not in {"host", "port", "connection_class"}}


def sentinel_options(url: SentinelUrl) -> Options:
    """Return how the sentinels are connected to, wherever they are."""
    secret = {field: url.query.get(f"sentinel_{field}") for field in ("username", "password")}
    tls = {name: value for name, value in master_options(url).items() if name.startswith("ssl_")}
    return {**secret, **tls, "ssl": url.is_secure}


def located(url: str) -> str:
    """
    Ask the sentinels, and wait for them, for the URL of the server itself as it is now.

    :raises RedisError: no sentinel names it.
    """
    if not is_sentinel_url(url):
        return url
    named, troubles = SentinelUrl.parse(url), []
    for sentinel in named.sentinels:
        try:
            with redis.Redis(**_options(named, sentinel), retry=SyncRetry(NoBackoff(), 0)) as client:
                if master := client.sentinel_get_master_addr_by_name(named.service):
                    return named.server(Address(*master))
        except (RedisError, OSError) as error:
            troubles.append(f"{sentinel}: {error}")
    raise ConnectionLost(_no_master(named, troubles))


class Sentinels:
    """Ask a service's sentinels for its master; shared by all connections to it."""

    def __init__(self, url: SentinelUrl) -> None:
        self._url = url
        self._sentinels = list(url.sentinels)
        self._connections: WeakSet[MasterConnection] = WeakSet()

    def know(self, connection: "MasterConnection") -> None:
        """Keep a connection that `leave_replaced_master` is to look at."""
        self._connections.add(connection)

    async def master(self) -> Address:
        """
        Return the master, by the first sentinel that answers.

        :raises ConnectionError: none names one.
        """
        troubles = []
        for sentinel in list(self._sentinels):
            try:
                if master := await self._ask(sentinel):
                    self._sentinels.remove(sentinel)
                    self._sentinels.insert(0, sentinel)
                    return master
            except (RedisError, OSError) as error:
                troubles.append(f"{sentinel}: {error}")
        raise ConnectionLost(_no_master(self._url, troubles))

    async def leave_replaced_master(self) -> None:
        """
        Have each connection to another server than the master connect anew.

        A master that was cut off from its sentinels goes on serving clients that still reach it.
        """
        master = await self.master()
        for connection in self._connections:
            if connection.is_connected and (connection.host, connection.port) != master:
                connection.mark_for_reconnect()  # type: ignore[no-untyped-call]  # redis-py leaves it so

    async def _ask(self, sentinel: Address) -> Address | None:
        retry = Retry(NoBackoff(), 0)
        async with Redis(**_options(self._url, sentinel), retry=retry) as client:
            master: Any = await client.sentinel_get_master_addr_by_name(self._url.service)
            return Address(*master) if master else None


class MasterConnection(Connection):
    """Connects to the master that the sentinels name, and to no server that is none."""

    def __init__(self, *, sentinels: Sentinels, **options: Any) -> None:
        super().__init__(**options)
        self.sentinels = sentinels
        sentinels.know(self)

    async def connect_check_health(self, check_health: bool = True, retry_socket_connect: bool = True) -> None:  # noqa: FBT001, FBT002 - redis-py's
        if not self.is_connected:
            self.host, self.port = await self.sentinels.master()
        await super().connect_check_health(check_health, retry_socket_connect)

    async def on_connect_check_health(self, check_health: bool = True) -> None:  # noqa: FBT001, FBT002 - redis-py's
        await super().on_connect_check_health(check_health)
        await self.send_command("ROLE", check_health=False)
        role, *_ = await self.read_response()
        if role not in {b"master", "master"}:
            raise ConnectionLost(f"{self.host}:{self.port} is no master")


class SecureMasterConnection(MasterConnection, SSLConnection):
    """The same by TLS."""


def _options(url: SentinelUrl, sentinel: Address) -> Options:
    timeouts = {"socket_timeout": ASK_SECONDS, "socket_connect_timeout": ASK_SECONDS}
    return {**sentinel_options(url), **timeouts, **sentinel._asdict(), "decode_responses": True}


def _no_master(url: SentinelUrl, troubles: Sequence[str]) -> str:
    return f"no sentinel names a master of {url.service}" + "".join(f"; {each}" for each in troubles)
