"""A Valkey Cluster of servers from the wheel: its slots shared by primaries, each with a replica or none."""

import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from redis.exceptions import RedisError

from shared.dev_stack.embedded_redis import EmbeddedRedis
from shared.dev_stack.embedded_server import free_port
from shared.redis.cluster import HOME_TAG, Topology, slot_of, topology_of
from shared.urls.servers import Address, ClusterUrl
from tests.support.patience import wait_until
from tests.support.replicas import PASSWORD, client_of, share_password

SLOTS = 16_384
NODE_MILLISECONDS = 1_500
"""After which a node that does not answer is believed to be gone; the default are 15 seconds."""

HOME_SLOT = slot_of(HOME_TAG)


class ClusterNode(EmbeddedRedis):
    """A node, which knows no other before the cluster is formed."""

    name = "Valkey node"

    def __init__(self, directory: Path, *, host: str = "127.0.0.1") -> None:
        """:param host: from which it connects to others."""
        share_password(directory)
        self.host = host
        self.bus_port = self.announced_bus_port = free_port()
        options = {
            "bind-source-addr": host,
            "cluster-enabled": "yes",
            "cluster-port": str(self.bus_port),
            "cluster-node-timeout": str(NODE_MILLISECONDS),
            "cluster-require-full-coverage": "no",
            "cluster-replica-validity-factor": "0",
            "cluster-allow-replica-migration": "no",
            "repl-diskless-sync-delay": "0",
            "masterauth": PASSWORD,
        }
        super().__init__(directory, fsync="no", options=options)

    def announce_bus(self, port: int) -> None:
        """Have others come by another port to what it hears of them."""
        self.announced_bus_port = port
        self._options["cluster-announce-bus-port"] = str(port)

    @property
    def address(self) -> Address:
        return Address("127.0.0.1", self.port)

    @property
    def id(self) -> str:
        return str(self.call("CLUSTER", "MYID"))

    def call(self, *command: str | int) -> Any:
        with client_of(self) as redis:
            return redis.execute_command(*command)

    def info(self) -> dict[str, Any]:
        with client_of(self) as redis:
            told: dict[str, Any] = redis.info()
        return told

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """It stands still; the kernel goes on taking connections for it."""
        os.kill(self.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.pid, signal.SIGCONT)


@dataclass
class ValkeyCluster:
    """Nodes that know each other; the primaries first, then their replicas in the same order."""

    nodes: Sequence[ClusterNode]
    primaries: int

    @property
    def url(self) -> str:
        """As an operator writes it."""
        return f"redis+cluster://:{PASSWORD}@{','.join(str(each.address) for each in self.nodes)}"

    def start(self) -> Self:
        """Return once every node that was stopped or killed is back, and all are well."""
        for each in self.nodes:
            each.start()
        self.settled()
        return self

    def topology(self) -> Topology:
        return topology_of(ClusterUrl.parse(self.url))

    def owner(self, slot: int = HOME_SLOT) -> ClusterNode:
        return self._at(self.topology().around(slot).owner)

    def replica(self, slot: int = HOME_SLOT) -> ClusterNode:
        return self._at(self.topology().around(slot).replicas[0])

    def other(self, slot: int = HOME_SLOT) -> ClusterNode:
        """A primary that does not own the slot."""
        return next(self._at(each) for each in self.topology().owners if each != self.owner(slot).address)

    def move(self, to: ClusterNode, *, slot: int = HOME_SLOT) -> None:
        """Have a slot moved at once, and return when every node knows it."""
        self.owner(slot).call("CLUSTER", "MIGRATESLOTS", "SLOTSRANGE", slot, slot, "NODE", to.id)
        wait_until(lambda: all(_owner_known_to(each, slot) == to.address for each in self.nodes))

    def settled(self) -> None:
        """Return once all nodes know that all is well, and every replica follows."""
        for node in self.nodes:
            wait_until(lambda node=node: self._is_settled(node))

    def form(self) -> None:
        first, *others = self.nodes
        for epoch, node in enumerate(self.nodes, start=1):
            node.call("CLUSTER", "SET-CONFIG-EPOCH", epoch)
        for nth, node in enumerate(self.nodes[: self.primaries]):
            begin, end = (SLOTS * each // self.primaries for each in (nth, nth + 1))
            node.call("CLUSTER", "ADDSLOTSRANGE", begin, end - 1)
        for node in others:
            node.call("CLUSTER", "MEET", "127.0.0.1", first.port, first.announced_bus_port)
        for node in self.nodes:
            wait_until(lambda node=node: self._knows_all(node))
        for primary, replica in zip(self.nodes, self.nodes[self.primaries :], strict=False):
            replica.call("CLUSTER", "REPLICATE", primary.id)
        self.settled()

    def _knows_all(self, node: ClusterNode) -> bool:
        told: str = node.call("CLUSTER", "INFO")
        return f"cluster_known_nodes:{len(self.nodes)}\r\n" in told

    def _is_settled(self, node: ClusterNode) -> bool:
        try:
            told: str = node.call("CLUSTER", "INFO")
            follows = node.info().get("master_link_status", "up") == "up"
        except RedisError:  # it is starting, or hangs up as it becomes a replica
            return False
        well = ("cluster_state:ok", f"cluster_slots_ok:{SLOTS}\r\n", f"cluster_size:{self.primaries}\r\n")
        return follows and all(each in told for each in well) and len(self.topology().nodes) == len(self.nodes)

    def _at(self, address: Address) -> ClusterNode:
        return next(each for each in self.nodes if each.address == address)


@contextmanager
def valkey_cluster(home: Path, *, primaries: int = 3, replicas: bool = False) -> Iterator[ValkeyCluster]:
    with ExitStack() as stack:
        count = primaries * (2 if replicas else 1)
        nodes = [stack.enter_context(ClusterNode(home / f"node-{nth}")) for nth in range(count)]
        cluster = ValkeyCluster(nodes, primaries)
        cluster.form()
        yield cluster


def _owner_known_to(node: ClusterNode, slot: int) -> Address:
    info, slots = node.call("CLUSTER", "INFO"), node.call("CLUSTER", "SLOTS")
    return Topology.read(info, slots, asked=node.address).around(slot).owner
