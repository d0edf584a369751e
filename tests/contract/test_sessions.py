"""Sessions of signed-in browsers, in memory and in Redis."""

import time

import pytest

from shared.auth.adapters.memory.sessions import MemorySessions
from shared.auth.adapters.redis.sessions import RedisSessions
from shared.auth.principal import OPS, Principal
from shared.auth.sessions import SEEN_SECONDS, SESSION_SECONDS
from shared.dev_stack.embedded.redis import EmbeddedRedis
from shared.errors import Unavailable
from shared.read_model.keys import HOME
from shared.redis.client import connect
from tests.support.clock import Time


@pytest.fixture
def clock():
    return Time(time.time())


@pytest.fixture(params=["memory", "valkey", "genuine_redis", "cluster"])
async def sessions(request, clock):
    if request.param == "memory":
        yield MemorySessions(clock=clock)
        return
    async with connect(request.getfixturevalue(request.param).start().url) as client:
        yield RedisSessions(client, keyspace=HOME, clock=clock)


def link(id, *, until=None):
    return Principal("ada", frozenset({OPS}), id, "k1", until or time.time() + 900, is_ours=True)


async def test_a_session_is_its_links(sessions):
    """With its subject, its id and its key, by which it can be ended, and whose that is."""
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


async def test_a_session_by_a_token_lasts_as_long_as_the_token(sessions, clock):
    """And no longer than any other; a token may begin several."""
    token = link("a-token", until=clock.now + 60)
    names = [await sessions.begin_by_token(token) for _ in range(2)]
    long = await sessions.begin_by_token(link("long", until=clock.now + 10 * SESSION_SECONDS))

    assert [(await sessions.find(each)).subject for each in names] == ["ada", "ada"]
    assert (await sessions.find(long)).expires_at == pytest.approx(clock.now + SESSION_SECONDS)

    clock.now += 61
    assert await sessions.find(names[0]) is None
    assert await sessions.find(long)


async def test_a_session_that_is_ended_is_over(sessions):
    """Another of the same token goes on; to end none does nothing."""
    token = link("signs-out")
    ended, other = [await sessions.begin_by_token(token) for _ in range(2)]
    await sessions.find(ended)

    await sessions.end(ended)
    await sessions.end("nobodys")

    assert await sessions.find(ended) is None
    assert await sessions.find(other)


async def test_a_session_that_is_ended_is_over_in_every_process(redis_server, clock):
    """Within the seconds for which a process believes what it has seen."""
    async with connect(redis_server.url) as client:
        one, other = (RedisSessions(client, keyspace=HOME, clock=clock) for _ in range(2))
        name = await one.begin_by_token(link("everywhere"))
        assert await other.find(name)

        await one.end(name)
        clock.now += SEEN_SECONDS

        assert await other.find(name) is None


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
    with pytest.raises(Unavailable, match=r"Redis, which keeps the sessions of browsers, does not answer$"):
        await sessions.find("another")
    with pytest.raises(Unavailable):
        await sessions.begin(link("another"))
    await client.aclose()
