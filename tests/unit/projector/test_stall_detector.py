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


def status(*, head=9, checkpoint=5, revision=5, held_by=None, state="running"):
    profiles = {
        "name": "profiles",
        "version": 1,
        "checkpoint": checkpoint,
        "revision": revision,
        "state": state,
        "error": None,
        "events_per_second": 0.0,
    }
    given = msgspec.convert({"head": head, "projections": [profiles]}, Status)
    given.held_by = held_by
    return given


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
