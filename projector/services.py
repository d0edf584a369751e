"""The composition root of the projector: which adapter stands for which port."""

import os
import secrets
import socket
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from functools import partial
from time import monotonic

import svcs
import uuid_utils

from projector.adapters.memory.deliveries import MemoryGivenUpDeliveries
from projector.adapters.memory.log_pages import MemoryLogPages
from projector.adapters.memory.timeline import MemoryTimelineStore
from projector.adapters.postgres.deliveries import PostgresGivenUpDeliveries
from projector.adapters.postgres.directory import PostgresDirectory
from projector.adapters.postgres.log_pages import PostgresLogPages
from projector.adapters.processes.filler import ReadingInChild
from projector.adapters.redis.layouts import RedisLayoutRecord
from projector.adapters.redis.store import RedisPlaces
from projector.adapters.redis.timeline import RedisTimelineStore
from projector.audit.drift_sampler import DriftSampler, DriftSamplerLimits
from projector.audit.ports import Directory
from projector.declaring.projection import Projection
from projector.declaring.retention import RetentionPolicy
from projector.leadership.election import LeaderElection, Leadership
from projector.leadership.limits import LeadershipLimits
from projector.monitoring.deliveries import GivenUpDeliveries
from projector.monitoring.event_effects import EventEffects
from projector.monitoring.limits import MonitoringLimits
from projector.monitoring.log_pages import LogPages
from projector.monitoring.read_probe import ReadProbe
from projector.monitoring.stall_detector import StallDetector
from projector.monitoring.status import StatusBoard
from projector.monitoring.status_history import StatusHistory
from projector.monitoring.timeline import LastHour, TimelineStore
from projector.parked.events import ParkedEvents
from projector.processing.commit_order import CommitOrder
from projector.processing.filling import Reading
from projector.processing.limits import BreakerLimits, ProcessorLimits, ThrottleLimits
from projector.processing.moving_on import CheckpointMover, Routed
from projector.processing.processor import Feed
from projector.projections.registry import PROJECTIONS, layout_of, projections_keeping
from projector.projections.stats import stats
from projector.rebuilding.comparison import Comparer, ComparisonLimits
from projector.rebuilding.filling.fillers import Fillers
from projector.rebuilding.filling.log_filler import FillingLimits
from projector.rebuilding.filling.range_filler import FoldingReading
from projector.rebuilding.layout_wish import Wish
from projector.rebuilding.layouts import LayoutLimits, LayoutReconciler
from projector.rebuilding.parts import Parts
from projector.rebuilding.reconciler import Reconciler
from projector.rebuilding.reconcilers import Reconcilers
from projector.store.layouts import LayoutRecord
from projector.store.ports import Candidate, Lease, LeaseName, ProjectionStore
from shared.auth.adapters.memory.sessions import MemorySessions
from shared.auth.adapters.redis.sessions import RedisSessions
from shared.auth.local_access import TO_OPS_PAGE
from shared.auth.sessions import Sessions
from shared.auth.setup import register_authentication, register_limits
from shared.cli.api_client import READ_API, httpx_client
from shared.clock import Clock, SystemClock
from shared.event_log import EventLog
from shared.event_log.adapters.persistent import PersistentEventLog
from shared.event_log.adapters.postgres import PostgresEventLog
from shared.event_log.tap import EventTap, TapLimits
from shared.http.limits import HttpLimits
from shared.read_model.keys import HOME
from shared.read_model.layouts import Layouts
from shared.read_model.partitions import AT_HOME, UNIQUE_ENTRIES, Partitions
from shared.redis.client import connect
from shared.settings import ENVIRONMENT, Settings

AT_ONCE = frozenset({"profiles", UNIQUE_ENTRIES})
"""Projections that commit events one by one, and before the others, of which more events share a commit."""
SHARED_SECONDS = 0.05


