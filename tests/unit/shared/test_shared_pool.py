"""Connections that many share who come at once."""

import asyncio

import pytest
from redis.exceptions import ConnectionError as ConnectionLost

from shared.redis.shared_pool import SharedPool


class Server:
    """Takes as many connections as it may."""

    def __init__(self, *, takes):
        self.may_take = asyncio.Semaphore(takes)
        self.asked = self.at_once = self.most_at_once = 0
        self.trouble = None
        self.lines = []
        self.pool = SharedPool(connection_class=Line, server=self)

    async def take(self):
        self.asked += 1
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await self.may_take.acquire()
        await asyncio.sleep(0)
        self.at_once -= 1
        if self.trouble:
            raise self.trouble


class Line:
    """A connection."""

    def __init__(self, *, server, **_):
        self._server = server
        server.lines.append(self)
        self.is_connected = self.has_unread = self.is_outdated = False

    async def connect(self):
        self.is_connected = True
        await self._server.take()

    async def can_read(self):
        if not self.is_connected:
            raise ConnectionLost("closed by the server")
        return self.has_unread

    def should_reconnect(self):
        return self.is_outdated

    async def disconnect(self, **_):
        self.is_connected = False


async def trip(pool):
    """What most need a connection for."""
    connection = await pool.get_connection()
    assert connection.is_connected
    await asyncio.sleep(0)
    await pool.release(connection)


async def test_all_make_do_with_one_while_another_is_made():
    server = Server(takes=1)

    await asyncio.gather(*(trip(server.pool) for _ in range(240)))

    assert server.asked == 2
    await server.pool.aclose()


async def test_nobody_waits_for_those_who_keep_theirs():
    """One is made after the other."""
    server = Server(takes=5)

    kept = await asyncio.gather(*(server.pool.get_connection() for _ in range(5)))

    assert (len(set(kept)), server.most_at_once) == (5, 1)


class Refusal(ConnectionLost):
    """Made of something else than its message."""

    def __init__(self, *, host):
        super().__init__(f"{host} refuses")


@pytest.mark.parametrize("trouble", [ConnectionLost("nobody there"), Refusal(host="valkey-1")], ids=repr)
async def test_what_cannot_be_made_is_an_error_of_all_who_wait(trouble):
    """Who comes later tries again."""
    server = Server(takes=2)
    server.trouble = trouble
    failed = await asyncio.gather(*(trip(server.pool) for _ in range(9)), return_exceptions=True)
    server.trouble = None

    await trip(server.pool)

    assert (server.asked, {str(each) for each in failed}, len(set(map(id, failed)))) == (2, {str(trouble)}, 9)


async def test_what_was_lost_is_not_lent_again():
    server = Server(takes=2)
    lost = await server.pool.get_connection()
    await lost.disconnect()
    await server.pool.release(lost)

    assert await server.pool.get_connection() is not lost


async def test_one_who_goes_away_takes_nobody_along():
    server = Server(takes=0)
    first, second = (asyncio.create_task(trip(server.pool)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait([first])
    server.may_take.release()

    await second


async def test_a_pool_that_is_closed_makes_none():
    server = Server(takes=0)
    waiting = asyncio.create_task(trip(server.pool))
    await asyncio.sleep(0)
    await asyncio.sleep(0)  # by now it is being made

    await server.pool.aclose()

    with pytest.raises(ConnectionLost):
        await waiting
    assert not server.lines[0].is_connected


async def test_all_that_were_lost_with_their_server_are_made_anew_one_by_one():
    server = Server(takes=9)
    kept = await asyncio.gather(*(server.pool.get_connection() for _ in range(3)))
    for each in kept:
        await server.pool.release(each)
    for each in kept:
        await each.disconnect()

    await asyncio.gather(*(server.pool.get_connection() for _ in range(3)))

    assert (server.asked, server.most_at_once) == (6, 1)


@pytest.mark.parametrize("left", ["has_unread", "is_outdated"])
async def test_what_one_left_something_on_is_closed_and_not_lent(left):
    """A reply to one who went away, or the word that another server took over."""
    server = Server(takes=2)
    used = await server.pool.get_connection()
    await server.pool.release(used)
    setattr(used, left, True)

    assert await server.pool.get_connection() is not used
    assert not used.is_connected


async def test_a_pool_that_was_closed_connects_no_more():
    """Also where it had connections, and where it had none."""
    server = Server(takes=2)
    await server.pool.release(await server.pool.get_connection())
    await server.pool.aclose()

    with pytest.raises(ConnectionLost, match="were closed"):
        await server.pool.get_connection()

    assert server.asked == 1


def test_a_limit_of_connections_is_refused_by_its_name():
    with pytest.raises(ValueError, match=r"^max_connections: "):
        SharedPool(max_connections=5)


async def test_what_leads_to_who_was_replaced_is_closed_when_it_comes_back():
    server = Server(takes=1)
    used = await server.pool.get_connection()
    server.lines[0].is_outdated = True
    await server.pool.release(used)

    assert not used.is_connected


async def test_one_who_goes_away_with_a_connection_leaves_it_to_the_next():
    """Also where the one under way never comes."""
    server = Server(takes=1)
    lent = await server.pool.get_connection()
    first, second = (asyncio.create_task(server.pool.get_connection()) for _ in range(2))
    await asyncio.sleep(0)
    await server.pool.release(lent)
    first.cancel()

    assert await asyncio.wait_for(second, timeout=9) is lent
    await server.pool.aclose()


async def test_who_waits_comes_before_one_who_wants_it_again():
    server = Server(takes=1)
    lent = await server.pool.get_connection()

    async def again():
        await server.pool.release(lent)
        return await server.pool.get_connection()

    first = asyncio.create_task(server.pool.get_connection())
    await asyncio.sleep(0)
    greedy = asyncio.create_task(again())

    assert await asyncio.wait_for(first, timeout=9) is lent
    greedy.cancel()
    await server.pool.aclose()
