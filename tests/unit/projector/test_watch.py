"""Health that a dead engine cannot fake."""

import msgspec
import pytest

from projector.monitoring.stall_detector import StandsStill, Watch
from projector.monitoring.status import HeldBy, Status


class Clock:
    def __init__(self):
        self.seconds = 100.0

    def __call__(self):
        return self.seconds


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def watch(clock):
    return Watch(now=clock, patience=15)


def status(*, head=9, checkpoint=5, revision=5, held_by=None):
    profiles = {
        "name": "profiles",
        "version": 1,
        "checkpoint": checkpoint,
        "revision": revision,
        "state": "running",
        "error": None,
        "events_per_second": 0.0,
    }
    told = msgspec.convert({"head": head, "projections": [profiles]}, Status)
    told.held_by = held_by
    return told


def look_again_and_again(watch, clock, told, *, seconds=30):
    for _ in range(0, seconds, 5):
        watch.look(told)
        clock.seconds += 5


def test_a_projection_that_stands_while_the_log_goes_on_is_unhealthy(watch, clock):
    """Whatever the engine says of itself: it may be dead, or wait for ever."""
    look_again_and_again(watch, clock, status(), seconds=15)
    watch.require_moving()
    look_again_and_again(watch, clock, status(), seconds=5)

    with pytest.raises(StandsStill, match="profiles stands at 5, the log has gone on to 9"):
        watch.require_moving()


@pytest.mark.parametrize(
    "told",
    [
        status(checkpoint=9),
        status(head=None),
        status(checkpoint=None),
        status(held_by=HeldBy(position=6, pid=7, since="2026-11-25T00:00:00Z", text="held")),
    ],
    ids=["caught up", "PostgreSQL away", "Redis away", "held up"],
)
def test_who_has_nothing_to_do_or_cannot_may_stand(watch, clock, told):
    look_again_and_again(watch, clock, told)

    watch.require_moving()


def test_steps_of_a_fan_out_are_movement(watch, clock):
    """The position that readers are told stands meanwhile."""
    for revision in range(6):
        watch.look(status(revision=revision))
        clock.seconds += 5

    watch.require_moving()


def test_who_moves_again_is_healthy(watch, clock):
    look_again_and_again(watch, clock, status())
    watch.look(status(revision=6))

    watch.require_moving()


def test_that_nobody_looks_is_unhealthy(watch, clock):
    """The task that looks may have died as well."""
    watch.look(status(checkpoint=9))
    clock.seconds += 16

    with pytest.raises(StandsStill, match="nobody has looked"):
        watch.require_moving()
