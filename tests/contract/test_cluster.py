"""Connections to the owner of the keys in a real cluster, from which a slot may move at any moment."""

import asyncio
from contextlib import aclosing, asynccontextmanager, suppress
from datetime import UTC, datetime
from itertools import product

import pytest
from redis.exceptions import ConnectionError as ConnectionLost
from redis.exceptions import WatchError

from projector.adapters.redis.commit import announcement
from projector.adapters.redis.inspector import PORTION
from projector.store.collections import Variant
from read_side.adapters.redis.transport.announcements import Announcements
from shared.dev_stack.doctor.checks import FAILED, OK, WARNING
from shared.dev_stack.doctor.redis import examine_redis, examine_servers
from shared.dev_stack.embedded.server import free_port
from shared.errors import Unavailable
from shared.problems import INVALID, Refusal
from shared.read_model.keys import HOME
from shared.read_model.layouts import Layouts
from shared.read_model.positions import Pointer
from shared.redis.client import RedisTimeouts, connect, connect_blocking, connector
from shared.redis.cluster import BUS_TAG, slot_of
from shared.redis.location import key_holders, located
from shared.redis.pipelined import pack, pipelined
from shared.redis.replies import PATIENCE
from shared.settings import Settings
from tests.support import roles
from tests.support.folding import POINTER, begin, go_live
from tests.support.patience import SECONDS, patient_connector
from tests.support.processes import frozen
from tests.support.read_models import StoreInRedis, on_a_server
from write_side.bus.backlog import Backlog
from write_side.bus.entries import ANSWERS, Poison, commands, settled
from write_side.bus.limits import BusLimits
from write_side.bus.stream import ShardStream

KEY = "muster:{0}:key"
CHANNEL = HOME.projection("profiles").announce


@pytest.fixture
async def client(cluster):
    async with connect(cluster.start().url) as opened:
        await opened.set(KEY, "old")
        yield opened


@pytest.fixture
async def store(cluster):
    """With a live generation."""
    async with on_a_server(cluster) as opened:
        await begin(opened.model())
        await go_live(opened.model())
        yield opened


async def moved(cluster):
    """Have the slot moved to another node, and say which had it."""
    former = cluster.owner()
    await asyncio.to_thread(cluster.move, cluster.other())
    return former


async def set_elsewhere(cluster, value):
    """By a client that finds the owner anew."""
    async with connect(cluster.url) as other:
        await other.set(KEY, value)


async def test_a_transaction_is_not_executed_where_its_slot_has_gone(cluster, client):
    async with pipelined(client) as redis:
        await redis.execute(("WATCH", KEY))
        await moved(cluster)
        with pytest.raises(WatchError):
            await redis.transact(("SET", KEY, "mine"))

    assert await client.get(KEY) == b"old"


@pytest.mark.parametrize("value", ["other", "old"])
async def test_a_transaction_is_not_executed_where_its_slot_went_and_came_back(cluster, client, value):
    """The node has never been away, and knows nothing of what was written elsewhere."""
    async with pipelined(client) as redis:
        await redis.execute(("WATCH", KEY))
        former = await moved(cluster)
        await set_elsewhere(cluster, value)
        await asyncio.to_thread(cluster.move, former)
        with pytest.raises(WatchError):
            await redis.transact(("SET", KEY, "mine"))

    assert await client.get(KEY) == value.encode()


async def test_readers_go_where_a_slot_moves_without_an_error(cluster, client):
    connection = patient_connector(cluster.url)()
    reads = [await connection.fetch(pack("GET", KEY), replies=1)]

    await moved(cluster)
    await set_elsewhere(cluster, "new")
    reads.append(await connection.fetch(pack("GET", KEY), replies=1))

    assert reads == [[b"old"], [b"new"]]
    await connection.disconnect()


async def test_a_client_loses_its_connection_where_its_slot_has_gone(cluster, client):
    """Once: the next command finds the owner."""
    await moved(cluster)

    with pytest.raises(ConnectionLost, match="MOVED"):
        await client.get(KEY)

    assert await client.get(KEY) == b"old"


