"""Every projection there is."""

from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import NamedTuple, TypeAlias

from projector.declaring.partitioning import Route, RouteToLabels, beside, divided
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


_Routes: TypeAlias = Sequence[tuple[Route, Sequence[str]]]
"""The numbers of the parts that an event concerns, and the labels of all parts."""


class DividedProjections(NamedTuple):
    """
    Where all projections are kept.

    :ivar parts: each of them, or of its parts, with the names of its keys.
    :ivar routes: which parts of each that is divided an event concerns.
    """

    parts: Sequence[tuple[Keyspace, Projection]]
    routes: _Routes

    @property
    def route(self) -> RouteToLabels | None:
        """The labels of the parts that an event concerns; None where nothing is divided."""
        return self.route_to([label for _, labels in self.routes for label in labels])

    def route_to(self, labels: Collection[str]) -> RouteToLabels | None:
        """Likewise, as far as projections are concerned that have one of these labels."""
        routes = [(route, own) for route, own in self.routes if not set(own).isdisjoint(labels)]
        return partial(_routed, routes) if routes else None


def layout_of(projections: Sequence[Projection], partitions: Partitions, *others: Partitions) -> DividedProjections:
    """
    Divide projections, and have unique entries follow their values.

    :param others: the layouts beside that of these partitions; what is at home, all have together.
    """
    at_home = [(HOME, each) for each in projections if each.name in AT_HOME]
    apart = [each for each in projections if each.name not in AT_HOME]
    parts, routes = _divided(apart, partitions)
    parts = [*parts, *at_home]
    for each in others:
        own, own_routes = _divided(apart, each, name=partial(beside, partitions=each))
        parts, routes = [*parts, *own], [*routes, *own_routes]
    return DividedProjections(parts, routes)


def _divided(
    projections: Sequence[Projection],
    partitions: Partitions,
    *,
    name: Callable[[Projection], Projection] = lambda it: it,
) -> tuple[Sequence[tuple[Keyspace, Projection]], _Routes]:
    if partitions.count == 1:
        return [(HOME, name(each)) for each in projections], []
    found = [*(divided(each, partitions) for each in projections), divided_unique_entries(partitions)]
    parts = [[name(part) for part in each.parts] for each in found]
    routes = [(each.route, [part.label for part in own]) for each, own in zip(found, parts, strict=True)]
    return [pair for own in parts for pair in zip(partitions.keyspaces, own, strict=True)], routes


def _routed(routes: _Routes, recorded: RecordedEvent) -> Collection[str]:
    return {names[nth] for route, names in routes for nth in route(recorded)}
