"""Partitions on the nodes of a real cluster, between which they may move at any moment."""

import asyncio
from contextlib import ExitStack, aclosing, contextmanager
from typing import NamedTuple

import pytest
from redis import Redis
from redis.exceptions import ConnectionError as ConnectionLost

from projector.adapters.redis.store import RedisPlaces
from projector.projections.profiles import PROFILE, profiles
from projector.projections.registry import PROJECTIONS, layout_of
from read_side.adapters.redis.transport.recorded import RecordedLayout
from read_side.adapters.redis.views.profiles import RedisProfileViews
from read_side.freshness import Freshness
from read_side.services import redis_views
from read_side.views import ProfileKeys, ProfileQuery, standing
from shared.errors import EvictionPossible, Unavailable
from shared.read_model.keys import HOME
from shared.read_model.layouts import Layouts
from shared.read_model.partitions import Partitions
from shared.redis import cluster as asking
from shared.redis.client import connector
from shared.redis.cluster import slot_of
from shared.redis.location import located
from shared.redis.node_clients import NodeClients
from shared.redis.nodes import Nodes, _Node
from tests.contract.crowds import crowd, handles, listed
from tests.contract.partitions import PartitionedCollections
from tests.support.patience import PATIENT, SECONDS, patient_connector, until_here
from tests.support.processes import frozen
from tests.support.read_side import PATIENCE, served

SIX = Partitions(6)
"""On each of three nodes two."""
PEOPLE = crowd(60)
EVERYBODY = ProfileKeys(ids=tuple(str(each.account_id) for each in PEOPLE))


@contextmanager
def writing(cluster):
    """What writes into each partition where it is now."""
    with ExitStack() as clients:

        def client_of(tag):
            return clients.enter_context(Redis.from_url(located(cluster.url, tag=tag)))

        yield PartitionedCollections(client_of, profiles, SIX, publish="SPUBLISH")


@pytest.fixture
def directory(cluster):
    """Sixty people, on the nodes of the cluster."""
    for node in cluster.start().nodes:
        node.call("FLUSHALL")
    with writing(cluster) as divided:
        divided.save({PROFILE.key(each.account_id): each for each in PEOPLE}, position=7)


@pytest.fixture
def nodes(cluster, monkeypatch):
    """Those that have any of the six; no reader is in haste, as none of them stands still."""
    monkeypatch.setattr(asking, "NODE_SECONDS", SECONDS)
    monkeypatch.setattr(_Node, "handshake_seconds", SECONDS)
    monkeypatch.setattr(asking.SlotOwner, "handshake_seconds", SECONDS)
    return Nodes(cluster.url, SIX.tags, timeouts=PATIENT)


def profile_views(connect, nodes):
    return RedisProfileViews(connect, partitions=SIX, nodes=nodes, freshness=Freshness("profiles", patience=PATIENCE))


@pytest.fixture
async def views(cluster, nodes, directory):
    async with profile_views(patient_connector(cluster.url), nodes) as opened:
        yield opened


async def move(cluster, nth):
    """Have a partition moved to another node."""
    slot = slot_of(SIX.tags[nth])
    await asyncio.to_thread(cluster.move, cluster.other(slot), slot=slot)


async def everybody(views):
    """All that there is, in both ways."""
    found, page = await asyncio.gather(views.by_keys(EVERYBODY), views.list(ProfileQuery(limit=200)))
    assert handles(page) == [each.handle for each in listed(PEOPLE, ProfileQuery())]
    return len(found.found)


async def test_a_partition_is_read_wherever_it_has_gone(cluster, views):
    """Without an error, neither its own nor of those beside it; a node that is not concerned is left alone."""
    before = await everybody(views)
    batchers = {node: views._lanes.look_ups.on(node) for node in views._lanes.look_ups.nodes.tags}
    await move(cluster, 0)

    assert (before, await everybody(views)) == (60, 60)
    assert [views._lanes.look_ups.on(node) is each for node, each in batchers.items()].count(True) == 1


async def test_nobody_fails_while_readers_go_over(cluster, nodes, directory):
    """To nodes that are not known yet."""
    connect = patient_connector(cluster.url)
    recorded = RecordedLayout(connect, nodes_of=lambda each: Nodes(cluster.url, each.tags, timeouts=PATIENT))
    views = redis_views(connect, recorded=recorded, patience=PATIENCE)["profiles"]
    with Redis.from_url(located(cluster.url)) as home:
        home.set(HOME.partitions, Layouts(live=6).encoded)
        async with views, aclosing(recorded):
            for nth in range(1, 4):
                home.set(HOME.partitions, Layouts(live=6, switches=nth).encoded)
                going_over = asyncio.create_task(recorded.ask())
                while not going_over.done():
                    assert await everybody(views) == 60
                await going_over


async def test_what_is_announced_is_heard_wherever_a_partition_has_gone(cluster, views):
    """Those who waited before it went are woken by what is said behind it."""
    reader = asyncio.create_task(views.freshness.reach(9, lambda: standing(views)))
    await until_here(lambda: views.freshness.waiting)
    await move(cluster, 0)
    with writing(cluster) as divided:
        for each in (*divided.parts, *divided.entries):
            each.save({}, position=9)

    async with asyncio.timeout(PATIENCE):
        assert (await reader).position == 9


