"""Any prefix of a commit is harmless, on a real server too."""

import asyncio
from contextlib import contextmanager
from itertools import islice

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from projector.adapters.redis import commit
from projector.adapters.redis.read_model import RedisReadModel
from projector.store.writes import writes
from shared.read_model.keys import HOME
from shared.redis.client import connect
from tests.support.folding import PROFILES, begin, cleanly_folded, fold_all, fold_next
from tests.support.random_histories import SETTLED, histories, steps
from tests.support.read_models import StoreInRedis


@pytest.fixture(params=["valkey", "genuine_redis"])
def server(request):
    return request.getfixturevalue(request.param).start()


@contextmanager
def only(monkeypatch, commands):
    """Let commits execute their first commands alone; the announcement is made all the same."""
    with monkeypatch.context() as patch:
        patch.setattr(commit, "writes", lambda batch, keys: islice(writes(batch, keys), commands))
        yield


async def fold_with_crashes(url, log, crashes, rest, monkeypatch):
    async with connect(url) as client, Redis.from_url(url) as spy:
        await spy.flushall()
        model = RedisReadModel(client, projection=PROFILES, keyspace=HOME)
        await begin(model)
        await fold_next(model, log, size=SETTLED)
        for step in crashes:
            with only(monkeypatch, step.crash_after):
                await fold_next(model, log, size=step.size)
        await fold_all(model, log, size=rest)
        return await StoreInRedis(client, spy=spy).content(), await cleanly_folded(log)


@given(log=histories(), crashes=steps, rest=st.integers(1, 20))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_prefix_of_a_commit_is_harmless(server, monkeypatch, log, crashes, rest):
    """A server that kept only the first commands of some commits ends as one that took the whole log at once."""
    found, expected = asyncio.run(fold_with_crashes(server.url, log, crashes, rest, monkeypatch))

    assert expected == found
