"""
Make one cluster of Valkey nodes, or connect them again where they have other addresses than when they last ran.

    python -m shared.dev_stack.embedded.cluster_forming PRIMARIES

takes the nodes that MUSTER_REDIS_URL names: so many share the slots, and each of the others follows one of those.
"""

import os
import socket
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import permutations
from typing import Any, NamedTuple, Self

import redis
from redis.exceptions import RedisError

from shared.dev_stack.embedded.launched_program import ServerError
from shared.read_model.partitions import SLOTS
from shared.runtime.retry import wait_until
from shared.settings import Settings
from shared.urls.servers import Address, ClusterUrl

NODE_SETTINGS: Mapping[str, str] = {
    "cluster-enabled": "yes",
    "cluster-node-timeout": "5000",
    "cluster-require-full-coverage": "no",
    "cluster-replica-validity-factor": "0",
    "cluster-allow-replica-migration": "no",
    "repl-diskless-sync-delay": "0",
}
"""What a node is started with, beside what every server is; `docs/operations/cluster.md` says why."""

BUS = 10_000
"""What is added to the port of a node for that by which nodes speak with one another, if nothing else is set."""

FORM_SECONDS = 60.0


class KnownNode(NamedTuple):
    """A node as another one sees it, or as it sees itself: a line of CLUSTER NODES."""

    id: str
    flags: Collection[str]
    link: str
    slots: Sequence[str]

    @classmethod
    def read(cls, line: str) -> Self:
        node, _, flags, _, _, _, _, link, *slots = line.split()
        return cls(node, flags.split(","), link, slots)

    @property
    def is_well(self) -> bool:
        return self.link == "connected" and not {"fail", "fail?", "handshake", "noaddr"}.intersection(self.flags)


@dataclass(frozen=True, slots=True)
class ClusterMember:
    """
    A node that runs.

    :param url: with the password.
    :param address: at which the others reach it; nodes meet by numbers, not by names.
    :param bus_port: likewise.
    """

    url: str
    address: Address
    bus_port: int

    @classmethod
    def named(cls, url: ClusterUrl, node: Address) -> Self:
        """Return a node of a URL, whose name is looked up."""
        return cls(url.server(node), Address(socket.gethostbyname(node.host), node.port), node.port + BUS)

    def call(self, *command: str | int) -> Any:
        [reply] = self.calls(command)
        return reply

    def calls(self, *commands: Sequence[str | int]) -> Sequence[Any]:
        """Send several commands, one after the other, on one connection."""
        with redis.Redis.from_url(self.url, decode_responses=True) as client:
            return [client.execute_command(*command) for command in commands]

    def known(self) -> Sequence[KnownNode]:
        """Return all that it knows of, itself among them."""
        return [KnownNode.read(line) for line in self.call("CLUSTER", "NODES").splitlines()]

    def itself(self) -> KnownNode:
        return next(each for each in self.known() if "myself" in each.flags)

    def begin(self, *, epoch: int, slots: range) -> None:
        """Take what belongs to a new node: an epoch that no other has, and its slots."""
        if "cluster_my_epoch:0\r\n" in self.call("CLUSTER", "INFO"):
            self.call("CLUSTER", "SET-CONFIG-EPOCH", epoch)
        if slots and not self.itself().slots:
            self.call("CLUSTER", "ADDSLOTSRANGE", slots[0], slots[-1])

    def meet(self, other: "ClusterMember") -> None:
        self.call("CLUSTER", "MEET", *other.address, other.bus_port)

    def follow_unless_it_serves(self, primary: str) -> None:
        """Become a replica, but for a node that is one, or has taken over from its primary."""
        itself = self.itself()
        if "master" in itself.flags and not itself.slots:
            self.call("CLUSTER", "REPLICATE", primary)

    def is_linked_to(self, ids: Collection[str]) -> bool:
        return {each.id for each in self.known() if each.is_well}.issuperset(ids)

    def sees_all_well(self, ids: Collection[str], *, primaries: int) -> bool:
        """Return whether all slots have owners and all nodes are there; a replica, whether it follows, too."""
        well = ("cluster_state:ok", f"cluster_slots_ok:{SLOTS}\r\n", f"cluster_size:{primaries}\r\n")
        try:
            info, role = self.calls(("CLUSTER", "INFO"), ("ROLE",))
            follows = role[0] == "master" or role[3] == "connected"
            return follows and all(each in info for each in well) and self.is_linked_to(ids)
        except RedisError:  # it is starting, or hangs up as it becomes a replica
            return False


def form(members: Sequence[ClusterMember], *, primaries: int) -> None:
    """
    Return once the nodes are one cluster.

    What an earlier call has made is left as it is, whichever node owns what by now, and however far that call came.

    :param members: first those that share the slots, then those that follow them, in the same order.
    :raises ServerError: it does not become one.
    """
    for nth, member in enumerate(members):
        if len(member.known()) == 1:
            member.begin(epoch=nth + 1, slots=_slots(nth, of=primaries))
    for one, other in permutations(members, 2):
        one.meet(other)
    ids = [member.itself().id for member in members]
    for member in members:
        _await(member, partial(member.is_linked_to, ids))
    for nth, member in enumerate(members[primaries:]):
        member.follow_unless_it_serves(ids[nth % primaries])
    await_well(members, primaries=primaries)


def await_well(members: Sequence[ClusterMember], *, primaries: int) -> None:
    """
    Return once every node knows that all is well, and every replica follows.

    :raises ServerError: it takes too long.
    """
    ids = [member.itself().id for member in members]
    for member in members:
        _await(member, partial(member.sees_all_well, ids, primaries=primaries))


def _await(member: ClusterMember, holds: Callable[[], bool]) -> None:
    if not wait_until(holds, within=FORM_SECONDS):
        raise ServerError(f"the node at {member.address} is in no cluster within {FORM_SECONDS:.0f} s: see its log")


def _slots(nth: int, *, of: int) -> range:
    """Return the slots of a primary; none for those behind the primaries."""
    return range(SLOTS * nth // of, SLOTS * (nth + 1) // of) if nth < of else range(0)


def main() -> None:
    url = ClusterUrl.parse(Settings.load(os.environ).required("redis_url"))
    form([ClusterMember.named(url, node) for node in url.nodes], primaries=int(sys.argv[1]))


if __name__ == "__main__":
    main()
