"""A plan as lines: each with its arithmetic, and what decides it."""

from collections.abc import Iterator, Sequence
from math import ceil

import msgspec

from shared.capacity.model import BUSY, GIB, PEOPLE_A_PARTITION, READS, ROOM, CapacityPlan
from shared.wording import counted

UNKNOWN = (
    "the network: all was measured on one machine, whose servers speak by its loopback",
    "real disks: what COMMIT, the append-only file and a full resynchronisation take on yours",
    "your people: the directory that was measured has texts, groups and tags of `muster seed`",
    "how far PostgreSQL goes: `postgres` is cores of one server, as there is one log",
)
"""What no line knows."""


class PlanLine(msgspec.Struct, frozen=True, kw_only=True):
    """
    A line of a plan.

    :param arithmetic: what it was reckoned from.
    :param limit: the constant or the choice that decides it.
    """

    name: str
    value: float
    unit: str
    arithmetic: str
    limit: str


def lines(plan: CapacityPlan) -> Sequence[PlanLine]:
    return [*_servers(plan), *_processes(plan), *_log(plan)]


def _servers(plan: CapacityPlan) -> Iterator[PlanLine]:
    load, model, nodes = plan.load, plan.model, plan.nodes
    by_memory = plan.node_memory / load.node_memory >= plan.node_busy / BUSY
    yield PlanLine(
        name="nodes",
        value=nodes * (1 + load.replicas),
        unit="nodes",
        arithmetic=f"{counted(nodes, 'primary', 'primaries')}, {counted(load.replicas, 'replica')} each",
        limit="memory" if by_memory else "CPU of Valkey",
    )
    yield PlanLine(
        name="partitions",
        value=plan.partitions,
        unit="partitions",
        arithmetic=f"{load.people:,} people, {PEOPLE_A_PARTITION:,} in each at most; {nodes:,} or more, one a node",
        limit="people a partition" if plan.partitions > nodes else "nodes",
    )
    yield PlanLine(
        name="memory a node",
        value=plan.node_memory / GIB,
        unit="GiB",
        arithmetic=f"{load.people:,} people * {model.memory:,.0f} bytes * {ROOM:g} / {nodes}",
        limit="bytes a person",
    )
    yield PlanLine(
        name="CPU a node",
        value=plan.node_busy,
        unit="cores",
        arithmetic=f"reads and commands, / {nodes}; one thread of Valkey, {BUSY:.0%} of a core at most",
        limit=plan.dearest_at_servers(),
    )


def _processes(plan: CapacityPlan) -> Iterator[PlanLine]:
    load = plan.load
    mix = ", ".join(f"{load.reads_of(kind):,.0f} * {plan.read_cost(kind):.3g} ms ({kind})" for kind in READS)
    yield _process("read processes", plan.readers, mix, plan.dearest_at_readers())
    for name, of in (("write processes", "write"), ("projectors", "projector"), ("PostgreSQL", "postgres")):
        what = f"{load.commands:,g} commands * {plan.command_cost(of):.3g} ms"
        yield _process(name, plan.command_cost(of) * load.commands / 1e3, what, "CPU a command")


def _process(name: str, cores: float, what: str, limit: str) -> PlanLine:
    unit = "cores" if name == "PostgreSQL" else "processes"
    arithmetic = f"{what} = {cores:.3g} cores / {BUSY:g}"
    return PlanLine(name=name, value=max(1, ceil(cores / BUSY)), unit=unit, arithmetic=arithmetic, limit=limit)


def _log(plan: CapacityPlan) -> Iterator[PlanLine]:
    load = plan.load
    events = f"{load.people:,} people * {load.events:g} events"
    yield PlanLine(
        name="disk of the log",
        value=plan.events * plan.model.log / GIB,
        unit="GiB",
        arithmetic=f"{events} * {plan.model.log:,.0f} bytes, indexes included",
        limit="bytes an event",
    )
    at_servers = f"{plan.model.fold_server:.3g} µs of Valkey / {plan.nodes}"
    for processes in dict.fromkeys((1, plan.partitions)):
        folding = f"({plan.model.fold:.3g} + {plan.partitions - 1} * {plan.model.read:.3g}) µs / {processes}"
        yield PlanLine(
            name=f"rebuild of profiles, {counted(processes, 'process', 'processes')}",
            value=plan.rebuilt(processes) / 3600,
            unit="hours",
            arithmetic=f"{events} * {folding}, or {at_servers} if that is more",
            limit="CPU an event of Python" if plan.is_folding_dearer(processes) else "CPU an event of Valkey",
        )
