"""Which node of a cluster has the keys of a hash tag: whatever a node says that is well."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import redis
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.crc import key_slot
from redis.exceptions import ConnectionError as ConnectionLost
from redis.exceptions import RedisError
from redis.retry import Retry as SyncRetry

from shared.redis.masters import DRIVER, Locator, Options, master_options
from shared.urls.servers import Address, ClusterUrl

HOME_TAG = "0"
"""The hash tag of all keys of the first partition."""

BUS_TAG = "bus"
"""The hash tag of all streams of the bus: an answer is written as its message goes."""

NODE_SECONDS = 0.5
"""How long a node has to say who owns what: one may stand still, and all others know it too."""

_NONE_IS_WELL = "no node says who owns what"

_AS_ASKED = (None, "")
"""What stands for a host where nodes have no other name than the one that they are asked by."""

_NAMELESS = "?"
"""What stands for the host of a node that was not told its name, where nodes are to have one."""


@dataclass(frozen=True, slots=True)
class SlotRange:
    """Neighbouring slots with one owner."""

    first: int
    last: int
    owner: Address
    replicas: Sequence[Address]

    @classmethod
    def read(cls, row: Sequence[Any], *, asked: Address) -> Self:
        """Read a row of CLUSTER SLOTS; see `Topology.read`."""
        first, last, *nodes = row
        if any(host == _NAMELESS for host, *_ in nodes):
            raise ConnectionLost("a node has no name: set its cluster-announce-hostname")
        owner, *replicas = [Address(asked.host if host in _AS_ASKED else host, port) for host, port, *_ in nodes]
        return cls(first, last, owner, replicas)


@dataclass(frozen=True, slots=True)
class Topology:
    """Who owns what, as one node sees it that is well."""

    ranges: Sequence[SlotRange]
    epoch: str
    """A higher one whenever a slot goes to another owner."""

    @classmethod
    def read(cls, info: str, slots: Sequence[Any], *, asked: Address) -> Self:
        """
        Read the answers to CLUSTER INFO and CLUSTER SLOTS.

        :param asked: the node that gave them: where it names none, it means its own host.
        :raises ConnectionError: it is cut off from the others, or does not know them yet.
        """
        if "cluster_state:ok" not in info:
            raise ConnectionLost("it sees no cluster that is well")
        _, _, epoch = info.partition("cluster_current_epoch:")
        return cls([SlotRange.read(row, asked=asked) for row in slots], epoch.partition("\r\n")[0])

    @property
    def ownership(self) -> Sequence[object]:
        """Equal as long as no slot has gone to another owner, not even there and back."""
        return self.epoch, *((each.first, each.last, each.owner) for each in self.ranges)

    @property
    def owners(self) -> Sequence[Address]:
        """All that have slots."""
        return list(dict.fromkeys(each.owner for each in self.ranges))

    @property
    def nodes(self) -> Sequence[Address]:
        """All that have slots, then all that follow one of those."""
        return list(dict.fromkeys((*self.owners, *(each for of in self.ranges for each in of.replicas))))

    def around(self, slot: int) -> SlotRange:
        """:raises ConnectionError: the slot has no owner."""
        for each in self.ranges:
            if each.first <= slot <= each.last:
                return each
        raise ConnectionLost(f"no node owns slot {slot}")


def slot_of(tag: str) -> int:
    """Return the slot of the keys that have a hash tag."""
    return int(key_slot(f"{{{tag}}}".encode()))


def tag_in(key: str) -> str:
    """Return the hash tag of a key that has one."""
    return key[key.index("{") + 1 : key.index("}")]


def topology_of(url: ClusterUrl) -> Topology:
    """
    Ask the nodes, and wait for them.

    :raises ConnectionError: none of them is well.
    """
    troubles = []
    for node in url.nodes:
        try:
            with redis.Redis(**asking_options(url, node), retry=SyncRetry(NoBackoff(), 0)) as client:
                info: Any = client.execute_command("CLUSTER", "INFO")
                slots: Any = client.execute_command("CLUSTER", "SLOTS")
                return Topology.read(info, slots, asked=node)
        except (RedisError, OSError) as error:
            troubles.append(f"{node}: {error}")
    raise ConnectionLost("; ".join((_NONE_IS_WELL, *troubles)))


class SlotOwner(Locator):
    """Asks the nodes of a cluster who owns one slot."""

    is_sharded = True
    handshake_seconds = 1.0

    def __init__(self, url: ClusterUrl, *, tag: str) -> None:
        super().__init__(url.nodes)
        self._url = url
        self._slot = slot_of(tag)

    async def master(self) -> Address:
        return (await self.topology()).around(self._slot).owner

    async def topology(self) -> Topology:
        """
        Return who owns what.

        :raises ConnectionError: no node says so that is well.
        """
        topology = await self.first(self._ask, otherwise=_NONE_IS_WELL)
        self.known = list(dict.fromkeys((self.known[0], *topology.nodes, *self._url.nodes)))
        return topology

    async def _ask(self, node: Address) -> Topology:
        async with Redis(**asking_options(self._url, node), retry=Retry(NoBackoff(), 0)) as client:
            info: Any = await client.execute_command("CLUSTER", "INFO")  # type: ignore[no-untyped-call]
            slots: Any = await client.execute_command("CLUSTER", "SLOTS")  # type: ignore[no-untyped-call]
            return Topology.read(info, slots, asked=node)


def asking_options(url: ClusterUrl, node: Address) -> Options:
    """Return how a node is asked who owns what."""
    timeouts = {"socket_timeout": NODE_SECONDS, "socket_connect_timeout": NODE_SECONDS}
    asking = {**timeouts, **node._asdict(), "ssl": url.is_secure, "decode_responses": True}
    return {**DRIVER, **master_options(url.server(node)), **asking}
