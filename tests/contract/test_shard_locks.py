"""Locks of the bus' shards: a shard is carried out by one consumer at a time, for as long as that lives."""

from collections.abc import AsyncIterator, Callable

import psycopg
import pytest

from shared.errors import Unavailable
from tests.support.patience import until
from write_side.adapters.memory.shard_locks import MemoryShardLocks, MemoryShards
from write_side.adapters.postgres.shard_locks import PostgresShardLocks
from write_side.ports import ShardLocks

END_SESSIONS = """
    select pg_terminate_backend(pid, 10000) from pg_stat_activity
     where datname = current_database() and pid <> pg_backend_pid()"""


@pytest.fixture(params=["memory", "postgres"])
async def consumer(request: pytest.FixtureRequest) -> AsyncIterator[Callable[[], ShardLocks]]:
    """Makes the locks of one consumer after the other."""
    shards, made = MemoryShards(), list[ShardLocks]()
    url = request.getfixturevalue("database_url") if request.param == "postgres" else ""

    def make() -> ShardLocks:
        made.append(PostgresShardLocks(url) if url else MemoryShardLocks(shards))
        return made[-1]

    yield make
    for each in made:
        await each.aclose()


async def test_consumers_are_counted(consumer):
    """However often they ask."""
    one, other = consumer(), consumer()

    counted = [await each.consumers() for each in (one, one, other, one)]

    assert counted == [1, 1, 2, 2]


async def test_a_shard_is_one_consumers_at_a_time(consumer):
    one, other = consumer(), consumer()
    await one.consumers()
    await other.consumers()

    taken = [await one.take(3), await other.take(3), await other.take(4)]
    await one.give_up(3)

    assert taken == [True, False, True]
    assert await other.take(3)


async def test_one_that_ends_leaves_its_shards_to_others(consumer):
    one, other = consumer(), consumer()
    await one.consumers()
    await one.take(0)
    await other.consumers()

    await one.aclose()

    async def is_taken():
        return await other.take(0)

    await until(is_taken)
    assert await other.consumers() == 1


async def test_one_that_is_no_consumer_has_nothing(consumer):
    """Nor one that is not any more."""
    locks = consumer()

    with pytest.raises(Unavailable):
        await locks.require()
    await locks.consumers()
    await locks.require()
    await locks.aclose()
    with pytest.raises(Unavailable):
        await locks.require()


async def test_a_session_that_is_lost_is_noticed_before_anything_is_carried_out(database_url):
    """And the next one begins without any shard."""
    locks, other = PostgresShardLocks(database_url), PostgresShardLocks(database_url)
    await locks.consumers()
    await locks.take(0)
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(END_SESSIONS)

    for ask in (locks.require, lambda: locks.take(1)):
        with pytest.raises(Unavailable):
            await ask()

    assert await other.consumers() == 1
    assert await other.take(0)
    assert await locks.consumers() == 2
    assert not await locks.take(0)
    for each in (locks, other):
        await each.aclose()
