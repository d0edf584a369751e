"""
Projectors that share the partitions while the directory grows: one joins, one is killed, one sleeps and wakes up late.

Every commit is announced from within its transaction: a projector that woke up and went on from where it slept would
announce a position for the second time.
"""

import asyncio
import os
import signal
from collections import Counter, defaultdict
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import msgspec
import pytest
from redis import Redis

from projector.adapters.redis.store import RedisPlaces
from projector.processing.limits import LeadershipLimits
from projector.projections.registry import PROJECTIONS, layout_of
from projector.store.ports import LeaseName
from shared.errors import Unavailable
from shared.read_model.partitions import Partitions
from shared.read_model.positions import Announcement
from shared.redis.client import connect
from shared.redis.cluster import slot_of
from tests.support.cluster import valkey_cluster
from tests.support.commands import muster
from tests.support.faults.processes import frozen
from tests.support.load import Load
from tests.support.stack import Stack, service, until
from tests.support.under_load import seconds_until


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
    async def one_more(self):
        """Another projector; gives the ids of its processes."""
        async with service("project", self._folder / "project.log", **self.settings) as (_, pid):
            yield self._stack.family(pid)

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

    async def have_all_of(self, database) -> bool:
        """Whether all partitions reflect the log, and count each event once."""
        [(head, events)] = database.execute("select coalesce(max(position), 0), count(*) from event_log").fetchall()
        models = [self._places.store(part, keyspace=keyspace).model for keyspace, part in self._parts]
        found = [(await each.survey()).checkpoint for each in models]
        return all(found) and {(each.position, each.count) for each in found} == {(head, events)}


@asynccontextmanager
async def announced(url: str):
    """Give the positions that each part announces meanwhile, by its channel."""
    positions = defaultdict(list)
    async with connect(url) as client, client.pubsub() as channels:
        await channels.psubscribe("muster:*:announce")

        async def listen() -> None:
            async for message in channels.listen():
                if message["type"] == "pmessage":
                    told = msgspec.json.decode(message["data"], type=Announcement)
                    positions[message["channel"]].append(told.position)

        listening = asyncio.create_task(listen())
        yield positions
        listening.cancel()
        await asyncio.wait([listening])


@asynccontextmanager
async def projectors_on(redis_url, stack, folder, *, partitions):
    settings = {
        "MUSTER_DATABASE_URL": stack.addresses.database_url,
        "MUSTER_REDIS_URL": redis_url,
        "MUSTER_PARTITIONS": str(partitions),
    }
    async with AsyncExitStack() as opened:
        projectors = Projectors(settings, stack, folder)
        opened.push_async_callback(projectors.aclose)
        yield projectors
    verified = await asyncio.to_thread(muster, folder, "verify", **settings)
    assert (verified.returncode, "0 differences" in verified.stdout) == (0, True), verified


async def test_two_projectors_share_three_partitions(stack, valkey, tmp_path):
    with Redis.from_url(valkey.start().url) as client:
        client.flushall()
    load = Load(stack.addresses.write, seed=170)
    async with projectors_on(valkey.url, stack, tmp_path, partitions=3) as projectors, projectors.one_more() as one:
        await until(lambda: projectors.are_shared_by(one))
        with stack.database() as database:
            await until(lambda: projectors.have_all_of(database))
            async with announced(valkey.url) as positions, load.running():
                async with projectors.one_more() as two:
                    await until(lambda: projectors.are_shared_by(one, two))
                    await load.grown(by=20)
                    with frozen(one):
                        await until(lambda: projectors.are_shared_by(two))
                        await load.grown(by=20)
                    await until(lambda: projectors.are_shared_by(one, two))
                    await load.grown(by=20)
                    kill(two)
                await until(lambda: projectors.are_shared_by(one))
            await until(lambda: projectors.have_all_of(database))

    assert load.troubles == {}
    assert len(positions) == 14
    assert {channel: each for channel, each in positions.items() if each != sorted(set(each))} == {}


@pytest.mark.soak
async def test_three_projectors_share_twelve_partitions_of_a_cluster(stack, tmp_path, server_home, recovered_in):
    """A primary is killed: only its partitions wait for its replica, the others are fed on by who has them."""
    load = Load(stack.addresses.write, seed=171)
    with valkey_cluster(server_home / "several-projectors", replicas=True) as nodes, stack.database() as database:
        async with (
            projectors_on(nodes.url, stack, tmp_path, partitions=12) as projectors,
            projectors.one_more() as one,
            projectors.one_more() as two,
            load.running(),
        ):
            await until(lambda: projectors.are_shared_by(one, two))
            async with projectors.one_more() as three:
                recovered_in(await seconds_until(lambda: projectors.are_shared_by(one, two, three)))
                await load.grown(by=20)
                killed = nodes.owner(slot_of(max(projectors.tags)))
                its_own = {tag for tag in projectors.tags if nodes.owner(slot_of(tag)) is killed}
                others = {tag: pid for tag, pid in (await projectors.fed()).items() if tag not in its_own}
                killed.kill()
                await until(lambda: are_not_fed(projectors, its_own))
                assert others.items() <= (await projectors.fed()).items()
                recovered_in(await seconds_until(lambda: projectors.are_shared_by(one, two, three)))
                killed.start()
                await load.grown(by=20)
                kill(three)
                recovered_in(await seconds_until(lambda: projectors.are_shared_by(one, two)))
                await load.grown(by=20)
                with frozen(two):
                    recovered_in(await seconds_until(lambda: projectors.are_shared_by(one)))
                    await load.grown(by=20)
                recovered_in(await seconds_until(lambda: projectors.are_shared_by(one, two)))
            async with load.at_rest():
                await until(lambda: projectors.have_all_of(database))


async def are_not_fed(projectors: Projectors, tags: set[str]) -> bool:
    return not tags.intersection(await projectors.fed())


def kill(pids: set[int]) -> None:
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
