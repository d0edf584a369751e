"""One process schedules and delivers; when it ends, or loses its database, it or another one goes on."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta

import httpx
import msgspec
import pytest
from prometheus_client import REGISTRY

from shared.auth.setup import admit_everyone
from shared.errors import Unavailable
from shared.event_log import UnknownEvent
from shared.http.in_process import in_process
from tests.support.patience import answered, until_here
from tests.support.reacting import Reacting, reacting_on
from write_side.adapters.memory.deliveries import MemoryDeliverySession
from write_side.react import react_app, register_reactor
from write_side.reactions.limits import ReactionLimits
from write_side.reactions.reactor import Reactor


@pytest.fixture
async def reacting() -> AsyncIterator[Reacting]:
    async with reacting_on("memory", None) as made:
        yield made


def reactor_of(reacting) -> Reactor:
    return Reactor(
        log=reacting.side.log,
        deliveries=reacting.deliveries,
        reactions=reacting.reactions,
        world=reacting.world,
        limits=ReactionLimits(again_seconds=0.001, defect_seconds=0.001, pause_seconds=0.001, poll_seconds=0.01),
    )


@asynccontextmanager
async def running(reactor):
    task = asyncio.create_task(reactor.run())
    try:
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@pytest.fixture
async def client(reacting) -> AsyncIterator[httpx.AsyncClient]:
    def register(registry) -> None:
        register_reactor(registry, reactor_of(reacting))

    async with in_process(react_app(admit_everyone, register)) as client:
        yield client


def mails(reacting):
    return [mail.to for mail in reacting.mailer.sent]


async def test_what_happens_is_written_as_it_happens(reacting):
    async with running(reactor_of(reacting)):
        for handle in ("ada", "bob"):
            await reacting.register(handle)
            await until_here(lambda handle=handle: f"{handle}@example.org" in mails(reacting))


async def test_a_standby_does_nothing_until_the_leader_ends(reacting):
    async with running(reactor_of(reacting)) as leader, running(reactor_of(reacting)):
        await reacting.register("ada")
        await until_here(lambda: mails(reacting) == ["ada@example.org"])
        leading = reacting.deliveries.leading

        leader.cancel()
        await until_here(lambda: reacting.deliveries.leading not in {None, leading})
        await reacting.register("bob")

        await until_here(lambda: len(mails(reacting)) == 2)


async def test_a_database_that_is_away_is_waited_for(reacting, client):
    database = reacting.deliveries.database
    await answered(client, "/readyz", lambda answer: answer.status_code == 200)

    database.available = database.log.available = False
    await answered(client, "/readyz", lambda answer: answer.status_code == 503)
    database.available = database.log.available = True

    await answered(client, "/readyz", lambda answer: answer.status_code == 200)
    await reacting.register("ada")
    await until_here(lambda: mails(reacting) == ["ada@example.org"])


async def test_the_metrics_say_what_waits_and_what_was_given_up(reacting, client):
    reacting.mailer.refused = {"ada@example.org"}
    await reacting.register("ada")

    await answered(client, "/metrics", lambda answer: 'muster_deliveries{state="given up"} 1.0' in answer.text)

    assert REGISTRY.get_sample_value("muster_reactions_leading") == 1
    assert REGISTRY.get_sample_value("muster_reactions_lag_events") == 0
    outcome = {"reaction": "send-verification-mail", "outcome": "given up"}
    assert REGISTRY.get_sample_value("muster_delivery_attempts_total", outcome) >= 1


async def test_a_deferred_delivery_is_taken_up_when_it_is_due(reacting):
    """The loop sleeps until then; here the clock stands, and is moved."""
    reacting.mailer.available = False
    async with running(reactor_of(reacting)):
        await reacting.register("ada")
        await until_here(lambda: [each.attempts for each in reacting.deliveries.kept.values()] == [1])
        [deferred] = reacting.deliveries.kept.values()
        reacting.mailer.available = True

        reacting.side.clock.advance(deferred.due_at - reacting.side.clock.now())

        await until_here(lambda: mails(reacting) == ["ada@example.org"])


async def test_a_defect_is_seen_and_tried_again(reacting, client, monkeypatch):
    """Its text may name people."""

    async def defect(*_: object, **__: object) -> None:
        raise ZeroDivisionError("ada@example.org")

    with monkeypatch.context() as broken:
        broken.setattr(MemoryDeliverySession, "schedule", defect)
        await reacting.register("ada")
        answer = await answered(client, "/readyz", lambda answer: answer.status_code == 503)

    assert answer.json()["checks"]["Reactor"] == "NotReacting: ZeroDivisionError"
    await until_here(lambda: mails(reacting) == ["ada@example.org"])


async def test_an_event_of_a_newer_release_ends_no_delivery(reacting, client):
    """What is due is delivered in the same session; what is behind the event waits until that can be read."""
    reacting.mailer.available = False
    await reacting.register("ada")
    await until_here(lambda: [each.attempts for each in reacting.deliveries.kept.values()] == [1])
    leading, log = reacting.deliveries.leading, reacting.side.log
    known = msgspec.structs.replace(log.events[1], position=3)
    log.append([msgspec.structs.replace(known, event=UnknownEvent("account-blessed", 1, "it is unknown"))])
    await reacting.register("bob")
    answer = await answered(client, "/readyz", lambda answer: answer.status_code == 503)
    reacting.mailer.available = True

    reacting.side.clock.advance(timedelta(minutes=1))

    await until_here(lambda: mails(reacting) == ["ada@example.org"])
    assert "EventNotKnown: position 3 holds an event" in answer.text
    assert reacting.deliveries.leading is leading
    log._events[2] = known
    await until_here(lambda: mails(reacting) == ["ada@example.org", "bob@example.org"])
    await answered(client, "/readyz", lambda answer: answer.status_code == 200)


async def test_a_process_that_leads_no_more_measures_nothing(reacting):
    reacting.mailer.refused = {"ada@example.org"}
    await reacting.register("ada")
    reactor = reactor_of(reacting)

    def given_up():
        return REGISTRY.get_sample_value("muster_deliveries", {"state": "given up"})

    async with running(reactor):
        await until_here(lambda: [each.given_up_at for each in reacting.deliveries.kept.values() if each.given_up_at])
        await reactor.refresh()
        assert given_up() == 1
    await reactor.refresh()

    assert given_up() == 0


async def test_metrics_that_cannot_be_asked_for_hide_no_other(reacting, client, monkeypatch):
    async def away(_: object) -> None:
        raise Unavailable("the database is away")

    await answered(client, "/readyz", lambda answer: answer.status_code == 200)
    await until_here(lambda: reacting.deliveries.leading)
    monkeypatch.setattr(MemoryDeliverySession, "counts", away)

    answer = await client.get("/metrics")

    assert (answer.status_code, "muster_reactions_leading 1.0" in answer.text) == (200, True)
