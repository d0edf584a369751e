"""Every projection there is."""

from collections.abc import Sequence

from projector.folding.projection import Projection
from projector.projections.activity import activity, activity_keeping
from projector.projections.groups import groups
from projector.projections.profiles import profiles
from projector.projections.stats import stats

PROJECTIONS: tuple[Projection, ...] = (profiles, groups, activity, stats)


def projections_keeping(items: int) -> Sequence[Projection]:
    """Every projection, of which `activity` keeps so many items of an account."""
    return [activity_keeping(items) if each is activity else each for each in PROJECTIONS]
