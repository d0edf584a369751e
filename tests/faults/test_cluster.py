"""
A Valkey Cluster whose nodes go and whose slots move, while a whole directory on it is changed and read.

Every answer is compared with what the log says at the position that is told with it; in the end nothing is missing,
nothing is there twice, and `muster verify` finds no difference.
"""

import asyncio
from collections.abc import Iterator
from itertools import count

import pytest
from uuid_utils import uuid7

from shared.redis.client import RedisTimeouts, connector
from shared.redis.cluster import slot_of
from shared.redis.pipelined import pack
from tests.faults.cluster_bus import separable_cluster
from tests.faults.operator import Operator
from tests.faults.under_load import seconds_until, serving_again, under_load
from tests.support.cluster import FragileNode, ValkeyCluster, valkey_cluster
from tests.support.commands import muster
from tests.support.patience import SECONDS, until, wait_until
from tests.support.processes import frozen
from tests.support.replicas import PASSWORD, checkpoint_on
from tests.support.sessions import log_held
from tests.support.stack import Stack, running_stack

AWAY = {"/problems/projection-behind", "/problems/read-model-unavailable"}


@pytest.fixture(scope="module")
def nodes(server_home) -> Iterator[ValkeyCluster]:
    with valkey_cluster(server_home / "nodes", replicas=True) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def stack_on_cluster(nodes) -> Iterator[Stack]:
    with running_stack(is_forked=True, MUSTER_REDIS_URL=nodes.url) as stack:
        yield stack


@pytest.fixture
def whole(nodes, stack_on_cluster) -> Iterator[Stack]:
    """The stack, on a cluster that is well, and verified in the end."""
    nodes.start()
    yield stack_on_cluster
    assert muster(stack_on_cluster.home, "verify").returncode == 0


@pytest.fixture
def in_haste(nodes) -> Iterator[None]:
    """The nodes believe soon that one of them is gone."""
    with nodes.start().in_haste():
        yield
        nodes.start()


def test_commands_look_at_every_node(nodes, stack_on_cluster):
    """Doctor at all, and what looks for erased people at those that have slots."""
    home, other = stack_on_cluster.home, nodes.other()
    person, address = str(uuid7()), "eva@b.example"
    fields = (f"account_id={person}", "handle=eva", f"email={address}", "display_name=Eva")
    muster(home, "run", "register-account", *fields).check_returncode()
    key = next(f"{{{tag}}}" for tag in map(str, count()) if nodes.owner(slot_of(tag)) is other)
    other.call("SET", key, address)
    # Nodes tell each other now and then how far a replica is, and name none of which they have not heard that.
    wait_until(lambda: len(nodes.topology().nodes) == len(nodes.nodes))

    doctor = muster(home, "doctor")
    found = muster(home, "erase", "@eva", "--yes", "--prove")
    other.call("DEL", key)
    proven = muster(home, "erase", person, "--prove")

    assert doctor.returncode == 0, doctor.stdout
    assert [each.address for each in nodes.nodes if f"✓ node {each.address}: " not in doctor.stdout] == []
    assert found.returncode == 1
    assert [f"redis {other.address} {key}" in each.stdout for each in (found, proven)] == [True, False]
    assert proven.returncode == 0, proven.stdout + proven.stderr


async def test_a_slot_is_moved_and_nobody_is_refused(nodes, whole):
    """There and back, as `CLUSTER MIGRATESLOTS` does it: at once."""
    former = nodes.owner()
    async with under_load(whole, seed=1700) as (load, readers):
        await load.grown(by=20)
        for to in (nodes.other(), former):
            await asyncio.to_thread(nodes.move, to)
            await load.grown(by=20)

    assert load.troubles == {}
    assert set(readers.refusals) <= {"/problems/projection-behind"}
    assert readers.taken_back == []


@pytest.mark.soak
async def test_a_rebuild_goes_on_where_its_slot_is_moved(nodes, whole):
    """While it reads the log, which is held up for it, and again until it is live."""
    async with Operator(whole) as operator, under_load(whole, seed=1710) as (load, readers):
        await load.grown(by=20)
        with log_held(whole.addresses.database_url):
            await load.grown(by=20)
            ordered = await operator.post("rebuild", keep_old=3600)
            await until(lambda: operator.is_in("replaying"))
            await asyncio.to_thread(nodes.move, nodes.other())
        await asyncio.to_thread(nodes.move, nodes.other())
        await until(lambda: operator.is_live(ordered["building"]))

    assert load.troubles == {}
    assert set(readers.refusals) <= AWAY
    assert readers.taken_back == []


