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

from shared.redis.masters import Locator, Options
from shared.urls.servers import Address, ClusterUrl

HOME_TAG = "0"
"""The hash tag of all keys of the first partition."""

NODE_SECONDS = 0.5
"""How long a node has to say who owns what: one may stand still, and all others know it too."""

_UNNAMED = (None, "", "?")
"""What stands for a host where a node has no other name than the one it was asked by."""


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
        owner, *replicas = [Address(asked.host if host in _UNNAMED else host, port) for host, port, *_ in nodes]
        return cls(first, last, owner, replicas)


@dataclass(frozen=True, slots=True)
class Topology:
    """Who owns what, as one node sees it that is well."""

    ranges: Sequence[SlotRange]

    @classmethod
    def read(cls, info: str, slots: Sequence[Any], *, asked: Address) -> Self:
        """
        Read the answers to CLUSTER INFO and CLUSTER SLOTS.

        :param asked: the node that gave them: where it names none, it means its own host.
        :raises ConnectionError: it is cut off from the others, or does not know them yet.
        """
        if "cluster_state:ok" not in info:
            raise ConnectionLost("it sees no cluster that is well")
        return cls([SlotRange.read(row, asked=asked) for row in slots])

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


def topology_of(url: ClusterUrl) -> Topology:
    """
    Ask the nodes, and wait for them.

    :raises ConnectionError: none of them is well.
    """
    troubles = []
    for node in url.nodes:
        try:
            with redis.Redis.from_url(url.server(node), **_ASKING, retry=SyncRetry(NoBackoff(), 0)) as client:
                info: Any = client.execute_command("CLUSTER", "INFO")
                slots: Any = client.execute_command("CLUSTER", "SLOTS")
                return Topology.read(info, slots, asked=node)
        except (RedisError, OSError) as error:
            troubles.append(f"{node}: {error}")
    raise ConnectionLost(_none_is_well(troubles))


class SlotOwner(Locator):
    """Asks the nodes of a cluster who owns one slot."""

    is_sharded = True

    def __init__(self, url: ClusterUrl, *, tag: str) -> None:
        super().__init__()
        self._url = url
        self._slot = slot_of(tag)
        self._nodes = list(url.nodes)

    async def master(self) -> Address:
        return (await self.topology()).around(self._slot).owner

    async def topology(self) -> Topology:
        """
        Return who owns what, by the first node that is well; it is asked first the next time.

        :raises ConnectionError: none is.
        """
        troubles = []
        for node in list(self._nodes):
            self._nodes.append(self._nodes.pop(0))  # before it is asked: a caller may not wait for its answer
            try:
                topology = await self._ask(node)
            except (RedisError, OSError) as error:
                troubles.append(f"{node}: {error}")
            else:
                self._nodes = list(dict.fromkeys((node, *topology.nodes, *self._url.nodes)))
                return topology
        raise ConnectionLost(_none_is_well(troubles))

    async def _ask(self, node: Address) -> Topology:
        async with Redis.from_url(self._url.server(node), **_ASKING, retry=Retry(NoBackoff(), 0)) as client:
            info: Any = await client.execute_command("CLUSTER", "INFO")  # type: ignore[no-untyped-call]
            slots: Any = await client.execute_command("CLUSTER", "SLOTS")  # type: ignore[no-untyped-call]
            return Topology.read(info, slots, asked=node)


_ASKING: Options = {"socket_timeout": NODE_SECONDS, "socket_connect_timeout": NODE_SECONDS, "decode_responses": True}


def _none_is_well(troubles: Sequence[str]) -> str:
    return "no node says who owns what" + "".join(f"; {each}" for each in troubles)
