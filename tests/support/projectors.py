"""A projector of one projection, running."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from uuid import UUID

import httpx
import msgspec
from svcs import Registry

from projector.adapters.memory.inspector import MemoryGenerationInspector
from projector.adapters.memory.leases import MemoryLease
from projector.adapters.memory.read_model import MemoryReadModel
from projector.adapters.memory.store import MemoryStore
from projector.declaring.projection import Projection
from projector.leadership.election import LeaderElection, Leadership
from projector.leadership.limits import LeadershipLimits
from projector.main import projector_app
from projector.monitoring.answers import RebuildStatus
from projector.monitoring.status import replayed
from projector.processing.commit_order import CommitOrder
from projector.processing.limits import ProcessorLimits
from projector.processing.processor import Feed
from projector.processing.progress import ProjectionProgress, ProjectionState
from projector.projections.profiles import profiles
from projector.projections.registry import PROJECTIONS
from projector.rebuilding.comparison import Comparer
from projector.rebuilding.filling.log_filler import FillingLimits, LogFiller
from projector.rebuilding.parts import Parts
from projector.rebuilding.reconciler import Reconciler
from projector.rebuilding.reconcilers import Reconcilers
from projector.services import register_projector
from projector.store.generations import Roster
from projector.store.ports import Candidate, Lease, LeaseName, ProjectionStore, ReadModel
from shared.auth.setup import admit_everyone
from shared.clock import Clock
from shared.event_log import EventLog, MemoryEventLog
from shared.event_log.tap import EventTap
from shared.http.containers import Register
from shared.read_model.positions import Checkpoint, Pointer
from shared.runtime.retry import RetryPolicy
from shared.runtime.tasks import Tasks
from shared.settings import Settings
from tests.support.apps import app_client
from tests.support.clock import SettableClock
from tests.support.folding import at_once, held
from tests.support.histories import DAWN, History
from tests.support.patience import until_here

HASTE = ProcessorLimits(
    batch=3, poll=0.005, rest=1.0, attest=0.0, recheck=0.005, retry=RetryPolicy(first=0.001, longest=0.005), grace=0.0
)

EAGER = LeadershipLimits(renew=0.005)
OBSERVED = Settings.load({"MUSTER_LIMITS": "monitoring.interval=0.01,monitoring.longest_rest=0.01"})
"""What operators are shown is 10 ms old at most."""


@dataclass
class Surroundings:
    """What a projector stands on; two of them may stand on the same."""

    log: MemoryEventLog = field(default_factory=MemoryEventLog)
    store: MemoryStore = field(default_factory=MemoryStore)
    lease: MemoryLease = field(default_factory=MemoryLease)
    clock: SettableClock = field(default_factory=SettableClock)
    history: History = field(default_factory=History)
    generations: count = field(default_factory=lambda: count(1))

    def append(self) -> None:
        """Append what is new in the history, and ring no bell."""
        self.log.append(each for each in self.history.events if each.position >= self.log.next_position)

    def tell(self) -> None:
        """Append what is new in the history, and notify, as the write side does."""
        self.append()
        self.log.notify()

    def erase(self, account: UUID) -> None:
        self.history.erase(account)
        position = self.history.events[-1].position
        self.log.redact(lambda each: each.aggregate_id == account, by=position)
        self.tell()

    def content(self):
        return held(self.store.content)

    @property
    def model(self) -> ReadModel:
        return store_in_memory(self.store, profiles).model

    @property
    def live(self) -> str | None:
        """The generation of profiles that is read."""
        value = self.store.string("muster:{0}:profiles:live")
        return msgspec.json.decode(value, type=Pointer).generation if value else None

    @property
    def roster(self) -> Roster:
        return at_once(self.model.survey()).roster

    @property
    def is_held(self) -> bool:
        return self.roster.building is not None and self.roster.building.held is not None

    def checkpoint(self, generation: str = "g1") -> Checkpoint | None:
        value = self.store.string(f"muster:{{0}}:profiles:{generation}:checkpoint")
        return msgspec.json.decode(value, type=Checkpoint) if value else None

    def reached(self, generation: str = "g1") -> int | None:
        """How far a generation reflects the log; None if it is not there."""
        checkpoint = self.checkpoint(generation)
        return checkpoint and checkpoint.reached

    def keys_of(self, generation: str) -> list[str]:
        return [key for key in self.store.content if f":{generation}:" in key]


@dataclass
class Projector:
    """One projection's loops, and what they say."""

    election: LeaderElection
    reconciler: Reconciler

    @property
    def reconcilers(self) -> Reconcilers:
        return Reconcilers([self.reconciler])

    @property
    def progress(self) -> ProjectionProgress:
        return self.reconciler.progress


