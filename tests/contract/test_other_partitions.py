"""Commands where the read models are divided otherwise than the settings say."""

import pytest
from redis import Redis

from projector.cli.layout import layouts_at
from projector.rebuilding.layout_wish import Wish
from projector.services import layouts_of
from shared.dev_stack.doctor.redis import examine_servers
from shared.errors import Unsound
from shared.read_model.keys import HOME
from shared.read_model.layouts import Layouts
from shared.settings import Settings


@pytest.fixture
def redis(valkey):
    with Redis.from_url(valkey.start().url) as client:
        client.flushall()
        yield client


@pytest.fixture
def settings(valkey):
    nowhere = "postgresql://127.0.0.1:1/muster"
    return Settings.load({"MUSTER_REDIS_URL": valkey.url, "MUSTER_DATABASE_URL": nowhere, "MUSTER_PARTITIONS": "12"})


async def test_who_only_looks_goes_by_what_is_recorded(redis, settings):
    """Other numbers of partitions are there beside while they change."""
    layouts = Layouts(live=3, kept=1)
    redis.set(HOME.partitions, layouts.encoded)

    assert await layouts_at(settings) == layouts


async def test_what_a_later_release_has_recorded_is_refused(redis, settings):
    """In one line that says what to do; nothing is looked at, fed or repaired in another layout."""
    redis.set(HOME.partitions, b'{"live":3,"ring":"x"}')
    refusals = []
    for command in (layouts_at(settings), layouts_of(settings, Wish(3))):
        with pytest.raises(Unsound) as refused:
            await command
        refusals.append(str(refused.value))
    [check] = [each for each in examine_servers(settings) if each.what == "partitions"]

    assert {*refusals, check.hint} == {refusals[0]}
    assert "unknown field `ring`" in refusals[0]
    assert "start the release that recorded it, or empty Redis" in refusals[0]
    assert redis.keys() == [HOME.partitions.encode()]


async def test_where_nothing_is_recorded_the_settings_say_it(redis, settings):
    assert await layouts_at(settings) == Layouts(live=12)