async def test_a_node_that_is_the_owner_no_more_is_left_before_it_says_so(cluster):
    """One that was cut off may not know."""
    connect = patient_connector(cluster.url)
    connection, other = connect(), connect()
    await other.fetch(pack("GET", KEY), replies=1)

    await moved(cluster)
    await connection.leave_replaced_master()

    assert other.is_outdated
    await other.disconnect()


PATIENT = RedisTimeouts(reply=3600)


@asynccontextmanager
async def standing_still(cluster):
    """Have the slot moved to another node, and what had it stand still before it has told so on any connection."""
    former = await moved(cluster)
    with frozen({former.pid}):
        yield


async def test_a_read_that_hangs_where_the_slot_has_gone_from_is_answered_elsewhere(cluster, client):
    """Long before its time is over."""
    connection = connector(cluster.url, timeouts=PATIENT)()
    await connection.fetch(pack("GET", KEY), replies=1)

    async with standing_still(cluster):
        await set_elsewhere(cluster, "new")
        assert await asyncio.wait_for(connection.fetch(pack("GET", KEY), replies=1), SECONDS) == [b"new"]

    await connection.disconnect()


async def test_a_transaction_that_hangs_where_the_slot_has_gone_from_is_given_up(cluster, client):
    """Nothing of it is sent again; what comes next finds the owner."""
    async with connect(cluster.url, timeouts=PATIENT) as patient:
        async with pipelined(patient) as redis:
            await redis.execute(("WATCH", KEY))
            async with standing_still(cluster):
                with pytest.raises(WatchError):
                    await asyncio.wait_for(redis.transact(("SET", KEY, "mine")), SECONDS)

        assert await patient.get(KEY) == b"old"


async def test_a_command_that_hangs_where_the_slot_has_gone_from_is_given_up(cluster, client):
    async with connect(cluster.url, timeouts=PATIENT) as patient:
        await patient.get(KEY)
        async with standing_still(cluster):
            with pytest.raises(ConnectionLost):
                await asyncio.wait_for(patient.get(KEY), SECONDS)
            assert await patient.get(KEY) == b"old"


async def test_a_read_hangs_on_where_no_other_node_has_the_slot(cluster, client):
    """It is answered when the owner wakes up, on the same connection."""
    connection = connector(cluster.url, timeouts=PATIENT)()
    await connection.fetch(pack("GET", KEY), replies=1)
    with frozen({cluster.owner().pid}):
        read = asyncio.create_task(connection.fetch(pack("GET", KEY), replies=1))
        await asyncio.wait([read], timeout=3 * PATIENCE)
        assert not read.done()

    assert await read == [b"old"]
    await connection.disconnect()


async def test_nobody_is_suspected_while_a_command_waits_as_long_as_it_says(cluster, client, monkeypatch):
    """Of a server that is well nothing is asked beside it; one that is silent for longer is suspected."""
    locator, suspected = client.connection_pool.connection_kwargs["locator"], []
    monkeypatch.setattr(locator, "suspect", lambda: suspected.append("suspected"))

    assert not await client.xread({f"{KEY}:stream": "0-0"}, block=round(3_000 * PATIENCE))
    while_it_waited = list(suspected)
    with frozen({cluster.owner().pid}):
        read = asyncio.create_task(client.xread({f"{KEY}:stream": "0-0"}, block=round(1_000 * PATIENCE)))
        await asyncio.wait([read], timeout=3 * PATIENCE)
    await read

    assert (while_it_waited, set(suspected)) == ([], {"suspected"})


class Heard:
    """Stands for the readers that wait."""

    def __init__(self):
        self.positions = asyncio.Queue()

    def announce(self, position):
        self.positions.put_nowait(position)

    def read_again(self):
        self.positions.put_nowait("again")

    async def next(self):
        async with asyncio.timeout(SECONDS):
            return await self.positions.get()