def projector_with(
    projection: Projection,
    *,
    store: ProjectionStore,
    log: EventLog,
    lease: Lease | None = None,
    name: str = "one",
    ids: Callable[[], str] = lambda: "g1",
    clock: Clock | None = None,
    limits: ProcessorLimits = HASTE,
    leading: LeadershipLimits = EAGER,
    parts: Parts | None = None,
    rebuilds_by_itself: bool = False,
    **feed: Any,
) -> Projector:
    """:param feed: replaces what a `Feed` has otherwise."""
    candidate, leadership = (
        Candidate(name, "2026-11-25T08:00:00+00:00"),
        Leadership(LeaseName(projection.name, projection.version)),
    )
    lease = lease or MemoryLease()
    fed_by: dict[str, Any] = {
        "tap": EventTap(log, idle=limits.idle),
        "order": CommitOrder(),
        "filler": LogFiller(store, log, limits=FillingLimits(piece=0.0), breaker=limits.breaker),
        "clock": clock or SettableClock(),
    }
    reconciler = Reconciler(
        Feed(store=store, log=log, leadership=leadership, limits=limits, **fed_by | feed),
        compare=Comparer(store).compare,
        lease=lease,
        ids=ids,
        name=name,
        parts=parts,
        rebuilds_by_itself=rebuilds_by_itself,
    )
    return Projector(LeaderElection(lease, candidate, [leadership], limits=leading), reconciler)


def projector_on(around: Surroundings, *, projection: Projection = profiles, **more: Any) -> Projector:
    """One on these surroundings; `more` is what `projector_with` takes, and replaces what it is given otherwise."""
    ids, store = (lambda: f"g{next(around.generations)}"), store_in_memory(around.store, projection)
    given = {"log": around.log, "lease": around.lease, "clock": around.clock, "ids": ids}
    return projector_with(projection, store=store, **given | more)


def with_people(*handles: str) -> Surroundings:
    """Surroundings whose log has people with these handles, registered one after the other."""
    around = Surroundings()
    for handle in handles:
        around.history.register(handle)
    around.append()
    return around


def store_in_memory(store: MemoryStore, projection: Projection) -> ProjectionStore:
    model = MemoryReadModel(store, projection=projection)
    inspector = MemoryGenerationInspector(store, projection=projection.name)
    return ProjectionStore(projection, model, inspector, store.keyspace)


def register_on(
    registry: Registry, around: Surroundings, *, projections: Sequence[Projection] = PROJECTIONS, **more: Any
) -> None:
    """Register a projector for its own API; `more` replaces what it is given otherwise."""
    given = {"log": around.log, "lease": around.lease, "clock": around.clock, "limits": HASTE, "settings": OBSERVED}
    register_projector(registry, stores=[store_in_memory(around.store, each) for each in projections], **given | more)


@asynccontextmanager
async def ops_client(
    around: Surroundings, *, admitting: Register = admit_everyone, **more: Any
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the projector's own API an hour after the first event; it lets everybody in."""
    given = {"clock": SettableClock(DAWN + timedelta(hours=1))} | more
    async with app_client(projector_app, admitting, lambda registry: register_on(registry, around, **given)) as client:
        yield client


def being_rebuilt(*, position: int, target: int = 40, held: str | None = None) -> RebuildStatus:
    """What status says of a rebuild of 40 events that has come to a position, and waits there if there is a reason."""
    return RebuildStatus(
        generation="g2",
        version=1,
        phase="held" if held else "replaying",
        position=position,
        target=target,
        events_per_second=None,
        by="ada",
        since=datetime(2026, 11, 25, tzinfo=UTC),
        held=held,
        comparison=None,
        error=None,
        done=replayed(position, target),
    )


@asynccontextmanager
async def running(projector: Projector, *, until: ProjectionState | None = None) -> AsyncIterator[Projector]:
    """
    The projector while it runs; it is cancelled at the end, as at a clean stop.

    :param until: what state it comes to before anything else happens.
    """
    async with Tasks() as tasks:
        tasks.start(projector.election.run(), name="leader election")
        tasks.start(projector.reconciler.run(), name="reconciler")
        if until:
            await until_state(projector, until)
        yield projector


async def run_until(projector: Projector, state: ProjectionState) -> None:
    """Run a projector until it comes to a state, then stop it."""
    async with running(projector, until=state):
        pass


async def until_state(projector: Projector, state: ProjectionState) -> None:
    await until_here(lambda: projector.progress.state is state)