async def test_a_node_that_stands_still_holds_up_only_what_it_has(cluster, directory):
    """People on the others are found, and all once it goes on."""
    async with profile_views(connector(cluster.url), Nodes(cluster.url, SIX.tags)) as views:
        await everybody(views)
        still = cluster.owner(slot_of(SIX.tags[0]))
        with frozen({still.pid}):
            asked = await asyncio.gather(*(views.by_id(each) for each in EVERYBODY.ids), return_exceptions=True)
            with pytest.raises(Unavailable):
                await views.list(ProfileQuery())
        cluster.settled()
        assert await everybody(views) == 60

    away = {nth for nth, tag in enumerate(SIX.tags) if cluster.owner(slot_of(tag)) is still}
    assert len(away) == 2
    for each, answer in zip(PEOPLE, asked, strict=True):
        if SIX.of(str(each.account_id)) in away:
            assert isinstance(answer, Unavailable)
        else:
            assert served(answer) == each


async def test_where_one_node_may_evict_nobody_is_missing(cluster, nodes, directory):
    """Whichever it is: its own partition may have lost records, and who asks for others cannot know."""
    node = cluster.other()
    node.call("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    try:
        async with profile_views(patient_connector(cluster.url), nodes) as views:
            with pytest.raises(EvictionPossible, match="allkeys-lru"):
                await views.by_id(EVERYBODY.ids[0])
            node.call("CONFIG", "SET", "maxmemory-policy", "noeviction")
            await views._eviction._look()
            assert await everybody(views) == 60
    finally:
        node.call("CONFIG", "SET", "maxmemory-policy", "noeviction")


async def test_a_cluster_that_is_away_at_start_is_unavailable_until_it_is_there(cluster, nodes, directory):
    """The read side starts without it."""
    for node in cluster.nodes:
        node.stop()
    async with profile_views(patient_connector(cluster.url), nodes) as views:
        with pytest.raises(Unavailable):
            await views.by_id(EVERYBODY.ids[0])
        cluster.start()
        with writing(cluster) as divided:
            divided.save({PROFILE.key(each.account_id): each for each in PEOPLE}, position=7)

        assert await everybody(views) == 60


async def test_all_parts_on_a_node_share_connections_and_what_is_known_of_it(cluster, directory):
    """Those of 48 partitions, when they look at their generations together, as at the start of a projector."""
    layout = layout_of(PROJECTIONS, Partitions(48))
    async with aclosing(RedisPlaces(cluster.url)) as places:
        parts = [places.store(part, keyspace=keyspace).model for keyspace, part in layout.parts]
        before = told(cluster)
        await asyncio.gather(*(each.survey() for each in parts))
        await asyncio.gather(*(each.attest() for each in parts))
        after = told(cluster)

    assert after.connections - before.connections < len(parts) / 2
    assert after.infos - before.infos == 2 * len(cluster.nodes)  # half of them by this test


async def test_a_part_is_found_where_it_has_gone(cluster, directory):
    """By the next trip after the one that was sent away; those beside it notice nothing."""
    async with aclosing(RedisPlaces(cluster.url)) as places:
        gone = places.store(profiles, keyspace=SIX.keyspaces[0]).model
        before = [await gone.survey()]
        stays = places.store(profiles, keyspace=SIX.keyspaces[1]).model
        before.append(await stays.survey())
        await move(cluster, 0)

        with pytest.raises(Unavailable, match="MOVED"):
            await gone.survey()
        assert [await gone.survey(), await stays.survey()] == before


async def test_a_node_that_nothing_is_left_on_is_left(cluster, directory):
    """What was idle to it is closed: where nodes come back under other addresses, there would be ever more."""
    key = SIX.keyspaces[1].projection("profiles").live
    async with aclosing(NodeClients(cluster.url)) as clients:
        client = clients.client(SIX.tags[1])
        pool = clients.pool(await clients.node_of(SIX.tags[1]))
        idle = [await pool.get_connection() for _ in range(2)]
        for each in idle:
            await pool.release(each)
        await move(cluster, 1)

        with pytest.raises(ConnectionLost, match="MOVED"):
            await client.get(key)
        assert await client.get(key)
        assert not any(each.is_connected for each in idle)


async def test_what_hangs_on_a_node_that_nothing_is_left_on_is_given_up(cluster, directory):
    """Long before its time is over."""
    key, slot = SIX.keyspaces[1].projection("profiles").live, slot_of(SIX.tags[1])
    async with aclosing(NodeClients(f"{cluster.url}?socket_timeout=3600")) as clients:
        client, former = clients.client(SIX.tags[1]), cluster.owner(slot)
        live = await client.get(key)
        await move(cluster, 1)

        with frozen({former.pid}):
            with pytest.raises(ConnectionLost):
                await asyncio.wait_for(client.get(key), SECONDS)
            assert await client.get(key) == live


class Told(NamedTuple):
    """How many connections all nodes have taken, and how often they were asked about themselves."""

    connections: int
    infos: int


def told(cluster):
    of_each = [each.call("INFO", "everything") for each in cluster.nodes]
    connections = sum(each["total_connections_received"] for each in of_each)
    return Told(connections, sum(each.get("cmdstat_info", {"calls": 0})["calls"] for each in of_each))
