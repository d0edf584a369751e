"""Pages of the event log in PostgreSQL are those of a log that is read whole; and the last hour, as Redis keeps it."""

from datetime import timedelta

import psycopg
import pytest

from projector.adapters.memory.log_pages import MemoryLogPages
from projector.adapters.memory.timeline import MemoryTimelineStore
from projector.adapters.postgres import log_pages
from projector.adapters.postgres.log_pages import PostgresLogPages
from projector.adapters.redis.timeline import RedisTimelineStore
from projector.monitoring.log_pages import LogQuery
from projector.monitoring.timeline import MINUTES, Figures, Point
from shared.errors import Unavailable
from shared.postgres.arguments import PostgresLimits
from shared.read_model.keys import HOME
from shared.redis.client import connect
from tests.support.histories import DAWN
from tests.support.write_side import create_groups, postgres_write_side, register


async def walked(pages, query):
    """Every event that is found, page by page, and how many pages that took."""
    found, taken = [], 0
    while True:
        page = await pages.page(query)
        found, taken = [*found, *page.events], taken + 1
        if page.next_before is None:
            return found, taken
        query = query._replace(before=page.next_before)


async def test_every_question_is_answered_as_by_the_whole_log(database_url, monkeypatch):
    """By position, aggregate, type and correlation; a search goes through the log in steps."""
    async with postgres_write_side(database_url) as write_side:
        ada, bob = await register(write_side, "ada", "bob")
        [board] = await create_groups(write_side, "board")
        await write_side.run("add-group-member", group="board", account="@bob")
        await write_side.run("change-handle", account="@bob", handle="bobby")
        await write_side.run("erase-account", account="@ada")
        everything = await write_side.events()
        pages, whole = PostgresLogPages(database_url), MemoryLogPages(write_side.log)

        for query in (
            LogQuery(),
            LogQuery(before=4),
            LogQuery(before=0),
            LogQuery(before=10**12, type="profile-created"),
            *(LogQuery(aggregate=each) for each in (ada, bob, board)),
            LogQuery(aggregate=bob, type="handle-changed"),
            LogQuery(type="profile-created"),
            LogQuery(correlation=everything[-1].metadata.correlation, type="account-erased"),
        ):
            for limit in (1, 50):
                asked = query._replace(limit=limit)
                assert (await walked(pages, asked))[0] == (await walked(whole, asked))[0]
        monkeypatch.setattr(log_pages, "SEARCHED", 3)
        searched, taken = await walked(pages, LogQuery(type="group-created"))

        assert [each.aggregate_id for each in searched] == [board]
        assert taken == -(-everything[-1].position // 3)
        assert await pages.event(everything[2].position) == everything[2]
        assert await pages.event(everything[-1].position + 1) is None


async def test_a_server_that_does_not_answer_is_waited_for_so_long(database_url):
    """Another session has locked the table."""
    pages = PostgresLogPages(database_url, postgres=PostgresLimits(answer_seconds=0.2))
    async with await psycopg.AsyncConnection.connect(database_url) as other:
        await other.execute("lock table event_log")

        with pytest.raises(Unavailable):
            await pages.event(1)


@pytest.fixture(params=["memory", "valkey"])
async def timeline(request):
    if request.param == "memory":
        yield MemoryTimelineStore()
        return
    async with connect(request.getfixturevalue("valkey").start().url) as client:
        await client.hset(HOME.timeline, "7", b'["of another release"]')
        yield RedisTimelineStore(client, keyspace=HOME)
        await client.delete(HOME.timeline)


async def test_a_minute_takes_the_place_of_the_one_an_hour_before(timeline):
    """What another release has kept there is passed over."""
    points = [
        Point(DAWN + timedelta(minutes=minute), minute, {"profiles": Figures(minute, None, 0.5)})
        for minute in range(2 * MINUTES)
    ]

    for each in (*points[:3], *points[MINUTES : MINUTES + 2]):
        await timeline.keep([each])

    kept = sorted(await timeline.read(), key=lambda point: point.at)
    assert kept == [points[2], *points[MINUTES : MINUTES + 2]]
