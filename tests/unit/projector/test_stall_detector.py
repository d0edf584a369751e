"""Health that a dead processor cannot fake."""

import msgspec
import pytest

from projector.monitoring.answers import HeldBy, Status
from projector.monitoring.limits import MonitoringLimits
from projector.monitoring.stall_detector import ProjectionStalled, StallDetector
from tests.support.clock import Time


@pytest.fixture
def clock():
    return Time()


@pytest.fixture
def detector(clock):
    return StallDetector(now=clock, limits=MonitoringLimits(stall=15))


def projection(name="profiles", *, checkpoint=5, revision=5, state="running"):
    return {
        "name": name,
        "version": 1,
        "checkpoint": checkpoint,
        "revision": revision,
        "state": state,
        "error": None,
        "events_per_second": 0.0,
    }


def status(*, head=9, held_by=None, **given):
    read = status_of(projection(**given), head=head)
    read.held_by = held_by
    return read


def status_of(*projections, head=9):
    return msgspec.convert({"head": head, "projections": projections}, Status)


def observe_repeatedly(detector, clock, observed, *, seconds=30):
    for _ in range(0, seconds, 5):
        detector.observe(observed)
        clock.now += 5


def test_a_projection_that_stands_while_the_log_goes_on_is_unhealthy(detector, clock):
    """Whatever the processor says of itself: it may be dead, or wait for ever."""
    observe_repeatedly(detector, clock, status(), seconds=15)
    detector.require_moving()
    observe_repeatedly(detector, clock, status(), seconds=5)

    with pytest.raises(ProjectionStalled, match="profiles stands at 5, the log has gone on to 9"):
        detector.require_moving()


@pytest.mark.parametrize(
    "observed",
    [
        status(checkpoint=9),
        status(head=None),
        status(checkpoint=None),
        status(state="stopped"),
        status(held_by=HeldBy(position=6, pid=7, since="2026-11-25T00:00:00Z", text="held")),
    ],
    ids=["caught up", "PostgreSQL away", "Redis away", "stopped, with its reason", "held up"],
)
def test_a_projection_that_has_nothing_to_do_or_cannot_move_may_stand(detector, clock, observed):
    observe_repeatedly(detector, clock, observed)

    detector.require_moving()


def test_steps_of_a_fan_out_are_movement(detector, clock):
    """The position that readers are shown stands meanwhile."""
    for revision in range(6):
        detector.observe(status(revision=revision))
        clock.now += 5

    detector.require_moving()


def observe_filling(detector, clock, *, moves, beside=0):
    """The first part is filled at first, the second one not yet."""
    for nth in range(12):
        filled = projection("profiles.0", checkpoint=0, revision=min(nth, moves), state="filling")
        detector.observe(status_of(filled, projection("profiles.1", checkpoint=beside, revision=1)))
        clock.now += 5


def test_what_is_to_be_filled_may_wait_while_another_is_filled(detector, clock):
    """Whichever projector fills it: few parts are filled at once."""
    observe_filling(detector, clock, moves=12)

    detector.require_moving()


@pytest.mark.parametrize("given", [{"moves": 6}, {"moves": 12, "beside": 5}], ids=["none moves", "it can be read"])
def test_what_waits_for_no_filling_is_unhealthy(detector, clock, given):
    observe_filling(detector, clock, **given)

    with pytest.raises(ProjectionStalled, match="profiles"):
        detector.require_moving()


def test_a_projection_that_moves_again_is_healthy(detector, clock):
    observe_repeatedly(detector, clock, status())
    detector.observe(status(revision=6))

    detector.require_moving()


def test_a_status_that_is_not_read_is_unhealthy(detector, clock):
    """The task that reads it may have died as well."""
    detector.observe(status(checkpoint=9))
    clock.now += 16

    with pytest.raises(ProjectionStalled, match="was not read"):
        detector.require_moving()
