"""
Where Redis is: at the address that a URL names, or wherever its sentinels say that the master is.

    redis+sentinel://[user:password@]host[:26379][,host…]/service[/database][?sentinel_password=…]

User and password are those of Redis; the sentinels' own stand behind `?`. With `rediss+sentinel` all of them speak TLS.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit
from weakref import WeakSet

import redis
from redis.asyncio import Redis
from redis.asyncio.connection import Connection, SSLConnection, parse_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as ConnectionLost
from redis.exceptions import RedisError
from redis.retry import Retry as SyncRetry

SCHEMES = {"redis+sentinel": "redis", "rediss+sentinel": "rediss"}
"""With what is spoken to the server they name."""

SENTINEL_PORT = 26_379
ASK_SECONDS = 1.0

Options = dict[str, Any]


class Address(NamedTuple):
    """Where a server listens."""

    host: str
    port: int


class Service(NamedTuple):
    """What a sentinel URL names."""

    sentinels: Sequence[Address]
    name: str
    asking: Options
    """How the sentinels are connected to."""
    serving: Options
    """How the master is connected to."""


def connection_options(url: str) -> Options:
    """
    What redis-py makes connections with; `connection_class` is always among it.

    :raises ValueError: the URL cannot be read.
    """
    if scheme_of(url) not in SCHEMES:
        return {"connection_class": Connection, **parse_url(url)}
    service = parsed(url)
    kind = SecureMasterConnection if service.asking["ssl"] else MasterConnection
    return {**service.serving, "connection_class": kind, "sentinels": Sentinels(service)}


def scheme_of(url: str) -> str:
    """What a URL begins with; `urlsplit` takes no list of hosts of which one stands in brackets."""
    return url.partition("://")[0].lower()


def parsed(url: str) -> Service:
    """:raises ValueError: it is no URL of sentinels."""
    authority, parts = _split(url)
    user, _, hosts = authority.rpartition("@")
    name, _, database = parts.path.strip("/").partition("/")
    if not name or not (database or "0").isdigit():
        raise ValueError("write redis+sentinel://host:26379,host:26379/service/database")
    sentinels = [_address(host) for host in hosts.split(",")]
    asked = dict(parse_qsl(parts.query))
    secret = {field: asked.get(f"sentinel_{field}") for field in ("username", "password")}
    options: Options = {**parse_url(_named(parts, user, sentinels[0], database))}
    for each in ("host", "port", "connection_class"):
        options.pop(each, None)
    tls = {each: value for each, value in options.items() if each.startswith("ssl_")}
    return Service(sentinels, name, {**secret, **tls, "ssl": SCHEMES[parts.scheme] == "rediss"}, options)


def located(url: str) -> str:
    """
    The URL of the server itself, as it is now; sentinels are asked, and waited for.

    :raises RedisError: no sentinel names it.
    """
    if scheme_of(url) not in SCHEMES:
        return url
    authority, parts = _split(url)
    service, troubles = parsed(url), []
    for sentinel in service.sentinels:
        try:
            with redis.Redis(**_options(service, sentinel), retry=SyncRetry(NoBackoff(), 0)) as client:
                if named := client.sentinel_get_master_addr_by_name(service.name):
                    user, _, _ = authority.rpartition("@")
                    return _named(parts, user, Address(*named), parts.path.strip("/").partition("/")[2])
        except (RedisError, OSError) as error:
            troubles.append(f"{sentinel.host}:{sentinel.port}: {error}")
    raise ConnectionLost(_nobody(service, troubles))


class Sentinels:
    """Those who know the master of a service; shared by all connections to it."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._sentinels = list(service.sentinels)
        self._connections: WeakSet[MasterConnection] = WeakSet()

    def know(self, connection: "MasterConnection") -> None:
        """Keep a connection that `leave_replaced_master` is to look at."""
        self._connections.add(connection)

    async def master(self) -> Address:
        """
        The master, by the first sentinel that answers.

        :raises ConnectionError: none names one.
        """
        troubles = []
        for sentinel in list(self._sentinels):
            try:
                if named := await self._asked(sentinel):
                    self._sentinels.remove(sentinel)
                    self._sentinels.insert(0, sentinel)
                    return named
            except (RedisError, OSError) as error:
                troubles.append(f"{sentinel.host}:{sentinel.port}: {error}")
        raise ConnectionLost(_nobody(self._service, troubles))

    async def leave_replaced_master(self) -> None:
        """
        Have each connection to another server than the master connect anew.

        A master that was cut off from its sentinels goes on serving those who still reach it.
        """
        named = await self.master()
        for connection in self._connections:
            if connection.is_connected and (connection.host, connection.port) != named:
                connection.mark_for_reconnect()  # type: ignore[no-untyped-call]  # redis-py leaves it so

    async def _asked(self, sentinel: Address) -> Address | None:
        retry = Retry(NoBackoff(), 0)
        async with Redis(**_options(self._service, sentinel), retry=retry) as client:
            named: Any = await client.sentinel_get_master_addr_by_name(self._service.name)
            return Address(*named) if named else None


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


def _split(url: str) -> tuple[str, SplitResult]:
    """Users and hosts, and the URL without them."""
    authority, slash, rest = url.partition("://")[2].partition("/")
    return authority, urlsplit(f"{scheme_of(url)}://{slash}{rest}")


def _address(text: str) -> Address:
    parts = urlsplit(f"//{text}")
    if not parts.hostname:
        raise ValueError("a sentinel has no host")
    return Address(parts.hostname, parts.port or SENTINEL_PORT)


def _named(parts: SplitResult, user: str, address: Address, database: str) -> str:
    """The URL of one server, without what only its sentinels are to hear."""
    host = f"[{address.host}]" if ":" in address.host else address.host
    login = f"{user}@" if user else ""
    query = urlencode([pair for pair in parse_qsl(parts.query) if not pair[0].startswith("sentinel_")])
    return f"{SCHEMES[parts.scheme]}://{login}{host}:{address.port}/{database or 0}{query and '?'}{query}"


def _options(service: Service, sentinel: Address) -> Options:
    patience = {"socket_timeout": ASK_SECONDS, "socket_connect_timeout": ASK_SECONDS}
    return {**service.asking, **patience, "host": sentinel.host, "port": sentinel.port, "decode_responses": True}


def _nobody(service: Service, troubles: Sequence[str]) -> str:
    return f"no sentinel names a master of {service.name}" + "".join(f"; {each}" for each in troubles)
