"""How clients of Redis are made, whatever server they are of."""

import pytest

from shared.redis.client import RedisTimeouts, connect, connect_blocking

TIMEOUTS = RedisTimeouts(connect=1.0, reply=2.0)


@pytest.mark.parametrize("make", [connect, connect_blocking])
def test_a_client_waits_as_long_as_it_is_given_and_sends_nothing_twice(make):
    options = make("redis://one", timeouts=TIMEOUTS).connection_pool.connection_kwargs

    assert (options["socket_connect_timeout"], options["socket_timeout"]) == (1.0, 2.0)
    assert options["retry"].get_retries() == 0


@pytest.mark.parametrize("make", [connect, connect_blocking])
def test_what_the_url_says_of_timeouts_comes_first(make):
    options = make("redis://one?socket_timeout=9", timeouts=TIMEOUTS).connection_pool.connection_kwargs

    assert (options["socket_connect_timeout"], options["socket_timeout"]) == (1.0, 9.0)
