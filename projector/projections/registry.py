"""Every projection there is."""

from projector.folding.projection import Projection
from projector.projections.activity import activity
from projector.projections.groups import groups
from projector.projections.profiles import profiles
from projector.projections.stats import stats

PROJECTIONS: tuple[Projection, ...] = (profiles, groups, activity, stats)