def register_services(registry: svcs.Registry, *, layouts: Layouts | None = None) -> None:
    """
    Register the real adapters, as the environment says.

    :param layouts: what was recorded when it was last looked at.
    """
    settings = Settings.here()
    layouts = layouts or Layouts(live=settings.partitions or 1)
    registry.register_value(Settings, settings)
    registry.register_value(HttpLimits, settings.limits_of(HttpLimits))
    register_authentication(registry, settings, to_page=TO_OPS_PAGE)
    register_limits(registry, settings, api="ops", keyspace=HOME)
    log = PostgresEventLog.from_settings(settings)
    if settings.read_url:
        probing = settings.limits_of(MonitoringLimits)
        read = httpx_client(READ_API, settings, timeout=settings.read_wait + probing.probe_patience)
        names = [each.name for each in PROJECTIONS]
        registry.register_value(ReadProbe, ReadProbe(log=log, read=read, projections=names, limits=probing))
    projections = projections_of(settings)
    url = settings.required("redis_url")
    folder = settings.mail_folder if settings.smtp_url is None else None
    given_up = PostgresGivenUpDeliveries(settings.required("database_url"), mail_folder=folder)
    register_redis(
        registry,
        url=url,
        log=log,
        settings=settings,
        projections=projections,
        layouts=layouts,
        elsewhere=_reading_in_children(layouts, settings),
        deliveries=given_up,
    )
    registry.register_value(LogPages, PostgresLogPages(settings.required("database_url")))
    directory, redis = PostgresDirectory(settings.required("database_url"), keep=True), RedisPlaces(url)

    async def aclose() -> None:
        await directory.aclose()
        await redis.aclose()

    registry.register_value(
        DriftSampler, sampler_on(directory, redis, settings, live=layouts.live), on_registry_close=aclose
    )


def wish_of(settings: Settings) -> Wish:
    """Only a number that was given is wished for."""
    return Wish(settings.partitions if settings.sources["partitions"] == ENVIRONMENT else None)


async def layouts_of(settings: Settings, wish: Wish) -> Layouts | None:
    """Return what is to be fed by the Redis of the settings; None where that cannot be known now."""
    async with connect(settings.required("redis_url")) as client:
        return await wish.layouts(RedisLayoutRecord(client))


def projections_of(settings: Settings) -> Sequence[Projection]:
    """Every projection, keeping as much as the settings say."""
    of_feed = RetentionPolicy(timedelta(seconds=settings.retention), settings.retention_count)
    return projections_keeping(settings.activity_kept, of_feed)


def sampler_on(directory: Directory, redis: RedisPlaces, settings: Settings, *, live: int) -> DriftSampler:
    """Return what compares a few records a second of the layout that readers use, on connections of its own."""
    parts = layout_of(PROJECTIONS, Partitions(live)).parts
    stores = [redis.store(part, keyspace=keyspace) for keyspace, part in parts]
    return DriftSampler(stores, directory=directory, limits=settings.limits_of(DriftSamplerLimits))


def register_redis(
    registry: svcs.Registry,
    *,
    url: str,
    log: EventLog,
    settings: Settings | None = None,
    projections: Sequence[Projection] = PROJECTIONS,
    layouts: Layouts = Layouts(live=1),  # noqa: B008 - immutable
    elsewhere: Reading | None = None,
    deliveries: GivenUpDeliveries | None = None,
) -> None:
    """Register a projector that keeps everything in one Redis, or in one cluster; see `register_projector`."""
    settings = settings or Settings.load({})
    redis = RedisPlaces(url, valid=settings.limits_of(ProcessorLimits).attest / 2)
    layout = layout_of(projections, *map(Partitions, (layouts.live, *layouts.beside)))
    lease = redis.lease(layout.parts, limits=settings.limits_of(LeadershipLimits))
    registry.register_value(Lease, lease, on_registry_close=redis.aclose, ping=_answers)
    registry.register_value(TimelineStore, RedisTimelineStore(redis.home, keyspace=HOME))
    register_projector(
        registry,
        log=log,
        lease=lease,
        stores=[redis.store(each, keyspace=keyspace) for keyspace, each in layout.parts],
        routed=layout.route and Routed(layout.route, redis.checkpoints(layout.parts)),
        layouts=layouts,
        record=RedisLayoutRecord(redis.home),
        leaving=_leaving(projections, layouts, redis),
        clock=SystemClock(),
        settings=settings,
        elsewhere=elsewhere,
        deliveries=deliveries,
    )
    registry.register_value(Sessions, RedisSessions(redis.home, keyspace=HOME))


