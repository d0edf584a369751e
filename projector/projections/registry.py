"""Every projection there is."""

from collections.abc import Sequence

from projector.declaring.projection import Projection
from projector.declaring.retention import RetentionPolicy
from projector.projections.activity import activity, activity_keeping
from projector.projections.changes import changes, changes_keeping
from projector.projections.groups import groups
from projector.projections.profiles import profiles
from projector.projections.stats import stats

PROJECTIONS: tuple[Projection, ...] = (profiles, groups, activity, stats, changes)


def projections_keeping(items: int, of_feed: RetentionPolicy) -> Sequence[Projection]:
    """Every projection, of which `activity` keeps so many items of an account, and `changes` so much of the feed."""
    own = {activity: activity_keeping(items), changes: changes_keeping(of_feed)}
    return [own.get(each, each) for each in PROJECTIONS]
