"""The composition of the projector."""

from projector.projections.profiles import profiles
from projector.projections.stats import stats
from projector.services import limits_of
from shared.settings import Settings

SETTINGS = Settings.load({"MUSTER_LIMITS": "processor.batch=7,breaker.parked=3,throttle.answer=0.5"})


def test_settings_change_the_limits_of_every_projection():
    changed = [limits_of(each, SETTINGS) for each in (profiles, stats)]

    assert [(each.batch, each.breaker.parked, each.throttle.answer) for each in changed] == [(7, 3, 0.5)] * 2


def test_only_profiles_commit_events_one_by_one():
    """Of the others a few share a commit."""
    assert [limits_of(each, SETTINGS).interval for each in (profiles, stats)] == [0.0, 0.05]