def register_projector(
    registry: svcs.Registry,
    *,
    log: EventLog,
    lease: Lease,
    stores: Sequence[ProjectionStore],
    clock: Clock,
    routed: Routed | None = None,
    layouts: Layouts = Layouts(live=1),  # noqa: B008 - immutable
    record: LayoutRecord | None = None,
    leaving: Sequence[ProjectionStore] = (),
    settings: Settings | None = None,
    limits: ProcessorLimits | None = None,
    elsewhere: Reading | None = None,
    deliveries: GivenUpDeliveries | None = None,
    now: Callable[[], float] = monotonic,
) -> None:
    """
    Register what feeds all projections, on any adapters.

    :param routed: how events reach the partitions, where there are several.
    :param layouts: of which these are the stores.
    :param record: where it is recorded that it is these; without it, they stay as they are.
    :param leaving: the stores of the layout that is to go.
    :param limits: of each projection, instead of those of the settings.
    :param deliveries: what operators are shown; none, where there is no database of a write side.
    :param elsewhere: reads a long log for generations that are filled, outside of this process.
    :param now: the time in seconds, from any beginning, by which leases are held.
    """
    settings, candidate = settings or Settings.load({}), _candidate(clock)
    leaderships = {each.projection.label: Leadership(_lease_of(each)) for each in stores}
    leading = settings.limits_of(LeadershipLimits)
    election = LeaderElection(lease, candidate, list(leaderships.values()), limits=leading, now=now)
    feeds, mover = _feeds(
        stores,
        leaderships,
        log=log,
        clock=clock,
        routed=routed,
        settings=settings,
        limits=limits,
        elsewhere=elsewhere,
    )
    reconcilers = _reconcilers(feeds, lease=lease, settings=settings, name=candidate.id)
    monitoring = settings.limits_of(MonitoringLimits)
    board_on = partial(
        StatusBoard, lease=lease, reconcilers=reconcilers, clock=clock, limits=monitoring, layouts=layouts
    )
    parked = ParkedEvents(models={each.projection.label: each.model for each in stores}, clock=clock)
    registry.register_value(LeaderElection, election)
    if record:
        by_layout = _by_layout(layouts, stores, leaving)
        changes = _layout_reconciler(record, layouts, by_layout, leaderships, clock=clock, settings=settings)
        registry.register_value(LayoutReconciler, changes)
    if mover:
        registry.register_value(CheckpointMover, mover)
    registry.register_value(Reconcilers, reconcilers, ping=Reconcilers.require_feeding)
    registry.register_value(GivenUpDeliveries, deliveries or MemoryGivenUpDeliveries())
    registry.register_value(EventEffects, EventEffects(stores))
    registry.register_value(LogPages, MemoryLogPages(log))
    _register_monitoring(registry, board_on, log=log, parked=parked, clock=clock, limits=monitoring)


def _reconcilers(feeds: Sequence[Feed], *, lease: Lease, settings: Settings, name: str) -> Reconcilers:
    """:param name: of this projector."""
    wholes = {each.store.projection.whole: each.clock for each in feeds}
    parts = {whole: Parts(whole, clock=clock) for whole, clock in wholes.items()}
    return Reconcilers(
        [
            Reconciler(
                feed,
                compare=Comparer(feed.store, limits=settings.limits_of(ComparisonLimits)).compare,
                lease=lease,
                ids=_generation_name,
                name=name,
                parts=parts[feed.store.projection.whole],
                rebuilds_by_itself=settings.rebuild == "auto",
            )
            for feed in feeds
        ]
    )


def _layout_reconciler(
    record: LayoutRecord,
    layouts: Layouts,
    by_layout: Mapping[int, Sequence[ProjectionStore]],
    leaderships: Mapping[str, Leadership],
    *,
    clock: Clock,
    settings: Settings,
) -> LayoutReconciler:
    """Give what changes layouts; it leads where this projector leads what lies at home in all of them."""
    leader = leaderships[stats.name]

    def tell(trouble: str) -> None:
        for each in leaderships.values():
            each.hold(held=False, trouble=trouble)

    return LayoutReconciler(
        record,
        layouts,
        by_layout,
        leads=lambda: leader.is_held,
        tell=tell,
        clock=clock,
        limits=settings.limits_of(LayoutLimits),
    )


def _leaving(projections: Sequence[Projection], layouts: Layouts, redis: RedisPlaces) -> Sequence[ProjectionStore]:
    parts = layout_of(projections, Partitions(layouts.leaving)).parts if layouts.leaving else ()
    return [redis.store(each, keyspace=keyspace) for keyspace, each in parts if each.name not in AT_HOME]


def _by_layout(
    layouts: Layouts, stores: Sequence[ProjectionStore], leaving: Sequence[ProjectionStore]
) -> Mapping[int, Sequence[ProjectionStore]]:
    """Return the stores of each layout by its number of partitions, without those at home."""
    found = {layouts.leaving or 0: leaving}
    for count in (layouts.live, *layouts.beside):
        own = Partitions(count).keyspaces
        found[count] = [each for each in stores if each.keyspace in own and each.projection.name not in AT_HOME]
    return found


