"""A projection of several parts as operators look at it first."""

from datetime import timedelta

import msgspec
import pytest

from projector.api.page.buttons import RECORDS_GO, buttons_of
from projector.api.page.document import parts
from projector.monitoring.answers import PartStatus, RebuildStatus, Status
from projector.monitoring.status_history import StatusSnapshot
from projector.monitoring.troubles import troubles_of
from projector.monitoring.wholes import wholes_of
from projector.parked.answers import ParkedReport
from tests.support.showcase import NOW, generation, projection, rebuild
from tests.unit.projector.test_troubles import HOLDER, NOTHING


def part(nth, **more):
    given = {"checkpoint": 40, "lag_events": 0, "lag_seconds": 0.0, "generations": [generation(f"g{nth}", "live")]}
    return msgspec.convert(projection(f"profiles.{nth}", **given | {"generation": f"g{nth}"} | more), PartStatus)


def whole(*those):
    [made] = wholes_of(those)
    return made


def snapshot(*those):
    status = msgspec.convert({"head": 40, "projectors": HOLDER, "projections": []}, Status)
    status.projections = wholes_of(those)
    return StatusSnapshot(NOW, status, ParkedReport(parked=(), skipped=()), NOTHING)


def test_it_is_as_far_as_its_last_part_and_names_that():
    made = whole(part(0, parked=1), part(1, checkpoint=33, lag_events=7, lag_seconds=2.5, parked=2), part(2))

    assert (made.name, made.checkpoint, made.lag_events, made.lag_seconds) == ("profiles", 33, 7, 2.5)
    assert (made.worst, made.parked, made.state) == ("profiles.1", 3, "running")
    assert [each.name for each in made.each_part] == ["profiles.0", "profiles.1", "profiles.2"]
    assert (made.generation, [each.name for each in made.generations]) == (None, [""])


def test_what_is_not_divided_is_as_it_is():
    stats = msgspec.convert(projection("stats"), PartStatus)

    made = wholes_of([part(0), part(1), stats])

    assert [(each.name, len(each.parts), each.worst) for each in made] == [
        ("profiles", 2, "profiles.0"),
        ("stats", 0, None),
    ]
    assert made[1].generation == stats.generation
    assert [each.name for each in made[1].each_part] == ["stats"]


def test_where_a_part_is_unknown_so_is_the_position():
    made = whole(part(0), part(1, checkpoint=None, lag_events=None, lag_seconds=None))

    assert (made.checkpoint, made.worst) == (None, "profiles.1")


@pytest.mark.parametrize(
    ("states", "state", "worst"),
    [
        (("running", "stopped", "waiting"), "stopped", "profiles.1"),
        (("standby", "running", "standby"), "running", "profiles.1"),
        (("standby", "standby", "standby"), "standby", "profiles.0"),
        (("filling", "running", "waiting"), "waiting", "profiles.2"),
    ],
)
def test_the_worst_state_is_its_own(states, state, worst):
    """What one projector stands by for is fed by another."""
    made = whole(*(part(nth, state=each, error=each) for nth, each in enumerate(states)))

    assert (made.state, made.worst, made.error) == (state, worst, f"{worst}: {state}")


def test_the_rebuilds_of_its_parts_are_one():
    """As far as the last one, and held as soon as one is; what is done is that of all together."""
    earlier = NOW - timedelta(minutes=2)
    gone, new = {"records": 9, "gone": 9}, {"records": 5, "new": 1}
    at_end = {"position": 40, "target": 40, "by": "ada"}
    made = whole(
        part(0, rebuild=rebuild("replaying", **at_end | {"position": 10}, since=earlier)),
        part(1),
        part(2, rebuild=rebuild("held", **at_end, held="9 would be gone", comparison=gone)),
        part(3, rebuild=rebuild("comparing", **at_end, comparison=new)),
    )

    assert isinstance(made.rebuild, RebuildStatus)
    assert (made.rebuild.position, made.rebuild.target, made.rebuild.done) == (10, 40, 0.75)
    assert made.rebuild.phase == "held"
    assert (made.rebuild.held, made.rebuild.by, made.rebuild.since) == ("profiles.2: 9 would be gone", "ada", earlier)
    assert (made.rebuild.comparison.records, made.rebuild.comparison.gone, made.rebuild.comparison.new) == (14, 9, 1)


def test_generations_are_put_together_by_their_role():
    kept = [generation("k", "kept", kept_until=NOW + timedelta(hours=nth), documents=5, bytes=100) for nth in (2, 1)]
    made = whole(*(part(nth, generations=[generation(f"g{nth}", "live"), kept[nth]]) for nth in (0, 1)))

    live, other = made.generations
    assert (live.role, live.documents) == ("live", None)
    assert (other.name, other.documents, other.bytes, other.kept_until) == ("k", 10, 200, NOW + timedelta(hours=1))


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"state": "stopped", "error": "why"}, "profiles has stopped: profiles.0, and 2 other parts"),
        ({"lag_seconds": 75.0}, "profiles is 75 s behind: profiles.0, and 2 other parts"),
    ],
)
def test_what_is_amiss_in_many_parts_is_said_once(more, says):
    [trouble] = troubles_of(snapshot(*(part(nth, **more) for nth in range(3)), part(3)))

    assert (trouble.text, trouble.where) == (says, "profiles")


def test_the_page_has_a_line_for_it_that_opens_to_its_parts():
    """With what can be ordered of each part."""
    made = parts(snapshot(*(part(nth) for nth in range(12))))

    assert made["profiles-worst"].strip() == "12 parts, all level"
    assert 'data-path="projections/profiles.7/rebuild"' in made["profiles.7-actions"]
    assert "profiles.7-lag-hour" not in made


def orders(*those):
    """What can be ordered of all parts together, by the action, and what of them was seen."""
    return {each.action: each.said["generations"] for each in buttons_of(whole(*those))}


def test_what_all_parts_can_do_is_ordered_of_all_together():
    """By what is seen in each; what one of them cannot do, all cannot."""
    held = {"rebuild": rebuild("held", held="wait", generation="n0")}
    kept = {"generations": [generation("g", "live"), generation("k", "kept")]}

    assert orders(part(0), part(1)) == {"Rebuild": ()}
    assert orders(part(0, **held), part(1)) == {"Switch": ["n0"], "Abort": ["n0"]}
    assert orders(part(0, **kept), part(1, **kept)) == {"Rebuild": (), "Roll back": ["k", "k"]}
    assert orders(part(0, **kept), part(1)) == {"Rebuild": ()}
    assert orders(part(0), part(1, generations=[])) == {}


def test_what_is_confirmed_of_one_part_is_confirmed_of_all():
    """Of a tenth of its records that would be gone, a whole of many parts may see little."""
    shrunk = {"records": 100, "gone": 20}
    rebuilds = [{"records": 1_000_000}, shrunk]
    parts = [part(nth, rebuild=rebuild("held", held="why", comparison=each)) for nth, each in enumerate(rebuilds)]
    [switch, _] = buttons_of(whole(*parts))

    assert switch.force == RECORDS_GO
    assert "Readers use the generations of 2 parts from then on: of 1,000,100 records 20 gone" in switch.consequence


def test_the_line_names_the_worst_part():
    made = parts(snapshot(part(0), part(1, lag_events=7, checkpoint=33)))

    assert made["profiles-worst"].strip() == "2 parts; the worst is profiles.1"
