"""Checkpoints that are moved past what does not concern their partitions, on every store."""

import asyncio
from contextlib import aclosing, asynccontextmanager

import msgspec
import pytest

from projector.adapters.redis import servers
from projector.adapters.redis.checkpoints import RedisCheckpoints
from projector.store import transitions
from projector.store.codec import EVERYBODY
from projector.store.errors import Superseded
from projector.store.ports import Move
from shared.read_model.keys import HOME
from shared.read_model.partitions import Partitions
from shared.read_model.positions import Announcement, Checkpoint
from shared.redis.client import connect
from shared.redis.cluster import slot_of
from shared.redis.nodes import Nodes
from tests.support.folding import POINTER, PROFILES, begin, fold_all, go_live
from tests.support.histories import History
from tests.support.patience import PATIENT
from tests.support.processes import frozen
from tests.support.read_models import StoreInMemory, on_a_server


@pytest.fixture(params=["memory", "valkey", "genuine_redis", "cluster"])
async def store(request):
    """With a live generation that reflects two events."""
    if request.param == "memory":
        opened = StoreInMemory()
        await prepare(opened)
        yield opened
        return
    async with on_a_server(request.getfixturevalue(request.param)) as opened:
        await prepare(opened)
        yield opened


async def prepare(store):
    history = History()
    history.register("ada")
    model = store.model()
    await begin(model)
    await fold_all(model, history.events)
    await go_live(model)


async def checkpoint_in(store):
    return (await store.model().survey()).checkpoint


async def moved(store, *moves):
    async with aclosing(store.checkpoints()) as checkpoints:
        return {move: is_moved async for move, is_moved in checkpoints.move(moves)}


def past(before, position):
    return Move(PROFILES.label, POINTER.generation, before, before.revised(position=position, count=position))


async def test_a_checkpoint_is_moved_and_announced(store):
    move = past(await checkpoint_in(store), 7)

    assert await moved(store, move) == {move: True}

    assert await checkpoint_in(store) == move.after
    assert (await store.announced())[-1] == Announcement(POINTER.generation, 7)


async def test_a_checkpoint_that_is_another_one_stays(store):
    """Another projector has written; the one that rests looks what."""
    before = await checkpoint_in(store)
    await moved(store, past(before, 7))
    late, gone = past(before, 9), past(Checkpoint(), 9)._replace(generation="g0")

    assert await moved(store, late, gone) == {late: False, gone: False}

    assert (await checkpoint_in(store)).position == 7


async def test_the_checkpoint_of_a_damaged_generation_stays(store):
    before = await checkpoint_in(store)
    await store.plant(HOME.projection(PROFILES.name).generation(POINTER.generation).damaged, b"planted")

    move = past(before, 7)

    assert await moved(store, move) == {move: False}
    assert await checkpoint_in(store) == before


async def test_of_a_part_that_is_closed_nothing_is_moved_or_written(store):
    """Nor by who looked before it was closed: there is another checkpoint since. Open again, it is gone on with."""
    model, before = store.model(), await checkpoint_in(store)
    closed = await model.transition(transitions.used("closed"))
    late = past(before, 7)

    assert (closed.live, closed.access) == (POINTER, "closed")
    assert await moved(store, late) == {late: False}
    for expected in (before, closed.checkpoint):
        with pytest.raises(Superseded):
            async with model.commit(POINTER.generation, expected=expected):
                raise AssertionError("a commit has begun")
    left = await model.transition(transitions.used("open", left=1))
    async with model.commit(POINTER.generation, expected=left.checkpoint) as commit:
        await commit.confirm()
    assert left.checkpoint == closed.checkpoint
    assert [each.position for each in (await store.announced())[-2:]] == [EVERYBODY] * 2


BEFORE, THEN, NEXT, LAST = (Checkpoint(position=nth, count=nth, revision=nth) for nth in range(1, 5))


@asynccontextmanager
async def moving_in(cluster, *spaces):
    """Yield what moves the checkpoints of all these partitions, and says of each of which it hears whether it moved."""
    keys = {f"profiles.{nth}": space.projection("profiles") for nth, space in enumerate(spaces)}
    cluster.start()
    for each in spaces:
        async with connect(cluster.url, tag=each.tag) as client:
            await client.set(each.projection("profiles").generation("g1").checkpoint, msgspec.json.encode(BEFORE))

    async with aclosing(RedisCheckpoints(cluster.url, keys)) as checkpoints:

        async def moving(before, after):
            async for move, is_moved in checkpoints.move([Move(label, "g1", before, after) for label in keys]):
                yield move.label, is_moved

        yield moving


async def heard(moving):
    return {label: is_moved async for label, is_moved in moving}


async def test_checkpoints_are_moved_on_whatever_nodes_they_are(cluster):
    """Of a slot that has gone to another node nothing is said once, and then that they are moved."""
    spaces = Partitions(3).keyspaces
    async with moving_in(cluster, *spaces) as moving:
        first = await heard(moving(BEFORE, THEN))
        slot = slot_of(spaces[1].tag)
        await asyncio.to_thread(cluster.move, cluster.other(slot), slot=slot)
        beside, again = await heard(moving(THEN, LAST)), await heard(moving(THEN, LAST))

    assert first == {f"profiles.{nth}": True for nth in range(3)}
    assert "profiles.1" not in beside
    assert again["profiles.1"]


async def test_a_node_that_has_no_partition_any_more_holds_up_none(cluster, monkeypatch):
    """Also where it was not asked for anything since: so it is after a failover while nothing happened."""
    monkeypatch.setattr(servers, "LOOK_SECONDS", 0.0)
    space, *_, beside = Partitions(12).keyspaces
    async with moving_in(cluster, space, beside) as moving:
        first = await heard(moving(BEFORE, THEN))
        slot = slot_of(beside.tag)
        await asyncio.to_thread(cluster.move, cluster.owner(slot_of(space.tag)), slot=slot)
        second = await heard(moving(THEN, LAST))

    assert first == second == {"profiles.0": True, "profiles.1": True}


async def test_a_node_that_stands_still_holds_up_no_move_on_another(cluster, monkeypatch):
    """It is not asked again before it has answered."""
    monkeypatch.setattr(servers, "nodes_with", lambda tags, url: Nodes(url, tags, timeouts=PATIENT))
    spaces = Partitions(3).keyspaces
    async with moving_in(cluster, *spaces) as moving:
        await heard(moving(BEFORE, THEN))
        owners = {f"profiles.{nth}": cluster.owner(slot_of(each.tag)) for nth, each in enumerate(spaces)}
        still = owners["profiles.1"]
        others = {label: True for label, owner in owners.items() if owner is not still}
        with frozen({still.pid}):
            first = moving(THEN, NEXT)
            told = [await anext(first) for _ in others]
            rest = asyncio.create_task(heard(first))
            beside = await heard(moving(NEXT, LAST))
            is_held_up = not rest.done()
        cluster.settled()
        await rest

    assert others
    assert (is_held_up, dict(told), beside) == (True, others, others)