def listening_at(url, heard):
    """Hear what is announced there, of another projection too."""
    announcements = Announcements(patient_connector(url))
    announcements.wake(heard, by=[CHANNEL])
    announcements.wake(Heard(), by=[HOME.projection("groups").announce])
    return announcements


async def announce(cluster, position):
    async with connect(cluster.url) as client, pipelined(client) as redis:
        await redis.execute((redis.publish, CHANNEL, announcement("g1", position)))


async def test_what_is_announced_is_heard_wherever_the_slot_is(cluster):
    """All who wait read again once it can be heard again."""
    heard = Heard()
    async with listening_at(cluster.url, heard):
        listening = await heard.next()
        await announce(cluster, 1)
        first = await heard.next()
        await moved(cluster)
        again = await heard.next()
        await announce(cluster, 2)
        second = await heard.next()

    assert (listening, first, again, second) == ("again", 1, "again", 2)


async def test_a_generation_is_not_called_dropped_where_the_slot_has_gone(cluster, store):
    """Its keys would stay for ever."""
    model, keys = store.model(), HOME.projection("profiles").generation("g0")
    await store.plant(keys.checkpoint, b"{}")
    await model.survey()
    await moved(cluster)

    with pytest.raises(Unavailable, match="MOVED"):
        await model.unlink(Pointer("g0", 1))
    await model.unlink(Pointer("g0", 1))

    async with connect(cluster.url) as client:
        assert not await client.exists(keys.checkpoint)


async def test_a_generation_is_not_called_empty_where_the_slot_has_gone(cluster, store):
    await store.inspector().live()
    documents = Variant("profile", "full")
    await store.plant_hash(HOME.projection("profiles").generation(POINTER.generation).documents(*documents), 1)
    await moved(cluster)

    with pytest.raises(Unavailable, match="MOVED"):
        await store.inspector().collections(POINTER)

    assert await store.inspector().collections(POINTER) == {documents}


async def test_a_walk_is_not_gone_on_with_on_another_node(cluster, store):
    """There the place it has come to is another one."""
    documents = Variant("profile", "full")
    await store.plant_hash(
        HOME.projection("profiles").generation(POINTER.generation).documents(*documents), 3 * PORTION
    )

    async with aclosing(store.inspector().walk(POINTER, documents)) as walk:
        await anext(walk)
        await moved(cluster)
        for _ in range(2):
            with suppress(Unavailable):
                await store.inspector().live()  # by connections of the same pool, which find the owner
        with pytest.raises(Unavailable, match="MOVED"):
            await anext(walk)


async def test_programs_without_an_event_loop_find_the_owner(cluster, client):
    with connect_blocking(cluster.url) as blocking:
        assert blocking.get(KEY) == "old"
    assert located(cluster.url).endswith(f"@{cluster.owner().address}/0")
    assert key_holders(cluster.url).urls.keys() == {str(each.address) for each in cluster.nodes}


@pytest.fixture
def as_user(cluster):
    """Gives the URL of the cluster for a user of `docs/roles`, which every node has."""
    for node, (user, rules) in product(cluster.nodes, roles.users().items()):
        node.call("ACL", "SETUSER", user.split()[1], *rules.split())
    hosts = cluster.url.rpartition("@")[2]
    yield lambda user: f"redis+cluster://muster-{user}:{user.upper()}@{hosts}"
    for node, user in product(cluster.nodes, roles.users()):
        node.call("ACL", "DELUSER", user.split()[1])


async def test_projector_and_readers_do_their_work_under_their_users(cluster, as_user):
    heard = Heard()
    async with (
        connect(as_user("project")) as client,
        listening_at(as_user("read"), heard),
    ):
        listening = await heard.next()
        await client.delete(HOME.projection("profiles").live, HOME.projection("profiles").roster)
        model = StoreInRedis(client, spy=client).model()
        await begin(model)
        await go_live(model)

        assert (listening, await heard.next()) == ("again", 0)
    assert len(key_holders(as_user("prove")).urls) == len(cluster.nodes)


