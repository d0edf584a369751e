"""Where Redis is: at the address that a URL names, where its sentinels say, or where a cluster has the keys."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from redis.asyncio.connection import Connection, parse_url

from shared.redis.cluster import HOME_TAG, SlotOwner, slot_of, topology_of
from shared.redis.masters import DRIVER, Locator, MasterConnection, Options, SecureMasterConnection, master_options
from shared.redis.sentinels import Sentinels, master_of
from shared.urls.servers import ClusterUrl, SentinelUrl, is_cluster_url, is_sentinel_url


def connection_options(url: str, *, tag: str = HOME_TAG) -> Options:
    """
    Return what redis-py makes connections with; `connection_class` is always among it.

    :param tag: the hash tag of all keys that are asked for, where the URL names a cluster.
    :raises ValueError: the URL cannot be read.
    """
    if is_sentinel_url(url):
        named = SentinelUrl.parse(url)
        return _options(named.server(named.sentinels[0]), Sentinels(named), is_secure=named.is_secure)
    if is_cluster_url(url):
        cluster = ClusterUrl.parse(url)
        return _options(cluster.server(cluster.nodes[0]), SlotOwner(cluster, tag=tag), is_secure=cluster.is_secure)
    return {"connection_class": Connection, **DRIVER, **parse_url(url)}


def located(url: str, *, tag: str = HOME_TAG) -> str:
    """
    Ask for the URL of the server itself as it is now, and wait for that.

    :raises RedisError: nobody names it.
    """
    if is_sentinel_url(url):
        named = SentinelUrl.parse(url)
        return named.server(master_of(named))
    if is_cluster_url(url):
        cluster = ClusterUrl.parse(url)
        return cluster.server(topology_of(cluster).around(slot_of(tag)).owner)
    return url


class KeyHolders(NamedTuple):
    """
    The servers that hold any key.

    :ivar urls: by their addresses, where there may be several.
    :ivar ownership: equal as long as no key has gone from one of them to another.
    """

    urls: Mapping[str, str]
    ownership: Sequence[object] = ()


def key_holders(url: str) -> KeyHolders:
    """
    Ask for them, and wait for that.

    :raises RedisError: nobody names them.
    """
    if not is_cluster_url(url):
        return KeyHolders({"": url})
    cluster = ClusterUrl.parse(url)
    topology = topology_of(cluster)
    return KeyHolders({str(node): cluster.server(node) for node in topology.owners}, topology.ownership)


def _options(url: str, locator: Locator, *, is_secure: bool) -> Options:
    kind = SecureMasterConnection if is_secure else MasterConnection
    return {**DRIVER, **master_options(url), "connection_class": kind, "locator": locator}
