"""What travels together on one connection to a real server, and what becomes of it where that is lost."""

import pytest
from redis.exceptions import ConnectionError as ConnectionLost
from redis.exceptions import ResponseError, WatchError

from shared.redis.client import connect, connector
from shared.redis.pipelined import pack, pipelined


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
    connection = connector(server.url)()
    await client.set("key", b"\xff")
    await connection.fetch(pack("PING"), replies=1)
    await client.client_kill_filter(_type="normal", skipme=True)

    assert await connection.fetch(pack("GET", "key") + pack("GET", "none"), replies=2) == [b"\xff", None]

    await connection.disconnect()
