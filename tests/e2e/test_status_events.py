"""The state every second, over HTTP from a real projector."""

import asyncio
import itertools
import os
import signal
from contextlib import AsyncExitStack

import pytest

from projector.api.status_events import StreamLimits
from projector.monitoring.limits import MonitoringLimits
from shared.server.limits import ServerLimits
from tests.support.event_streams import first, followed
from tests.support.patience import until
from tests.support.stack import service

FIGURES = {"lag_events", "lag_seconds", "events_per_second"}
LIMITS = MonitoringLimits()
SHORTEST = LIMITS.interval * LIMITS.leisure / (LIMITS.leisure + 1)
"""Seconds from one state to the next, where the one took its share of the interval and the other took no time."""


@pytest.fixture(autouse=True)
async def a_history(stack):
    """The projector of a stack that has just started may not have looked yet."""
    async with followed(stack.addresses.ops) as (_, events):
        await first(events, "status")


def at_rest(status):
    """What does not change while nothing happens."""
    return {
        "head": status["head"],
        "projections": [(each["name"], each["generation"], each["checkpoint"]) for each in status["projections"]],
    }


async def test_the_state_comes_every_second_and_is_that_of_status(stack):
    """
    After the history; each with its time, in milliseconds, as its id.

    Where a look takes long, the next comes later: as late as the stall detector has patience for.
    """
    async with (
        followed(stack.addresses.ops) as (answer, events),
        stack.client() as client,
    ):
        beginning, history = await anext(events), await first(events, "history")
        sent = [await first(events, "status") for _ in range(3)]
        status = (await client.get(f"{stack.addresses.ops}/status")).json()

    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/event-stream")
    assert answer.headers["Cache-Control"] == "no-store"
    assert beginning.other == {"retry": "1000"}
    names = {each["name"] for each in status["projections"]}
    assert set(history.data["projections"]) == names
    assert all(set(series) == FIGURES for series in history.data["projections"].values())
    assert {len(series) for each in history.data["projections"].values() for series in each.values()} == {
        len(history.data["at"])
    }
    assert set(sent[-1].data) == set(status)
    assert at_rest(sent[-1].data) == at_rest(status)
    times = [int(event.id) for event in sent]
    assert times[0] >= history.data["at"][-1]
    seconds = [(later - earlier) / 1_000 for earlier, later in itertools.pairwise(times)]
    assert [SHORTEST - 0.1 < each < LIMITS.stall for each in seconds] == [True, True], seconds


async def test_what_a_browser_says_when_it_comes_back_does_no_harm(stack):
    async with followed(stack.addresses.ops, **{"Last-Event-ID": "9" * 500}) as (answer, events):
        assert answer.status_code == 200
        assert (await first(events, "history")).data["at"]


async def test_those_who_look_on_are_limited_and_make_room_when_they_go(stack):
    """One more has to come again."""
    url = stack.addresses.ops
    async with (
        AsyncExitStack() as open_streams,
        stack.client() as client,
    ):
        for _ in range(StreamLimits().streams):
            await until(lambda: is_opened(open_streams, url))  # one that was closed before may still have its place

        refused = await client.get(f"{url}/status/events")
        assert (refused.status_code, refused.json()["type"]) == (503, "/problems/too-many-streams")
        assert int(refused.headers["Retry-After"]) > 0
        await open_streams.aclose()

        await until(lambda: is_let_in(url))


async def is_opened(open_streams, url):
    answer, _ = await open_streams.enter_async_context(followed(url))
    return answer.status_code == 200


async def is_let_in(url):
    async with followed(url) as (answer, _):
        return answer.status_code == 200


async def test_who_looks_on_does_not_hold_up_the_stop(stack, tmp_path):
    """The stream is ended properly, and the projector has the time to give its lease up: it is not killed."""
    log = tmp_path / "log"
    addresses = {"MUSTER_DATABASE_URL": stack.addresses.database_url, "MUSTER_REDIS_URL": stack.addresses.redis_url}
    async with service("project", log, **addresses) as (url, pid), followed(url) as (_, events):
        await first(events, "status")
        os.kill(pid, signal.SIGTERM)
        async with asyncio.timeout(ServerLimits().stop - 5):  # then it would be killed
            rest = [event async for event in events]

    assert {event.name for event in rest} <= {None, "status", "page"}
    assert "refused to gracefully stop" not in log.read_text()