def _feeds(
    stores: Sequence[ProjectionStore],
    leaderships: Mapping[str, Leadership],
    *,
    log: EventLog,
    clock: Clock,
    routed: Routed | None,
    settings: Settings,
    limits: ProcessorLimits | None,
    elsewhere: Reading | None,
) -> tuple[Sequence[Feed], CheckpointMover | None]:
    """Give each store what it is fed from: all share a tap of the log, an order of commits, and readings."""
    idle = (limits or settings.limits_of(ProcessorLimits)).idle
    tap = EventTap(log, idle=idle, limits=settings.limits_of(TapLimits), route=routed and routed.route)
    order = CommitOrder()
    fillers = Fillers(
        stores,
        log,
        elsewhere=elsewhere,
        route=routed and routed.route,
        limits=settings.limits_of(FillingLimits),
        breaker=settings.limits_of(BreakerLimits),
    )
    mover = CheckpointMover(routed.checkpoints, tap=tap, order=order) if routed else None
    feeds = []
    for store in stores:
        is_part = store.projection.concerns is not None
        feeds.append(
            Feed(
                store=store,
                log=log,
                tap=tap,
                order=order,
                leadership=leaderships[store.projection.label],
                filler=fillers.of(store),
                clock=clock,
                limits=limits or limits_of(store.projection, settings),
                mover=mover if is_part else None,
            )
        )
    return feeds, mover


def _register_monitoring(
    registry: svcs.Registry,
    board_on: Callable[..., StatusBoard],
    *,
    log: EventLog,
    parked: ParkedEvents,
    clock: Clock,
    limits: MonitoringLimits,
) -> None:
    """Register what operators see; what reads the status all the time has a session of its own with the log."""
    board, persistent = board_on(log=log), PersistentEventLog(log)
    if TimelineStore not in registry:
        registry.register_value(TimelineStore, MemoryTimelineStore())
    deliveries, store = svcs.Container(registry).get_abstract(GivenUpDeliveries, TimelineStore)
    history = StatusHistory(
        board_on(log=persistent), parked=parked, deliveries=deliveries, hour=LastHour(store), clock=clock, limits=limits
    )
    registry.register_value(Clock, clock)
    registry.register_value(StallDetector, StallDetector(limits=limits), ping=StallDetector.require_moving)
    registry.register_value(Sessions, MemorySessions())
    registry.register_value(StatusBoard, board)
    registry.register_value(ParkedEvents, parked)
    registry.register_value(StatusHistory, history, on_registry_close=persistent.aclose)


def limits_of(projection: Projection, settings: Settings) -> ProcessorLimits:
    """Return the limits of a projection, as the settings change them."""
    limits = settings.limits_of(ProcessorLimits)
    return replace(
        limits,
        interval=limits.interval if projection.name in AT_ONCE else max(limits.interval, SHARED_SECONDS),
        breaker=settings.limits_of(BreakerLimits),
        throttle=settings.limits_of(ThrottleLimits),
    )


@asynccontextmanager
async def reading_on(
    labels: Collection[str], counts: Sequence[Partitions], settings: Settings
) -> AsyncIterator[Reading]:
    """
    Give what fills ranges of these parts of projections in this process, on connections of its own.

    :param counts: of the layouts that are fed, the live one first.
    """
    layout, limits = layout_of(projections_of(settings), *counts), settings.limits_of(FillingLimits)
    redis = RedisPlaces(settings.required("redis_url"))
    parts = [(keyspace, part) for keyspace, part in layout.parts if part.label in labels]
    try:
        yield FoldingReading(
            {part.label: redis.store(part, keyspace=keyspace) for keyspace, part in parts},
            PostgresEventLog.from_settings(settings),
            piece=limits.piece,
            route=layout.route_to(labels),
            breaker=settings.limits_of(BreakerLimits),
        )
    finally:
        await redis.aclose()


def _reading_in_children(layouts: Layouts, settings: Settings) -> Reading:
    counts = ",".join(map(str, (layouts.live, *layouts.beside)))
    niceness = settings.limits_of(FillingLimits).niceness
    return ReadingInChild(("-m", "projector.cli.fill", counts), niceness=niceness)


def _candidate(clock: Clock) -> Candidate:
    since = clock.now().isoformat(timespec="seconds")
    return Candidate(f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}", since)


def _generation_name() -> str:
    return uuid_utils.uuid7().hex


def _lease_of(store: ProjectionStore) -> LeaseName:
    return LeaseName(store.projection.name, store.projection.version, store.keyspace.tag)


async def _answers(lease: Lease) -> None:
    await lease.candidates([LeaseName(stats.name, stats.version)])
