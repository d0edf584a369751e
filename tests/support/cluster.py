"""A Valkey Cluster of servers from the wheel: its slots shared by primaries, each with a replica or none."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Self

from shared.dev_stack.embedded.cluster import ClusterNode, EmbeddedCluster
from shared.dev_stack.embedded.cluster_forming import ClusterMember
from shared.redis.cluster import HOME_TAG, Topology, slot_of, topology_of
from shared.urls.servers import Address, ClusterUrl
from tests.support.patience import wait_until
from tests.support.replicas import client_of, share_password

NODE_TIMEOUT = "cluster-node-timeout"

PATIENCE = 15_000
"""Milliseconds after which a node without an answer is believed to be gone, by default: a busy machine takes less."""

HASTE = 1_500
"""The same where one is killed or stands still."""

HOME_SLOT = slot_of(HOME_TAG)
PRIMARIES = 3


class FragileNode(ClusterNode):
    """A node that may be called gone soon, and can be looked into."""

    def __init__(self, directory: Path, *, host: str = "127.0.0.1", patience: int = PATIENCE) -> None:
        """
        :param host: from which it connects to others.
        :param patience: with others, in milliseconds.
        """
        share_password(directory.parent)
        self.host = host
        options = {"bind-source-addr": host, NODE_TIMEOUT: str(patience)}
        super().__init__(directory, fsync="no", options=options)
        self.announced_bus_port = self.bus_port

    @property
    def member(self) -> ClusterMember:
        return ClusterMember(self.url, self.address, self.announced_bus_port)

    def announce_bus(self, port: int) -> None:
        """Have others come by another port to what it hears of them."""
        self.announced_bus_port = port
        self._options["cluster-announce-bus-port"] = str(port)

    @property
    def id(self) -> str:
        return self.member.itself().id

    def call(self, *command: str | int) -> Any:
        return self.member.call(*command)

    def info(self) -> dict[str, Any]:
        with client_of(self) as redis:
            told: dict[str, Any] = redis.info()
        return told


class ValkeyCluster(EmbeddedCluster[FragileNode]):
    """Nodes that know each other, of which a test can ask who owns what, and have it moved."""

    def start(self) -> Self:
        """Return once every node that was stopped or killed is back, and all are well."""
        for each in self.nodes:
            each.start()
        self.settled()
        return self

    @contextmanager
    def in_haste(self) -> Iterator[None]:
        """Have nodes believe soon that another is gone, but for those that start meanwhile."""
        self.be_patient(HASTE)
        yield
        self.be_patient(PATIENCE)

    def be_patient(self, milliseconds: int) -> None:
        """Have nodes that run wait so long for another before they believe that it is gone."""
        for each in self.nodes:
            each.call("CONFIG", "SET", NODE_TIMEOUT, milliseconds)

    def topology(self) -> Topology:
        return topology_of(ClusterUrl.parse(self.url))

    def owner(self, slot: int = HOME_SLOT) -> FragileNode:
        return self._at(self.topology().around(slot).owner)

    def replica(self) -> FragileNode:
        return self._at(self.topology().around(HOME_SLOT).replicas[0])

    def other(self, slot: int = HOME_SLOT) -> FragileNode:
        """A primary that does not own the slot."""
        return next(self._at(each) for each in self.topology().owners if each != self.owner(slot).address)

    def move(self, to: FragileNode, *, slot: int = HOME_SLOT) -> None:
        """Have a slot moved at once, and return when every node knows it."""
        self.owner(slot).call("CLUSTER", "MIGRATESLOTS", "SLOTSRANGE", slot, slot, "NODE", to.id)
        wait_until(lambda: all(_owner_known_to(each, slot) == to.address for each in self.nodes))

    def _at(self, address: Address) -> FragileNode:
        return next(each for each in self.nodes if each.address == address)


@contextmanager
def valkey_cluster(home: Path, *, replicas: bool = False, patience: int = PATIENCE) -> Iterator[ValkeyCluster]:
    with ExitStack() as stack:
        count = PRIMARIES * (2 if replicas else 1)
        nodes = [stack.enter_context(FragileNode(home / f"node-{nth}", patience=patience)) for nth in range(count)]
        cluster = ValkeyCluster(home, nodes, PRIMARIES)
        cluster.be_patient(HASTE)  # so often they hear of each other
        cluster.form()
        cluster.be_patient(patience)
        yield cluster


def _owner_known_to(node: FragileNode, slot: int) -> Address:
    info, slots = node.member.calls(("CLUSTER", "INFO"), ("CLUSTER", "SLOTS"))
    return Topology.read(info, slots, asked=node.address).around(slot).owner
