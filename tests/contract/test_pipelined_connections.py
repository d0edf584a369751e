"""What travels together on one connection to a real server, and what becomes of it where that is lost."""

import asyncio

import pytest
from redis.exceptions import ConnectionError as ConnectionLost
from redis.exceptions import ResponseError, WatchError
from redis.exceptions import TimeoutError as TimedOut

from shared.redis.client import RedisTimeouts, connect, connector
from shared.redis.pipelined import pack, pipelined
from tests.support.patience import patient_connector


@pytest.fixture
async def client(server):
    async with connect(server.url) as client:
        await client.flushall()
        yield client


@pytest.mark.parametrize(("send", "error"), [("execute", ConnectionLost), ("transact", WatchError)])
async def test_nothing_is_sent_on_another_connection_than_the_one_that_watches(client, send, error):
    """Which would watch nothing; a transaction that is lost is one that was overtaken: the caller looks again."""
    async with pipelined(client) as redis:
        await redis.execute(("WATCH", "key"))
        await redis.disconnect()

        with pytest.raises(error):
            await getattr(redis, send)(("SET", "key", "value"))

    assert await client.get("key") is None


async def test_no_reply_is_waited_for_where_nothing_is_sent(client):
    async with pipelined(client) as redis, asyncio.timeout(30):
        await redis.execute(("WATCH", "key"))

        assert await redis.execute() == []


async def test_a_transaction_is_not_executed_where_something_else_was_written(client):
    async with pipelined(client) as redis:
        await redis.execute(("WATCH", "key"))
        await client.set("key", "theirs")

        with pytest.raises(WatchError, match="something else was written"):
            await redis.transact(("SET", "key", "ours"))

    assert await client.get("key") == b"theirs"


async def refused(client):
    """Leave a connection with a key that is watched, and a reply that is not read."""
    async with pipelined(client) as redis:
        await redis.execute(("WATCH", "key"), ("NO-SUCH-COMMAND",), ("SET", "other", 1))


async def test_what_a_failed_caller_has_left_is_not_found_by_the_next(client):
    with pytest.raises(ResponseError):
        await refused(client)
    await client.set("key", "theirs")

    async with pipelined(client) as redis:
        assert await redis.transact(("GET", "key")) == [b"theirs"]


async def test_reads_go_on_where_a_connection_is_lost(client, server):
    """Once, on a fresh one; bytes are given as they are."""
    connection = patient_connector(server.url)()
    await client.set("key", b"\xff")
    await connection.fetch(pack("PING"), replies=1)
    await client.client_kill_filter(_type="normal", skipme=True)

    assert await connection.fetch(pack("GET", "key") + pack("GET", "none"), replies=2) == [b"\xff", None]

    await connection.disconnect()


async def test_a_reply_that_nobody_waits_for_any_more_is_not_taken_for_the_next(client, server):
    connection = patient_connector(server.url)()
    await connection.fetch(pack("PING"), replies=1)
    given_up = asyncio.create_task(connection.fetch(pack("BLPOP", "none", 0), replies=1))
    await asyncio.sleep(0)
    given_up.cancel()
    await asyncio.wait([given_up])

    assert await connection.fetch(pack("ECHO", "next"), replies=1) == [b"next"]

    await connection.disconnect()


async def test_a_server_that_does_not_answer_is_given_up(server):
    """By readers after a time for all that they wait for, by others after a silence."""
    timeouts = RedisTimeouts(reply=0.3)
    connection = connector(server.url, timeouts=timeouts)()

    with pytest.raises(TimedOut):
        await connection.fetch(pack("BLPOP", "none", 0), replies=1)
    async with connect(server.url, timeouts=timeouts) as client:
        with pytest.raises(TimedOut):
            await blocked(client)

    await connection.disconnect()


async def blocked(client):
    async with pipelined(client) as redis:
        await redis.execute(("BLPOP", "none", 0))


async def test_what_a_server_pushes_is_no_reply(client):
    """RESP3: it comes in between; the connection goes back to redis-py as it was."""
    async with pipelined(client) as redis:
        await redis.execute(("CLIENT", "TRACKING", "ON"), ("GET", "key"))
        pushed = [("SET", "key", nth) for nth in range(3)]

        assert await redis.execute(*pushed, ("GET", "key")) == [b"OK"] * 3 + [b"2"]

    assert await client.get("key") == b"2"
