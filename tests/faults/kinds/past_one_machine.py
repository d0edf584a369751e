"""Every kind of fault that there is past one machine."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from shared.redis.cluster import slot_of
from tests.faults.bench.cluster_bench import ClusterBench
from tests.faults.kinds.fault import Fault
from tests.faults.kinds.processes import killed_process
from tests.support.cluster import FragileNode
from tests.support.patience import until
from tests.support.processes import frozen, kill
from tests.support.stack import Child


@asynccontextmanager
async def killed_projector(bench: ClusterBench) -> AsyncIterator[None]:
    kill(bench.random.choice(bench.families()))
    yield


@asynccontextmanager
async def frozen_projector(bench: ClusterBench) -> AsyncIterator[None]:
    """The others feed what it had when it wakes up and believes that it feeds."""
    asleep, *others = bench.random.sample(bench.families(), k=len(bench.families()))
    with frozen(asleep):
        yield
        await until(lambda: bench.projectors.are_shared_by(*others))
        await bench.load.grown(by=20)


@asynccontextmanager
async def joining_projector(bench: ClusterBench) -> AsyncIterator[None]:
    """Others give up a part of what they have for it, and take it back."""
    others = bench.families()
    async with bench.projectors.one_more() as joined:
        yield
        await until(lambda: bench.projectors.are_shared_by(*others, joined))


@asynccontextmanager
async def killed_node(bench: ClusterBench) -> AsyncIterator[None]:
    killed = bench.primary()
    killed.kill()
    yield
    await until(lambda: is_replaced(bench, killed))
    killed.start()


@asynccontextmanager
async def frozen_node(bench: ClusterBench) -> AsyncIterator[None]:
    still = bench.primary()
    with frozen({still.pid}):
        yield
        await until(lambda: is_replaced(bench, still))


@asynccontextmanager
async def separated_node(bench: ClusterBench) -> AsyncIterator[None]:
    """Cut off from all other nodes, with projectors and readers on its side: it serves until it notices that."""
    alone = bench.primary()
    with bench.nodes.cut_off(alone):
        await until(lambda: is_down(alone))
        yield
        await until(lambda: is_replaced(bench, alone))


@asynccontextmanager
async def moved_slot(bench: ClusterBench) -> AsyncIterator[None]:
    slot = slot_of(bench.tag())
    async with asyncio.TaskGroup() as group:
        group.create_task(asyncio.to_thread(bench.nodes.move, bench.nodes.other(slot), slot=slot))
        yield


@asynccontextmanager
async def killed_postmaster(bench: ClusterBench) -> AsyncIterator[None]:
    primary, _ = await bench.servers.settled()
    primary.kill_postmaster()
    yield


@asynccontextmanager
async def killed_host(bench: ClusterBench) -> AsyncIterator[None]:
    primary, _ = await bench.servers.settled()
    primary.kill()
    yield
    primary.start()


@asynccontextmanager
async def switchover(bench: ClusterBench) -> AsyncIterator[None]:
    """It begins to count once a command is refused, or all is over."""
    before = bench.load.troubles.total()
    async with asyncio.TaskGroup() as group:
        ordered = group.create_task(bench.servers.switch_over())
        await until(lambda: bench.load.troubles.total() > before or ordered.done())
        yield


def is_down(node: FragileNode) -> bool:
    return "cluster_state:fail" in node.call("CLUSTER", "INFO")


async def is_replaced(bench: ClusterBench, node: FragileNode) -> bool:
    """Whether another has what it had."""
    return node.address not in (await asyncio.to_thread(bench.nodes.topology)).owners


OUTLIVED = partial(Fault, lasts=0, outlived=True)

CLUSTER_FAULTS = (
    OUTLIVED("kill a projector", killed_projector),
    OUTLIVED("freeze a projector", frozen_projector),
    OUTLIVED("projector joins and leaves", joining_projector),
    OUTLIVED("kill a Valkey primary", killed_node, redis_loses=True),
    OUTLIVED("freeze a Valkey primary", frozen_node, redis_loses=True),
    OUTLIVED("cut off a Valkey primary", separated_node, redis_loses=True),
    OUTLIVED("move a slot", moved_slot),
    OUTLIVED("kill PostgreSQL's postmaster", killed_postmaster),
    OUTLIVED("kill PostgreSQL's host", killed_host),
    OUTLIVED("PostgreSQL switchover", switchover),
    Fault("kill write process", partial(killed_process, child=Child.WRITE), lasts=0),
    Fault("kill read process", partial(killed_process, child=Child.READ), lasts=0),
)
