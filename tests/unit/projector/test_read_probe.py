"""The read probe asks the read API for all that is in the log."""

import httpx
import pytest
from prometheus_client import REGISTRY

from projector.monitoring.limits import MonitoringLimits
from projector.monitoring.read_probe import ReadProbe
from shared.event_log import MemoryEventLog
from shared.runtime.tasks import Tasks
from tests.support.histories import History
from tests.support.patience import until_here

PROBES = {"profiles": "/profiles?limit=1", "groups": "/groups?limit=1", "stats": "/stats"}


@pytest.fixture
def log():
    history, log = History(), MemoryEventLog()
    history.register("ada")
    log.append(history.events)
    return log


def failures():
    return sum(
        REGISTRY.get_sample_value("muster_read_probe_failures_total", {"projection": each}) or 0.0 for each in PROBES
    )


def probing(log, answer, *, document=None):
    """A read probe whose read API says what can be asked, and answers as told."""
    document = document or (lambda: httpx.Response(200, json={"x-probes": PROBES}))

    def respond(request):
        return document() if request.url.path == "/openapi.json" else answer(request)

    read = httpx.AsyncClient(transport=httpx.MockTransport(respond), base_url="http://read")
    limits = MonitoringLimits(interval=0, probe=3_600)
    return ReadProbe(log=log, read=read, projections=PROBES, limits=limits)


async def test_all_that_is_in_the_log_is_asked_for(log):
    """Of each projection that the read API serves; that there is no such thing is an answer too."""
    asked = []

    def answer(request):
        asked.append((request.url.raw_path.decode(), request.headers["Muster-Min-Position"]))
        return httpx.Response(404 if "groups" in request.url.path else 200)

    probe, before = probing(log, answer), failures()
    await probe.ask()

    assert probe.error is None
    assert asked == [(path, "2") for path in PROBES.values()]
    assert failures() == before


async def test_at_rest_one_is_asked_in_turn_until_something_happens(log):
    """An event, or a question that is not answered, has all asked again."""
    asked, status = [], {"/stats": 200}

    def answer(request):
        asked.append(request.url.path)
        return httpx.Response(status.get(request.url.path, 200))

    probe = probing(log, answer)
    await probe.ask()
    everything = list(asked)
    asked.clear()
    for _ in PROBES:
        await probe.ask()
    in_turn = list(asked)
    status["/stats"] = 503
    while probe.error is None:
        await probe.ask()
    asked.clear()
    await probe.ask()

    assert sorted(in_turn) == sorted(everything) == sorted(asked)
    assert probe.error == "stats: 503"


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


@pytest.mark.parametrize(
    ("document", "error"),
    [
        (httpx.Response(503), "/openapi.json: HTTPStatusError"),
        (httpx.Response(200, text="<html>"), "/openapi.json: DecodeError"),
        (httpx.Response(200, json={"paths": {}}), "/openapi.json: ValidationError"),
    ],
)
async def test_a_read_api_that_does_not_say_what_can_be_asked_is_told(log, document, error):
    """It may be another service, or a release that is older than the probe."""
    document.request = httpx.Request("GET", "http://read/openapi.json")
    probe = probing(log, lambda request: pytest.fail("it asked"), document=lambda: document)

    await probe.ask()

    assert probe.error == error


async def test_a_read_api_that_is_away_is_counted_each_time(log):
    """The alert counts on it, also where the read API was away from the start."""

    def away(request):
        raise httpx.ConnectError("away")

    probe, before = probing(log, away, document=lambda: away(None)), failures()
    for _ in range(3):
        await probe.ask()

    assert failures() == before + 3 * len(PROBES)


async def test_questions_are_looked_up_again_after_a_failure(log):
    """Not each time; a read API of another release may serve others."""
    looked_up, statuses = [], [200, 200, 200, 503, 200, 200]

    def document():
        looked_up.append(1)
        return httpx.Response(200, json={"x-probes": {"stats": "/stats"}})

    probe = probing(log, lambda request: httpx.Response(statuses.pop(0)), document=document)
    for _ in range(6):
        await probe.ask()

    assert len(looked_up) == 2


async def test_while_postgresql_is_away_nobody_can_say_what_should_be_seen(log):
    log.available = False

    probe = probing(log, lambda request: pytest.fail("it asked"))
    await probe.ask()

    assert probe.error is None


async def test_a_new_home_is_asked_again_until_it_is_filled(log):
    """Then every few seconds: an alert counts on that."""
    statuses = [503] * len(PROBES) + [200] * len(PROBES)
    probe = probing(log, lambda request: httpx.Response(statuses.pop(0)))

    async with Tasks() as tasks:
        tasks.start(probe.run(), name="read probe")
        await until_here(lambda: not statuses)
        await until_here(lambda: probe.error is None)
