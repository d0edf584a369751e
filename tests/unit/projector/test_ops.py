"""What operators see over HTTP and on the command line."""

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import httpx
import msgspec
import pytest

from projector.cli import status as cli
from projector.monitoring.answers import Status
from projector.processing.progress import ProjectionState
from projector.projections.profiles import profiles
from projector.store.ports import Candidate, LeaseName
from shared.cli.api_client import ApiUnavailable
from shared.event_log import Holder, MemoryEventLog
from shared.event_log.adapters.memory import MemoryEventReader
from shared.read_model.positions import Pointer
from tests.support.histories import DAWN, nth_id
from tests.support.patience import answered
from tests.support.projectors import ops_client, with_people


@pytest.fixture
def around():
    """Two registrations, an hour ago."""
    return with_people("ada", "bob")


@pytest.fixture
async def client(around):
    async with ops_client(around) as client:
        await in_state(client, ProjectionState.RUNNING)
        yield client


def live_pointer(around):
    return around.store.string("muster:{0}:profiles:live").decode()


async def in_state(client, state):
    """The status once the projection is in a state."""
    return (await answered(client, "/status", lambda answer: states(answer.json()) == {state})).json()


def states(status):
    return {each["state"] for each in status["projections"]}


async def readiness(client, holds):
    """The answer of `/readyz` once something holds of its details, which tell what was seen last."""
    return await answered(client, "/readyz", lambda answer: holds(answer.json()["details"]))


async def test_status_tells_how_far_each_projection_is(client, around):
    """Shape and names are those of the contract; what is beyond it is additional."""
    shown = (await client.get("/status")).json()

    first, *others = shown["projections"]
    assert [each["name"] for each in others] == ["groups", "activity", "stats", "changes"]
    assert shown["head"] == 4
    assert {"name", "version", "generation", "checkpoint", "lag_events", "lag_seconds", "parked", "rebuild"} <= set(
        first
    )
    assert tuple(first[name] for name in ("name", "version", "checkpoint", "lag_events", "lag_seconds")) == (
        "profiles",
        profiles.version,
        4,
        0,
        0.0,
    )
    assert (first["parked"], first["rebuild"], first["error"]) == (0, None, None)
    assert [each["role"] for each in shown["projectors"]] == ["holder"]
    assert (shown["held_by"], shown["error"]) == (None, None)


async def test_lag_is_shown_in_events_and_in_the_age_of_the_oldest(client, around):
    """The third event cannot be folded, so that it and the fourth stay."""
    around.history.meet_the_unknown()
    around.history.suspend(nth_id(1))
    around.append()

    shown = await in_state(client, ProjectionState.STOPPED)

    first, *_ = shown["projections"]
    assert (shown["head"], first["checkpoint"], first["lag_events"], first["lag_seconds"]) == (6, 4, 2, 3595.0)
    assert "account-enchanted" in first["error"]


async def test_a_standby_is_shown_beside_the_holder(client, around):
    await around.lease.renew(Candidate("spare", "2026-11-25T09:00:00+00:00"), [LeaseName("profiles", profiles.version)])

    shown = (await client.get("/status")).json()

    assert {"holder", "standby"} == {each["role"] for each in shown["projectors"]}
    assert {"id": "spare", "role": "standby", "since": "2026-11-25T09:00:00+00:00"} in shown["projectors"]


@pytest.mark.parametrize(("away", "known"), [("log", {"head": None}), ("store", {"head": 4})])
async def test_status_answers_while_a_server_is_away(client, around, away, known):
    """What cannot be found out is null, and the error says why."""
    getattr(around, away).available = False

    response = await client.get("/status")

    assert response.status_code == 200
    assert known.items() <= response.json().items()
    assert "was made unavailable" in response.json()["error"]


def held_log(around, *, since):
    """The log, held up by a transaction."""

    class HeldReader(MemoryEventReader):
        async def holder(self, *, after):
            return Holder(after + 1, 77, since)

    class Held(MemoryEventLog):
        @asynccontextmanager
        async def connect(self):
            yield HeldReader(self, self._events, asyncio.Event())

    log = Held()
    log.append(around.history.events)
    return log


async def test_who_holds_the_log_up_is_named(around):
    """A sentence for people, and its parts for programs."""
    log = held_log(around, since=datetime(2026, 11, 25, 9, 30, tzinfo=UTC))
    async with ops_client(around, log=log) as client:
        shown = await in_state(client, ProjectionState.RUNNING)
        ready = await readiness(client, lambda details: details.get("event log") == shown["held_by"]["text"])

    assert ready.status_code == 200
    assert shown["held_by"]["text"] == "held at 5 by pid 77 since 2026-11-25T09:30:00+00:00"
    assert (shown["held_by"]["position"], shown["held_by"]["pid"]) == (5, 77)


async def test_metrics_tell_where_the_log_ends_and_how_long_it_has_been_held(around):
    """Since half an hour before: the projector's clock says an hour after dawn."""
    log = held_log(around, since=DAWN + timedelta(minutes=30))
    async with ops_client(around, log=log) as client:
        await in_state(client, ProjectionState.RUNNING)

        text = (await client.get("/metrics")).text

    assert "muster_event_log_head_position 4.0" in text
    assert "muster_event_log_held_seconds 1800.0" in text


