"""Sessions of the ops page, in memory and in Redis."""

import time

import pytest

from shared.auth.adapters.memory.sessions import MemorySessions
from shared.auth.adapters.redis.sessions import RedisSessions
from shared.auth.principal import OPS, Principal
from shared.auth.sessions import SESSION_SECONDS
from shared.dev_stack.embedded_redis import EmbeddedRedis
from shared.errors import Unavailable
from shared.read_model.keys import HOME
from shared.redis.client import connect
from tests.support.clock import Time


@pytest.fixture
def clock():
    return Time(time.time())


@pytest.fixture(params=["memory", "valkey", "genuine_redis"])
async def sessions(request, clock):
    if request.param == "memory":
        yield MemorySessions(clock=clock)
        return
    async with connect(request.getfixturevalue(request.param).start().url) as client:
        yield RedisSessions(client, keyspace=HOME, clock=clock)


def link(id, *, until=None):
    return Principal("ada", frozenset({OPS}), id, "k1", until or time.time() + 900)


async def test_a_session_is_its_links(sessions):
    """With its subject, its id and its key, by which it can be ended."""
    name = await sessions.begin(link("its-links"))

    found = await sessions.find(name)

    assert found._replace(expires_at=0) == link("its-links")._replace(expires_at=0)


async def test_of_two_who_use_a_link_one_is_let_in(sessions):
    names = [await sessions.begin(link("twice")) for _ in range(2)]

    assert names[0]
    assert names[1] is None


async def test_names_are_not_to_be_guessed(sessions):
    one, other = [await sessions.begin(link(each)) for each in ("one", "other")]

    assert one != other
    assert len(one) >= 40
    assert await sessions.find("nobodys") is None


async def test_a_session_is_over_in_the_end(sessions, clock):
    name = await sessions.begin(link("over"))
    assert await sessions.find(name)

    clock.now += SESSION_SECONDS + 1

    assert await sessions.find(name) is None


async def test_sessions_and_used_links_outlive_a_projector(redis_server):
    """And no name of a session stands in Redis."""
    async with connect(redis_server.url) as client:
        name = await RedisSessions(client, keyspace=HOME).begin(link("outlives"))
        later = RedisSessions(client, keyspace=HOME)

        assert await later.find(name)
        assert await later.begin(link("outlives")) is None
        assert not [key async for key in client.scan_iter("*session*") if name.encode() in key]


async def test_who_has_signed_in_can_look_on_while_redis_is_away(server_home):
    """Nobody else can sign in meanwhile."""
    with EmbeddedRedis(server_home / "sessions", appendonly=False) as server:
        client = connect(server.url)
        sessions = RedisSessions(client, keyspace=HOME)
        name = await sessions.begin(link("away"))
        await sessions.find(name)

    assert await sessions.find(name)
    with pytest.raises(Unavailable):
        await sessions.find("another")
    with pytest.raises(Unavailable):
        await sessions.begin(link("another"))
    await client.aclose()
