"""Projectors of a read model that share its partitions, and what they tell readers meanwhile."""

import asyncio
from collections import Counter, defaultdict
from contextlib import asynccontextmanager
from pathlib import Path

import psycopg

from projector.adapters.redis.store import RedisPlaces
from projector.leadership.limits import LeadershipLimits
from projector.projections.registry import PROJECTIONS, layout_of
from projector.store.ports import LeaseName
from shared.errors import Unavailable
from shared.read_model.partitions import Partitions
from tests.support.commands import muster
from tests.support.processes import family
from tests.support.stack import Stack, service


class Projectors:
    """The projectors of a read model of its own, and who of them feeds which partition."""

    def __init__(self, settings: dict[str, str], stack: Stack, folder: Path) -> None:
        self.settings, self._stack, self._folder = settings, stack, folder
        self._parts = layout_of(PROJECTIONS, Partitions(int(settings["MUSTER_PARTITIONS"]))).parts
        self.tags = {keyspace.tag for keyspace, _ in self._parts}
        self._names = [LeaseName(part.name, part.version, keyspace.tag) for keyspace, part in self._parts]
        self._places = RedisPlaces(settings["MUSTER_REDIS_URL"])
        self._lease = self._places.lease(self._parts, limits=LeadershipLimits())

    async def aclose(self) -> None:
        await self._places.aclose()

    @asynccontextmanager
    async def one_more(self, **settings: str):
        """Another projector; gives the ids of its processes."""
        async with service("project", self._folder / "project.log", **self.settings | settings) as (_, pid):
            yield family(pid)

    async def fed(self) -> dict[str, int]:
        """The process that feeds each partition; none for one that is not held as a whole."""
        try:
            holders = (await self._lease.candidates(self._names)).holders
        except Unavailable:
            return {}
        found = defaultdict(set)
        for name in self._names:
            found[name.partition].add(int(holders[name].id.split(":")[1]) if name in holders else None)
        return {tag: each.pop() for tag, each in found.items() if len(each) == 1 and None not in each}

    async def are_shared_by(self, *families: set[int]) -> bool:
        """Whether these feed all partitions, evenly."""
        loads = Counter((await self.fed()).values())
        each = [sum(loads[pid] for pid in pids) for pids in families]
        return sum(each) == len(self.tags) and max(each) - min(each) <= 1

    async def have_all_of(self, database: psycopg.Connection) -> bool:
        """Whether all partitions reflect the log, and count each event once."""
        [(head, events)] = database.execute("select coalesce(max(position), 0), count(*) from event_log").fetchall()
        models = [self._places.store(part, keyspace=keyspace).model for keyspace, part in self._parts]
        found = [(await each.survey()).checkpoint for each in models]
        return all(found) and {(each.position, each.count) for each in found} == {(head, events)}


@asynccontextmanager
async def projectors_on(redis_url: str, stack: Stack, folder: Path, *, partitions: int):
    """Give what starts projectors of a stack's log on a Redis of their own; in the end all is there that is to be."""
    settings = {
        "MUSTER_DATABASE_URL": stack.addresses.database_url,
        "MUSTER_REDIS_URL": redis_url,
        "MUSTER_PARTITIONS": str(partitions),
    }
    projectors = Projectors(settings, stack, folder)
    try:
        yield projectors
    finally:
        await projectors.aclose()
    verified = await asyncio.to_thread(muster, folder, "verify", **settings)
    assert (verified.returncode, "0 differences" in verified.stdout) == (0, True), verified
