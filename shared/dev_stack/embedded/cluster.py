"""Nodes of Valkey in one directory that are one cluster, for `muster up` and the tests."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from shared.dev_stack.embedded.cluster_forming import NODE_SETTINGS, ClusterMember, await_well, form
from shared.dev_stack.embedded.redis import EmbeddedRedis
from shared.dev_stack.embedded.server import free_port
from shared.urls.servers import Address


class ClusterNode(EmbeddedRedis):
    """A node, which knows no other before the cluster is formed; all nodes in one directory have one password."""

    name = "Valkey node"

    def __init__(self, directory: Path, *, options: Mapping[str, str] | None = None, **how: Any) -> None:
        self.bus_port = free_port()
        own = {**NODE_SETTINGS, "cluster-port": str(self.bus_port)}
        super().__init__(directory, options={**own, **(options or {})}, **how)

    @property
    def address(self) -> Address:
        return Address("127.0.0.1", self.port)

    @property
    def member(self) -> ClusterMember:
        return ClusterMember(self.url, self.address, self.bus_port)

    @property
    def _password_file(self) -> Path:
        return self.directory.parent / "password"

    def _settings(self) -> Mapping[str, str]:
        return {**super()._settings(), "masterauth": self._password}


Node = TypeVar("Node", bound=ClusterNode)


@dataclass
class EmbeddedCluster(Generic[Node]):
    """Nodes in one directory; the primaries first, then their replicas in the same order."""

    directory: Path
    nodes: Sequence[Node]
    primaries: int

    @property
    def url(self) -> str:
        """As an operator writes it; known once the nodes run."""
        login = self.nodes[0].url.removeprefix("redis://").partition("@")[0]
        return f"redis+cluster://{login}@{','.join(str(each.address) for each in self.nodes)}"

    def form(self) -> None:
        """Have the nodes, which run, be one cluster; return once they are."""
        form(self._members, primaries=self.primaries)

    def settled(self) -> None:
        """Return once all nodes know that all is well, and every replica follows."""
        await_well(self._members, primaries=self.primaries)

    def empty(self) -> None:
        """Remove all that is stored; what a killed run has left running there ends."""
        for each in self.nodes:
            each.empty()
        if self.directory.exists():
            shutil.rmtree(self.directory)

    @property
    def _members(self) -> Sequence[ClusterMember]:
        return [each.member for each in self.nodes]
