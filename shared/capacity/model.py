"""
From people, commands and reads to nodes, memory, processes, disk and the time of a rebuild.

Pure arithmetic over what `muster bench capacity` measured. It never plans less for more: of the numbers of nodes that
there may be, each suffices up to some load, and the least that suffices is taken.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from shared.capacity.costs import Cost
from shared.capacity.measurements import Measurements, MeasurementsUnusable, Points

LAYOUTS = (1, 3, 12, 24, 48, 96)
"""Partitions that there may be."""

NODES = (1, 3, 6, 12, 24, 48, 96)
"""Primaries: each divides those that follow it, so that a cluster can grow and its nodes have equal parts."""

PEOPLE_A_PARTITION = 1_000_000
"""More make a slot that takes long to be copied to another node, and a part that takes long to be filled."""

BUSY = 0.5
"""The part of a core that a process is planned to use: the rest is for peaks within a second, and for a rebuild."""

ROOM = 2.0
"""Memory for each byte that is stored: while a new version is built there are two generations."""

REBUILD = {"fold": "python 1", "read": "read 1", "fold_server": "valkey 1"}
"""Points that a rebuild is reckoned from: an event that is folded, one that is only read, and its part of Valkey."""

READS = ("look-up", "batch", "page", "search")
GIB = 1 << 30


class BeyondPlanning(Exception):
    """No number of nodes that there may be suffices; the text says what would."""


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """
    What is asked for.

    :param commands: a second at the busiest time, each as dear as a registration.
    :param reads: likewise.
    :param shares: of all reads, by kind; what is left are look-ups.
    :param events: that the log has of a person in the end.
    :param replicas: of each primary.
    :param node_memory: bytes.
    """

    people: int
    commands: float
    reads: float = 0.0
    shares: Mapping[str, float] = {}
    events: float = 10.0
    replicas: int = 1
    node_memory: float = 32.0 * GIB

    def reads_of(self, kind: str) -> float:
        """Return how many a second are of a kind."""
        share = 1 - sum(self.shares.values()) if kind == READS[0] else self.shares.get(kind, 0.0)
        return self.reads * share


@dataclass(frozen=True)
class Model:
    """What each thing costs: bytes, milliseconds a request or command, microseconds an event that is folded or read."""

    memory: float
    log: float
    reader: Mapping[str, Cost]
    server: Mapping[str, Cost]
    command: Mapping[str, Cost]
    fold: float
    read: float
    fold_server: float


def model_of(measured: Measurements) -> Model:
    """:raises MeasurementsUnusable: something was not measured."""
    reads = {kind: measured.points(kind) for kind in READS}
    commands, rebuild = measured.points("command"), measured.points("rebuild")
    return Model(
        memory=_at_most_people(measured.points("memory")),
        log=_at_most_people(measured.points("log")),
        reader={kind: Cost.fitted(points, "reader") for kind, points in reads.items()},
        server={kind: Cost.fitted(points, "valkey") for kind, points in reads.items()},
        command={
            **{of: Cost(alone=_one(commands, f"{of} 1/1")) for of in ("write", "postgres")},  # know no partitions
            **{of: Cost.fitted(commands, of) for of in ("projector", "valkey")},
        },
        **{name: _one(rebuild, point) for name, point in REBUILD.items()},
    )


def _one(points: Points, where: str) -> float:
    """:raises MeasurementsUnusable: it is missing."""
    if where not in points:
        raise MeasurementsUnusable(f"it has no point {where!r}")
    return points[where]


def _at_most_people(points: Mapping[str, float]) -> float:
    """Return what was measured in the largest directory."""
    return points[max(points, key=lambda where: int(where.split()[-1]))]


def planned(load: Load, model: Model) -> "CapacityPlan":
    """
    Return the load on the fewest primaries that suffice.

    :raises BeyondPlanning: there may not be so many.
    """
    for nodes in NODES:
        plan = CapacityPlan(load, model, nodes)
        if plan.node_memory <= load.node_memory and plan.node_busy <= BUSY:
            return plan
    most = CapacityPlan(load, model, NODES[-1])
    raise BeyondPlanning(
        f"{NODES[-1]} nodes are the most, and each would need {most.node_memory / GIB:,.0f} GiB of the "
        f"{load.node_memory / GIB:,.0f} of --node-memory, and {most.node_busy:.0%} of a core of {BUSY:.0%}"
    )


@dataclass(frozen=True)
class CapacityPlan:
    """A load on so many primaries."""

    load: Load
    model: Model
    nodes: int

    @property
    def partitions(self) -> int:
        """Return the fewest that all nodes can share, and of which none is too big, if there may be so many."""
        enough = (each for each in LAYOUTS if each >= self.nodes and self.load.people <= each * PEOPLE_A_PARTITION)
        return next(enough, LAYOUTS[-1])

    @property
    def node_memory(self) -> float:
        """Return the bytes that each node needs."""
        return self.load.people * self.model.memory * ROOM / self.nodes

    @property
    def node_busy(self) -> float:
        """Return the part of a core that each node needs."""
        return sum(self._at_servers().values()) / self.nodes

    @property
    def readers(self) -> float:
        """Return the cores that read processes need."""
        return sum(self._at_readers().values())

    @property
    def events(self) -> float:
        return self.load.people * self.load.events

    @property
    def fold_cost(self) -> float:
        """Return the microseconds an event, which is folded once, and read once more for each other partition."""
        return self.model.fold + self.model.read * (self.partitions - 1)

    def read_cost(self, kind: str) -> float:
        """Return the milliseconds of a reader, a request."""
        return self._cost(self.model.reader[kind])

    def command_cost(self, of: str) -> float:
        """Return the milliseconds of a process, a command."""
        return self._cost(self.model.command[of])

    def rebuilt(self, processes: int) -> float:
        """Return the seconds of a rebuild of `profiles`, by so many processes with a core each."""
        return self.events * max(self.fold_cost / processes, self.model.fold_server / self.nodes) / 1e6

    def is_folding_dearer(self, processes: int) -> bool:
        return self.fold_cost / processes >= self.model.fold_server / self.nodes

    def dearest_at_readers(self) -> str:
        """Return the kind of read that takes most of the readers."""
        return _dearest(self._at_readers())

    def dearest_at_servers(self) -> str:
        """Return the kind of read that takes most of the nodes, or `commands`."""
        return _dearest(self._at_servers())

    def _at_readers(self) -> Mapping[str, float]:
        """Return cores, by kind of read."""
        return {kind: self.load.reads_of(kind) * self.read_cost(kind) / 1e3 for kind in READS}

    def _at_servers(self) -> Mapping[str, float]:
        reads = {kind: self.load.reads_of(kind) * self._cost(self.model.server[kind]) / 1e3 for kind in READS}
        return {**reads, "commands": self.load.commands * self.command_cost("valkey") / 1e3}

    def _cost(self, cost: Cost) -> float:
        return cost.at(self.partitions, self.nodes)


def _dearest(cores: Mapping[str, float]) -> str:
    return f"CPU of {max(cores, key=lambda each: cores[each])}"
