"""The nodes of a cluster that have what is divided by hash tags: a connection to a node serves all that it has."""

from collections.abc import Callable, Mapping, Sequence

from redis.exceptions import ConnectionError as ConnectionLost

from shared.redis.client import READER_TIMEOUTS, Connect, RedisTimeouts, connector
from shared.redis.cluster import HOME_TAG, SlotOwner, slot_of
from shared.redis.masters import Locator
from shared.together import Together
from shared.urls.servers import Address, ClusterUrl, is_cluster_url


class Nodes:
    """
    Knows which node has which hash tags, as of the last time that anything connected.

    Each connection that is made asks again; who follows is told when tags have gone to other nodes.

    :ivar slots: of all tags.
    :ivar tags: of each node that has any.
    """

    def __init__(self, url: str, tags: Sequence[str] = (), *, timeouts: RedisTimeouts = READER_TIMEOUTS) -> None:
        self.tags: Mapping[Address, Sequence[str]] = {}
        self._url, self._timeouts = url, timeouts
        self.slots = {tag: slot_of(tag) for tag in tags}
        self._asked = SlotOwner(ClusterUrl.parse(url), tag=HOME_TAG)
        self._looking = Together(self._look, on=ConnectionLost)
        self._followers: list[Callable[[], None]] = []

    def follow(self, told: Callable[[], None]) -> None:
        """Call this whenever tags have gone to other nodes."""
        self._followers.append(told)

    def unfollow(self, told: Callable[[], None]) -> None:
        self._followers.remove(told)

    def connector(self, node: Address) -> Connect:
        """Return what makes connections to a node, as long as it has any of the tags."""
        return connector(self._url, timeouts=self._timeouts, locator=self.locator(node))

    def locator(self, node: Address) -> Locator:
        """Return what finds a node, as long as it has any of the tags."""
        return _Node(self, node)

    def node_of(self, tag: str) -> Address | None:
        """Return which had a tag when that was last asked."""
        return next((node for node, tags in self.tags.items() if tag in tags), None)

    async def ask(self) -> None:
        """
        Ask which node has which tags; those who come while others are asking share the next answer.

        :raises ConnectionError: no node says so.
        """
        await self._looking.done()

    async def _look(self) -> None:
        tags: dict[Address, list[str]] = {}
        topology = await self._asked.topology()
        for tag, slot in self.slots.items():
            tags.setdefault(topology.around(slot).owner, []).append(tag)
        if tags != self.tags:
            self.tags = tags
            for told in self._followers:
                told()


class _Node(Locator):
    """One node, which is connected to as long as it has any of the tags."""

    is_sharded = True
    handshake_seconds = SlotOwner.handshake_seconds

    def __init__(self, nodes: Nodes, address: Address) -> None:
        super().__init__([address])
        self._nodes, self._address = nodes, address

    async def leave_replaced_master(self) -> None:
        await self._nodes.ask()
        self.leave_all_but(self._address if self._address in self._nodes.tags else None)

    async def master(self) -> Address:
        await self._nodes.ask()
        if self._address not in self._nodes.tags:
            raise ConnectionLost(f"{self._address} has nothing of it any more")
        return self._address


def nodes_with(tags: Sequence[str], url: str) -> Nodes | None:
    """Return the nodes of a cluster that have several tags between them; None where one server has all there is."""
    return Nodes(url, tags) if len(tags) > 1 and is_cluster_url(url) else None