async def test_the_bus_is_where_its_own_slot_is(cluster, as_user):
    """Which may be another than that of the read models."""
    cluster.owner(slot_of(BUS_TAG)).call("DEL", commands(0), ANSWERS)
    async with (
        connect(as_user("producer"), tag=BUS_TAG) as producer,
        connect(as_user("consume"), tag=BUS_TAG) as client,
    ):
        sent = await producer.xadd(commands(0), {"command": b"{"})
        stream = ShardStream(client, 0, consumer="one", limits=BusLimits())
        await stream.open()
        [message] = await stream.take()
        await stream.settle([settled(message, Poison(Refusal(INVALID, "no")))])
        await Backlog(client, shards=1).measure()

        assert message.id == sent.decode()
        assert await producer.xread({ANSWERS: "0"})


async def test_where_no_node_answers_it_is_said_whom_was_asked():
    url = f"redis+cluster://127.0.0.1:{free_port()},127.0.0.1:{free_port()}"

    with pytest.raises(ConnectionLost, match=r"no node says who owns what; 127\.0\.0\.1:.*; 127\.0\.0\.1:"):
        await connect(url).get(KEY)
    with pytest.raises(ConnectionLost, match="no node says who owns what"):
        connect_blocking(url)


async def test_a_node_that_stands_still_is_passed_over(cluster, client):
    """It would take the connection."""
    still = cluster.other()
    others = [each for each in cluster.nodes if each is not still]
    hosts = ",".join(str(each.address) for each in (still, *others))
    with frozen({still.pid}):
        async with connect(f"{cluster.url.rpartition('@')[0]}@{hosts}") as other:
            assert await other.get(KEY) == b"old"
    cluster.settled()


def test_doctor_looks_at_each_node(cluster):
    """What does not hold of one is said with its address."""
    wrong = cluster.start().nodes[1]
    wrong.call("CONFIG", "SET", "cluster-allow-reads-when-down", "yes")
    try:
        held = {"the read models": ["0"], "the bus": [BUS_TAG]}
        checks = list(examine_redis(cluster.url, held=held, setting="MUSTER_REDIS_URL"))
    finally:
        wrong.call("CONFIG", "SET", "cluster-allow-reads-when-down", "no")

    assert [each.mark for each in checks] == [OK, WARNING, WARNING, OK, FAILED, OK]
    assert checks[1].what == f"{cluster.owner().address} has the read models and a replica"
    assert checks[2].what == f"{cluster.owner(slot_of(BUS_TAG)).address} has the bus and a replica"
    assert checks[4].what == f"node {wrong.address}: no reads when down"
    assert "maxmemory-policy is noeviction" in checks[3].what


def test_doctor_knows_what_each_node_has_of_the_read_models(cluster):
    """By what is recorded, whatever number is set here: all three have some of twelve partitions, and no replica."""
    settings = Settings.load({"MUSTER_REDIS_URL": cluster.start().url, "MUSTER_BUS_URL": cluster.url})
    with connect_blocking(cluster.url) as client:
        client.set(HOME.partitions, Layouts(live=1, kept=12, until=datetime(2026, 12, 1, tzinfo=UTC)).encoded)
        checks = list(examine_servers(settings))
        client.delete(HOME.partitions)

    endangered = {each.what for each in checks if each.mark == WARNING and "the read models" in each.what}
    assert endangered == {f"{node.address} has the read models and a replica" for node in cluster.nodes}


async def test_keys_that_went_there_and_back_are_seen_to_have_gone(cluster, client):
    """Else what looks for a person node by node could miss what was always where it did not look."""
    before, former = key_holders(cluster.url), cluster.owner()
    assert key_holders(cluster.url) == before

    await moved(cluster)
    await asyncio.to_thread(cluster.move, former)

    after = key_holders(cluster.url)
    assert (after.urls, cluster.owner()) == (before.urls, former)
    assert after.ownership != before.ownership
