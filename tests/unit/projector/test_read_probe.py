"""The read probe asks the read API for all that is in the log."""

import httpx
import pytest
from prometheus_client import REGISTRY

from projector.monitoring.read_probe import QUESTIONS, ReadProbe
from projector.projections.registry import PROJECTIONS
from shared.event_log import MemoryEventLog
from tests.support.histories import History


@pytest.fixture
def log():
    history, log = History(), MemoryEventLog()
    history.register("ada")
    log.append(history.events)
    return log


def failures():
    return sum(
        REGISTRY.get_sample_value("muster_read_probe_failures_total", {"projection": each}) or 0.0 for each in QUESTIONS
    )


def probing(log, answer):
    """A read probe whose read API answers each request as told."""
    read = httpx.AsyncClient(transport=httpx.MockTransport(answer), base_url="http://read")
    return ReadProbe(log=log, read=read)


def test_every_projection_is_asked():
    assert set(QUESTIONS) == {each.name for each in PROJECTIONS}


async def test_all_that_is_in_the_log_is_asked_for(log):
    asked = []

    def answer(request):
        asked.append((request.url.path, request.headers["Muster-Min-Position"]))
        return httpx.Response(404 if "activity" in request.url.path else 200)

    probe, before = probing(log, answer), failures()
    await probe.ask()

    assert probe.error is None
    assert {position for _, position in asked} == {"2"}
    assert {path for path, _ in asked} == {path.partition("?")[0] for path in QUESTIONS.values()}
    assert failures() == before


async def test_what_is_not_answered_is_told_and_counted(log):
    """A projection that is behind, and a read API that is away."""

    def answer(request):
        if request.url.path == "/stats":
            raise httpx.ConnectError("away")
        return httpx.Response(503 if request.url.path == "/groups" else 200)

    probe, before = probing(log, answer), failures()
    await probe.ask()

    assert probe.error == "groups: 503; stats: ConnectError"
    assert failures() == before + 2


async def test_while_postgresql_is_away_nobody_can_say_what_should_be_seen(log):
    log.available = False

    probe = probing(log, lambda request: pytest.fail("it asked"))
    await probe.ask()

    assert probe.error is None