async def test_a_projector_that_feeds_is_ready_and_tells_its_lag(client):
    names = ("profiles", "groups", "activity", "stats", "changes")
    shown = dict.fromkeys(names, "running, at 4, 0 events behind")

    assert (await readiness(client, lambda details: details == shown)).status_code == 200


async def test_a_projector_is_ready_while_postgresql_is_away(client, around):
    """Nothing it could do would be done better by another one."""
    around.log.available = False
    await in_state(client, ProjectionState.WAITING)

    response = await readiness(client, lambda details: "error" in details)

    assert response.status_code == 200
    assert "was made unavailable" not in response.text  # a caller who may see the status sees it


async def test_a_projection_that_stopped_is_not_ready(client, around):
    around.store.evicts = True
    await in_state(client, ProjectionState.STOPPED)

    response = await client.get("/readyz")

    assert response.status_code == 503
    assert "NotFed: projection profiles" in response.json()["checks"]["Reconcilers"]


async def test_a_projection_of_another_version_is_ready_and_says_so(client, around):
    """Readers are served what it has; a deployment must not wait for its rebuild."""
    live = msgspec.json.decode(live_pointer(around), type=Pointer)
    other = Pointer(live.generation, profiles.version + 1)
    around.store.content["muster:{0}:profiles:live"] = msgspec.json.encode(other)

    def is_told(answer):
        return answer.is_success and "profiles is frozen" in answer.json()["details"]

    response = await answered(client, "/readyz", is_told)

    assert f"was made by version {other.version}" in response.json()["details"]["profiles is frozen"]


async def test_metrics_carry_their_units(client):
    """And the name of the projection; the state is one of several."""
    text = (await client.get("/metrics")).text

    for line in (
        'muster_projection_checkpoint_position{partition="",projection="profiles"} 4.0',
        'muster_projection_state{partition="",projection="profiles",state="running"} 1.0',
        'muster_projection_state{partition="",projection="profiles",state="stopped"} 0.0',
        "muster_projection_lag_events",
        "muster_projection_lag_seconds",
        "muster_projection_batch_events_bucket",
        "muster_projection_commit_seconds_bucket",
        "muster_projection_events_total",
        "muster_projection_superseded_commits_total",
    ):
        assert line in text


async def test_the_openapi_document_describes_every_route(client):
    document = (await client.get("/openapi.json")).json()

    assert list(document["paths"]) == [
        "/status",
        "/status/events",
        *(f"/projections/{{name}}/{action}" for action in ("rebuild", "abort", "rollback")),
        "/parked",
        *(f"/parked/{{projection}}/{{id}}{action}" for action in ("", "/retry", "/skip")),
        "/deliveries",
        "/deliveries/{id}/retry",
        "/events",
        "/events/{position}",
    ]
    assert {"ProjectionStatus", "ParkedDocument"} <= document["components"]["schemas"].keys()


def test_the_table_names_what_stands_still(capsys):
    """A stopped projection, a transaction that holds the log up, a server that is away."""
    shown = msgspec.convert(
        {
            "head": None,
            "projections": [
                {"name": "profiles", "version": 1, "state": "stopped", "error": "why", "events_per_second": 0.0}
            ],
            "held_by": {"position": 5, "pid": 77, "since": "2026-11-25T09:30:00Z", "text": "held at 5 by pid 77"},
            "error": "PostgreSQL: away",
        },
        Status,
    )

    cli._show(shown)

    shown = capsys.readouterr().out
    assert "head of the log: ?" in shown
    assert "profiles stopped: why" in shown
    assert "the event log is held at 5 by pid 77" in shown
    assert "PostgreSQL: away" in shown


def test_the_name_of_an_operator_is_shown_as_it_is(projector_api, capsys):
    """It is no markup, and steers no terminal."""
    rebuild = {"generation": "g2", "version": 1, "phase": "held", "position": 1, "target": 2, "since": DAWN}
    rebuild |= {"by": "[/nobody]\x1b[2J\n", "events_per_second": None, "held": None, "comparison": None, "error": None}
    projection = {
        "name": "profiles",
        "version": 1,
        "state": "live",
        "error": None,
        "events_per_second": 0.0,
        "rebuild": rebuild,
    }
    shown = msgspec.convert({"head": 2, "projections": [projection], "held_by": None, "error": None}, Status)
    projector_api.answer = lambda _: httpx.Response(200, content=msgspec.json.encode(shown))

    cli.status()

    assert "ordered by [/nobody]\\u001b[2J\\u000a at " in capsys.readouterr().out


def test_a_projector_that_cannot_be_reached_is_one_line(monkeypatch):
    monkeypatch.setenv("MUSTER_OPS_URL", "http://127.0.0.1:1")

    with pytest.raises(ApiUnavailable) as error:
        cli.status(json=True)

    assert "the projector does not answer at http://127.0.0.1:1/status" in str(error.value)
    assert "\n" not in str(error.value)


def test_json_is_passed_on_as_it_is(projector_api, capsys):
    projector_api.answer = lambda _: httpx.Response(200, content=b'{"head": 3}')

    cli.status(json=True)

    assert capsys.readouterr().out == '{"head": 3}\n'
