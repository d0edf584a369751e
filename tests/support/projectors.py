"""A projector in memory, running."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count

from projector.adapters.memory import MemoryLease, MemoryReadModel, MemoryStore
from projector.engine import Engine, Feeder, Pace
from projector.ports import Candidate
from projector.progress import Progress, State
from projector.projections.profiles import Profiles
from projector.tenure import Tenure
from shared.event_log import EventLog, MemoryEventLog
from tests.support.folding import held

HASTE = Pace(batch=3, poll=0.005, attest=0.0, recheck=0.005, first_retry=0.001, longest_retry=0.005)


@dataclass
class Surroundings:
    """What a projector stands on; two of them may stand on the same."""

    log: MemoryEventLog = field(default_factory=MemoryEventLog)
    store: MemoryStore = field(default_factory=MemoryStore)
    lease: MemoryLease = field(default_factory=MemoryLease)
    generations: count = field(default_factory=lambda: count(1))

    def content(self):
        return held(self.store.content)


@dataclass
class Projector:
    """One projector's loop, and what it says."""

    engine: Engine
    progress: Progress
    tenure: Tenure


def projector_on(
    around: Surroundings, *, name: str = "one", projection=None, log: EventLog | None = None, pace: Pace = HASTE
) -> Projector:
    projection = projection or Profiles()
    tenure = Tenure(around.lease, Candidate(name, "2026-11-25T08:00:00+00:00"))
    progress = Progress(projection.name)
    feeder = Feeder(
        projection,
        log=log or around.log,
        model=MemoryReadModel(around.store, projection=projection.name),
        tenure=tenure,
        progress=progress,
        ids=lambda: f"g{next(around.generations)}",
        pace=pace,
    )
    return Projector(Engine(feeders=[feeder], tenure=tenure), progress, tenure)


@asynccontextmanager
async def running(projector: Projector) -> AsyncIterator[Projector]:
    """The projector while it runs; it is cancelled at the end, as at a clean stop."""
    task = asyncio.create_task(projector.engine.run())
    try:
        yield projector
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(holds: Callable[[], object], *, seconds: float = 5.0) -> None:
    """Return as soon as something holds."""
    async with asyncio.timeout(seconds):
        while not holds():  # noqa: ASYNC110 - what is waited for has no event that a test could be given
            await asyncio.sleep(0.001)


async def until_state(projector: Projector, state: State) -> None:
    await until(lambda: projector.progress.state is state)
