"""The first line of the ops page: all is well, or what is not."""

from dataclasses import replace

import msgspec
import pytest

from projector.api.page.document import parts
from projector.monitoring.answers import Status
from projector.monitoring.deliveries import DeliveriesReport, WebhookStatus
from projector.monitoring.status_history import StatusSnapshot
from projector.monitoring.troubles import troubles_of
from projector.parked.answers import ParkedReport
from tests.support.showcase import NOW, PARKED, projection, rebuild

HELD = {"position": 7, "pid": 77, "since": NOW, "text": "held at 7 by pid 77"}
HOLDER = [{"id": "machine:77", "role": "holder", "since": NOW.isoformat()}]
NOTHING = DeliveriesReport(waiting=3, given_up=0, deliveries=())


def snapshot(*, parked=None, deliveries=NOTHING, of=(), **status):
    told = {"head": 7, "projectors": HOLDER, "projections": [projection("profiles", **dict(of))], **status}
    report = msgspec.convert(parked or {"parked": [], "skipped": PARKED["skipped"]}, ParkedReport)
    return StatusSnapshot(NOW, msgspec.convert(told, Status), report, deliveries)


def webhook(state):
    return WebhookStatus(name="billing", state=state, position=7, failures=2, why="it answers 500", since=NOW)


def test_all_is_well_where_nothing_asks_for_an_operator():
    """A rebuild that goes on, a webhook that works and an event that was skipped do not."""
    of = {"rebuild": rebuild("replaying")}.items()
    well = snapshot(of=of, deliveries=msgspec.structs.replace(NOTHING, webhooks=[webhook("active")]))

    assert troubles_of(well) == []
    assert parts(well)["verdict"].strip() == '<h1 class="good">All is well</h1>'


@pytest.mark.parametrize(
    ("seen", "where", "says"),
    [
        (snapshot(error="PostgreSQL: away", head=None), "log", "PostgreSQL: away"),
        (snapshot(projectors=[]), "projectors", "no projector feeds"),
        (snapshot(held_by=HELD), "log", "the event log is held at 7 by pid 77"),
        (snapshot(read_probe="profiles: 503"), "log", "the read probe was not answered: profiles: 503"),
        (snapshot(of={"state": "stopped", "error": "why"}.items()), "profiles", "profiles has stopped"),
        (snapshot(of={"state": "waiting", "error": "why"}.items()), "profiles", "profiles waits"),
        (snapshot(of={"state": "filling"}.items()), "profiles", "profiles is being filled, and cannot be read yet"),
        (
            replace(snapshot(), deliveries=None),
            "deliveries",
            "what is to be delivered cannot be found out",
        ),
        (replace(snapshot(), parked=None), "parked", "what is parked cannot be found out"),
        (snapshot(of={"lag_seconds": 75.0}.items()), "profiles", "profiles is 75 s behind"),
        (
            snapshot(of={"rebuild": rebuild("held", held="records would be gone")}.items()),
            "rebuilds",
            "the rebuild of profiles waits for you: records would be gone",
        ),
        (
            snapshot(parked=PARKED),
            "parked",
            "2 documents of activity cannot follow: ValueError at position 1,040,002",
        ),
        (
            snapshot(deliveries=msgspec.structs.replace(NOTHING, given_up=2)),
            "deliveries",
            "2 deliveries given up",
        ),
        (
            snapshot(deliveries=msgspec.structs.replace(NOTHING, webhooks=[webhook("paused")])),
            "deliveries",
            "webhook billing is paused",
        ),
    ],
)
def test_what_is_not_well_is_said_with_where_to_look(seen, where, says):
    [trouble] = troubles_of(seen)

    assert (trouble.where, trouble.text) == (where, says)
    assert f'<h1 class="bad">Not well: <a href="#{where}">' in parts(seen)["verdict"]


def test_several_are_counted_and_each_leads_to_its_place():
    html = parts(snapshot(projectors=[], parked=PARKED))["verdict"]

    assert "2 things are not well" in html
    assert html.index("#projectors") < html.index("#parked")
