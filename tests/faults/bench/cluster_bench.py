"""The real stack past one machine: nodes of Valkey, PostgreSQL under Patroni, and projectors that share partitions."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

from shared.dev_stack.embedded.server import free_port
from shared.dev_stack.supervisor import MusterProcess
from shared.redis.cluster import slot_of
from tests.faults.bench.stack_bench import StackBench
from tests.faults.cluster_bus import SeparableCluster
from tests.faults.patroni.hosts import PatroniSet
from tests.support.cluster import FragileNode
from tests.support.commands import muster
from tests.support.oracle import Verdict
from tests.support.patience import until
from tests.support.processes import family
from tests.support.sharing_projectors import Projectors
from tests.support.stack import Child, environment

PARTITIONS = 12
PROJECTORS = 3


class ClusterBench(StackBench):
    """The processes under `muster up` and two projectors more, on servers that are there before and after."""

    are_divided = True

    def __init__(self, home: Path, *, seed: int, nodes: SeparableCluster, servers: PatroniSet) -> None:
        super().__init__(home, seed=seed)
        self.nodes, self.servers = nodes, servers
        self._settings = {
            "MUSTER_DATABASE_URL": servers.url,
            "MUSTER_REDIS_URL": nodes.url,
            "MUSTER_PARTITIONS": str(PARTITIONS),
        }
        self._others = [self._projector(nth) for nth in range(1, PROJECTORS)]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with self.up(**self._settings), self.beside(self._others):
            self.projectors = Projectors(self._settings, self.stack, self.home)
            async with aclosing(self.projectors):
                await self.whole()
                yield

    def families(self) -> Sequence[set[int]]:
        """The processes of each projector that runs."""
        others = [each.process.pid for each in self._others if each.process.poll() is None]
        return [family(pid) for pid in (self.stack.pid(Child.PROJECT), *others) if pid]

    def tag(self) -> str:
        """That of any partition."""
        return self.random.choice(sorted(self.projectors.tags))

    def primary(self) -> FragileNode:
        """The node that has any partition."""
        return self.nodes.owner(slot_of(self.tag()))

    async def whole(self) -> None:
        """Likewise of nodes and hosts, and once the projectors share the partitions evenly."""
        await asyncio.to_thread(self.nodes.settled)
        await self.servers.settled()
        await super().whole()
        await until(self._is_shared)

    async def judged(self) -> Verdict:
        """Likewise of all records and lists; every event counts once in every partition."""
        verdict = await super().judged()
        with self.database() as database:
            await until(lambda: self.projectors.have_all_of(database))
        verified = await asyncio.to_thread(muster, self.stack.home, "verify")
        verdict.differences = [verified.stdout + verified.stderr] if verified.returncode else []
        return verdict

    async def _is_shared(self) -> bool:
        families = self.families()
        return len(families) == PROJECTORS and await self.projectors.are_shared_by(*families)

    def _projector(self, nth: int) -> MusterProcess:
        environ = environment(MUSTER_AUTH="off", **self._settings)
        return MusterProcess(
            "project", "--port", str(free_port()), environ=environ, log=self.home / f"project-{nth}.log"
        )


@asynccontextmanager
async def running_cluster_bench(
    *, seed: int, nodes: SeparableCluster, servers: PatroniSet
) -> AsyncIterator[ClusterBench]:
    """A bench in a temporary home, on these servers."""
    with tempfile.TemporaryDirectory(prefix="muster-bench-") as home:
        bench = ClusterBench(Path(home), seed=seed, nodes=nodes, servers=servers)
        async with bench.running():
            yield bench
