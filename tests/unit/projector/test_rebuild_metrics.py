"""What is measured of a rebuild, so that an alert says that it stands still."""

import msgspec
import pytest
from prometheus_client import REGISTRY

from projector.monitoring.answers import ProjectionStatus, Status
from projector.monitoring.status import StatusBoard
from tests.support.projectors import Surroundings, being_rebuilt

REBUILD = being_rebuilt(position=10)


@pytest.fixture
def measured():
    """Measure a projection, and tell the figures of its rebuild: held, position, progress; None where there is none."""
    around = Surroundings()
    board = StatusBoard(log=around.log, lease=around.lease, reconcilers=[], clock=around.clock)

    def measure(rebuild):
        status = ProjectionStatus(
            name="people", version=1, state="running", error=None, events_per_second=0, rebuild=rebuild
        )
        board.measure(Status(projections=[status]))
        names = ("muster_rebuild_held", "muster_rebuild_position", "muster_rebuild_progress_ratio")
        return tuple(REGISTRY.get_sample_value(name, {"projection": "people", "partition": ""}) for name in names)

    return measure


def test_a_rebuild_that_replays_tells_how_far_it_is(measured):
    assert measured(REBUILD) == (0, 10, 0.25)


def test_a_rebuild_that_waits_for_an_operator_differs_from_one_that_moves(measured):
    """Its progress is complete, so that no figure but this one tells of it."""
    waiting = being_rebuilt(position=40, held="it was to wait here")

    assert measured(waiting) == (1, 40, 1)


def test_a_rebuild_that_stands_at_the_beginning_has_a_figure_too(measured):
    assert measured(being_rebuilt(position=0)) == (0, 0, 0)


def test_a_rebuild_of_an_empty_log_has_nothing_before_it(measured):
    """Or it would look like one that does not move."""
    assert measured(being_rebuilt(position=0, target=0)) == (0, 0, 1)


def test_a_rebuild_that_is_over_is_not_held_any_more(measured):
    measured(msgspec.structs.replace(REBUILD, held="it was to wait here"))

    assert measured(None) == (0, None, None)
