"""Whatever dies while an event is being brought to all members of a group: it reaches each of them, once."""

import asyncio
from contextlib import asynccontextmanager

import pytest
from redis import Redis

from projector.adapters.redis.read_model import RedisReadModel
from projector.adapters.redis.store import store_in_redis
from projector.processing.limits import ProcessorLimits
from projector.processing.progress import ProjectionState
from projector.projections.groups import groups
from projector.projections.profiles import profiles
from shared.dev_stack.embedded.redis import EmbeddedRedis
from shared.event_log import MemoryEventLog
from shared.read_model.keys import HOME
from shared.redis.client import connect
from shared.runtime.retry import RetryPolicy
from tests.support.folding import cleanly_folded, held
from tests.support.histories import History
from tests.support.patience import until_here
from tests.support.projectors import projector_with, running, until_state
from tests.support.read_models import everything

MEMBERS = 18
PROJECTIONS = (profiles, groups)


@pytest.fixture
def server(tmp_path):
    """Valkey, which loses nothing that it has acknowledged."""
    with EmbeddedRedis(tmp_path / "redis", fsync="no") as server:
        yield server


@pytest.fixture
def history():
    """A group of many, and another that some of them belong to."""
    history = History()
    group, other = history.create_group("all"), history.create_group("some")
    for number in range(MEMBERS):
        person = history.register(f"p{number}")
        history.add_member(group, person)
        if number % 3 == 0:
            history.add_member(other, person)
    return history


@asynccontextmanager
async def projector(server, log, projection):
    """A projector whose fan-outs take one document a step."""
    async with connect(server.url) as client:
        limits = ProcessorLimits(fan_out=1, poll=0.01, retry=RetryPolicy(first=0.001, longest=0.01))
        store = store_in_redis(client, projection)
        async with running(projector_with(projection, store=store, log=log, limits=limits)) as projector:
            yield projector


async def checkpoint_of(server, projection):
    async with connect(server.url) as client:
        return (await RedisReadModel(client, projection=projection, keyspace=HOME).survey()).checkpoint


async def has_fanned_out(server, log, projection):
    checkpoint = await checkpoint_of(server, projection)
    return checkpoint.reached == log.next_position - 1


async def fan_out_with_kills(server, log, projection, kill):
    """Let a new projector go on for a moment, kill, and again until the log is reflected; says how often it took."""
    kills = 0
    while not await has_fanned_out(server, log, projection):
        async with projector(server, log, projection) as feeding:
            await until_state(feeding, ProjectionState.RUNNING)
            await asyncio.sleep(0.001 * (kills % 5))  # the kill shall come at another moment each time
            kill(server)
        kills += 1
    return kills


def kill_the_projector(server):
    """It is cancelled in whatever it is waiting for, and its connections are gone."""


def kill_the_server(server):
    server.kill()
    server.start()


@pytest.mark.parametrize("projection", PROJECTIONS, ids=lambda projection: projection.name)
@pytest.mark.parametrize("kill", [kill_the_projector, kill_the_server])
async def test_renames_and_a_deletion_end_right(server, history, projection, kill):
    """However often, between the steps and in them: the records are what they would be without any."""
    log = MemoryEventLog()
    log.append(history.events)
    async with projector(server, log, projection) as feeding:
        await until_state(feeding, ProjectionState.RUNNING)
    [group, other] = history.slugs
    settled = len(history.events)
    history.rename_group(group, "All of us")
    history.change_handle(next(iter(history.handles)), "zoe")
    history.change_slug(group, "everybody")
    history.delete_group(other)
    history.rename_group(group, "Everybody")
    log.append(history.events[settled:])

    kills = await fan_out_with_kills(server, log, projection, kill)

    assert kills > 2  # so that one at least came in the middle
    assert await cleanly_folded(history.events, projection) == held(everything(server), projection)


async def test_events_go_on_while_a_group_is_renamed(server, history):
    """A person registered after a rename is there while the group's members are still being brought the new name."""
    log, projection = MemoryEventLog(), PROJECTIONS[0]
    log.append(history.events)
    async with projector(server, log, projection) as feeding:
        await until_state(feeding, ProjectionState.RUNNING)
        settled = len(history.events)
        history.rename_group(next(iter(history.slugs)), "All of us")
        newcomer = history.register("newcomer")
        log.append(history.events[settled:])
        log.notify()
        found = held(everything(server), projection)
        while str(newcomer) not in found["profile:full"]:
            await asyncio.sleep(0)
            found = held(everything(server), projection)
        renamed = sum(b"All of us" in envelope for envelope in found["profile:full"].values())
        checkpoint = await checkpoint_of(server, projection)

        assert renamed < MEMBERS
        assert checkpoint.reached < checkpoint.position
        await until_here(lambda: b"sweeps" not in checkpoint_bytes(server))
    assert await cleanly_folded(history.events, projection) == held(everything(server), projection)


def checkpoint_bytes(server):
    with Redis.from_url(server.url) as client:
        return client.get("muster:{0}:profiles:g1:checkpoint")