@pytest.mark.soak
@pytest.mark.usefixtures("in_haste")
async def test_a_killed_primary_is_replaced_by_its_replica(nodes, whole, recovered_in):
    killed = nodes.owner()
    async with under_load(whole, seed=1720) as (load, readers):
        await load.grown(by=20)
        killed.kill()
        recovered = await seconds_until(serving_again(readers, load))
        await until(lambda: is_owned_by_another(nodes, killed))
        killed.start()
        await load.grown(by=20)

    recovered_in(recovered)
    assert load.troubles == {}
    assert set(readers.refusals) <= AWAY


@pytest.mark.soak
@pytest.mark.usefixtures("in_haste")
async def test_a_primary_that_stands_still_is_left(nodes, whole, recovered_in):
    """It would take connections; when it wakes up it has been replaced, and is a replica."""
    still = nodes.owner()
    async with under_load(whole, seed=1730) as (load, readers):
        await load.grown(by=20)
        with frozen({still.pid}):
            recovered = await seconds_until(serving_again(readers, load))
            await until(lambda: is_owned_by_another(nodes, still))
            await load.grown(by=20)
        await load.grown(by=20)

    recovered_in(recovered)
    assert load.troubles == {}
    assert set(readers.refusals) <= AWAY


@pytest.mark.usefixtures("in_haste")
async def test_a_read_that_hangs_on_a_primary_that_stands_still_ends_when_another_is_promoted(nodes):
    """However long it could wait: it is answered by the promoted one, of what the former had acknowledged."""
    connection, key = connector(nodes.start().url, timeouts=RedisTimeouts(reply=3600))(), "muster:{0}:hanging"
    still = nodes.owner()
    still.call("SET", key, "acknowledged")
    assert still.call("WAIT", 1, 0) == 1
    await connection.fetch(pack("GET", key), replies=1)

    with frozen({still.pid}):
        reply = await asyncio.wait_for(connection.fetch(pack("GET", key), replies=1), SECONDS)
        assert is_owned_by_another(nodes, still)

    assert reply == [b"acknowledged"]
    await connection.disconnect()


@pytest.mark.soak
@pytest.mark.usefixtures("in_haste")
async def test_what_a_promoted_replica_lacks_is_projected_again(nodes, whole, recovered_in):
    """Documents and checkpoint are of one moment; the projector goes on from there."""
    killed, replica = nodes.owner(), nodes.replica()
    async with under_load(whole, seed=1740) as (load, readers):
        await load.grown(by=20)
        replica.call("CONFIG", "SET", "masterauth", "wrong")
        killed.call("CLIENT", "KILL", "TYPE", "replica")
        await load.grown(by=40)
        assert replica.info()["slave_repl_offset"] < killed.info()["master_repl_offset"]
        killed.kill()
        recovered = await seconds_until(serving_again(readers, load))
        replica.call("CONFIG", "SET", "masterauth", PASSWORD)
        killed.start()
        await load.grown(by=20)

    recovered_in(recovered)
    assert load.troubles == {}
    assert set(readers.refusals) <= AWAY


@pytest.mark.soak
async def test_what_a_primary_took_that_was_cut_off_is_projected_again(server_home, recovered_in):
    """It goes on taking commits until it finds that it is alone; those who took over know nothing of them."""
    with (
        separable_cluster(server_home / "separable") as nodes,
        running_stack(is_forked=True, MUSTER_REDIS_URL=nodes.url) as stack,
    ):
        async with under_load(stack, seed=1750) as (load, readers):
            await load.grown(by=20)
            alone, replica = nodes.owner(), nodes.replica()
            replica.call("CONFIG", "SET", "masterauth", "wrong")
            with nodes.cut_off(alone):
                alone.call("CLIENT", "KILL", "TYPE", "replica")
                before = checkpoint_on(alone)
                await until(lambda: is_further(alone, before))
                await until(lambda: is_owned_by_another(nodes, alone))
                recovered = await seconds_until(serving_again(readers, load))
            replica.call("CONFIG", "SET", "masterauth", PASSWORD)
            await load.grown(by=20)

        nodes.settled()
        recovered_in(recovered)
        assert load.troubles == {}
        assert set(readers.refusals) <= AWAY
        assert readers.taken_back != []
        assert muster(stack.home, "verify").returncode == 0


def is_further(node: FragileNode, position: int) -> bool:
    return checkpoint_on(node) > position


def is_owned_by_another(nodes: ValkeyCluster, former: FragileNode) -> bool:
    return nodes.owner() is not former
