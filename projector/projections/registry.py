"""Every projection there is."""

from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple

from projector.declaring.partitioning import divided
from projector.declaring.projection import Projection
from projector.declaring.retention import RetentionPolicy
from projector.projections.activity import activity, activity_keeping
from projector.projections.changes import changes, changes_keeping
from projector.projections.groups import groups
from projector.projections.profiles import profiles
from projector.projections.stats import stats
from projector.projections.unique_entries import divided_unique_entries
from shared.event_log import RecordedEvent
from shared.read_model.keys import HOME, Keyspace
from shared.read_model.partitions import AT_HOME, Partitions

PROJECTIONS: tuple[Projection, ...] = (profiles, groups, activity, stats, changes)


def projections_keeping(items: int, of_feed: RetentionPolicy) -> Sequence[Projection]:
    """Every projection, of which `activity` keeps so many items of an account, and `changes` so much of the feed."""
    own = {activity: activity_keeping(items), changes: changes_keeping(of_feed)}
    return [own.get(each, each) for each in PROJECTIONS]


class DividedProjections(NamedTuple):
    """
    Where all projections are kept.

    :ivar parts: each of them, or of its parts, with the names of its keys.
    :ivar route: the labels of the parts that an event concerns; None where nothing is divided.
    """

    parts: Sequence[tuple[Keyspace, Projection]]
    route: Callable[[RecordedEvent], Collection[str]] | None


def layout_of(projections: Sequence[Projection], partitions: Partitions) -> DividedProjections:
    """Divide projections, and have unique entries follow their values."""
    if partitions.count == 1:
        return DividedProjections([(HOME, each) for each in projections], None)
    at_home = ((HOME, each) for each in projections if each.name in AT_HOME)
    all_divided = [
        *(divided(each, partitions) for each in projections if each.name not in AT_HOME),
        divided_unique_entries(partitions),
    ]
    parts = [pair for each in all_divided for pair in zip(partitions.keyspaces, each.parts, strict=True)]
    labels = [(each.route, [part.label for part in each.parts]) for each in all_divided]

    def route(recorded: RecordedEvent) -> Collection[str]:
        return {names[nth] for of_one, names in labels for nth in of_one(recorded)}

    return DividedProjections([*parts, *at_home], route)
